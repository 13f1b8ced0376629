"""Whether a system is what it says: its equilibrium is one, its costs are positive.

Exact evaluation comes first; where a value does not fold to a rational (sin(1/2), a square root),
a ball of 256 bits decides. A ball around 0 of radius below 1e−30 is accepted here: that the
equilibrium is *exactly* one is proved elsewhere.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from fractions import Fraction

import numpy as np
from flint import arb
from numpy.typing import NDArray

from systems import expression as ex
from systems.constants import is_zero_or_tiny, rational_or_ball, shown
from systems.differentiate import gradient
from systems.dynamics import ControlAffineSystem
from systems.errors import InputError
from systems.evaluate import function
from systems.expression import Expression, Op
from systems.quadratic import is_positive_definite, is_symmetric
from systems.words import TooLongError, formula

Where = Callable[[str, str], str]
"""(table, key) → the place to name in a message, such as "motor.toml:14: [domain] theta"."""


def equilibrium_values(system: ControlAffineSystem) -> list[Fraction | arb]:
    """f(x*) + g(x*) u*, entry by entry: rationals where they fold, else balls.

    In discrete time, f(x*) + g(x*) u* − x*; of a sampled system, the rate of its ODE, at whose
    equilibria the step rests too. Disturbances are at the centre of their ranges.
    """
    return [rational_or_ball(entry) for entry in _change_at_equilibrium(system.nominal())]


def rests_under_disturbances(system: ControlAffineSystem) -> bool:
    """Whether x* is seen to stay an equilibrium under u* for every w, as in w*x at x* = 0.

    False may also mean that this is not seen; then practical stability can be claimed.
    """
    try:
        values = [ex.rational_values(entry) for entry in _change_at_equilibrium(system)]
    except (ZeroDivisionError, ValueError):
        return False
    return all(v is not None and not any(v) for v in values)


def _change_at_equilibrium(system: ControlAffineSystem) -> list[Expression]:
    """What should vanish for x* to be an equilibrium: scalars of w, or constants."""
    there = {system.state: ex.constant(list(system.equilibrium))}
    entries = []
    for i in range(system.state_dimension):
        entry = ex.substitute(system.drift[i], there)
        for column, u in zip(system.input_columns, system.equilibrium_input, strict=True):
            if u:
                entry = entry + u * ex.substitute(column[i], there)
        if not system.has_rates:
            entry = entry - system.equilibrium[i]
        entries.append(entry)
    return entries


def check_equilibrium(system: ControlAffineSystem, where: Where, *, exactly: bool = True) -> None:
    """Raises InputError, with the values of f(x*, u*), unless x* is an equilibrium under u*.

    Where it need not be one ``exactly``, as of a set point, the dynamics have to be defined there.

    Disturbances are at the centre of their ranges: an additive one moves the state away from x*,
    and then practical stability is what can be claimed.
    """
    at = f"x* = {_vector(system.equilibrium)}"
    try:
        nominal = system.nominal()
    except (ZeroDivisionError, ValueError):
        raise InputError(
            f"{where('disturbance_range', '')}: the dynamics are not defined where the "
            "disturbances are at the centre of their ranges (a division by zero)"
        ) from None
    _check_defined(nominal, where)
    try:
        values = equilibrium_values(nominal)
    except (ZeroDivisionError, ValueError):
        raise InputError(
            f"{where('equilibrium', '')}: the dynamics are not defined at the equilibrium "
            f"{at} (a division by zero)"
        ) from None
    if not exactly or all(is_zero_or_tiny(v) for v in values):
        return
    if system.input_dimension:
        at += f", u* = {_vector(system.equilibrium_input)}"
    if system.disturbance_range is not None:
        at += f", disturbances {_vector(system.disturbance_range.centre)}"
    change, wanted = "f(x*, u*)", "0"
    if not system.has_rates:
        change, wanted = "f(x*, u*) - x*", "x*"
    place = where("equilibrium", "")
    in_a_file = ", or give them in a table [set_point] instead where they are approximate"
    raise InputError(
        f"{place}: not an equilibrium: {change} = "
        f"({', '.join(shown(v) for v in values)}) at {at}; choose x* and u* with "
        f"f(x*, u*) = {wanted}{in_a_file if '[' in place else ''}"
    )


def _check_defined(system: ControlAffineSystem, where: Where) -> None:
    """Raises InputError that names the part of the dynamics that is undefined at x*."""
    names = _state_names(system)
    for i, state in enumerate(names):
        rows = [system.drift[i], *(c[i] for c in system.input_columns)]
        for node in ex.topological(rows):
            if node.op in _UNDEFINED_AT:
                for k in range(node.size):
                    trouble = _undefined(system, node[k])
                    if trouble:
                        raise InputError(f"{where('dynamics', state)}: {trouble}")


_UNDEFINED_AT: dict[Op, Callable[[Fraction | arb], bool]] = {
    Op.LOG: lambda v: bool(v <= 0),
    Op.SQRT: lambda v: bool(v < 0),
    Op.DIV: lambda v: bool(v == 0),
}


def _state_names(system: ControlAffineSystem) -> list[str]:
    return list(system.state_names) or [f"x{i + 1}" for i in range(system.state_dimension)]


def _undefined(system: ControlAffineSystem, node: Expression) -> str:
    """What is wrong with a logarithm, a root or a quotient at the equilibrium; empty if nothing."""
    if node.op not in _UNDEFINED_AT:
        return ""
    argument = node.args[-1]
    try:
        there = {system.state: ex.constant(list(system.equilibrium))}
        value = rational_or_ball(ex.substitute(argument, there))
    except (ZeroDivisionError, ValueError):
        return ""  # the argument itself is at fault
    names = {system.state.name: _state_names(system)}
    try:
        whole, inner = formula(node, names), formula(argument, names)
    except TooLongError:
        whole, inner = f"a {node.op.value}", "its argument"
    if _UNDEFINED_AT[node.op](value):
        return (
            f"{whole} is undefined at the equilibrium, where {inner} = {shown(value)}; choose "
            "another equilibrium or other equations"
        )
    if node.op is Op.SQRT and value == 0:
        points = system.domain.sample(200, np.random.default_rng(0))
        if (function(argument, system.state)(points)[0] < 0).any():
            return (
                f"{whole} is undefined where {inner} < 0, which the domain contains, and has no "
                f"derivative where {inner} = 0, at the equilibrium"
            )
    return ""


def check_input_cost(system: ControlAffineSystem, where: Where) -> None:
    """Raises InputError unless R is symmetric and positive definite (decided exactly)."""
    place = where("cost", "R")
    if not is_symmetric(system.input_cost):
        raise InputError(f"{place}: R is not symmetric; make R[i][j] equal to R[j][i]")
    if not is_positive_definite(system.input_cost):
        raise InputError(f"{place}: R is not positive definite; every input needs a positive cost")


def check_state_cost(system: ControlAffineSystem, where: Where) -> None:
    """Raises InputError unless Q(x*) = 0 and Q is positive away from x*.

    Decided exactly where Q is quadratic; otherwise by its values at sampled points.
    """
    place = where("cost", "Q")
    there = {system.state: ex.constant(list(system.equilibrium))}
    try:
        value = rational_or_ball(ex.substitute(system.state_cost, there))
    except (ZeroDivisionError, ValueError):
        raise InputError(f"{place}: Q is not defined at the equilibrium") from None
    if not is_zero_or_tiny(value):
        raise InputError(
            f"{place}: Q(x*) = {shown(value)} at the equilibrium; it must be 0 there, so write it "
            "with x - x*"
        )
    quadratic = _constant_hessian(system)
    if quadratic is None:
        _check_samples(system, place)
    elif not is_positive_definite(quadratic):
        raise InputError(
            f"{place}: Q is not positive definite; it must be positive for every x other than x*"
        )


def _constant_hessian(system: ControlAffineSystem) -> list[list[Fraction]] | None:
    """The Hessian of a quadratic Q, where it and the slope at x* are plain rationals."""
    there = {system.state: ex.constant(list(system.equilibrium))}
    try:
        slope = gradient(system.state_cost, system.state)
        rows = [gradient(slope[i], system.state) for i in range(system.state_dimension)]
        if any(ex.variables(row) for row in rows):
            return None
        flat = [ex.rational_values(ex.substitute(row, there)) for row in rows]
        first = ex.rational_values(ex.substitute(slope, there))
    except (ValueError, ZeroDivisionError):
        return None
    if first is None or any(first):
        return None
    return None if any(row is None for row in flat) else [row for row in flat if row is not None]


def _check_samples(system: ControlAffineSystem, place: str) -> None:
    points = _sample_points(system)
    values = function(system.state_cost, system.state)(points)[0][:, 0]
    bad = np.flatnonzero(~(values > 0))
    if bad.size:
        i = int(bad[0])
        raise InputError(
            f"{place}: Q = {values[i]:.6g} at x = {_vector(points[i])}; it must be positive in "
            "the whole domain except at the equilibrium"
        )


def _sample_points(system: ControlAffineSystem) -> NDArray[np.float64]:
    """Points of the domain away from x*: random ones, and a lattice of face directions."""
    generator = np.random.default_rng(0)
    n = system.state_dimension
    centre = np.array([float(v) for v in system.equilibrium])
    low, high = system.domain.outer()
    scale = np.minimum(centre - low, high - centre)
    patterns = [np.eye(n), -np.eye(n)]
    for i, j in itertools.combinations(range(min(n, 12)), 2):
        for sign in (1.0, -1.0):
            pair = np.zeros((1, n))
            pair[0, i], pair[0, j] = 1.0, sign
            patterns.extend((pair, -pair))
    directions = np.vstack([*patterns, generator.normal(size=(200, n))])
    directions /= np.abs(directions).max(axis=1, keepdims=True)
    rays = [centre + t * scale * directions for t in (0.9, 0.5, 0.1, 0.01)]
    return np.vstack([*rays, system.domain.sample(1000, generator)])


def _vector(values: Iterable[Fraction | float]) -> str:
    return "(" + ", ".join(f"{float(v):.6g}" for v in values) + ")"
