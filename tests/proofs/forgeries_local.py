"""Claims of local stability, true and false: where an ellipsoid alone carries the theorem.

With P the identity, q = |x|², which falls along the flow ``inwards`` and the map ``shrunk``.
"""

from __future__ import annotations

from dataclasses import replace

from systems import expression as ex
from systems.expression import Expression
from tests.proofs.forgeries import (
    EYE,
    GUST,
    beyond,
    bowl,
    constants,
    inwards,
    jump,
    pole,
    sheared,
    shrunk,
    square,
    without,
)
from tests.proofs.handmade import Made

LOCAL = "local stability"
LEVELS = {"c1": "2/5", "c2": "2/5", "core": "2/5", "c_q": "1/2"}
WIDE = (("-3/4", "3/4"), ("-3/4", "3/4"))


def at_level(made: Made, level: str) -> Made:
    """The same with c1 = c2 = core at another level."""
    return constants(made, c1=level, c2=level, core=level)


FLOW = Made(LOCAL, "continuous", LEVELS, square, inwards, P=EYE, box=WIDE, grid=16)
MAP = replace(FLOW, time="discrete", field=shrunk)
ASKEW = replace(FLOW, domain=(("-3/4", "2"), ("-1", "5/7")))
GUSTY = replace(FLOW, gusts=GUST)
GUSTY_MAP = replace(MAP, gusts=GUST)
SAFE = replace(FLOW, unsafe=[beyond("3/4"), lambda x: [x[0] - x[1] - "11/10"]])


def moved(x: Expression) -> Expression:
    return square(x - ex.constant(["1/4", 0]))


AWAY = replace(
    FLOW, star=("1/4", "0"), value=moved, box=(("-1/2", "1"), ("-3/4", "3/4")),
    field=lambda x, w: inwards(x - ex.constant(["1/4", 0]), w),
)  # fmt: skip


def bent(x: Expression, w: Expression | None) -> Expression:
    """Clarke's Jacobian at x1 = 0 has slopes from −2 to −1."""
    return inwards(x, w) - ex.stack([ex.relu(x[0]), ex.constant(0)])


def saturated(x: Expression, w: Expression | None) -> Expression:
    """x1' = x1 + sat(−2 x1) with limits ±3/4: on |x1| < 3/8 only a contraction."""
    u = ex.minimum(ex.maximum(-2 * x[0], "-3/4"), "3/4")
    return ex.stack([x[0] + u, -1 * x[1]])


SATURATED = constants(replace(at_level(FLOW, "1/10"), field=saturated), c_q="13/100")
CLOSE = (("-73/200", "73/200"), ("-73/200", "73/200"))
TILTED = replace(
    FLOW, value=bowl, field=sheared, grid=32, P=((0.5, 1.0), (1.0, 4.5)),
    constants={"c1": "1/5", "c2": "1/5", "core": "1/5", "c_q": "1/4"},
    box=(("-1", "1"), ("-1", "1")),
)  # fmt: skip
OTHER_VALUE = replace(FLOW, value=lambda x: ex.maximum(square(x), 3 * x[0] ** 2))

TRUE: dict[str, Made] = {
    "local": FLOW, "local, discrete": MAP, "local, x* not in the middle": ASKEW,
    "local, disturbed": GUSTY, "local, disturbed map": GUSTY_MAP, "local, unsafe sets": SAFE,
    "local, x* not at 0": AWAY, "local, a kink": replace(FLOW, field=bent),
    "local, saturated": replace(SATURATED, box=CLOSE), "local, a shear": TILTED,
    "local, V with a kink": OTHER_VALUE,
    "local, volume": replace(FLOW, at_least=0.9),
}  # fmt: skip


def wells(x: Expression) -> Expression:
    """|x|² near 0, and small again around (0.9, 0.9)."""
    return ex.minimum(square(x), 50 * square(x - ex.constant(["9/10", "9/10"])) + "1/100")


def runaway(x: Expression, w: Expression | None) -> Expression:
    """x' = −x + 2 x³ for each state: flees beyond 1/√2, contracts up to 1/√6 only."""
    return 2 * x**3 - x


def cliff(x: Expression, w: Expression | None) -> Expression:
    """Slopes as of ``inwards`` on both sides of x1 = 1/2, where it leaps."""
    return inwards(x, w) + ex.stack([5 * jump(x[0] - "1/2"), ex.constant(0)])


def torn(x: Expression, w: Expression | None) -> Expression:
    """To the left ever faster, and undefined from x1 = −1/2 on; −log has a falling slope."""
    return inwards(x, w) - ex.stack([ex.log(2 * x[0] + 1), ex.constant(0)])


def rooted(x: Expression, w: Expression | None) -> Expression:
    """1/2 − √(x1 + 1/4) is no Lipschitz function at x1 = −1/4, and none at all beyond."""
    return inwards(x, w) + ex.stack(["1/2" - ex.sqrt(x[0] + "1/4"), ex.constant(0)])


def swirl(x: Expression, w: Expression | None) -> Expression:
    return ex.affine([["-1", "3"], ["-3", "-1"]], x)


# What is false → the claim, and how the message begins.
FALSE: dict[str, tuple[Made, str]] = {
    "c2 above the core": (constants(FLOW, c2="9/20"), "c1, c2 and core"),
    "c2 below the core": (constants(FLOW, c2="3/10"), "c1, c2 and core"),
    "c1 below the core": (constants(FLOW, c1="1/10"), "c1, c2 and core"),
    "c1 above the core": (constants(FLOW, c1="9/20"), "c1, c2 and core"),
    "a core below the other two": (constants(FLOW, core="1/10"), "c1, c2 and core"),
    "the level 0": (at_level(FLOW, "0"), "c1, c2 and core"),
    "a level below 0": (at_level(FLOW, "-1"), "c1, c2 and core"),
    "no core": (replace(without(FLOW, "core"), hints=FLOW), "c1, c2 and core"),
    "no c1": (replace(without(FLOW, "c1"), hints=FLOW), "c1 or c2"),
    "no c_q": (replace(without(FLOW, "c_q"), hints=FLOW), "the ellipsoid does not fit"),
    "mu": (constants(FLOW, mu="1/100"), "mu does not fit"),
    "alpha": (constants(FLOW, alpha="1/100"), "alpha does not fit"),
    "epsilon": (constants(FLOW, epsilon="9/10"), "epsilon does not belong"),
    "the level of the ellipsoid itself": (at_level(FLOW, "1/2"), "core"),
    "a level above it": (at_level(FLOW, "51/100"), "core"),
    "a V that is flatter": (replace(FLOW, value=lambda x: square(x) * "3/5"), "core"),
    "V = 0": (replace(FLOW, value=lambda x: 0 * square(x)), "core"),
    "V with its sign turned": (replace(FLOW, value=lambda x: -1 * square(x)), "core"),
    "a V that is small elsewhere in D": (replace(FLOW, value=wells), "core"),
    "V(x*) is 1e-30": (
        replace(FLOW, value=lambda x: square(x) + f"1/{10**30}"), "equilibrium: V(x*)",
    ),
    "an ellipsoid as large as the domain": (
        replace(constants(FLOW, c_q="1"), box=(("-1", "1"), ("-1", "1"))), "the ellipsoid is not",
    ),
    "an ellipsoid that sticks out of D": (
        replace(FLOW, domain=(("-1", "1"), ("-7/10", "1"))), "the ellipsoid is not",
    ),
    "an ellipsoid that sticks out of D where x* is not in the middle": (
        replace(AWAY, domain=(("-2/5", "3"), ("-1", "1"))), "the ellipsoid is not",
    ),
    "a box beside the ellipsoid": (
        replace(FLOW, box=(("-1/2", "3/4"), ("-3/4", "3/4"))), "contraction: the box",
    ),
    "P indefinite": (replace(FLOW, P=((1.0, 2.0), (2.0, 1.0))), "P is not positive"),
    "P = 0": (replace(FLOW, P=((0.0, 0.0), (0.0, 0.0))), "P is not positive"),
    "R = 0": (replace(FLOW, R=((0.0, 0.0), (0.0, 0.0))), "contraction"),
    "P that is not contracted": (replace(TILTED, P=EYE, value=square), "contraction"),
    "everything flees": (replace(FLOW, field=lambda x, w: -1 * inwards(x, w)), "contraction"),
    "everything flees, discrete": (
        replace(MAP, field=lambda x, w: 4 * shrunk(x, w)), "contraction",
    ),
    "nothing moves": (replace(FLOW, field=lambda x, w: 0 * x), "contraction"),
    "nothing moves, discrete": (replace(MAP, field=lambda x, w: x), "contraction"),
    "a flow taken for a map": (replace(MAP, field=swirl), "contraction"),
    "a map taken for a flow": (replace(FLOW, field=shrunk), "contraction"),
    "it flees near the rim of the ellipsoid": (replace(FLOW, field=runaway), "contraction"),
    "the input is saturated in the ellipsoid": (
        constants(SATURATED, c_q="3/20"), "contraction",
    ),
    "unstable on one side of a kink": (
        replace(FLOW, field=lambda x, w: inwards(x, w) + 3 * ex.relu(x)), "contraction",
    ),
    "a leap": (replace(FLOW, field=cliff, hints=FLOW), "contraction"),
    "a pole": (replace(FLOW, field=pole, hints=FLOW), "equilibrium: F(x*)"),
    "undefined at the rim": (replace(FLOW, field=torn, hints=FLOW), "contraction"),
    "a root at the rim": (replace(FLOW, field=rooted, hints=FLOW), "contraction"),
    "x* is no equilibrium": (
        replace(FLOW, field=lambda x, w: inwards(x, w) + f"1/{10**40}"), "equilibrium: F(x*) = 0",
    ),
    "x* is no equilibrium, discrete": (
        replace(MAP, field=lambda x, w: shrunk(x, w) + f"1/{10**40}"), "equilibrium: F(x*) = x*",
    ),
    "F(x*) depends on w": (
        replace(GUSTY, field=lambda x, w: inwards(x, w) + (w or x)[0] * f"1/{10**30}"),
        "equilibrium: F(x*) = 0",
    ),
    "w reaches 1": (replace(GUSTY, gusts=(("-1/10", "1"),)), "contraction"),
    "w reaches 1 in the map": (replace(GUSTY_MAP, gusts=(("-1/10", "1"),)), "contraction"),
    "unsafe beside {V ≤ c2}, in the ellipsoid": (
        replace(FLOW, unsafe=[beyond("33/50")]), "avoid 1",
    ),
    "unsafe around the origin": (
        replace(FLOW, unsafe=[beyond("3/4"), lambda x: ["1/10000" - square(x)]]), "avoid 2",
    ),
    "more volume than {V ≤ c2}, though the ellipsoid has it": (
        replace(FLOW, at_least=1.3), "volume: the boxes",
    ),
}  # fmt: skip
