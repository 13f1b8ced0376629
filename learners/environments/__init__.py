"""Environments to train in, from the very expressions that a proof speaks of.

``task_for(system)`` says what there is to learn; :class:`BatchedEnvironment` runs many episodes of
it at once (needs torch), :class:`SystemEnvironment` one, for gymnasium.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from learners.environments.tasks import task_for

if TYPE_CHECKING:
    from learners.environments.batched import BatchedEnvironment, Step

__all__ = ["BatchedEnvironment", "Step", "task_for"]

_LAZY = {
    "BatchedEnvironment": "learners.environments.batched",
    "Step": "learners.environments.batched",
}


def __getattr__(name: str) -> object:
    """torch and gymnasium are imported only by whoever asks for an environment of theirs."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_LAZY[name]), name)
