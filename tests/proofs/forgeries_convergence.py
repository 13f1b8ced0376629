"""Claims of set-point convergence, true and false: x* need be no equilibrium.

With P the identity, q = |x|². Along ``inwards`` the flow contracts at the rate 2, under ``shrunk``
the map at the rate 11/16; a steady push of 1/100 then moves the equilibrium by about that.
"""

from __future__ import annotations

from dataclasses import replace

from systems import expression as ex
from systems.expression import Expression
from tests.proofs.forgeries import EYE, GUST, beyond, constants, inwards, shrunk, square, without
from tests.proofs.forgeries_local import WIDE, cliff, runaway, swirl
from tests.proofs.handmade import Made

CONVERGENCE = "set-point convergence"
PUSH = ex.constant(["1/100", 0])
LEVELS = {"c1": "1/5000", "c2": "2/5", "core": "2/5", "c_q": "1/2", "alpha": "19/10"}


def pushed(x: Expression, w: Expression | None) -> Expression:
    return inwards(x, w) + PUSH


def pushed_map(x: Expression, w: Expression | None) -> Expression:
    return shrunk(x, w) + PUSH


FLOW = Made(CONVERGENCE, "continuous", LEVELS, square, pushed, P=EYE, box=WIDE, grid=16)
MAP = constants(replace(FLOW, time="discrete", field=pushed_map), alpha="3/5", c1="1/500")
GUSTY = constants(replace(FLOW, gusts=GUST), alpha="17/10")


def blown(x: Expression, w: Expression | None) -> Expression:
    """The disturbance itself pushes, by up to 1/10."""
    assert w is not None
    return inwards(x, None) + ex.stack([w, ex.constant(0)])


BLOWN = constants(replace(FLOW, field=blown, gusts=GUST), c1="1/50")
AWAY = replace(
    FLOW, star=("1/4", "0"), value=lambda x: square(x - ex.constant(["1/4", 0])),
    field=lambda x, w: pushed(x - ex.constant(["1/4", 0]), w),
    box=(("-1/2", "1"), ("-3/4", "3/4")),
)  # fmt: skip
AWAY_MAP = replace(
    MAP, star=("1/4", "0"), value=AWAY.value, box=AWAY.box,
    field=lambda x, w: pushed_map(x - ex.constant(["1/4", 0]), w) + ex.constant(["1/4", 0]),
)  # fmt: skip

TRUE: dict[str, Made] = {
    "a push": FLOW,
    "a push, discrete": MAP,
    "at rest": replace(FLOW, field=inwards),
    "disturbed": GUSTY,
    "the disturbance pushes": BLOWN,
    "x* not at 0": AWAY,
    "x* not at 0, discrete": AWAY_MAP,
    "unsafe sets": replace(FLOW, unsafe=[beyond("3/4"), lambda x: [x[0] - x[1] - "11/10"]]),
    "volume": replace(FLOW, at_least=0.9),
}

FALSE: dict[str, tuple[Made, str]] = {
    "the equilibrium is farther away": (constants(FLOW, c1="1/10000"), "rest"),
    "the equilibrium is farther away, discrete": (constants(MAP, c1="1/1000"), "rest"),
    "the disturbance pushes farther": (constants(BLOWN, c1="1/100"), "rest"),
    "it moves on for good": (
        replace(FLOW, field=lambda x, w: inwards(x, w) + ex.constant(["4/5", 0])), "rest",
    ),
    "the residual of a map taken for that of a flow": (
        replace(AWAY_MAP, time="continuous"), "contraction",
    ),
    "the residual of a flow taken for that of a map": (
        constants(replace(AWAY, time="discrete"), alpha="3/5"), "contraction",
    ),
    "x* of a map forgotten": (
        replace(AWAY_MAP, field=lambda x, w: pushed_map(x - ex.constant(["1/4", 0]), w)), "rest",
    ),
    "a rate that is too fast": (constants(FLOW, alpha="21/10"), "contraction"),
    "a rate that is too fast, discrete": (constants(MAP, alpha="7/10"), "contraction"),
    "the rate 1, discrete": (constants(MAP, alpha="1"), "alpha is not below"),
    "the rate 0": (constants(FLOW, alpha="0"), "alpha is not positive"),
    "a rate below 0": (constants(FLOW, alpha="-1"), "alpha is not positive"),
    "no rate": (replace(without(FLOW, "alpha"), hints=FLOW), "alpha does not fit"),
    "mu": (constants(FLOW, mu="1/100"), "mu does not fit"),
    "epsilon": (constants(FLOW, epsilon="9/10"), "epsilon does not belong"),
    "c1 as large as c_q": (constants(FLOW, c1="1/2"), "c1 is not between"),
    "c1 = 0": (constants(FLOW, c1="0"), "c1 is not between"),
    "c1 below 0": (constants(FLOW, c1="-1"), "c1 is not between"),
    "c2 above the core": (constants(FLOW, c2="9/20"), "c2 and core"),
    "c2 below the core": (constants(FLOW, c2="3/10"), "c2 and core"),
    "no core": (replace(without(FLOW, "core"), hints=FLOW), "c2 and core"),
    "no c_q": (replace(without(FLOW, "c_q"), hints=FLOW), "c1 is not between"),
    "the level 0": (constants(FLOW, c2="0", core="0"), "c2 and core"),
    "a V that is flatter": (replace(FLOW, value=lambda x: square(x) * "3/5"), "core"),
    "V = 0": (replace(FLOW, value=lambda x: 0 * square(x)), "core"),
    "V(x*) is 1e-30": (
        replace(FLOW, value=lambda x: square(x) + f"1/{10**30}"), "equilibrium: V(x*)",
    ),
    "it flees near the rim of the ellipsoid": (replace(FLOW, field=runaway), "contraction"),
    "a leap": (replace(FLOW, field=cliff, hints=FLOW), "contraction"),
    "a flow taken for a map": (replace(MAP, field=swirl), "contraction"),
    "an ellipsoid that sticks out of D": (
        replace(FLOW, domain=(("-1", "1"), ("-7/10", "1"))), "the ellipsoid is not",
    ),
    "a box beside the ellipsoid": (
        replace(FLOW, box=(("-1/2", "3/4"), ("-3/4", "3/4"))), "contraction: the box",
    ),
    "P indefinite": (replace(FLOW, P=((1.0, 2.0), (2.0, 1.0))), "P is not positive"),
    "w reaches 1": (replace(GUSTY, gusts=(("-1/10", "1"),)), "contraction"),
    "unsafe beside {V ≤ c2}, in the ellipsoid": (
        replace(FLOW, unsafe=[beyond("33/50")]), "avoid 1",
    ),
}  # fmt: skip
