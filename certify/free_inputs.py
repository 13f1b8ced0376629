"""Inputs that are to stay away from their limits, as unsafe sets.

An actuator at its limit is an open loop: a claim that rests on the feedback should say that the
feedback is at work. So the states at which the controller asks for (almost) a limit become unsafe
sets of the system, which everything that speaks of unsafe sets understands.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from certify.candidate import Candidate
from systems import expression as ex
from systems.dynamics import ControlAffineSystem, UnsafeSet
from systems.words import input_names

MARGIN = Fraction(1, 1000)
"""An input is at its limit where this share of its range, or less, is left."""


def with_free_inputs(system: ControlAffineSystem, candidate: Candidate) -> ControlAffineSystem:
    """The system with two more unsafe sets for each input: at its lower, at its upper limit.

    The same system where it has no input limits, and where they were added before.
    """
    control, limits = candidate.closed_loop(system).control, system.input_limits
    if control is None or limits is None:
        return system
    known, added = {s.name for s in system.unsafe}, []
    for i, name in enumerate(input_names(system)):
        low, high = limits.lower[i], limits.upper[i]
        near = MARGIN * (high - low)
        for side, room in (
            ("lower", ex.constant(low + near) - control[i]),
            ("upper", control[i] - ex.constant(high - near)),
        ):
            label = f"{name} at its {side} limit"
            if label not in known:
                added.append(UnsafeSet(label, (room,)))
    return replace(system, unsafe=(*system.unsafe, *added))
