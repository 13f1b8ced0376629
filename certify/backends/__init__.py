"""The backends, in order of preference: the one place that lists them.

A name may carry a variant after a colon, such as ``lirpa:crown``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from certify.backends.base import Answer, Availability, Backend, Soundness
from certify.backends.dreal import DReal
from certify.backends.lirpa import METHODS, Lirpa
from certify.backends.taylor import Taylor
from certify.backends.z3 import Z3
from systems.formulas import did_you_mean

__all__ = ["Answer", "Availability", "Backend", "Soundness", "backend", "installed", "names"]

_MADE_BY: dict[str, Callable[[], Backend]] = {
    "taylor": Taylor,
    "lirpa": Lirpa,
    "z3": Z3,
    "dreal": DReal,
    **{f"lirpa:{method}": partial(Lirpa, method) for method in METHODS},
}


def names() -> tuple[str, ...]:
    """Every name that :func:`backend` takes."""
    return tuple(_MADE_BY)


def backend(name: str) -> Backend:
    """The backend of that name. Raises ValueError, with the nearest or all, where there is none."""
    if name not in _MADE_BY:
        raise ValueError(f"there is no backend {name[:40]!r}{did_you_mean(name[:40], _MADE_BY)}")
    return _MADE_BY[name]()


def installed() -> tuple[Backend, ...]:
    """The backends that can be used here."""
    return tuple(b for b in map(backend, names()) if b.availability().available)
