"""One period of a task as expressions: next state, costs, margins. Nothing else steps a plant.

The next state is the ``vector_field`` of the sampled system, the very expression that a proof is
about; noise is one more variable, held for the period, that is added to the derivative (to the next
state where the system itself is discrete). Without noise the two are the same floats.
"""

from __future__ import annotations

from dataclasses import dataclass

from systems import expression as ex
from systems.dynamics import ControlAffineSystem
from systems.exact import exact
from systems.expression import Expression
from systems.sampled import sampled, unsampled
from systems.task import Subsystem, Task


@dataclass(frozen=True, eq=False)
class Transition:
    """x⁺ and what goes with it, of the variables in ``inputs``: the state x, the input u, the noise
    (where there is any), the system's disturbance (where it has one), the reference and its input.

    ``costs`` are one for every subsystem, at x and u, not at x⁺; ``margins`` are those of the
    physical limits at x⁺.
    """

    inputs: tuple[Expression, ...]
    next_state: Expression
    costs: tuple[Expression, ...]
    margins: tuple[Expression, ...]


def transition(task: Task, *, noisy: bool) -> Transition:
    """The transition of a task, with a variable for noise where it is ``noisy``."""
    system = task.system
    control = ex.variable("u", system.input_dimension)
    noise = ex.variable("noise", system.state_dimension) if noisy else None
    reference = ex.variable("reference", system.state_dimension)
    held = ex.variable("reference input", system.input_dimension)
    after = next_state(plant(task), control, noise)
    extra = [v for v in (noise, system.disturbance) if v is not None]
    return Transition(
        inputs=(system.state, control, *extra, reference, held),
        next_state=after,
        costs=_costs(task, control, reference, held),
        margins=tuple(ex.substitute(p.margin, {system.state: after}) for p in task.physical),
    )


def plant(task: Task) -> ControlAffineSystem:
    """The discrete system that the task is about, and that a proof would be about."""
    return task.system if task.sampling is None else sampled(task.system, task.sampling)


def next_state(
    system: ControlAffineSystem, control: Expression, noise: Expression | None = None
) -> Expression:
    """x⁺ of a discrete system with the expression ``control`` for u and ``noise`` added: to the
    derivative where it is a sampled one, else to the next state."""
    if noise is None:
        return system.vector_field(control)
    field = unsampled(system).vector_field(control) + noise
    return field if system.sampling is None else system.sampling.next_state(field, system.state)


def parts(task: Task) -> tuple[Subsystem, ...]:
    """The partition; without one, the whole plant is its only part."""
    if task.partition:
        return task.partition
    system = task.system
    whole = tuple(range(system.state_dimension)), tuple(range(system.input_dimension))
    return (Subsystem(system.name, *whole),)


def _costs(
    task: Task, control: Expression, reference: Expression, held: Expression
) -> tuple[Expression, ...]:
    if task.cost == "running":
        return (_running_cost(task, control, reference, held),) * len(parts(task))
    inverse = [1 / exact(v) for v in task.scale]
    error = (task.system.state - reference) * ex.constant(inverse)
    return tuple(ex.total(error[list(p.states)] ** 2) for p in parts(task))


def _running_cost(
    task: Task, control: Expression, reference: Expression, held: Expression
) -> Expression:
    """Q about the reference, plus (u − u_ref)ᵀR(u − u_ref), for a period."""
    system = plant(task)
    Q = system.state_cost
    if task.references is not None:
        shifted = system.state - reference + ex.constant(list(system.equilibrium))
        Q = ex.substitute(Q, {system.state: shifted})
    v = control - held
    return Q + ex.dot(v, ex.affine([list(row) for row in system.input_cost], v))
