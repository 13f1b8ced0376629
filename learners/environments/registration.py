"""gymnasium's names of our environments, and environments of users' own systems."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from learners.environments.tasks import task_for
from systems import zoo
from systems.dynamics import ControlAffineSystem
from systems.errors import InputError
from systems.reader import read_system
from systems.task import Noise, Task

if TYPE_CHECKING:
    from learners.environments.gym import SystemEnvironment

NAMESPACE = "stableproof"


def register() -> list[str]:
    """Make every zoo system known to gymnasium, as ``stableproof/NAME-v0``; returns the names.

    ``gymnasium.make`` takes the options of :func:`learners.environments.task_for`, and ``noise``.
    Registering again changes nothing. Raises InputError where gymnasium is not installed.
    """
    gymnasium = _gymnasium()
    names = []
    for name in zoo.names():
        names.append(f"{NAMESPACE}/{name}-v0")
        if names[-1] not in gymnasium.registry:
            gymnasium.register(
                names[-1],
                entry_point="learners.environments.gym:zoo_environment",
                kwargs={"name": name},
            )
    return names


def make_environment(
    system: ControlAffineSystem | Task | str | Path, *, noise: Noise | None = None, **options: Any
) -> SystemEnvironment:
    """The :class:`learners.environments.gym.SystemEnvironment` of a system, a system file or a
    task; ``options`` are those of :func:`learners.environments.task_for`.

    Raises InputError where gymnasium is not installed, or for what ``task_for`` refuses.
    """
    _gymnasium()
    from learners.environments.gym import SystemEnvironment

    if isinstance(system, Task):
        if options:
            raise InputError(f"a task is complete: it takes no {sorted(options)[0]}")
        return SystemEnvironment(system, noise=noise)
    plant = system if isinstance(system, ControlAffineSystem) else read_system(system)
    return SystemEnvironment(task_for(plant, **options), noise=noise)


def _gymnasium() -> ModuleType:
    try:
        import gymnasium
    except ImportError:
        raise InputError(
            'gymnasium is not installed; install it with: pip install "stableproof[rl]"'
        ) from None
    module: ModuleType = gymnasium
    return module
