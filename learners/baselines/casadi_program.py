"""A tape as a CasADi expression, so that an optimiser sees the very plant that is proved of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from systems.errors import InputError
from systems.expression import Op
from systems.tape import Instruction, Tape

INSTALL = 'pip install "stableproof[nmpc]"'


def load_casadi() -> Any:
    """The module. Raises InputError with the command that installs it."""
    try:
        import casadi
    except ImportError:
        raise InputError(f"predictive control needs the package casadi: {INSTALL}") from None
    return casadi


def casadi_outputs(tape: Tape, inputs: Sequence[Any]) -> list[Any]:
    """The tape's outputs as CasADi column vectors, of one column vector for each of its inputs."""
    casadi = load_casadi()
    functions = _functions(casadi)
    whole = casadi.vertcat(*inputs)
    registers: dict[int, Any] = {}
    for index, instruction in enumerate(tape.instructions):
        if index in tape.needed:
            args = [registers[k] for k in instruction.args]
            registers[index] = _value(casadi, functions, tape, instruction, whole, args)
    return [registers[o] for o in tape.outputs]


def _value(
    casadi: Any,
    functions: dict[Op, Callable[..., Any]],
    tape: Tape,
    instruction: Instruction,
    whole: Any,
    args: list[Any],
) -> Any:
    constants = [tape.constants[k].values for k in instruction.constants]
    match instruction.op:
        case Op.VARIABLE:
            start = instruction.integers[0]
            return whole[start : start + instruction.size]
        case Op.CONSTANT:
            return casadi.DM(constants[0])
        case Op.PI:
            return casadi.DM(np.pi)
        case Op.AFFINE:
            return casadi.mtimes(casadi.sparsify(casadi.DM(constants[0])), args[0]) + constants[1]
        case Op.POWER:
            return args[0] ** instruction.integers[0]
        case Op.STACK:
            return casadi.vertcat(*args)
        case Op.SLICE:
            return casadi.vertcat(*(args[0][i] for i in instruction.integers))
    return functions[instruction.op](*args)


def _functions(casadi: Any) -> dict[Op, Callable[..., Any]]:
    """Elementwise operations; CasADi broadcasts operands of size 1 as tapes do."""
    return {
        Op.ADD: lambda a, b: a + b,
        Op.SUB: lambda a, b: a - b,
        Op.MUL: lambda a, b: a * b,
        Op.DIV: lambda a, b: a / b,
        Op.MIN: casadi.fmin,
        Op.MAX: casadi.fmax,
        Op.SIN: casadi.sin,
        Op.COS: casadi.cos,
        Op.TAN: casadi.tan,
        Op.EXP: casadi.exp,
        Op.LOG: casadi.log,
        Op.SQRT: casadi.sqrt,
        Op.TANH: casadi.tanh,
        Op.SIGMOID: lambda z: (1 + casadi.tanh(z / 2)) / 2,
        Op.SOFTPLUS: lambda z: casadi.fmax(z, 0) + casadi.log1p(casadi.exp(-casadi.fabs(z))),
        Op.RELU: lambda z: casadi.fmax(z, 0),
        Op.STEP: lambda z: (casadi.sign(z) + 1) / 2,
    }
