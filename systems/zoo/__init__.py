"""Benchmark systems by name. Nothing is built before it is asked for.

``zoo.system("pendulum")`` or ``zoo.pendulum()``; ``zoo.names()`` lists them, ``zoo.ENTRIES`` holds
what is known of each (verification constants, V*, an initial gain).
"""

from __future__ import annotations

import difflib

from systems.dynamics import ControlAffineSystem
from systems.errors import InputError
from systems.formulas import did_you_mean
from systems.zoo import bounded, policy_iteration, reactor_task, uncertain
from systems.zoo.bounded import (
    cartpole_bounded,
    double_integrator,
    path_tracking,
    pendulum_bounded,
    quadrotor_2d_bounded,
    van_der_pol,
    van_der_pol_reversed,
)
from systems.zoo.entry import Entry, VerificationConstants
from systems.zoo.policy_iteration import (
    bilinear,
    cartpole,
    lorenz,
    pendulum,
    quadrotor_2d,
    quadrotor_3d,
    synthetic,
)
from systems.zoo.reactor_separator import reactor_separator
from systems.zoo.uncertain import (
    double_integrator_unsafe,
    pendulum_discrete,
    pendulum_disturbed,
    van_der_pol_uncertain,
)

ENTRIES: dict[str, Entry] = {
    e.name: e
    for e in (
        *policy_iteration.ENTRIES,
        *bounded.ENTRIES,
        *uncertain.ENTRIES,
        *reactor_task.ENTRIES,
    )
}

ALIASES = {
    "van-der-pol-reversed": "van-der-pol-reversed-1",
    "pendulum-bounded": "pendulum-bounded-6",
    "path-tracking": "path-tracking-0.84",
    "reactor-separator": "reactor-separator-2",
}
"""Shorter names of one of several variants."""


def names() -> list[str]:
    """The names of all systems."""
    return list(ENTRIES)


def entry(name: str) -> Entry:
    """What is known of one system. Raises InputError for an unknown name."""
    known = ENTRIES.get(ALIASES.get(name, name))
    if known is None and name.startswith("synthetic"):
        raise InputError(f"unknown system {name!r} (there are synthetic-1 to synthetic-12)")
    if known is None:
        raise InputError(f"unknown system {name!r}{did_you_mean(name, _near(name), also=ALIASES)}")
    return known


def _near(name: str) -> list[str]:
    """The names of all systems, the likeliest first; the numbered ones, which say little, last."""

    def order(known: str) -> tuple[bool, float]:
        alike = difflib.SequenceMatcher(None, name.lower(), known).ratio()
        return known.startswith("synthetic"), -alike

    return sorted(ENTRIES, key=order)


def system(name: str) -> ControlAffineSystem:
    """One system, newly built. Raises InputError for an unknown name."""
    return entry(name).build()


__all__ = [
    "ALIASES",
    "ENTRIES",
    "Entry",
    "VerificationConstants",
    "bilinear",
    "cartpole",
    "cartpole_bounded",
    "double_integrator",
    "double_integrator_unsafe",
    "entry",
    "lorenz",
    "names",
    "path_tracking",
    "pendulum",
    "pendulum_bounded",
    "pendulum_discrete",
    "pendulum_disturbed",
    "quadrotor_2d",
    "quadrotor_2d_bounded",
    "quadrotor_3d",
    "reactor_separator",
    "synthetic",
    "system",
    "van_der_pol",
    "van_der_pol_reversed",
    "van_der_pol_uncertain",
]
