"""Claims about systems so simple that the truth is known on paper: true ones, and false ones.

With V = |x|², V̇ = −2V in continuous time and V(F) = 5/16 V in discrete time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from systems import expression as ex
from systems.expression import Expression, Op
from tests.proofs.handmade import Document, Made
from tests.proofs.handmade_trees import packed, unpacked

ASYMPTOTIC, EXPONENTIAL = "asymptotic stability", "exponential stability"
PRACTICAL = "practical stability"
EYE = ((1.0, 0.0), (0.0, 1.0))
Field = Callable[[Expression, Expression | None], Expression]


def square(x: Expression) -> Expression:
    return ex.dot(x, x)


def inwards(x: Expression, w: Expression | None) -> Expression:
    """V̇ = −2V; with a disturbance (−2 + 2w) V."""
    spiral = ex.affine([["-1", "1/2"], ["-1/2", "-1"]], x)
    return spiral if w is None else spiral + w * x


def pushed(x: Expression, w: Expression | None) -> Expression:
    """The disturbance moves the equilibrium."""
    assert w is not None
    return ex.affine([["-1", "1/2"], ["-1/2", "-1"]], x) + ex.stack([w, ex.constant(0)])


def shrunk(x: Expression, w: Expression | None) -> Expression:
    """V(F) = 5/16 V."""
    turned = ex.affine([["1/2", "1/4"], ["-1/4", "1/2"]], x)
    return turned if w is None else turned + w * x


def shifted(x: Expression, w: Expression | None) -> Expression:
    assert w is not None
    return ex.affine([["1/2", "1/4"], ["-1/4", "1/2"]], x) + ex.stack([w, ex.constant(0)])


LEVELS = {"c1": "1/10", "c2": "9/10"}
CORE = LEVELS | {"core": "1/25", "c_q": "1/20"}
GUST = (("-1/10", "1/10"),)


def beyond(bound: str) -> Callable[[Expression], list[Expression]]:
    return lambda x: [x[0] - bound]


FLOW = Made(ASYMPTOTIC, "continuous", CORE | {"mu": "7/100"}, square, inwards, P=EYE)
MAP = Made(ASYMPTOTIC, "discrete", CORE | {"mu": "1/100"}, square, shrunk, P=EYE)
FAST_FLOW = replace(FLOW, theorem=EXPONENTIAL, constants=CORE | {"alpha": "19/10"})
FAST_MAP = replace(MAP, theorem=EXPONENTIAL, constants=CORE | {"alpha": "3/5"})
ENTRY = Made(PRACTICAL, "continuous", LEVELS | {"mu": "1/10"}, square, pushed, gusts=GUST)
MAP_ENTRY = Made(PRACTICAL, "discrete", LEVELS | {"mu": "1/100"}, square, shifted, gusts=GUST)
SAFE = replace(FLOW, unsafe=[beyond("97/100"), lambda x: [x[0] - x[1] - 1, x[0] + x[1] - 1]])
SMALL = replace(ENTRY, constants={**ENTRY.constants, "epsilon": "7/20"})
GUSTY = replace(FLOW, gusts=GUST, constants=CORE | {"mu": "1/20"})
GUSTY_MAP = replace(FAST_MAP, gusts=GUST, constants=CORE | {"alpha": "1/2"})
MEASURED = replace(FLOW, at_least=2.2, grid=16)

SHEAR = (("-1", "4"), ("0", "-1"))
"""Stable, but |x|² grows in some directions: it needs another P."""


def bowl(x: Expression) -> Expression:
    """Lyapunov's function of the shear: V̇ = −|x|² for x'Qx with AᵀQ + QA = −1."""
    return ex.dot(x, ex.affine([["1/2", "1"], ["1", "9/2"]], x))


def sheared(x: Expression, w: Expression | None) -> Expression:
    return ex.affine(SHEAR, x)


SHEARED = replace(
    FLOW, value=bowl, field=sheared, grid=32, P=((0.5, 1.0), (1.0, 4.5)),
    constants={"c1": "1/50", "c2": "1/5", "mu": "1/1000", "core": "1/50", "c_q": "1/40"},
    box=(("-1/2", "1/2"), ("-1/2", "1/2")),
)  # fmt: skip

TRUE: dict[str, Made] = {
    "asymptotic": FLOW, "asymptotic, discrete": MAP, "exponential": FAST_FLOW,
    "exponential, discrete": FAST_MAP, "practical": ENTRY, "practical, discrete": MAP_ENTRY,
    "unsafe sets": SAFE, "small set": SMALL, "disturbed": GUSTY, "disturbed map": GUSTY_MAP,
    "volume": MEASURED, "shear": SHEARED,
}  # fmt: skip


def constants(made: Made, **changes: str) -> Made:
    return replace(made, constants={**made.constants, **changes})


def without(made: Made, *names: str) -> Made:
    return replace(made, constants={k: v for k, v in made.constants.items() if k not in names})


def dish(x: Expression) -> Expression:
    """x'Qx with AᵀQ + QA = −1 for A = [−5/2 3; 0 −1/2], where A + Aᵀ = [−5 3; 3 −1]."""
    return ex.dot(x, ex.affine([["1/5", "1/5"], ["1/5", "11/5"]], x))


def jump(z: Expression) -> Expression:
    return ex.apply(Op.STEP, z)


def hole(x: Expression, w: Expression | None) -> Expression:
    """Inwards but for a disc of radius 1/1000 around (0.61, 0.3)."""
    away = x - ex.constant(["0.61", "0.3"])
    bump = ex.exp(-1000000 * ex.dot(away, away))
    return inwards(x, w) + 3 * bump * x


def slow_origin(x: Expression, w: Expression | None) -> Expression:
    """V̇ = 2V (1/100 − V): decreasing for V > 1/100 only."""
    return (ex.constant("1/100") - ex.dot(x, x)) * x


def kinked(x: Expression, w: Expression | None) -> Expression:
    """Unstable for x1 > 0, near 0 only."""
    return inwards(x, w) + ex.stack([3 * ex.minimum(ex.relu(x[0]), "1/10000"), ex.constant(0)])


def undefined(x: Expression, w: Expression | None) -> Expression:
    """Inwards, but with no value at x1 = 1/2."""
    return inwards(x, w) * ((x[0] - "1/2") / (x[0] - "1/2"))


def pole(x: Expression, w: Expression | None) -> Expression:
    """Inwards where V ≥ c1, but infinite on a circle around 0."""
    return inwards(x, w) + ex.stack(
        [ex.constant(0), ex.constant("1/1000000000") / (square(x) - "1/1000")]
    )


def wells(x: Expression) -> Expression:
    """In one dimension: around 0, around 1.3, and beyond the domain around 4.05."""
    second, third = 20 * (x - "1.3") ** 2 + "1/10", 20 * (x - "4.05") ** 2 + "3/50"
    return ex.minimum(ex.minimum(x**2, second), third)[0]


def leap(x: Expression, w: Expression | None) -> Expression:
    """From the second well to the third, down but out of the domain."""
    ramp = ex.relu(x - "3/4") - ex.relu(x - "11/10")
    return ex.constant("68/7") * ramp + x * "1/2"


LEAP = Made(
    PRACTICAL, "discrete", {"c1": "1/20", "c2": "1/2", "mu": "1/1000"}, wells, leap,
    domain=(("-1", "2"),), star=("0",), grid=64,
)  # fmt: skip


def thrown_out(x: Expression, w: Expression | None) -> Expression:
    """Small in {V > 1/10}, but 3/5 away at 0: {V ≤ c1} is left at every step."""
    bump = ex.exp(-1000 * ex.dot(x, x)) * "3/5"
    return ex.affine([["1/2", "1/4"], ["-1/4", "1/2"]], x) + ex.stack([bump, ex.constant(0)])


def unconditionally(document: Document) -> None:
    """Take the first unsafe set's conditions away, and give the tree reasons that are left."""
    document["statement"]["unsafe"][0]["tape"]["outputs"] = []
    tree = document["evidence"]["avoid 1"]["tree"]
    count = len(unpacked("H", tree["reasons"]))
    tree |= {"reasons": packed("H", [0] * count), "weights": packed("d", [])}


SHORT = f"{2**50 - 1}/{2**52}"


# What is false → the claim, and how the message begins.
DYNAMICS: dict[str, tuple[Made, str]] = {
    "everything flees": (replace(FLOW, field=lambda x, w: -1 * inwards(x, w)), "decrease"),
    "everything flees, discrete": (replace(MAP, field=lambda x, w: 4 * shrunk(x, w)), "decrease"),
    "nothing moves": (replace(FLOW, field=lambda x, w: 0 * x), "decrease"),
    "nothing moves, discrete": (replace(MAP, field=lambda x, w: x), "decrease"),
    "a small hole in the decrease": (replace(FLOW, field=hole), "decrease"),
    "an unstable origin": (
        constants(replace(FLOW, field=slow_origin), mu="1/1000"),
        "contraction",
    ),
    "unstable on one side of a kink": (
        constants(replace(FLOW, field=kinked), mu="1/100"),
        "contraction",
    ),
    "a set-valued field at the origin": (
        replace(FLOW, field=lambda x, w: inwards(x, w) * (2 + jump(x[0])), hints=FLOW),
        "contraction",
    ),
    "x* is no equilibrium": (
        replace(FLOW, field=lambda x, w: inwards(x, w) + "1/100"), "equilibrium: F(x*)",
    ),
    "F(x*) is 1e-40": (
        replace(FLOW, field=lambda x, w: inwards(x, w) + ex.constant(f"1/{10**40}")),
        "equilibrium: F(x*) = 0",
    ),
    "F(x*) is 1e-40 off, discrete": (
        replace(MAP, field=lambda x, w: shrunk(x, w) + ex.constant(f"1/{10**40}")),
        "equilibrium: F(x*) = x*",
    ),
    "F(x*) depends on w": (
        replace(GUSTY, field=lambda x, w: inwards(x, w) + 0 * x + (w or x)[0] * f"1/{10**30}"),
        "equilibrium: F(x*) = 0",
    ),
    "x* is elsewhere": (
        replace(FLOW, star=("1/10", "0"), value=lambda x: square(x - ex.constant(["1/10", 0])),
                box=(("-3/20", "7/20"), ("-1/4", "1/4"))), "equilibrium: F(x*)",
    ),
    "F is undefined on a line": (replace(FLOW, field=undefined), "decrease"),
    "F has a pole in the inner set": (replace(ENTRY, field=pole, gusts=(), grid=16), "defined"),
    "V jumps": (
        replace(ENTRY, value=lambda x: square(x) * (1 + jump(x[0] - "1/2")), hints=ENTRY),
        "decrease",
    ),
    "a step leads out of the domain, downhill": (LEAP, "containment"),
    "a step leads out of the inner set": (
        replace(MAP_ENTRY, field=thrown_out, gusts=(), grid=32), "trap",
    ),
    "w reaches 1": (replace(GUSTY, gusts=(("-1/10", "1"),)), "decrease"),
    "w reaches 1 in the map": (replace(GUSTY_MAP, gusts=(("-1/10", "1"),)), "decrease"),
    "the push is stronger": (replace(ENTRY, gusts=(("-1/2", "1/10"),)), "decrease"),
    "P that is not contracted, as the second disc says alone": (
        replace(
            FLOW, value=dish, grid=16,
            field=lambda x, w: ex.affine([["-5/2", "3"], ["0", "-1/2"]], x),
            constants={"c1": "1/50", "c2": "3/20", "mu": "1/1000", "core": "1/100", "c_q": "3/50"},
        ),
        "contraction",
    ),
    "P that is not contracted": (constants(replace(SHEARED, P=EYE), c_q="2/25"), "contraction"),
}  # fmt: skip

CONSTANTS: dict[str, tuple[Made, str]] = {
    "c2 at the least V on the boundary": (constants(FLOW, c2="1"), "containment"),
    "c2 a little above it": (constants(FLOW, c2="1000000001/1000000000"), "containment"),
    "c2 beyond the domain": (constants(ENTRY, c2="3"), "containment"),
    "mu a little too large": (constants(FLOW, mu="80000001/1000000000"), "decrease"),
    "mu a little too large, discrete": (constants(MAP, mu="27500001/1000000000"), "decrease"),
    "alpha a little too large": (constants(FAST_FLOW, alpha="2000000001/1000000000"), "decrease"),
    "alpha too large, discrete": (constants(FAST_MAP, alpha="6875001/10000000"), "decrease"),
    "alpha too large under w": (constants(GUSTY_MAP, alpha="3/5"), "decrease"),
    "epsilon a little too small": (constants(SMALL, epsilon="316/1000"), "small set"),
    "core above the ellipsoid": (constants(FLOW, core="1/20"), "core"),
    "a small c_q": (constants(FLOW, c_q="1/26"), "core"),
    "c1 = c2": (constants(FLOW, c1="9/10"), "the levels"),
    "c1 above c2": (constants(FLOW, c1="91/100"), "the levels"),
    "c1 = 0": (constants(ENTRY, c1="0"), "the levels"),
    "core = 0": (constants(FLOW, core="0"), "the levels"),
    "core below 0": (constants(FLOW, core="-1"), "the levels"),
    "mu = 0": (constants(FLOW, mu="0"), "mu is not positive"),
    "mu below 0": (constants(FLOW, mu="-1/10"), "mu is not positive"),
    "alpha = 0": (constants(FAST_FLOW, alpha="0"), "alpha is not positive"),
    "alpha = 1, discrete": (constants(FAST_MAP, alpha="1"), "alpha is not below 1"),
    "epsilon = 0": (constants(SMALL, epsilon="0"), "epsilon is not positive"),
    "epsilon below 0": (constants(SMALL, epsilon="-1"), "epsilon is not positive"),
    "c_q = 0": (constants(FLOW, c_q="0"), "c_q is not positive"),
    "no mu": (without(FLOW, "mu"), "mu does not fit"),
    "mu and alpha": (constants(FLOW, alpha="1"), "alpha does not fit"),
    "alpha and mu": (constants(FAST_FLOW, mu="1/100"), "mu does not fit"),
    "practical with a core": (constants(ENTRY, core="1/20"), "the ellipsoid does not fit"),
    "P indefinite": (replace(FLOW, P=((1.0, 2.0), (2.0, 1.0))), "P is not positive"),
    "P negative": (replace(FLOW, P=((-1.0, 0.0), (0.0, -1.0))), "P is not positive"),
    "P singular": (replace(FLOW, P=((1.0, 1.0), (1.0, 1.0))), "P is not positive"),
    "P = 0": (replace(FLOW, P=((0.0, 0.0), (0.0, 0.0))), "P is not positive"),
    "P not symmetric": (replace(FLOW, P=((1.0, 0.5), (-0.5, 1.0))), "P is not symmetric"),
    "R = 0": (replace(FLOW, R=((0.0, 0.0), (0.0, 0.0))), "contraction"),
    "R singular": (replace(FLOW, R=((1.0, 0.0), (0.0, 0.0))), "contraction"),
    "an ellipsoid as large as the domain": (constants(FLOW, c_q="1"), "the ellipsoid is not"),
    "a box a little short of the ellipsoid": (
        replace(constants(FLOW, c_q="1/16"), box=(("-1/4", "1/4"), ("-1/4", SHORT))),
        "contraction: the box",
    ),
    "a box beside the ellipsoid": (
        replace(FLOW, box=(("1/4", "3/4"), ("-1/4", "1/4"))), "contraction: the box",
    ),
    "a box turned inside out": (
        replace(FLOW, box=(("-1/4", "1/4"), ("-1/8", "1/8"))), "contraction: the box",
    ),
    "x* on the boundary": (
        replace(FLOW, domain=(("0", "1"), ("-1", "1"))), "the equilibrium is not inside",
    ),
    "x* outside": (replace(FLOW, star=("2", "0")), "the equilibrium is not inside"),
    "a domain that cuts the region": (
        replace(FLOW, domain=(("-1", "9/10"), ("-1", "1"))), "containment",
    ),
    "V(x*) is 1e-30": (
        replace(FLOW, value=lambda x: square(x) + f"1/{10**30}"), "equilibrium: V(x*)",
    ),
    "V with its sign turned": (replace(ENTRY, value=lambda x: -1 * square(x)), "containment"),
    "V = 0": (replace(ENTRY, value=lambda x: 0 * square(x)), "containment"),
    "V is undefined on a line": (
        replace(ENTRY, value=lambda x: square(x) * (x[0] - "3/4") / (x[0] - "3/4")), "decrease",
    ),
    "unsafe from 0.94 on": (replace(FLOW, unsafe=[beyond("94/100")]), "avoid 1"),
    "unsafe around the origin": (
        replace(FLOW, unsafe=[beyond("97/100"), lambda x: ["1/10000" - square(x)]]), "avoid 2",
    ),
    "unsafe everywhere": (replace(FLOW, unsafe=[lambda x: [square(x)]]), "avoid 1"),
    "an unsafe set of no conditions is all of D": (
        replace(FLOW, unsafe=[beyond("97/100")], edit=unconditionally), "avoid 1",
    ),
    "more volume than a disc has": (replace(MEASURED, at_least=math.pi), "volume: the boxes"),
    "more volume than the domain": (replace(MEASURED, at_least=5.0), "volume: the boxes"),
}  # fmt: skip
