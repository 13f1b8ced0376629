"""Environments to train in, from the very expressions that a proof speaks of.

``task_for(system)`` says what there is to learn. ``BatchedEnvironment`` runs many episodes of it at
once (with torch), ``SystemEnvironment`` one, for gymnasium.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from learners.environments.registration import make_environment, register
from learners.environments.tasks import task_for
from systems.errors import InputError

if TYPE_CHECKING:
    from learners.environments.batched import BatchedEnvironment, Step
    from learners.environments.gym import SystemEnvironment

__all__ = [
    "BatchedEnvironment",
    "Step",
    "SystemEnvironment",
    "make_environment",
    "register",
    "task_for",
]

_LAZY = {
    "BatchedEnvironment": ("learners.environments.batched", "torch", "train"),
    "Step": ("learners.environments.batched", "torch", "train"),
    "SystemEnvironment": ("learners.environments.gym", "gymnasium", "rl"),
}
"""What needs a library that is an extra: its module, the library, the extra."""


def __getattr__(name: str) -> object:
    """torch and gymnasium are imported only for whoever asks for an environment of theirs."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, library, extra = _LAZY[name]
    try:
        return getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] != library:
            raise
        raise InputError(
            f'{library} is not installed; install it with: pip install "stableproof[{extra}]"'
        ) from None
