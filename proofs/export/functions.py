"""The functions that are exported: V, its gradient, the controller, the closed loop, V's change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from certify.stability import StabilityProblem
from systems.differentiate import NotDifferentiableError, gradient
from systems.expression import Expression
from systems.tape import Tape, compile_tape


@dataclass(frozen=True, eq=False)
class Function:
    """One function: ``tape`` has the inputs x and, where it depends on it, w; and one output."""

    name: str
    output: str
    tape: Tape
    words: str


def functions_of(problem: StabilityProblem) -> tuple[list[Function], dict[str, str]]:
    """The functions, and for those that there are not, the reason by name.

    The controller is the one of the closed loop: the actuator's limits are in it.
    """
    system = problem.system
    discrete = problem.is_discrete
    control = problem.candidate.closed_loop(system).control
    limited = " with the actuator's limits" if system.input_limits is not None else ""
    arguments = "x" if system.disturbance is None else "x, w"
    change, formula = ("difference", "V(F) - V") if discrete else ("derivative", "dV/dt")
    loop = f"{'x+' if discrete else 'dx/dt'} = F({arguments}), the closed loop"
    along = f"{formula} along F({arguments})"
    wanted: list[tuple[str, str, str, bool, Callable[[], Expression]]] = [
        ("V", "V", "V(x), the Lyapunov function", False, lambda: problem.value),
        ("gradient", "gradient", "the gradient of V", False, lambda: _gradient(problem)),
        ("closed_loop", "F", loop, True, lambda: problem.field),
        (change, change, along, True, lambda: problem.derivative),
    ]
    if control is not None:
        words = f"u = k(x), the controller{limited}"
        wanted.insert(2, ("controller", "u", words, False, lambda: control))
    found, absent = [], {}
    if control is None:
        absent["controller"] = "the system has no inputs"
    for name, output, words, disturbed, make in wanted:
        try:
            tape = compile_tape([make()], problem.variables if disturbed else [problem.state])
        except NotDifferentiableError as error:
            absent[name] = str(error)
            continue
        found.append(Function(name, output, _renamed(tape), words))
    return found, absent


def _gradient(problem: StabilityProblem) -> Expression:
    return gradient(problem.value, problem.state)


def _renamed(tape: Tape) -> Tape:
    """Variables are called x and w, whatever the system's author called them."""
    sizes = [size for _, size in tape.inputs]
    return replace(tape, inputs=tuple(zip("xw", sizes, strict=False)))
