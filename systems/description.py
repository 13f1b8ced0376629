"""A system as written down, and how it becomes one: names, equations, domain, costs, limits."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, TypeGuard

from systems import expression as ex
from systems.affine_split import split_affine
from systems.box import Box
from systems.checks import Where, check_equilibrium, check_input_cost, check_state_cost
from systems.dynamics import ControlAffineSystem, Matrix, Time, UnsafeSet
from systems.errors import InputError
from systems.expression import Expression
from systems.formulas import RESERVED, did_you_mean
from systems.quadratic import diagonal, is_symmetric, quadratic_form
from systems.sampled import Method, Sampling, sampled
from systems.unsafe_sets import check_unsafe, unsafe_set
from systems.values import Value, formula, rational

if TYPE_CHECKING:
    import sympy

Formula = object
"""Text, a number, an :class:`Expression` or a sympy expression."""

Cost = object
"""A number, text, a sequence (the diagonal), or a sequence of rows (the matrix)."""


@dataclass(frozen=True)
class Description:
    """A system as written, before anything is understood.

    ``states``, ``inputs`` and ``disturbances`` map names to units; ``equations`` maps each state to
    the right-hand side of ẋ, or of x⁺ in discrete time, in x, u and w. ``equilibrium`` is 0 where
    it is silent; unless ``at_rest`` it is a set point, near an equilibrium but none exactly.
    ``unsafe`` maps each set to its comparisons. ``symbols`` names sympy's symbols.
    With a ``sample_time`` the system is the sampled one; everything else is said of the ODE.
    """

    name: str
    states: Mapping[str, str]
    inputs: Mapping[str, str]
    equations: Mapping[str, Formula]
    domain: Mapping[str, Sequence[Value]]
    state_cost: Cost
    input_cost: Cost = 1
    parameters: Mapping[str, Value] = field(default_factory=dict)
    parameter_units: Mapping[str, str] = field(default_factory=dict)
    equilibrium: Mapping[str, Value] = field(default_factory=dict)
    at_rest: bool = True
    input_limits: Mapping[str, Sequence[Value]] = field(default_factory=dict)
    description: str = ""
    time: Time = "continuous"
    disturbances: Mapping[str, str] = field(default_factory=dict)
    disturbance_range: Mapping[str, Sequence[Value]] = field(default_factory=dict)
    unsafe: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    symbols: Mapping[str, sympy.Expr] = field(default_factory=dict)
    sample_time: Value | None = None
    sample_method: Method = "rk4"
    substeps: int = 1


def build_system(described: Description, where: Where) -> ControlAffineSystem:
    """The system that a description denotes, with every check made.

    Raises InputError, whose message begins with ``where(table, key)``.
    """
    return _Builder(described, where).system()


def check_names(
    states: Iterable[str],
    inputs: Iterable[str],
    disturbances: Iterable[str],
    parameters: Iterable[str],
    where: Where,
) -> None:
    """Raises InputError for a name that is none, is reserved, or is given twice."""
    seen: dict[str, str] = {}
    tables = {
        "states": list(states),
        "inputs": list(inputs),
        "disturbances": list(disturbances),
        "parameters": list(parameters),
    }
    if not tables["states"]:
        raise InputError(f"{where('states', '')}: a system needs at least one state")
    for table, names in tables.items():
        for name in names:
            place = where(table, name)
            if not name.isidentifier():
                raise InputError(
                    f"{place}: {name!r} is not a name; use letters, digits and underscores"
                )
            usual = unicodedata.normalize("NFKC", name)
            if usual != name:  # formulas know a name by its normal form alone
                raise InputError(
                    f"{place}: formulas read {name!r} as {usual!r}; call the quantity {usual} here"
                )
            if keyword.iskeyword(name) or name in RESERVED:
                raise InputError(
                    f"{place}: {name!r} already has a meaning in formulas; write {name}_"
                )
            if name in seen:
                raise InputError(
                    f"{place}: {name!r} is already one of the {seen[name]}; rename one of them"
                )
            seen[name] = table


class _Builder:
    """One description on its way to a system."""

    def __init__(self, described: Description, where: Where) -> None:
        self._described = described
        self._where = where
        check_names(
            described.states, described.inputs, described.disturbances, described.parameters, where
        )
        self._constants: dict[str, Expression] = {}
        for key, value in described.parameters.items():
            place = where("parameters", key)
            _refuse_later_names(key, value, described.parameters, self._constants, place)
            self._constants[key] = formula(value, self._constants, place)
        self._state = ex.variable("x", len(described.states))
        self._input = ex.variable("u", len(described.inputs)) if described.inputs else None
        disturbed = bool(described.disturbances)
        self._disturbance = ex.variable("w", len(described.disturbances)) if disturbed else None
        self._names = dict(self._constants)
        self._names.update((s, self._state[i]) for i, s in enumerate(described.states))
        if self._input is not None:
            self._names.update((s, self._input[j]) for j, s in enumerate(described.inputs))
        if self._disturbance is not None:
            w = self._disturbance
            self._names.update((s, w[i]) for i, s in enumerate(described.disturbances))

    def system(self) -> ControlAffineSystem:
        told, where = self._described, self._where
        at = self._equilibrium()
        x_star, u_star = at[: len(told.states)], at[len(told.states) :]
        drift, columns = self._dynamics()
        domain = self._intervals("domain", "state", told.states, told.domain, x_star)
        limits = None
        if told.input_limits:
            limits = self._intervals(
                "input_limits", "input", told.inputs, told.input_limits, u_star
            )
        system = ControlAffineSystem(
            name=told.name,
            state=self._state,
            drift=drift,
            input_columns=columns,
            domain=domain,
            equilibrium=x_star,
            equilibrium_input=u_star,
            state_cost=self._state_cost(x_star),
            input_cost=self._matrix("R", told.input_cost, len(told.inputs)),
            input_limits=limits,
            state_names=tuple(told.states),
            input_names=tuple(told.inputs),
            state_units=tuple(told.states.values()),
            input_units=tuple(told.inputs.values()),
            description=told.description,
            parameters=self._rational_parameters(),
            parameter_units={k: v for k, v in told.parameter_units.items() if v},
            time=told.time,
            disturbance=self._disturbance,
            disturbance_range=self._disturbance_range(),
            disturbance_names=tuple(told.disturbances),
            disturbance_units=tuple(told.disturbances.values()),
            unsafe=self._unsafe(),
        )
        check_equilibrium(system, where, exactly=told.at_rest)
        check_input_cost(system, where)
        check_state_cost(system, where)
        check_unsafe(system, where)
        return self._sampled(system)

    def _sampled(self, system: ControlAffineSystem) -> ControlAffineSystem:
        told, place = self._described, self._where("sampling", "")
        if told.sample_time is None:
            return system
        if told.time == "discrete":
            raise InputError(
                f"{place}: a discrete system has its steps already; leave the table out, or write "
                "rates in continuous time"
            )
        at = self._where("sampling", "period")
        period = rational(told.sample_time, self._constants, at)
        if period <= 0:
            raise InputError(f"{at}: the period must be positive, not {float(period):g}")
        try:
            return sampled(system, Sampling(period, told.sample_method, told.substeps))
        except InputError as error:
            raise InputError(f"{at}: {error}") from None

    def _rational_parameters(self) -> dict[str, Fraction]:
        values = ((k, ex.rational_values(v)) for k, v in self._constants.items())
        return {k: v[0] for k, v in values if v is not None}

    def _equilibrium(self) -> tuple[Fraction, ...]:
        told, where = self._described, self._where
        known = [*told.states, *told.inputs]
        table = "equilibrium" if told.at_rest else "set_point"
        self._refuse_unknown(table, told.equilibrium, known, "state or input")
        return tuple(
            rational(told.equilibrium.get(k, 0), self._constants, where(table, k)) for k in known
        )

    def _dynamics(self) -> tuple[Expression, tuple[Expression, ...]]:
        told, where = self._described, self._where
        self._refuse_unknown("dynamics", told.equations, told.states, "state")
        rows: list[Expression] = []
        columns: list[list[Expression]] = [[] for _ in told.inputs]
        for state in told.states:
            place = where("dynamics", state)
            if state not in told.equations:
                raise InputError(
                    f"{where('dynamics', '')}: no equation for the state {state!r}; "
                    f'add {state}_{"next" if told.time == "discrete" else "dot"} = "…"'
                )
            whole = formula(told.equations[state], self._names, place, told.symbols)
            try:
                drift, effects = split_affine(whole, self._input)
            except InputError as error:
                raise InputError(f"{place}: {error}") from None
            rows.append(drift)
            for j, column in enumerate(columns):
                column.append(effects.get(j, ex.constant(0)))
        return ex.stack(rows), tuple(ex.stack(c) for c in columns)

    def _intervals(
        self,
        table: str,
        kind: str,
        names: Collection[str],
        intervals: Mapping[str, Sequence[Value]],
        inside: Sequence[Fraction] | None = None,
    ) -> Box:
        self._refuse_unknown(table, intervals, names, kind)
        pairs = []
        points: Sequence[Fraction | None] = [None] * len(names) if inside is None else inside
        for name, point in zip(names, points, strict=True):
            place = self._where(table, name)
            if name not in intervals:
                raise InputError(
                    f"{self._where(table, '')}: nothing for the {kind} {name!r}; "
                    f"add {name} = [lower, upper]"
                )
            ends = intervals[name]
            if isinstance(ends, str) or len(ends) != 2:
                raise InputError(f"{place}: give two ends, [lower, upper]")
            low, high = (rational(end, self._constants, place) for end in ends)
            if not low < high:
                raise InputError(
                    f"{place}: [{float(low):g}, {float(high):g}] is empty; the lower end comes "
                    "first and is smaller"
                )
            if point is not None and not low < point < high:
                raise InputError(
                    f"{place}: the equilibrium {float(point):g} is not inside "
                    f"[{float(low):g}, {float(high):g}]; widen the interval or move the equilibrium"
                )
            pairs.append((low, high))
        return Box.of(pairs)

    def _disturbance_range(self) -> Box | None:
        told = self._described
        if not told.disturbances and not told.disturbance_range:
            return None
        return self._intervals(
            "disturbance_range", "disturbance", told.disturbances, told.disturbance_range
        )

    def _unsafe(self) -> tuple[UnsafeSet, ...]:
        told, where = self._described, self._where
        names = {k: v for k, v in self._names.items() if k in told.states or k in self._constants}
        return tuple(
            unsafe_set(name, comparisons, names, where) for name, comparisons in told.unsafe.items()
        )

    def _state_cost(self, x_star: tuple[Fraction, ...]) -> Expression:
        told, place = self._described, self._where("cost", "Q")
        cost, n = told.state_cost, len(told.states)
        if _is_number(cost) or _is_list(cost):
            matrix = self._matrix("Q", cost, n)
            if not is_symmetric(matrix):
                raise InputError(f"{place}: Q is not symmetric; make Q[i][j] equal to Q[j][i]")
            return quadratic_form(matrix, self._state, x_star)
        others = {*told.inputs, *told.disturbances}
        names = {k: v for k, v in self._names.items() if k not in others}
        return formula(cost, names, place, told.symbols)

    def _matrix(self, key: str, cost: Cost, size: int) -> Matrix:
        place = self._where("cost", key)
        if not _is_list(cost):
            return diagonal([rational(cost, self._constants, place)] * size)
        if len(cost) != size:
            raise InputError(f"{place}: {key} has {len(cost)} rows or entries, {size} are wanted")
        rows = [row for row in cost if _is_list(row)]
        if not rows:
            return diagonal([rational(v, self._constants, place) for v in cost])
        if len(rows) != size or any(len(row) != size for row in rows):
            raise InputError(f"{place}: {key} needs {size} rows of {size} numbers each")
        return tuple(tuple(rational(v, self._constants, place) for v in row) for row in rows)

    def _refuse_unknown(
        self, table: str, given: Iterable[str], known: Iterable[str], kind: str
    ) -> None:
        known = list(known)
        for name in given:
            if name not in known:
                raise InputError(
                    f"{self._where(table, name)}: there is no {kind} {name!r}"
                    f"{did_you_mean(name, known)}"
                )


def _refuse_later_names(
    key: str, value: Value, all_names: Iterable[str], known: Iterable[str], place: str
) -> None:
    """A parameter is a formula of those above it."""
    if not isinstance(value, str):
        return
    used = set(re.findall(r"\b[^\W\d]\w*", value))
    if key in used:
        raise InputError(f"{place}: {key} is defined by itself; give it a value")
    for name in all_names:
        if name in used and name not in known:
            raise InputError(f"{place}: {name} is defined further down; move it up")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | Fraction | Decimal)


def _is_list(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, Sequence) and not isinstance(value, str)
