"""Programs of random instructions that fit together, some of them made to be expensive."""

from __future__ import annotations

import random
from typing import Any

UNARY = ("sin", "cos", "tan", "exp", "log", "sqrt", "tanh", "sigmoid", "softplus", "relu", "step")
BINARY = ("add", "sub", "mul", "div", "min", "max")
ENTRIES = (
    "0x0.0p+0", "-0x0.0p+0", "0x1.0000000000000p+0", "-0x1.0000000000000p+0", "1/3", "-7/10",
    "0x1.fffffffffffffp+1023", "0x0.0000000000001p-1022", f"1/{3**900}",
)  # fmt: skip

Code = list[dict[str, Any]]


def enemy_program(r: random.Random, inputs: list[Any], size: int) -> dict[str, Any]:
    """A program with these inputs whose last register has this size."""
    code: Code = []
    constants: list[dict[str, Any]] = []
    offset = 0
    for _, width in inputs:
        code.append(entry("variable", width, integers=[offset]))
        offset += width
    constants.append({"shape": [1], "entries": [r.choice(ENTRIES)]})
    code.append(entry("constant", 1, constants=[0]))
    code.append(entry("pi", 1))
    for _ in range(r.choice([1, 4, 12, 40])):
        code.append(_instruction(r, code, constants))
    last = len(code) - 1
    width = code[last]["size"]
    rows = ["0x1.0000000000000p+0" if r.random() < 0.5 else "1/3" for _ in range(size * width)]
    zero = ["0x0.0p+0"] * size
    constants += [{"shape": [size, width], "entries": rows}, {"shape": [size], "entries": zero}]
    code.append(entry("affine", size, [last], [len(constants) - 2, len(constants) - 1]))
    return {"inputs": inputs, "instructions": code, "constants": constants}


def entry(
    op: str,
    size: int,
    args: list[int] | None = None,
    constants: list[int] | None = None,
    integers: list[int] | None = None,
) -> dict[str, Any]:
    """One instruction."""
    return {
        "op": op,
        "size": size,
        "args": args or [],
        "constants": constants or [],
        "integers": integers or [],
    }


def _instruction(r: random.Random, code: Code, constants: list[dict[str, Any]]) -> dict[str, Any]:
    a = r.choice([len(code) - 1, r.randrange(len(code))])
    size = code[a]["size"]
    match r.choice(["unary", "unary", "binary", "binary", "power", "stack", "slice", "affine"]):
        case "unary":
            return entry(r.choice(UNARY), size, [a])
        case "binary":
            alike = [i for i, e in enumerate(code) if e["size"] in (1, size)]
            b = r.choice([a, r.choice(alike)])
            return entry(r.choice(BINARY), size, r.sample([a, b], 2))
        case "power":
            return entry("power", size, [a], integers=[r.choice([2, 3, 10, 1000])])
        case "stack" if size <= 64:
            return entry("stack", 2 * size, [a, a])
        case "affine":
            constants += [
                {"shape": [2, size], "entries": [r.choice(ENTRIES) for _ in range(2 * size)]},
                {"shape": [2], "entries": [r.choice(ENTRIES) for _ in range(2)]},
            ]
            return entry("affine", 2, [a], [len(constants) - 2, len(constants) - 1])
    return entry("slice", 2, [a], integers=[r.randrange(size) for _ in range(2)])


def bomb(kind: str, inputs: list[Any]) -> dict[str, Any]:
    """A short program of size 1 with V(0) = 0 that takes forever if it is simply worked through."""
    constants = [{"shape": [1], "entries": ["3/7"]}]
    code: Code = [entry("variable", inputs[0][1], integers=[0])]
    if kind in ("a number squared again and again", "a number to the power 1000 again and again"):
        code.append(entry("constant", 1, constants=[0]))
        for _ in range(40):
            last = len(code) - 1
            if "squared" in kind:
                code.append(entry("mul", 1, [last, last]))
            else:
                code.append(entry("power", 1, [last], integers=[1000]))
        code.append(entry("sub", 1, [len(code) - 1] * 2))
    elif kind == "a state to the power 1000 again and again":
        code.append(entry("slice", 1, [0], integers=[0]))
        code += [entry("power", 1, [len(code) - 1 + i], integers=[1000]) for i in range(40)]
    else:
        assert kind == "vectors of 65,536 entries, a thousand times"
        code.append(entry("slice", 1, [0], integers=[0]))
        for k in range(16):
            code.append(entry("stack", 2 ** (k + 1), [len(code) - 1] * 2))
        code += [entry("sin", 2**16, [len(code) - 1 + i]) for i in range(1000)]
        code.append(entry("slice", 1, [len(code) - 1], integers=[0]))
    return {"inputs": inputs, "instructions": code, "constants": constants}


BOMBS = (
    "a number squared again and again",
    "a number to the power 1000 again and again",
    "a state to the power 1000 again and again",
    "vectors of 65,536 entries, a thousand times",
)
