"""Checkpoints: a training that is resumed ends, bit for bit, in what it would have ended in.

The state of a training is a tree of dictionaries and lists. Its leaves are tensors and arrays,
which become members of the ``.npz``, and plain JSON data, which goes into the header.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from learners.actor_critic.archive import AnyArray, read_archive, write_archive
from systems import expression as ex
from systems.errors import InputError
from systems.exact import nearest_float
from systems.tape import compile_tape
from systems.task import Task

KIND, VERSION = "stableproof-checkpoint", 1
_ARRAY = "\0array"


def fingerprint(task: Task) -> str:
    """SHA-256 of everything in the task that a training depends on."""
    system = task.system
    held = ex.variable("held input", max(1, system.input_dimension))
    field = system.vector_field(held if system.input_dimension else None)
    tape = compile_tape(
        [field, system.state_cost, *(p.margin for p in task.physical)], [*system.variables, held]
    )
    references = task.references
    facts: dict[str, object] = {
        "tape": tape.digest,
        "time": system.time,
        "sampling": repr(task.sampling),
        "equilibrium": [str(v) for v in (*system.equilibrium, *system.equilibrium_input)],
        "R": system.input_cost_array().tolist(),
        "episode": task.episode_steps,
        "starts": [str(v) for v in (*task.starts.lower, *task.starts.upper)],
        "scales": [list(task.centre), list(task.scale)],
        "actions": [list(task.action_low), list(task.action_high)],
        "cost": task.cost,
        "references": None
        if references is None
        else [references.states.tolist(), references.inputs.tolist()],
        "partition": repr(task.partition),
        "noise": repr(task.noise),
    }
    limits = system.input_limits
    if limits is not None:
        ends = [[nearest_float(v) for v in side] for side in (limits.lower, limits.upper)]
        if ends != facts["actions"]:  # an environment cuts off there as well
            facts["limits"] = [str(v) for v in (*limits.lower, *limits.upper)]
    if system.disturbance_range is not None:
        box = system.disturbance_range
        facts["disturbance"] = [str(v) for v in (*box.lower, *box.upper)]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def save_checkpoint(
    path: Path | str, learner: str, task: Task, settings: Mapping[str, object], state: object
) -> None:
    """Write the ``state`` of a training atomically. Raises InputError where that fails."""
    arrays: dict[str, AnyArray] = {}
    tree = _without_arrays(state, arrays)
    header = {
        "learner": learner,
        "system": task.system.name,
        "fingerprint": fingerprint(task),
        "settings": dict(settings),
        "tree": tree,
    }
    write_archive(Path(path), KIND, VERSION, header, arrays)


def load_checkpoint(
    path: Path | str,
    learner: str,
    task: Task,
    settings: Mapping[str, object],
    *,
    free: Collection[str] = (),
) -> Any:
    """The state that :func:`save_checkpoint` was given, with tensors for its arrays.

    Settings in ``free`` may be others, such as how long a training is. Raises InputError where the
    file is damaged, or of another version, another learner, another system or task, or other
    settings; both are named.
    """
    header, arrays = read_archive(Path(path), KIND, VERSION)
    for what, theirs, ours in (
        ("learner", header.get("learner"), learner),
        ("system", header.get("system"), task.system.name),
    ):
        if theirs != ours:
            raise InputError(
                f"{path}: is a checkpoint of the {what} {theirs}, not of {ours}; give the "
                f"{what} that it was made with, or train anew"
            )
    mine = fingerprint(task)
    if header.get("fingerprint") != mine:
        raise InputError(
            f"{path}: is of another task on {task.system.name} (fingerprint "
            f"{str(header.get('fingerprint'))[:12]}, this one has {mine[:12]}): its equations, "
            "costs, ranges or references differ; give those that it was made with, or train anew"
        )
    _check_settings(path, header.get("settings"), json.loads(json.dumps(dict(settings))), free)
    try:
        return _with_arrays(header["tree"], arrays)
    except (KeyError, TypeError, ValueError, RecursionError):
        raise InputError(f"{path}: is no {KIND} file, or is damaged; make it anew") from None


def _check_settings(
    path: Path | str, theirs: object, ours: dict[str, Any], free: Collection[str]
) -> None:
    if not isinstance(theirs, dict):
        raise InputError(f"{path}: is no {KIND} file, or is damaged; make it anew")
    for name in sorted({*theirs, *ours} - {*free}):
        if theirs.get(name) != ours.get(name):
            raise InputError(
                f"{path}: was trained with {name} = {theirs.get(name)!r}, not {ours.get(name)!r}; "
                "give the same settings, or train anew"
            )


def _without_arrays(node: object, arrays: dict[str, AnyArray]) -> object:
    """The tree with every tensor and array replaced by the number of its member."""
    if isinstance(node, torch.Tensor):
        node = node.detach().numpy()
    if isinstance(node, np.ndarray):
        name = f"a{len(arrays)}"
        arrays[name] = node.copy()
        return {_ARRAY: name}
    if isinstance(node, Mapping):
        return {str(k): _without_arrays(v, arrays) for k, v in node.items()}
    if isinstance(node, list | tuple):
        return [_without_arrays(v, arrays) for v in node]
    return node


def _with_arrays(node: Any, arrays: Mapping[str, AnyArray]) -> Any:
    if isinstance(node, dict):
        if _ARRAY in node:
            return torch.from_numpy(arrays[node[_ARRAY]].copy())
        return {k: _with_arrays(v, arrays) for k, v in node.items()}
    if isinstance(node, list):
        return [_with_arrays(v, arrays) for v in node]
    return node


def module_state(module: torch.nn.Module) -> list[torch.Tensor]:
    """Copies of the weights of a network, in order."""
    return [p.detach().clone() for p in module.parameters()]


@torch.no_grad()
def restore_module(module: torch.nn.Module, state: list[torch.Tensor]) -> None:
    """Back to what :func:`module_state` gave. Raises ValueError where shapes differ."""
    for parameter, kept in zip(module.parameters(), state, strict=True):
        if parameter.shape != kept.shape:
            raise ValueError("weights of another shape")
        parameter.copy_(kept)


def optimizer_state(optimizer: torch.optim.Optimizer) -> list[dict[str, torch.Tensor]]:
    """What an optimiser keeps of every weight, in the order of its weights."""
    return [
        {k: v.clone() for k, v in optimizer.state[p].items()}
        for group in optimizer.param_groups
        for p in group["params"]
    ]


def restore_optimizer(
    optimizer: torch.optim.Optimizer, state: list[dict[str, torch.Tensor]]
) -> None:
    """Back to what :func:`optimizer_state` gave."""
    weights = [p for group in optimizer.param_groups for p in group["params"]]
    for parameter, kept in zip(weights, state, strict=True):
        optimizer.state[parameter] = {k: v.clone() for k, v in kept.items()}
