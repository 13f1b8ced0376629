"""Changes of the programs of V, k, the dynamics and the unsafe sets, and of their outputs."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from benchmarks.mutators import Mutator, Subject, last_bit, need, number_of, spelled

UNARY = ("sin", "cos", "tan", "exp", "log", "sqrt", "tanh", "sigmoid", "softplus", "relu", "step")
BINARY = ("add", "sub", "mul", "div", "min", "max")

Program = dict[str, Any]


def _program(s: Subject, *, unsafe: bool = False) -> Program:
    """One of the programs: of an unsafe set, or of the closed loop."""
    loop = s.statement["closed_loop"].values()
    tapes = [u["tape"] for u in s.statement["unsafe"]] if unsafe else [t for t in loop if t]
    need(tapes)
    program: Program = s.document["programs"][s.random.choice(tapes)["program"]]
    return program


def _entry(change: Callable[[Subject, Fraction], Fraction], *, unsafe: bool = False,
           weights: bool = False) -> Mutator:  # fmt: skip
    """Change one entry of one constant; ``weights`` asks for an entry of a matrix."""

    def mutate(s: Subject) -> str:
        program = _program(s, unsafe=unsafe)
        arrays = [c for c in program["constants"] if len(c["shape"]) == 2 or not weights]
        need(arrays)
        entries = s.random.choice(arrays)["entries"]
        k = s.random.randrange(len(entries))
        old = number_of(entries[k])
        new = change(s, old)
        entries[k] = spelled(new)
        return f"{float(old):.6g} -> {float(new):.6g}"

    return mutate


def _last_bit(s: Subject, v: Fraction) -> Fraction:
    need(v)
    return last_bit(v, s.random.random() < 0.5)


def _sign(s: Subject, v: Fraction) -> Fraction:
    need(v)
    return -v


def _scaled(s: Subject, v: Fraction) -> Fraction:
    factor = s.random.choice([Fraction(k, 1000) for k in (500, 999, 1001, 2000)])
    return v * factor if v else s.random.choice([Fraction(1, 1000), Fraction(-1), Fraction(1)])


def _zeroed(_: Subject, v: Fraction) -> Fraction:
    need(v)
    return Fraction(0)


def _moved(s: Subject, v: Fraction) -> Fraction:
    return v + s.random.choice([1, -1]) * s.random.choice([Fraction(1, 10**6), Fraction(1, 3)])


def _shape(s: Subject) -> str:
    arrays = [c for c in _program(s)["constants"] if len(c["shape"]) == 2]
    need(arrays)
    chosen = s.random.choice(arrays)
    chosen["shape"].reverse()
    return "a matrix with rows and columns exchanged"


def _constants_swapped(s: Subject) -> str:
    constants = _program(s)["constants"]
    alike = [
        (i, j)
        for i in range(len(constants))
        for j in range(i)
        if constants[i]["shape"] == constants[j]["shape"]
    ]
    need(alike)
    i, j = s.random.choice(alike)
    constants[i], constants[j] = constants[j], constants[i]
    return f"constants {j} and {i} swapped"


def _reordered(s: Subject) -> str:
    code = _program(s)["instructions"]
    need(len(code) > 1)
    i = s.random.randrange(len(code) - 1)
    code[i], code[i + 1] = code[i + 1], code[i]
    return f"instructions {i} and {i + 1} swapped"


def _truncated(s: Subject) -> str:
    code = _program(s)["instructions"]
    need(len(code) > 1)
    keep = s.random.choice([len(code) - 1, s.random.randrange(1, len(code))])
    del code[keep:]
    return f"the first {keep} instructions only"


def _dropped(s: Subject) -> str:
    code = _program(s)["instructions"]
    i = s.random.randrange(len(code))
    del code[i]
    return f"instruction {i} is gone"


def _output(s: Subject) -> str:
    key = s.random.choice(["value", "control", "dynamics"])
    tape = s.statement["closed_loop"][key]
    need(tape)
    code = s.document["programs"][tape["program"]]["instructions"]
    [old] = tape["outputs"]
    alike = [i for i, e in enumerate(code) if e["size"] == code[old]["size"] and i != old]
    need(alike)
    tape["outputs"] = [s.random.choice(alike)]
    return f"{key} is register {tape['outputs'][0]}, not {old}"


def _loop_swapped(s: Subject) -> str:
    loop = s.statement["closed_loop"]
    a, b = s.random.sample(["value", "control", "dynamics"], 2)
    loop[a], loop[b] = loop[b], loop[a]
    return f"{a} and {b} swapped"


def _operation(s: Subject) -> str:
    code = [e for e in _program(s)["instructions"] if e["op"] in UNARY + BINARY]
    need(code)
    entry = s.random.choice(code)
    alike = UNARY if entry["op"] in UNARY else BINARY
    old, entry["op"] = entry["op"], s.random.choice([op for op in alike if op != entry["op"]])
    return f"{old} -> {entry['op']}"


def _exponent(s: Subject) -> str:
    code = [e for e in _program(s)["instructions"] if e["op"] == "power"]
    need(code)
    entry = s.random.choice(code)
    entry["integers"] = [s.random.choice([k for k in (2, 3, 4, 6) if [k] != entry["integers"]])]
    return f"to the power {entry['integers'][0]}"


def _operands(s: Subject) -> str:
    code = [e for e in _program(s)["instructions"] if len(e["args"]) > 1]
    need(code)
    entry = s.random.choice(code)
    entry["args"].reverse()
    return f"operands of {entry['op']} in the other order"


def _operand(s: Subject) -> str:
    code = _program(s)["instructions"]
    users = [i for i, e in enumerate(code) if e["args"]]
    need(users)
    i = s.random.choice(users)
    k = s.random.randrange(len(code[i]["args"]))
    old = code[i]["args"][k]
    alike = [j for j in range(i) if code[j]["size"] == code[old]["size"] and j != old]
    need(alike)
    code[i]["args"][k] = s.random.choice(alike)
    return f"operand {k} of instruction {i} is register {code[i]['args'][k]}, not {old}"


def _index(s: Subject) -> str:
    code = _program(s)["instructions"]
    slices = [e for e in code if e["op"] == "slice" and code[e["args"][0]]["size"] > 1]
    need(slices)
    entry = s.random.choice(slices)
    size, k = code[entry["args"][0]]["size"], s.random.randrange(len(entry["integers"]))
    entry["integers"][k] = (entry["integers"][k] + s.random.randrange(1, size)) % size
    return f"entry {entry['integers'][k]} of the operand"


def _foreign(s: Subject) -> str:
    key = s.random.choice(["value", "control", "dynamics"])
    need(s.statement["closed_loop"][key])
    other = s.random.choice(s.others).document
    tape = other["statement"]["closed_loop"][key]
    need(tape and tape["program"] not in s.document["programs"])
    s.statement["closed_loop"][key] = tape
    s.document["programs"][tape["program"]] = other["programs"][tape["program"]]
    return f"{key} of another certificate"


def _unused(s: Subject) -> str:
    other = s.random.choice(s.others).document["programs"]
    names = [k for k in other if k not in s.document["programs"]]
    need(names)
    name = s.random.choice(names)
    s.document["programs"][name] = other[name]
    return "a program that nothing refers to"


PROGRAMS: dict[str, Mutator] = {
    "a weight, last bit": _entry(_last_bit, weights=True),
    "a weight, sign": _entry(_sign, weights=True),
    "a weight, scaled": _entry(_scaled, weights=True),
    "a weight, zero": _entry(_zeroed, weights=True),
    "a constant, moved": _entry(_moved),
    "an unsafe set moved": _entry(_moved, unsafe=True),
    "a matrix transposed in shape": _shape,
    "two constants of a tape swapped": _constants_swapped,
    "tape reordered": _reordered,
    "tape truncated": _truncated,
    "an instruction dropped": _dropped,
    "output of a tape swapped": _output,
    "V, k or the dynamics swapped": _loop_swapped,
    "operation replaced": _operation,
    "exponent changed": _exponent,
    "operands swapped": _operands,
    "an operand replaced": _operand,
    "index of a slice changed": _index,
    "a tape of another certificate": _foreign,
    "a program that nothing refers to": _unused,
}
