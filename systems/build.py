"""Systems made in Python: equations as text, or as sympy expressions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from systems.checks import Where
from systems.description import Cost, Description, build_system
from systems.dynamics import ControlAffineSystem, Time
from systems.errors import InputError
from systems.values import Value

if TYPE_CHECKING:
    import sympy

T = TypeVar("T")


def system_from_text(
    name: str,
    states: Sequence[str] | Mapping[str, str],
    inputs: Sequence[str] | Mapping[str, str],
    equations: Mapping[str, str] | Sequence[str],
    *,
    domain: Mapping[str, Sequence[Value]] | Sequence[Sequence[Value]],
    Q: Cost = 1,
    R: Cost = 1,
    parameters: Mapping[str, Value] | None = None,
    equilibrium: Mapping[str, Value] | None = None,
    input_limits: Mapping[str, Sequence[Value]] | None = None,
    description: str = "",
    time: Time = "continuous",
    disturbances: Sequence[str] | Mapping[str, str] = (),
    disturbance_range: Mapping[str, Sequence[Value]] | Sequence[Sequence[Value]] = (),
    unsafe: Mapping[str, str | Sequence[str]] | None = None,
) -> ControlAffineSystem:
    """A system ẋ = f(x) + g(x) u from equations as text, for example
    ``{"theta": "omega", "omega": "g/l*sin(theta) + u"}``; in discrete ``time`` these give x⁺.

    ``states`` and ``inputs`` are names, or names with units. ``domain`` holds [lower, upper] for
    each state. Q is text, a number (times the identity), a diagonal or a matrix, and so is R (but
    for text). ``equilibrium`` maps states and inputs to their values, 0 where left out.
    ``disturbances`` are names like the states, with [lower, upper] for each in
    ``disturbance_range``. ``unsafe`` maps a set to its comparisons, such as ``"theta >= 1"``, all
    of which hold in it.
    A float is the binary number that it holds; write "0.15" for 3/20.

    Raises InputError where something does not fit, with one line that says what and where.
    """
    named, acting = _units(states), _units(disturbances)
    described = Description(
        name=name,
        states=named,
        inputs=_units(inputs),
        equations=_by_name(named, equations, f"{name}: equations"),
        domain=_by_name(named, domain, f"{name}: domain"),
        state_cost=Q,
        input_cost=R,
        parameters=parameters or {},
        equilibrium=equilibrium or {},
        input_limits=input_limits or {},
        description=description,
        time=time,
        disturbances=acting,
        disturbance_range=_by_name(acting, disturbance_range, f"{name}: disturbance_range"),
        unsafe=unsafe or {},
    )
    return build_system(described, _python_place(name))


def system_from_sympy(
    name: str,
    states: Sequence[sympy.Expr],
    inputs: Sequence[sympy.Expr],
    dynamics: Sequence[sympy.Expr],
    *,
    domain: Sequence[Sequence[Value]],
    Q: Cost = 1,
    R: Cost = 1,
    parameters: Mapping[sympy.Expr, Value] | None = None,
    equilibrium: Mapping[sympy.Expr, Value] | None = None,
    input_limits: Sequence[Sequence[Value]] | None = None,
    description: str = "",
    time: Time = "continuous",
    disturbances: Sequence[sympy.Expr] = (),
    disturbance_range: Sequence[Sequence[Value]] = (),
    unsafe: Mapping[str, str | Sequence[str]] | None = None,
) -> ControlAffineSystem:
    """A system from sympy: ``dynamics`` are the right-hand sides of ẋ, in the order of ``states``
    (of x⁺ in discrete ``time``).

    States, inputs and disturbances are symbols (or applied functions, as ``dynamicsymbols`` makes
    them). Everything else is as in :func:`system_from_text`; Q may be a sympy expression.
    """
    given = parameters or {}
    every = (*states, *inputs, *disturbances, *given)
    symbols = {_symbol_name(s): s for s in every}
    if len(symbols) != len(every):
        raise InputError(f"{name}: two of the symbols have the same name")
    named = {_symbol_name(s): "" for s in states}
    acting = {_symbol_name(s): "" for s in inputs}
    disturbing = {_symbol_name(s): "" for s in disturbances}
    limits = _by_name(acting, input_limits, f"{name}: input_limits") if input_limits else {}
    described = Description(
        name=name,
        states=named,
        inputs=acting,
        equations=_by_name(named, list(dynamics), f"{name}: dynamics"),
        domain=_by_name(named, domain, f"{name}: domain"),
        state_cost=Q,
        input_cost=R,
        parameters={_symbol_name(s): v for s, v in given.items()},
        equilibrium={_symbol_name(s): v for s, v in (equilibrium or {}).items()},
        input_limits=limits,
        description=description,
        time=time,
        disturbances=disturbing,
        disturbance_range=_by_name(disturbing, disturbance_range, f"{name}: disturbance_range"),
        unsafe=unsafe or {},
        symbols=symbols,
    )
    return build_system(described, _python_place(name))


def _units(names: Sequence[str] | Mapping[str, str]) -> dict[str, str]:
    if isinstance(names, Mapping):
        return dict(names)
    if isinstance(names, str):
        return {names: ""}
    if len(set(names)) != len(names):
        raise InputError(f"two of the names {', '.join(names)} are equal")
    return dict.fromkeys(names, "")


def _by_name(
    names: Mapping[str, str], values: Mapping[str, T] | Sequence[T], what: str
) -> dict[str, T]:
    if isinstance(values, Mapping):
        return dict(values)
    if len(values) != len(names):
        raise InputError(f"{what}: {len(names)} entries are wanted, {len(values)} given")
    return dict(zip(names, values, strict=True))


def _symbol_name(symbol: sympy.Expr) -> str:
    name = getattr(symbol, "name", None)
    return str(name if name else symbol.func.__name__)


def _python_place(name: str) -> Where:
    return lambda table, key: f"{name}: {table} {key}".rstrip()
