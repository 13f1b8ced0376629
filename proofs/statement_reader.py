"""The statement of a certificate from JSON data that nobody vouches for: form, sizes, spelling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from proofs.sampling_note import KEY, SamplingNote, read_sampling_note
from proofs.statement import CONSTANTS
from systems.box import Box
from systems.dynamics import Time
from systems.errors import InputError
from systems.json_data import integer, list_of, object_of, rational, shown, text_of
from systems.tape import Tape
from systems.tape_json import exact_number

MOST_COORDINATES = 100
"""States and disturbances together, inputs, unsafe sets, constraints of one of them."""
MOST_OUTPUTS = 1000
MOST_PARAMETERS = 1000

_STATEMENT = (
    "theorem", "system", "equilibrium", "domain", "closed_loop", "unsafe", "constants", "ellipsoid",
)  # fmt: skip

_ORIGIN = ("core", "c_q")
CONSTANTS_OF: Mapping[str, tuple[str, ...]] = {
    "asymptotic stability": ("c1", "c2", "mu", *_ORIGIN),
    "exponential stability": ("c1", "c2", "alpha", *_ORIGIN),
    "practical stability": ("c1", "c2", "mu"),
    "local stability": ("c1", "c2", *_ORIGIN),
    "set-point convergence": ("c1", "c2", "alpha", *_ORIGIN),
}
"""The constants that each theorem has; epsilon may be added where there is a band, any other is
null."""


@dataclass(frozen=True)
class Quantity:
    """A state, an input or a disturbance."""

    name: str
    unit: str


@dataclass(frozen=True, eq=False)
class Statement:
    """All that a certificate claims, well formed but not judged.

    ``domain`` is D and ``disturbance_range`` W (None without disturbances). ``dynamics`` is the
    tape of φ(x, u, w); the other tapes have the one input x. ``ellipsoid`` is (P, R), (n, n) each.
    """

    theorem: str
    system: str
    time: Time
    states: tuple[Quantity, ...]
    inputs: tuple[Quantity, ...]
    disturbances: tuple[Quantity, ...]
    disturbance_range: Box | None
    equilibrium: tuple[Fraction, ...]
    domain: Box
    value: Tape
    control: Tape | None
    dynamics: Tape
    unsafe: tuple[tuple[str, Tape], ...]
    constants: Mapping[str, Fraction | None]
    ellipsoid: tuple[NDArray[np.float64], NDArray[np.float64]] | None

    @property
    def converges(self) -> bool:
        """Whether everything comes to rest near x*, which itself need be no equilibrium."""
        return self.theorem == "set-point convergence"

    @property
    def has_origin(self) -> bool:
        """Whether there is an ellipsoid around x* on which the flow contracts."""
        return "core" in CONSTANTS_OF[self.theorem]

    @property
    def has_band(self) -> bool:
        """Whether V decreases between two levels; else the ellipsoid alone carries the claim."""
        return _has_band(self.theorem)


def _has_band(theorem: str) -> bool:
    return theorem not in ("local stability", "set-point convergence")


def read_statement(data: object, programs: Mapping[str, Tape]) -> Statement:
    """The statement that ``data`` makes of the programs. Raises InputError with the place."""
    where = "statement"
    table = object_of(data, where, _STATEMENT)
    theorem = table["theorem"]
    if not isinstance(theorem, str) or theorem not in CONSTANTS_OF:
        raise InputError(f"{where}.theorem: unknown theorem {shown(theorem)}")
    keys = ("name", "time", "states", "inputs", "disturbances")
    system = object_of(table["system"], f"{where}.system", keys)
    states = _quantities(system["states"], f"{where}.system.states")
    inputs = _quantities(system["inputs"], f"{where}.system.inputs")
    disturbances, disturbance_range = _disturbances(
        system["disturbances"], f"{where}.system.disturbances"
    )
    n, m, p = len(states), len(inputs), len(disturbances)
    if not 1 <= n + p <= MOST_COORDINATES or not n:
        raise InputError(f"{where}.system.states: 1…{MOST_COORDINATES} coordinates are wanted")
    star = rationals(table["equilibrium"], f"{where}.equilibrium", n)
    domain = box_from(table["domain"], f"{where}.domain", n)
    if not domain.contains_in_interior(star):
        raise InputError(f"{where}.domain: the equilibrium does not lie inside")
    value, control, dynamics = _closed_loop(
        table["closed_loop"], f"{where}.closed_loop", programs, (n, m, p)
    )
    return Statement(
        theorem,
        text_of(system["name"], f"{where}.system.name"),
        _time(system["time"], f"{where}.system.time"),
        states,
        inputs,
        disturbances,
        disturbance_range,
        star,
        domain,
        value,
        control,
        dynamics,
        _unsafe(table["unsafe"], f"{where}.unsafe", programs, n),
        _constants(table["constants"], f"{where}.constants", theorem),
        _ellipsoid(table["ellipsoid"], f"{where}.ellipsoid", theorem, n),
    )


@dataclass(frozen=True, eq=False)
class Annotations:
    """What the author says of the system; ``parameters`` are values with their units."""

    description: str
    parameters: Mapping[str, tuple[Fraction, str]]
    input_limits: Box | None
    equilibrium_input: tuple[Fraction, ...]
    domain: Box
    sampling: SamplingNote | None = None


def read_annotations(data: object, statement: Statement) -> Annotations:
    """The annotations to a statement. Raises InputError with the place."""
    where = "annotations"
    keys = ("description", "parameters", "input_limits", "equilibrium_input", "domain")
    sampled = isinstance(data, dict) and KEY in data
    table = object_of(data, where, (*keys, KEY) if sampled else keys)
    m, limits = len(statement.inputs), table["input_limits"]
    return Annotations(
        text_of(table["description"], f"{where}.description", 10_000),
        _parameters(table["parameters"], f"{where}.parameters"),
        None if limits is None else box_from(limits, f"{where}.input_limits", m),
        rationals(table["equilibrium_input"], f"{where}.equilibrium_input", m),
        box_from(table["domain"], f"{where}.domain", len(statement.states)),
        read_sampling_note(table[KEY], f"{where}.{KEY}") if sampled else None,
    )


def _parameters(data: object, where: str) -> dict[str, tuple[Fraction, str]]:
    if not isinstance(data, dict) or len(data) > MOST_PARAMETERS:
        raise InputError(f"{where}: an object of at most {MOST_PARAMETERS} entries is wanted")
    out = {}
    for name, item in data.items():
        here = f"{where}.{text_of(name, where, 100)}"
        table = object_of(item, here, ("value", "unit"))
        out[name] = rational(table["value"], here), text_of(table["unit"], here)
    return out


def tape_from(data: object, where: str, programs: Mapping[str, Tape]) -> Tape:
    """The tape that a reference means. Raises InputError."""
    table = object_of(data, where, ("program", "outputs"))
    program = programs.get(table["program"]) if isinstance(table["program"], str) else None
    if program is None:
        raise InputError(f"{where}.program: there is no such program")
    registers = list_of(table["outputs"], f"{where}.outputs", MOST_OUTPUTS)
    if not registers:
        raise InputError(f"{where}.outputs: a tape needs an output")
    last = len(program.instructions) - 1
    return program.with_outputs([integer(v, f"{where}.outputs", 0, last) for v in registers])


def box_from(data: object, where: str, dimension: int) -> Box:
    """A box of exact intervals; raises InputError."""
    sides = []
    for i, side in enumerate(list_of(data, where, MOST_COORDINATES)):
        sides.append(rationals(side, f"{where}[{i}]", 2))
    if len(sides) != dimension:
        raise InputError(f"{where}: {len(sides)} intervals, but {dimension} are wanted")
    try:
        box = Box.of(sides)
        box.outer()
    except (ValueError, OverflowError) as error:
        raise InputError(f"{where}: {error}") from None
    return box


def rationals(data: object, where: str, count: int) -> tuple[Fraction, ...]:
    """So many rationals; raises InputError."""
    items = list_of(data, where, MOST_COORDINATES)
    if len(items) != count:
        raise InputError(f"{where}: {len(items)} values, but {count} are wanted")
    return tuple(rational(v, where) for v in items)


def _time(data: object, where: str) -> Time:
    if data == "continuous":
        return "continuous"
    if data == "discrete":
        return "discrete"
    raise InputError(f"{where}: {shown(data)} is neither 'continuous' nor 'discrete'")


def _quantities(data: object, where: str) -> tuple[Quantity, ...]:
    return tuple(
        _quantity(object_of(item, f"{where}[{i}]", ("name", "unit")), f"{where}[{i}]")
        for i, item in enumerate(list_of(data, where, MOST_COORDINATES))
    )


def _quantity(table: Mapping[str, object], where: str) -> Quantity:
    return Quantity(
        text_of(table["name"], f"{where}.name"), text_of(table["unit"], f"{where}.unit")
    )


def _disturbances(data: object, where: str) -> tuple[tuple[Quantity, ...], Box | None]:
    quantities, ranges = [], []
    for i, item in enumerate(list_of(data, where, MOST_COORDINATES)):
        table = object_of(item, f"{where}[{i}]", ("name", "unit", "range"))
        quantities.append(_quantity(table, f"{where}[{i}]"))
        ranges.append(table["range"])
    box = box_from(ranges, f"{where}.range", len(ranges)) if ranges else None
    return tuple(quantities), box


def _closed_loop(
    data: object, where: str, programs: Mapping[str, Tape], counts: tuple[int, int, int]
) -> tuple[Tape, Tape | None, Tape]:
    table = object_of(data, where, ("value", "control", "dynamics"))
    n, m, _ = counts
    control = None
    value = _sized(table["value"], f"{where}.value", programs, (n,), (1,))
    if m or table["control"] is not None:
        control = _sized(table["control"], f"{where}.control", programs, (n,), (m,))
    sizes = tuple(v for v in counts if v)
    return value, control, _sized(table["dynamics"], f"{where}.dynamics", programs, sizes, (n,))


def _sized(
    data: object,
    where: str,
    programs: Mapping[str, Tape],
    inputs: tuple[int, ...],
    outputs: tuple[int, ...],
) -> Tape:
    tape = tape_from(data, where, programs)
    found = tuple(size for _, size in tape.inputs)
    if found != inputs or tape.output_sizes != outputs:
        raise InputError(
            f"{where}: inputs of sizes {_sizes(inputs)} and outputs of sizes {_sizes(outputs)} are "
            f"wanted, not {_sizes(found)} and {_sizes(tape.output_sizes)}"
        )
    return tape


def _sizes(sizes: tuple[int, ...]) -> str:
    return "(" + ", ".join(map(str, sizes[:10])) + (", …)" if len(sizes) > 10 else ")")


def _unsafe(
    data: object, where: str, programs: Mapping[str, Tape], n: int
) -> tuple[tuple[str, Tape], ...]:
    out: list[tuple[str, Tape]] = []
    for i, item in enumerate(list_of(data, where, MOST_COORDINATES)):
        here = f"{where}[{i}]"
        table = object_of(item, here, ("name", "tape"))
        name = text_of(table["name"], f"{here}.name")
        if any(name == earlier for earlier, _ in out):
            raise InputError(f"{here}.name: another unsafe set has this name")
        tape = tape_from(table["tape"], f"{here}.tape", programs)
        count = len(tape.outputs)
        if count > MOST_COORDINATES:
            raise InputError(f"{here}.tape: more than {MOST_COORDINATES} outputs")
        tape = _sized(table["tape"], f"{here}.tape", programs, (n,), (1,) * count)
        out.append((name, tape))
    return tuple(out)


def _constants(data: object, where: str, theorem: str) -> dict[str, Fraction | None]:
    table = object_of(data, where, CONSTANTS)
    wanted = CONSTANTS_OF[theorem]
    optional = ("epsilon",) if _has_band(theorem) else ()
    out: dict[str, Fraction | None] = {}
    for key, value in table.items():
        if value is None and key not in wanted:
            out[key] = None
        elif key in optional or key in wanted:
            out[key] = rational(value, f"{where}.{key}")
        else:
            raise InputError(f"{where}.{key}: the theorem has no such constant; null is wanted")
    return out


def _ellipsoid(
    data: object, where: str, theorem: str, n: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    if data is None and "core" not in CONSTANTS_OF[theorem]:
        return None
    if "core" not in CONSTANTS_OF[theorem]:
        raise InputError(f"{where}: the theorem has no ellipsoid; null is wanted")
    table = object_of(data, where, ("P", "R"))
    matrix = _matrix(table["P"], f"{where}.P", n)
    if not np.array_equal(matrix, matrix.T):
        raise InputError(f"{where}.P: the matrix is not symmetric")
    return matrix, _matrix(table["R"], f"{where}.R", n)


def _matrix(data: object, where: str, n: int) -> NDArray[np.float64]:
    rows = []
    for i, row in enumerate(list_of(data, where, n)):
        entries = [exact_number(v, f"{where}[{i}]") for v in list_of(row, f"{where}[{i}]", n)]
        if len(entries) != n or any(isinstance(v, Fraction) for v in entries):
            raise InputError(f"{where}[{i}]: {n} hexadecimal floats are wanted")
        rows.append([float(v) for v in entries])
    if len(rows) != n:
        raise InputError(f"{where}: {n} rows are wanted")
    return np.array(rows)
