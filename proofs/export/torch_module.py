"""A PyTorch module of V, the controller and the closed loop: one Python file and its weights.

The file needs torch and the standard library, nothing of Stableproof. The weights are plain JSON
with every float64 in hexadecimal, so that nothing is rounded on the way and nothing is executed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from proofs.export.artifact import Artifact, LeftOut, Written
from proofs.export.functions import Function, functions_of
from proofs.export.names import comment, commented
from proofs.export.numbers import rounding_line
from proofs.export.source import NOT_PROVED, Source
from systems.expression import Op
from systems.json_data import quotient
from systems.tape import Instruction, Tape

CLASSES = {"V": "V", "controller": "Controller", "closed_loop": "ClosedLoop"}
"""The functions that become modules. The others are autograd's business."""

_HEAD = '''\
from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

WEIGHTS = Path(__file__).with_name("weights.json")
WEIGHTS_SHA256 = "{sha256}"


def _weights(name):
    """The constants of one module, exactly, from the file that was exported with this one."""
    data = WEIGHTS.read_bytes()
    if hashlib.sha256(data).hexdigest() != WEIGHTS_SHA256:
        raise ValueError(f"{{WEIGHTS}} is not the file that was exported with this module")
    for key, constant in json.loads(data)[name].items():
        values = [float.fromhex(v) for v in constant["values"]]
        yield key, torch.tensor(values, dtype=torch.float64).reshape(constant["shape"])


def _checked(z, size, what):
    """The argument (..., size) in float64."""
    if z.shape[-1:] != (size,):
        raise ValueError(f"{{what}} has the shape {{tuple(z.shape)}}; (..., {{size}}) is wanted")
    return z.to(torch.float64)


def _sigmoid(z):
    return torch.sigmoid(z)


def _softplus(z):
    return torch.logaddexp(z, torch.zeros_like(z))


def _step(z):
    """0 below zero, 1 above; at zero 1/2, one value of many (Clarke)."""
    half = torch.where(z == 0, torch.full_like(z, 0.5), z)
    return torch.where(z > 0, torch.ones_like(z), torch.where(z < 0, torch.zeros_like(z), half))


def _stacked(like, *parts):
    """Concatenation, after every part was given the batch."""
    shape = torch.broadcast_shapes(like.shape[:-1], *(p.shape[:-1] for p in parts))
    return torch.cat([p.expand(*shape, p.shape[-1]) for p in parts], dim=-1)
'''


def write_torch(source: Source) -> Written:
    """``torch/module.py`` and ``torch/weights.json``."""
    functions, absent = functions_of(source.problem)
    functions = [f for f in functions if f.name in CLASSES]
    weights = json.dumps({CLASSES[f.name]: _constants(f.tape) for f in functions}, indent=1) + "\n"
    sha256 = hashlib.sha256(weights.encode("ascii")).hexdigest()
    text = commented([*source.origin, *NOT_PROVED], "#") + "\n" + _HEAD.format(sha256=sha256)
    text += "".join(_class(f, source) for f in functions)
    left_out = [LeftOut("torch", n, reason) for n, reason in absent.items() if n in CLASSES]
    return Written(
        (
            Artifact("torch/module.py", text.encode("ascii"), "torch modules in float64"),
            Artifact("torch/weights.json", weights.encode("ascii"), "the constants of module.py"),
        ),
        tuple(left_out),
    )


def _constants(tape: Tape) -> Mapping[str, object]:
    """The constants that take part, as the nearest float64; the exact ones beside those."""
    used = sorted({c for r in tape.needed for c in tape.instructions[r].constants})
    out: dict[str, object] = {}
    for c in used:
        array = tape.constants[c]
        entry: dict[str, object] = {
            "shape": list(array.shape),
            "values": [v.hex() for v in array.values.ravel().tolist()],
        }
        if array.exceptions:
            entry["exactly"] = {str(i): quotient(v) for i, v in array.exceptions.items()}
        out[f"c{c}"] = entry
    return out


def _class(f: Function, source: Source) -> str:
    names = [name for name, _ in f.tape.inputs]
    meaning = {"x": source.state_names, "w": source.disturbance_names}
    size = f.tape.output_sizes[0]
    notes = [
        f"{f.words}.",
        *(f"{name}: (..., {n}), {', '.join(meaning[name])}" for name, n in f.tape.inputs),
        f"result: (..., {size})"
        + (f", {', '.join(source.input_names)}" if f.output == "u" else ""),
        rounding_line(f.tape),
    ]
    name = CLASSES[f.name]
    body = "".join(f"        {line}\n" for line in _body(f.tape))
    return (
        f"\n\n{commented(notes, '#')}class {name}(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        f'        for key, constant in _weights("{name}"):\n'
        "            self.register_buffer(key, constant)\n\n"
        f"    def forward(self, {', '.join(names)}):\n{body}"
    )


def _body(tape: Tape) -> list[str]:
    lines, at, offsets = [], 0, {}
    for name, size in tape.inputs:
        what = {"x": "the state", "w": "the disturbance"}.get(name, comment(name))
        lines.append(f'{name} = _checked({name}, {size}, "{what}")')
        offsets[at] = name
        at += size
    for r in sorted(tape.needed):
        lines.append(f"r{r} = {_formula(tape.instructions[r], offsets)}")
    batches = [f"{name}.shape[:-1]" for name, _ in tape.inputs]
    shape = batches[0] if len(batches) == 1 else f"torch.broadcast_shapes({', '.join(batches)})"
    lines.append(f"return r{tape.outputs[0]}.expand(*{shape}, {tape.output_sizes[0]})")
    return lines


_CALLS = {
    Op.SIN: "torch.sin", Op.COS: "torch.cos", Op.TAN: "torch.tan", Op.EXP: "torch.exp",
    Op.LOG: "torch.log", Op.SQRT: "torch.sqrt", Op.TANH: "torch.tanh", Op.SIGMOID: "_sigmoid",
    Op.SOFTPLUS: "_softplus", Op.RELU: "torch.relu", Op.STEP: "_step",
    Op.MIN: "torch.minimum", Op.MAX: "torch.maximum",
}  # fmt: skip
_SIGNS = {Op.ADD: "+", Op.SUB: "-", Op.MUL: "*", Op.DIV: "/"}


def _formula(i: Instruction, offsets: Mapping[int, str]) -> str:
    a = [f"r{k}" for k in i.args]
    match i.op:
        case Op.VARIABLE:
            return offsets[i.integers[0]]
        case Op.CONSTANT:
            return f"self.c{i.constants[0]}"
        case Op.PI:
            return "torch.full((1,), math.pi, dtype=torch.float64, device=x.device)"
        case Op.AFFINE:
            weight, bias = i.constants
            return f"functional.linear({a[0]}, self.c{weight}, self.c{bias})"
        case Op.POWER:
            return f"{a[0]} ** {i.integers[0]}"
        case Op.STACK:
            return f"_stacked({', '.join(['x', *a])})"
        case Op.SLICE:
            return f"{a[0]}[..., {list(i.integers)}]"
        case op if op in _SIGNS:
            return f"{a[0]} {_SIGNS[op]} {a[1]}"
        case op:
            return f"{_CALLS[op]}({', '.join(a)})"
