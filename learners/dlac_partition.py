"""Which controller has which states and inputs: ``"theta,omega:u"``, one block a controller.

Blocks are separated by ";". A block is its states, a colon and its inputs. Together they hold every
state and every input of the system once.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from systems.dynamics import ControlAffineSystem
from systems.errors import InputError
from systems.task import Subsystem, Task
from systems.words import input_names, state_names

Partition = tuple[Subsystem, ...]


def partition_from_text(text: str, system: ControlAffineSystem) -> Partition:
    """The subsystems that ``text`` names, in its order.

    Raises InputError, with the names that exist: a block without states or without inputs, a name
    that the system does not have, one that is missing or appears twice.
    """
    states, inputs = state_names(system), input_names(system)
    place = f"partition {text!r} of {system.name}"
    blocks: list[Subsystem] = []
    for number, block in enumerate(text.split(";"), 1):
        if block.count(":") != 1:
            raise InputError(
                f"{place}: block {number} must be states:inputs, such as "
                f"{','.join(states)}:{','.join(inputs)}, not {block.strip()!r}"
            )
        of_states, of_inputs = block.split(":")
        where = f"{place}: block {number}"
        blocks.append(
            Subsystem(
                f"subsystem {number}",
                _indices(of_states, states, "state", where),
                _indices(of_inputs, inputs, "input", where),
            )
        )
    return checked_partition(tuple(blocks), system, place)


def checked_partition(
    partition: Partition, system: ControlAffineSystem, place: str | None = None
) -> Partition:
    """The partition itself, where it has every state and input of the system once.

    Raises InputError; ``place`` begins its message.
    """
    place = place or f"the partition of {system.name}"
    if not partition:
        raise InputError(f"{place} has no subsystems")
    for number, block in enumerate(partition, 1):
        for what, held in (("states", block.states), ("inputs", block.inputs)):
            if not held:
                raise InputError(f"{place}: block {number} has no {what}, a controller needs some")
    _check_cover([b.states for b in partition], state_names(system), "state", place)
    _check_cover([b.inputs for b in partition], input_names(system), "input", place)
    return partition


def one_block(system: ControlAffineSystem) -> Partition:
    """The partition of a centralised controller."""
    n, m = system.state_dimension, system.input_dimension
    if m == 0:
        raise InputError(f"{system.name} has no inputs: there is nothing to be learned")
    return (Subsystem("whole", tuple(range(n)), tuple(range(m))),)


def partition_of(task: Task, text: str | None = None) -> Partition:
    """What ``text`` says, else the task's own partition, else one block."""
    if text is not None:
        return partition_from_text(text, task.system)
    if task.partition:
        return checked_partition(task.partition, task.system)
    return one_block(task.system)


def partition_text(partition: Partition, system: ControlAffineSystem) -> str:
    """The partition as text that :func:`partition_from_text` reads back."""
    states, inputs = state_names(system), input_names(system)
    return ";".join(
        f"{','.join(states[j] for j in b.states)}:{','.join(inputs[j] for j in b.inputs)}"
        for b in partition
    )


def _indices(text: str, names: Sequence[str], kind: str, where: str) -> tuple[int, ...]:
    words = [w.strip() for w in text.split(",") if w.strip()]
    for word in words:
        if word not in names:
            near = difflib.get_close_matches(word, names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names)}"
            raise InputError(f"{where}: there is no {kind} {word!r}; {hint}")
    return tuple(names.index(w) for w in words)


def _check_cover(
    blocks: Sequence[tuple[int, ...]], names: Sequence[str], kind: str, place: str
) -> None:
    held = [j for block in blocks for j in block]
    for j in held:
        if not 0 <= j < len(names):
            raise InputError(f"{place}: there are {len(names)} {kind}s, not one of index {j}")
        if held.count(j) > 1:
            raise InputError(f"{place}: the {kind} {names[j]!r} appears more than once")
    missing = [name for j, name in enumerate(names) if j not in held]
    if missing:
        raise InputError(
            f"{place}: no block has the {kind}{'s' if len(missing) > 1 else ''} "
            f"{', '.join(repr(m) for m in missing)}; each belongs to one"
        )
