"""Two stirred-tank reactors and a flash separator with recycle: A → B → C, nine states.

The plant of Yao, Han and Yin's DLAC (2024): its equations (18) and (19), set points and input
limits (Tables 1 and 2). The paper prints no physical parameters; those below are a public model's
of the same plant. With them the printed states satisfy every mass balance within their rounding,
and the initial state is the steady state of the round inputs (2.9, 1.0, 2.9)·10⁶ kJ/h.

The unit of time is the hour. Mass fractions have no unit, temperatures are in K, heat inputs in
kJ/h. What is neither A nor B is C: xC = 1 − xA − xB.

Exponentials make every steady state irrational. So the ``equilibrium`` of these systems is a *set
point*: decimals that agree with an exact steady state to about 1e-12 (relative), and so does
``equilibrium_input``. The three references are steady states at exactly the printed temperatures,
and round to every printed digit of the mass fractions. The inputs that Table 2 prints with them
are NOT steady there: the temperatures would move by hundreds of K/h.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from systems import expression as ex
from systems.box import Box
from systems.dynamics import ControlAffineSystem
from systems.errors import InputError
from systems.exact import ExactArray
from systems.expression import Expression
from systems.quadratic import diagonal, quadratic_form

NAME = "reactor-separator"
STATES = ("xA1", "xB1", "T1", "xA2", "xB2", "T2", "xA3", "xB3", "T3")
INPUTS = ("Q1", "Q2", "Q3")

_TABLE = {
    "F10": ("5.04", "m^3/h"),  # fresh feed of the first reactor, pure A
    "F20": ("5.04", "m^3/h"),  # and of the second
    "Fr": ("50.4", "m^3/h"),  # recycle
    "Fp": ("0.504", "m^3/h"),  # purge
    "V1": ("1", "m^3"),
    "V2": ("0.5", "m^3"),
    "V3": ("1", "m^3"),
    "T0": ("300", "K"),  # of both feeds
    "k1": ("9.972e6", "1/h"),
    "k2": ("9.36e6", "1/h"),
    "E1": ("5e4", "J/mol"),
    "E2": ("6e4", "J/mol"),
    "Rg": ("8.314", "J/(mol K)"),
    "dH1": ("-240", "kJ/kg"),
    "dH2": ("-280", "kJ/kg"),
    "cp": ("4.2", "kJ/(kg K)"),
    "rho": ("1000", "kg/m^3"),
    "alphaA": ("3.5", ""),  # relative volatilities
    "alphaB": ("1", ""),
    "alphaC": ("0.5", ""),
    "HvapA": ("-70600", "kJ/m^3"),  # negative: evaporation cools the separator
    "HvapB": ("-31400", "kJ/m^3"),
    "HvapC": ("-81360", "kJ/m^3"),
}
PARAMETERS = {name: Fraction(value) for name, (value, _) in _TABLE.items()}
UNITS = {name: unit for name, (_, unit) in _TABLE.items() if unit}

INPUT_LOW = (Fraction(649_600), Fraction(224_000), Fraction(649_600))
INPUT_HIGH = (Fraction(4_872_000), Fraction(1_680_000), Fraction(4_872_000))
"""Table 2, kJ/h: 0.2·1.12 and 1.5·1.12 times the inputs of the initial state."""

DOMAIN = ((0, 1), (0, 1), (300, 700))
"""Of xA, xB and T (in K) in each vessel."""

COST_SCALE = (Fraction(1, 2), Fraction(1, 2), Fraction(20))
"""Deviations are divided by this for the cost: fractions times two, temperatures over 20 K."""

INPUT_WEIGHT = Fraction(1, 100)
"""What an input that is off by half its range costs."""


@dataclass(frozen=True)
class SetPoint:
    """A steady state as decimals: ``states`` in the order of :data:`STATES`, ``inputs`` in kJ/h."""

    states: tuple[Fraction, ...]
    inputs: tuple[Fraction, ...]


def _set_point(states: str, inputs: str) -> SetPoint:
    return SetPoint(*(tuple(Fraction(v) for v in row.split()) for row in (states, inputs)))


SET_POINTS = (
    _set_point(
        "0.176270121221221 0.673128833057894 480.316514509324 "
        "0.196481878846434 0.653589077255779 472.786336197738 "
        "0.065127523016054 0.670305996245781 474.887738890629",
        "2900000 1000000 2900000",
    ),
    _set_point(
        "0.362752235138002 0.596067074275349 451.602 "
        "0.376829453469584 0.581687219845547 442.6132 "
        "0.162262987870729 0.748998222391961 445.0317",
        "2991282.49315110 296091.707051936 3128097.52439135",
    ),
    _set_point(
        "0.206330490367116 0.674825842940541 474.5915 "
        "0.227270362729823 0.654594769830605 464.9403 "
        "0.079447059141562 0.703544370457371 470.74",
        "2521159.31785912 432408.356897123 3833729.10070349",
    ),
    _set_point(
        "0.049643475609264 0.400299863270936 533.1381 "
        "0.068569194473592 0.394264477417027 525.2897 "
        "0.015472221399086 0.285841237814466 531.8112",
        "2329706.04624974 1508657.56411583 4700535.90985993",
    ),
)
"""Table 1: the initial state s0, then the references sref1, sref2 and sref3."""

RESIDUAL = Fraction(1, 10**10)
"""No state of a set point changes faster than this, in its unit per hour."""


def reactor_separator(set_point: int = 2) -> ControlAffineSystem:
    """The plant at one of its set points: 0 is the initial state, 1 to 3 are the references.

    Cost: (deviation/(1/2))² of the mass fractions, (deviation/20 K)² of the temperatures, and a
    hundredth of (deviation/half the range)² of the inputs. The paper states none.
    """
    if set_point not in range(len(SET_POINTS)):
        raise InputError(f"the reactor-separator has the set points 0 to 3, not {set_point}")
    x, at = ex.variable("x", len(STATES)), SET_POINTS[set_point]
    weights = diagonal([1 / s**2 for s in COST_SCALE] * 3)
    half_ranges = [(b - a) / 2 for a, b in zip(INPUT_LOW, INPUT_HIGH, strict=True)]
    which = f"reference {set_point}" if set_point else "the initial state"
    return ControlAffineSystem(
        name=f"{NAME}-{set_point}",
        state=x,
        drift=_drift(x),
        input_columns=_input_columns(),
        domain=Box.of(DOMAIN * 3),
        equilibrium=at.states,
        equilibrium_input=at.inputs,
        state_cost=quadratic_form(weights, x, at.states),
        input_cost=diagonal([INPUT_WEIGHT / h**2 for h in half_ranges]),
        input_limits=Box(INPUT_LOW, INPUT_HIGH),
        state_names=STATES,
        input_names=INPUTS,
        state_units=("", "", "K") * 3,
        input_units=("kJ/h",) * 3,
        description=f"two stirred-tank reactors and a separator, about {which}; time in hours",
        parameters=PARAMETERS,
        parameter_units=UNITS,
    )


_SIGNALS = (*STATES, "yA", "yB", "a1", "a2", "b1", "b2")
"""What the balances are linear in: states, mass fractions above the separator, and the rates (1/h)
at which A (a1, a2) and B (b1, b2) react in the two reactors."""


def _drift(x: Expression) -> Expression:
    """The balances of eq. (18) without heat inputs: an affine map of :data:`_SIGNALS`."""
    p = PARAMETERS
    hot = x[[2, 5]]
    burnt_a = p["k1"] * ex.exp((-p["E1"] / p["Rg"]) / hot) * x[[0, 3]]
    burnt_b = p["k2"] * ex.exp((-p["E2"] / p["Rg"]) / hot) * x[[1, 4]]
    first = p["F10"] + p["Fr"]
    rows = [
        *_reactor("1", p["V1"], p["F10"], p["Fr"], ("yA", "yB", "T3")),
        *_reactor("2", p["V2"], p["F20"], first, ("xA1", "xB1", "T1")),
        *_separator(first + p["F20"]),
    ]
    weight = ExactArray.of([[row.get(name, 0) for name in _SIGNALS] for row in rows])
    bias = ExactArray.of([row.get("", 0) for row in rows])
    return ex.affine(weight, ex.stack([x, _overhead(x), burnt_a, burnt_b]), bias)


def _overhead(x: Expression) -> Expression:
    """Mass fractions (yA, yB) above the separator, eq. (19): αᵢxᵢ₃ over the sum of all three."""
    a, b, c = (PARAMETERS[f"alpha{species}"] for species in "ABC")
    vapour = ex.affine(ExactArray.of([[a, 0], [0, b]]), x[[6, 7]])
    return vapour / ex.affine(ExactArray.of([[a - c, b - c]]), x[[6, 7]], ExactArray.of([c]))


Row = Mapping[str, Fraction]
"""Coefficients of signals; that of "" is the constant term."""


def _reactor(
    number: str, volume: Fraction, feed: Fraction, inflow: Fraction, source: Sequence[str]
) -> list[Row]:
    """d(xA, xB, T)/dt: a feed of pure A, an inflow from ``source``, and two reactions."""
    p = PARAMETERS
    xA, xB, T, a, b = (f"{name}{number}" for name in ("xA", "xB", "T", "a", "b"))
    fresh, carried, one = feed / volume, inflow / volume, Fraction(1)
    gone = -(fresh + carried)
    return [
        {"": fresh, xA: gone, source[0]: carried, a: -one},
        {xB: gone, source[1]: carried, a: one, b: -one},
        {
            "": fresh * p["T0"], T: gone, source[2]: carried,
            a: -p["dH1"] / p["cp"], b: -p["dH2"] / p["cp"],
        },
    ]  # fmt: skip


def _separator(inflow: Fraction) -> list[Row]:
    """d(xA3, xB3, T3)/dt: what leaves at the top is richer in what evaporates, and cools.

    With yC = 1 − yA − yB.
    """
    p = PARAMETERS
    carried, top = inflow / p["V3"], (p["Fr"] + p["Fp"]) / p["V3"]
    A, B, C = (top * p[f"Hvap{s}"] / (p["rho"] * p["cp"]) for s in "ABC")
    return [
        {"xA3": top - carried, "xA2": carried, "yA": -top},
        {"xB3": top - carried, "xB2": carried, "yB": -top},
        {"": C, "T3": -carried, "T2": carried, "yA": A - C, "yB": B - C},
    ]


def _input_columns() -> tuple[Expression, ...]:
    p = PARAMETERS
    columns = []
    for j in range(3):
        column = [Fraction(0)] * len(STATES)
        column[3 * j + 2] = 1 / (p["rho"] * p["cp"] * p[f"V{j + 1}"])
        columns.append(ex.constant(column))
    return tuple(columns)
