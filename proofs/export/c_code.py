"""From a tape to statements of C99: one array a register, loops over its entries.

Registers that do not depend on the inputs, such as a network's value at the set point, are tables:
nothing is computed twice.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from certify.balls import constant_registers
from systems.exact import ExactArray
from systems.expression import Op
from systems.tape import Instruction, Tape, reachable

HELPERS: Mapping[str, str] = {
    "sp_min": """static double sp_min(double a, double b)
{
    return a != a ? a : b != b ? b : a < b ? a : b;
}
""",
    "sp_max": """static double sp_max(double a, double b)
{
    return a != a ? a : b != b ? b : a > b ? a : b;
}
""",
    "sp_relu": """static double sp_relu(double z)
{
    return z < 0.0 ? 0.0 : z;
}
""",
    "sp_step": """static double sp_step(double z)
{
    return z > 0.0 ? 1.0 : z < 0.0 ? 0.0 : z == 0.0 ? 0.5 : z;
}
""",
    "sp_sigmoid": """static double sp_sigmoid(double z)
{
    double e = exp(-fabs(z));
    return (z >= 0.0 ? 1.0 : e) / (1.0 + e);
}
""",
    "sp_softplus": """static double sp_softplus(double z)
{
    return (z > 0.0 ? z : 0.0) + log1p(exp(-fabs(z)));
}
""",
}
"""Functions that C lacks, in which NaN stays NaN; each is written where it is used."""

_CALLS = {
    Op.SIN: "sin", Op.COS: "cos", Op.TAN: "tan", Op.EXP: "exp", Op.LOG: "log", Op.SQRT: "sqrt",
    Op.TANH: "tanh", Op.SIGMOID: "sp_sigmoid", Op.SOFTPLUS: "sp_softplus", Op.RELU: "sp_relu",
    Op.STEP: "sp_step", Op.MIN: "sp_min", Op.MAX: "sp_max",
}  # fmt: skip
_SIGNS = {Op.ADD: "+", Op.SUB: "-", Op.MUL: "*", Op.DIV: "/"}
_PER_LINE = 4


def helpers_of(tapes: Iterable[Tape]) -> set[str]:
    """The names of the helpers that the tapes call."""
    ops = {tape.instructions[r].op for tape in tapes for r in _computed(tape)}
    return {_CALLS[op] for op in ops if op in _CALLS} & HELPERS.keys()


def tables(tape: Tape, prefix: str) -> str:
    """The tape's constants as tables of exact hexadecimal literals, row by row."""
    computed = _computed(tape)
    used = sorted({c for r in computed for c in tape.instructions[r].constants})
    fixed = _fixed_values(tape)
    return "".join(
        [_table(f"{prefix}{c}", tape.constants[c]) for c in used]
        + [_table(f"{prefix}r{r}", ExactArray.of(v)) for r, v in fixed.items()]
    )


def _fixed_values(tape: Tape) -> dict[int, list[float]]:
    """The registers that are no constants as written, but have one value, which is needed: rounded
    once, from 100 bits. Without those whose value is not that well known, such as a step at 0."""
    asked = {k for r in tape.needed if tape.varying[r] for k in tape.instructions[r].args}
    wanted = [
        r
        for r in sorted(asked | set(tape.outputs))
        if not tape.varying[r] and tape.instructions[r].op is not Op.CONSTANT
    ]
    known = constant_registers(tape, 100) if wanted else {}
    return {
        r: [float(ball.mid()) for ball in known[r]]
        for r in wanted
        if all(ball.is_finite() and ball.rel_accuracy_bits() >= 60 for ball in known[r])
    }


def _computed(tape: Tape) -> list[int]:
    """The registers whose instructions are written: the needed ones, but for what only leads to
    those that have a table."""
    fixed = _fixed_values(tape)
    needed = reachable(tape.outputs, lambda r: () if r in fixed else tape.instructions[r].args)
    return sorted(set(needed) - set(fixed))


def _table(name: str, array: ExactArray) -> str:
    values = [v.hex() for v in array.values.ravel().tolist()]
    lines = [values[i : i + _PER_LINE] for i in range(0, len(values), _PER_LINE)]
    rows = ",\n".join("    " + ", ".join(line) for line in lines)
    shape = " x ".join(map(str, array.shape))
    return f"\n// {shape}\nstatic const double {name}[{len(values)}] = {{\n{rows}\n}};\n"


def function_body(tape: Tape, prefix: str) -> str:
    """Declarations and statements that compute the needed registers from the array x."""
    computed = _computed(tape)
    unused = not any(tape.instructions[r].op is Op.VARIABLE for r in computed)
    first = "    (void)x; // a constant\n" if unused else ""
    fixed = "".join(f"    const double *r{r} = {prefix}r{r};\n" for r in _fixed_values(tape))
    return first + fixed + "".join(_statement(tape, r, prefix) for r in computed)


def _statement(tape: Tape, register: int, prefix: str) -> str:
    i = tape.instructions[register]
    name = f"r{register}"
    match i.op:
        case Op.VARIABLE:
            return f"    const double *{name} = x + {i.integers[0]};\n"
        case Op.CONSTANT:
            return f"    const double *{name} = {prefix}{i.constants[0]};\n"
    declared = f"    double {name}[{i.size}];\n"
    match i.op:
        case Op.PI:
            return f"{declared}    {name}[0] = {math.pi.hex()};\n"
        case Op.AFFINE:
            return declared + _affine(tape, i, name, prefix)
        case Op.STACK:
            return declared + _stack(tape, i, name)
        case Op.SLICE:
            entries = enumerate(i.integers)
            return declared + "".join(
                f"    {name}[{k}] = r{i.args[0]}[{source}];\n" for k, source in entries
            )
    return declared + _loop(i.size, f"{name}[i] = {_formula(tape, i)};")


def _affine(tape: Tape, i: Instruction, name: str, prefix: str) -> str:
    weight, bias = i.constants
    columns = tape.instructions[i.args[0]].size
    return (
        f"    for (int i = 0; i < {i.size}; ++i) {{\n"
        "        double sum = 0.0;\n"
        f"        for (int j = 0; j < {columns}; ++j) {{\n"
        f"            sum += {prefix}{weight}[i * {columns} + j] * r{i.args[0]}[j];\n"
        "        }\n"
        f"        {name}[i] = sum + {prefix}{bias}[i];\n"
        "    }\n"
    )


def _stack(tape: Tape, i: Instruction, name: str) -> str:
    out, at = "", 0
    for k in i.args:
        size = tape.instructions[k].size
        out += _loop(size, f"{name}[{at} + i] = r{k}[i];")
        at += size
    return out


def _loop(size: int, statement: str) -> str:
    return f"    for (int i = 0; i < {size}; ++i) {{\n        {statement}\n    }}\n"


def _formula(tape: Tape, i: Instruction) -> str:
    a = _entries(tape, i)
    if i.op is Op.POWER:
        k = i.integers[0]
        return " * ".join(list(a) * k) if k <= 3 else f"pow({a[0]}, {k}.0)"
    if i.op in _SIGNS:
        return f"{a[0]} {_SIGNS[i.op]} {a[1]}"
    return f"{_CALLS[i.op]}({', '.join(a)})"


def _entries(tape: Tape, i: Instruction) -> Sequence[str]:
    """The operands' entries in a loop over i; an operand of one entry is broadcast."""
    return [f"r{k}[{'0' if tape.instructions[k].size == 1 else 'i'}]" for k in i.args]
