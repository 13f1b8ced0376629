"""Networks trained elsewhere: from files to candidates, under the same promise of exactness.

A network enters as an expression whose weights are exactly the file's numbers. What is proved about
the candidate is proved about that expression in real arithmetic.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from certify.candidate import Candidate, anchored_control, anchored_value
from learners.onnx_graph import read_onnx
from learners.state_dict import Array, read_state_dict
from systems import expression as ex
from systems.dynamics import ControlAffineSystem
from systems.errors import InputError
from systems.expression import Expression, Op

ACTIVATIONS: Mapping[str, Op | None] = {
    "tanh": Op.TANH,
    "sigmoid": Op.SIGMOID,
    "relu": Op.RELU,
    "softplus": Op.SOFTPLUS,
    "sin": Op.SIN,
    "identity": None,
}


def import_onnx(path: str | Path, state_size: int, *, output: str | None = None) -> Expression:
    """The network of an ONNX file as an expression of a new variable ``x`` of ``state_size``.

    The batch is taken as 1 and the result flattened; ``output`` chooses among several outputs.
    Raises InputError, in one line, for whatever cannot be read exactly.
    """
    return read_onnx(Path(path), ex.variable("x", state_size), output)


def import_state_dict(
    path: str | Path,
    activation: str,
    *,
    state_size: int,
    output_activation: str = "identity",
    prefix: str = "",
    layers: Sequence[str] | None = None,
) -> Expression:
    """A multilayer perceptron from its weights, ``.npz`` or ``.safetensors``.

    A layer NAME is the pair NAME.weight of shape (outputs, inputs) and, optionally, NAME.bias.
    The order is that of the numbers in the names (0.weight, 2.weight, …), or else the file's, where
    the widths fit; ``layers`` states it. Only names that begin with ``prefix`` are looked at: one
    file may hold V and k. ``activation`` stands between layers, ``output_activation`` after the
    last; both are of :data:`ACTIVATIONS`. The result is an expression of a new variable ``x``.
    Raises InputError, in one line, for whatever does not fit.
    """
    path = Path(path)
    hidden, last = (_activation(path, name) for name in (activation, output_activation))
    arrays = {
        name.removeprefix(prefix): array
        for name, array in read_state_dict(path).items()
        if name.startswith(prefix)
    }
    names = _ordered(path, arrays, state_size, layers)
    out = ex.variable("x", state_size)
    for name in names:
        out = ex.affine(arrays[f"{name}.weight"], out, arrays.get(f"{name}.bias"))
        op = last if name == names[-1] else hidden
        out = out if op is None else ex.apply(op, out)
    return out


def foreign_candidate(
    system: ControlAffineSystem,
    value_network: Expression,
    control_network: Expression | None = None,
    *,
    anchor: bool = True,
    saturate: bool = False,
    provenance: Mapping[str, object] | None = None,
) -> Candidate:
    """A candidate for ``system`` from two networks of its state, each in a variable of its own.

    With ``anchor`` they are shifted so that V(x*) = 0, ∇V(x*) = 0 and k(x*) = u* hold exactly (the
    value network must be differentiable at x*); without, they are taken as they are. ``saturate``
    cuts the control off at the input limits. Raises InputError where sizes do not fit.
    """
    V = _on_state(system, value_network, "the value network", 1)
    m = system.input_dimension
    if (control_network is None) != (m == 0):
        problem = f"has {m} inputs, but no" if m else "has no inputs, but a"
        raise InputError(f"{system.name} {problem} control network is given")
    k = None
    if control_network is not None:
        k = _on_state(system, control_network, "the control network", m)
    if anchor:
        V = anchored_value(V, system.state, system.equilibrium)
        if k is not None:
            k = anchored_control(k, system.state, system.equilibrium, system.equilibrium_input)
    if saturate and k is not None:
        if system.input_limits is None:
            raise InputError(f"{system.name} has no input limits to cut the control off at")
        k = system.saturated(k)
    return Candidate(system.state, V, k, {"learner": "foreign", **(provenance or {})})


def _on_state(
    system: ControlAffineSystem, network: Expression, what: str, outputs: int
) -> Expression:
    if network.size != outputs:
        raise InputError(f"{what} has {network.size} outputs; {system.name} needs {outputs}")
    free = ex.variables(network)
    if len(free) > 1:
        names = ", ".join(repr(v.name) for v in free)
        raise InputError(f"{what} depends on several variables: {names}")
    if not free or free[0] is system.state:
        return network
    if free[0].size != system.state_dimension:
        raise InputError(
            f"{what} takes {free[0].size} states; {system.name} has {system.state_dimension}"
        )
    return ex.substitute(network, {free[0]: system.state})


def _activation(path: Path, name: str) -> Op | None:
    if name not in ACTIVATIONS:
        raise InputError(f"{path}: no activation {name!r}; there are {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]


def _ordered(
    path: Path, arrays: Mapping[str, Array], state_size: int, layers: Sequence[str] | None
) -> list[str]:
    """The layers' names from input to output."""
    found = [name.removesuffix(".weight") for name in arrays if name.endswith(".weight")]
    _check_names(path, arrays, found if layers is None else list(layers), layers is not None)
    if layers is not None:
        candidates = [list(layers)]
    elif len({re.sub(r"\d+", "#", name) for name in found}) == 1:  # told apart by number alone
        candidates = [sorted(found, key=_by_number)]
    else:
        candidates = [sorted(found, key=_by_number), found]
    fitting = [names for names in candidates if _chains(arrays, names, state_size)]
    if not fitting:
        shapes = ", ".join(f"{n} {list(arrays[f'{n}.weight'].shape)}" for n in candidates[0])
        raise InputError(
            f"{path}: the layers do not fit together from {state_size} states on: {shapes}"
        )
    if any(names != fitting[0] for names in fitting):
        raise InputError(
            f"{path}: the order of the layers is not clear, {fitting[0]} or {fitting[1]}: state it"
        )
    return fitting[0]


def _check_names(path: Path, arrays: Mapping[str, Array], names: list[str], chosen: bool) -> None:
    if not names:
        raise InputError(f"{path}: no NAME.weight among {', '.join(arrays) or 'no names at all'}")
    if len(set(names)) != len(names):
        raise InputError(f"{path}: a layer is named twice in {names}")
    expected = {f"{n}.{part}" for n in names for part in ("weight", "bias")}
    unused = [name for name in arrays if name not in expected]
    if unused and not chosen:
        raise InputError(f"{path}: {unused[0]!r} is neither NAME.weight nor NAME.bias of a layer")
    for name in names:
        weight, bias = arrays.get(f"{name}.weight"), arrays.get(f"{name}.bias")
        if weight is None:
            raise InputError(f"{path}: there is no {name}.weight")
        if weight.ndim != 2 or not weight.size:
            raise InputError(f"{path}: {name}.weight is no matrix: {list(weight.shape)}")
        if bias is not None and bias.shape != weight.shape[:1]:
            raise InputError(f"{path}: {name}.bias does not fit {name}.weight")


def _by_number(name: str) -> list[tuple[int, int | str]]:
    """10 after 9, and numbers before words."""
    pieces = re.split(r"(\d+)", name)
    return [(0, int(p)) if p.isdigit() else (1, p) for p in pieces if p]


def _chains(arrays: Mapping[str, Array], names: Sequence[str], state_size: int) -> bool:
    size = state_size
    for name in names:
        outputs, inputs = arrays[f"{name}.weight"].shape
        if inputs != size:
            return False
        size = outputs
    return True
