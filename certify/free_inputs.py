"""Inputs that are to stay away from their limits, as unsafe sets.

An actuator at its limit is an open loop: a claim that rests on the feedback should say that the
feedback is at work. So the states at which the controller asks for (almost) a limit become unsafe
sets of the system, which everything that speaks of unsafe sets understands.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction

from certify.candidate import Candidate
from systems import expression as ex
from systems.dynamics import ControlAffineSystem, UnsafeSet
from systems.errors import InputError
from systems.tape import compile_tape
from systems.words import input_names

MARGIN = Fraction(1, 1000)
"""An input is at its limit where this share of its range, or less, is left."""


def with_free_inputs(system: ControlAffineSystem, candidate: Candidate) -> ControlAffineSystem:
    """The system with two more unsafe sets for each input: at its lower, at its upper limit.

    The same system where it has no input limits, and where they were added before, for the same
    controller. Raises InputError where another unsafe set has one of these names: what is proved of
    it would be taken for a proof about the input.
    """
    control, limits = candidate.closed_loop(system).control, system.input_limits
    if control is None or limits is None:
        return system
    known, added = {_plain(s.name): s for s in system.unsafe}, []
    for i, labels in enumerate(limit_labels(input_names(system))):
        low, high = limits.lower[i], limits.upper[i]
        near = MARGIN * (high - low)
        rooms = (ex.constant(low + near) - control[i], control[i] - ex.constant(high - near))
        for label, room in zip(labels, rooms, strict=True):
            own = UnsafeSet(label, (room,))
            there = known.get(_plain(label))
            if there is None:
                added.append(own)
            elif _formulas(there, system) != _formulas(own, system):
                raise InputError(
                    f"{system.name}: the unsafe set {there.name!r} is not where this controller "
                    "asks for that limit, though set-point convergence gives this name to that; "
                    "give it another name"
                )
    return replace(system, unsafe=(*system.unsafe, *added))


def without_free_inputs(system: ControlAffineSystem) -> ControlAffineSystem:
    """The system without these sets, so that they can be added for another controller."""
    labels = {_plain(label) for pair in limit_labels(input_names(system)) for label in pair}
    kept = tuple(s for s in system.unsafe if _plain(s.name) not in labels)
    return replace(system, unsafe=kept)


def limit_labels(names: Iterable[str]) -> list[tuple[str, str]]:
    """The names of the two sets of each of the inputs that are called so."""
    return [(f"{name} at its lower limit", f"{name} at its upper limit") for name in names]


def _plain(name: str) -> str:
    """As a certificate spells it."""
    return " ".join(name.split())


def _formulas(unsafe: UnsafeSet, system: ControlAffineSystem) -> str:
    return compile_tape(unsafe.constraints, [system.state]).digest
