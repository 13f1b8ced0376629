"""Unsafe sets as written: comparisons of the states, all of which hold in the set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from systems import expression as ex
from systems.checks import Where
from systems.constants import rational_or_ball
from systems.dynamics import ControlAffineSystem, UnsafeSet
from systems.errors import InputError
from systems.expression import Expression
from systems.parser import parse_comparison

LONGEST_NAME = 60


def unsafe_set(
    name: str, comparisons: str | Sequence[str], names: Mapping[str, Expression], where: Where
) -> UnsafeSet:
    """The set in which all of ``comparisons`` hold; ``names`` are the states and parameters.

    Raises InputError for a name that does not print or has stray spaces, and for what is no
    comparison of states.
    """
    if not name.strip() or not name.isprintable() or len(name) > LONGEST_NAME:
        raise InputError(
            f"{where('unsafe', '')}: {name[:LONGEST_NAME]!r} is no name of a set; use up to "
            f"{LONGEST_NAME} letters, digits and spaces"
        )
    place = where("unsafe", name)
    if name != " ".join(name.split()):
        raise InputError(
            f"{place}: {name!r} has spaces at an end, or several in a row; leave only single ones"
        )
    texts = [comparisons] if isinstance(comparisons, str) else list(comparisons)
    if not texts:
        raise InputError(f'{place}: the set needs a comparison, such as "x1 >= 3/2"')
    constraints = []
    for text in texts:
        constraint = parse_comparison(text, names, where=place)
        if not ex.variables(constraint):
            raise InputError(
                f"{place}: no state stands in {text!r}; compare a state with something"
            )
        constraints.append(constraint)
    return UnsafeSet(name, tuple(constraints))


def check_unsafe(system: ControlAffineSystem, where: Where) -> None:
    """Raises InputError where the equilibrium is in an unsafe set: no start could avoid that."""
    there = {system.state: ex.constant(list(system.equilibrium))}
    for unsafe in system.unsafe:
        try:
            values = [rational_or_ball(ex.substitute(c, there)) for c in unsafe.constraints]
        except (ZeroDivisionError, ValueError):
            continue  # undefined at the equilibrium: what holds of the set is for the proof to say
        if all(v >= 0 for v in values):
            raise InputError(
                f"{where('unsafe', unsafe.name)}: the equilibrium is in this set, so nothing that "
                "converges to it avoids the set; make the set smaller or move the equilibrium"
            )
