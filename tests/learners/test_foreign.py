"""State dicts without pickle, and the candidates made of foreign networks."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certify.equilibrium import Answer, prove_zero
from learners.foreign import foreign_candidate, import_state_dict
from learners.state_dict import read_state_dict
from systems import expression as ex
from systems.box import Box
from systems.differentiate import gradient
from systems.dynamics import ControlAffineSystem
from systems.errors import InputError
from systems.evaluate import evaluate
from systems.expression import Expression, Op
from systems.tape import compile_tape

Arrays = dict[str, np.ndarray]
NAMES = {"<f8": "F64", "<f4": "F32", "<f2": "F16", "<i8": "I64"}


def safetensors(arrays: Mapping[str, np.ndarray], **extra: object) -> bytes:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}, **extra}
    body = b""
    for name, array in arrays.items():
        raw = array.tobytes()
        header[name] = {
            "dtype": NAMES[array.dtype.str],
            "shape": list(array.shape),
            "data_offsets": [len(body), len(body) + len(raw)],
        }
        body += raw
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def save_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    path = path.with_suffix(".npz")
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def save_safetensors(path: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    path = path.with_suffix(".safetensors")
    path.write_bytes(safetensors(arrays))
    return path


SAVERS = [save_npz, save_safetensors]


def perceptron(
    widths: list[int], names: list[str], dtype: str = "<f8", prefix: str = "", seed: int = 0
) -> Arrays:
    generator = np.random.default_rng(seed)
    out: Arrays = {}
    for name, rows, columns in zip(names, widths[1:], widths[:-1], strict=True):
        out[f"{prefix}{name}.weight"] = generator.normal(size=(rows, columns)).astype(dtype)
        out[f"{prefix}{name}.bias"] = generator.normal(size=rows).astype(dtype)
    return out


def values(network: Expression, points: np.ndarray) -> np.ndarray:
    return evaluate(compile_tape([network], ex.variables(network)), points)[0]


def expected(arrays: Arrays, names: list[str], points: np.ndarray) -> np.ndarray:
    out = points
    for name in names:
        out = out @ arrays[f"{name}.weight"].astype(float).T + arrays[f"{name}.bias"].astype(float)
        out = out if name == names[-1] else np.tanh(out)
    return out


@pytest.mark.parametrize("save", SAVERS)
@pytest.mark.parametrize("dtype", ["<f8", "<f4", "<f2"])
@pytest.mark.parametrize(
    "names",
    [
        ["0", "2", "4"],
        ["net.8", "net.10", "net.12"],
        ["fc1", "fc2", "out"],
        ["input", "hidden", "final"],
    ],
    ids=lambda names: names[0],
)
def test_values(
    names: list[str], dtype: str, save: Callable[[Path, Arrays], Path], tmp_path: Path
) -> None:
    arrays = perceptron([2, 6, 5, 1], names, dtype)
    path = save(tmp_path / "model", arrays)
    points = np.random.default_rng(1).normal(size=(20, 2))
    out = import_state_dict(path, "tanh", state_size=2)
    np.testing.assert_allclose(values(out, points), expected(arrays, names, points), rtol=1e-12)
    layers = [n for n in ex.topological([out]) if n.op is Op.AFFINE]
    exact = [Fraction(float(v)) for v in arrays[f"{names[0]}.weight"].ravel()]
    assert layers[0].constants[0].rationals() == exact


def test_numbered_layers_are_ordered_by_number_in_any_file_order(tmp_path: Path) -> None:
    names = [str(k) for k in range(0, 24, 2)]
    arrays = perceptron([3, *[4] * 11, 1], names)
    path = save_safetensors(tmp_path / "model", dict(sorted(arrays.items())))
    points = np.random.default_rng(1).normal(size=(5, 3))
    out = import_state_dict(path, "tanh", state_size=3)
    np.testing.assert_allclose(values(out, points), expected(arrays, names, points), rtol=1e-12)


def test_several_networks_in_one_file_and_layers_without_bias(tmp_path: Path) -> None:
    arrays = perceptron([2, 4, 1], ["0", "2"], prefix="V.")
    arrays |= {"k.0.weight": np.array([[1.5, -2.0]])}
    path = save_npz(tmp_path / "both", arrays)
    points = np.array([[0.5, 0.25]])
    k = import_state_dict(path, "relu", state_size=2, prefix="k.", output_activation="tanh")
    assert values(k, points)[0, 0] == np.tanh(0.25)
    assert import_state_dict(path, "tanh", state_size=2, prefix="V.").size == 1
    with pytest.raises(InputError, match="do not fit together from 2 states"):
        import_state_dict(path, "tanh", state_size=2)


def test_an_order_that_is_not_clear_is_asked_for(tmp_path: Path) -> None:
    names = ["enter", "mid", "last", "zenith"]  # by name, last would come before mid
    arrays = perceptron([2, 4, 4, 4, 1], names)
    path = save_npz(tmp_path / "model", arrays)
    points = np.array([[0.5, 0.25]])
    wanted = expected(arrays, names, points)
    out = import_state_dict(path, "tanh", state_size=2, layers=names)
    np.testing.assert_allclose(values(out, points), wanted, rtol=1e-12)
    with pytest.raises(InputError, match="order of the layers is not clear"):
        import_state_dict(path, "tanh", state_size=2)


@pytest.mark.parametrize("save", SAVERS)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"0.weight": np.full((4, 2), np.nan)}, "'0.weight' holds NaN or infinity"),
        ({"2.bias": np.array([np.inf])}, "'2.bias' holds NaN or infinity"),
        ({"0.weight": np.ones((4, 3))}, r"do not fit together from 2 states on: 0 \[4, 3\]"),
        ({"2.weight": np.ones((1, 5))}, "do not fit together"),
        ({"0.bias": np.ones(3)}, "0.bias does not fit 0.weight"),
        ({"0.weight": np.ones(4)}, "0.weight is no matrix"),
        ({"0.weight": np.ones((4, 0))}, "0.weight is no matrix"),
        ({"log_std": np.ones(1)}, "'log_std' is neither NAME.weight nor NAME.bias"),
        ({"2.weight": np.ones((1, 4), dtype="<i8")}, "2.weight"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_weights_that_do_not_fit(
    change: Arrays, message: str, save: Callable[[Path, Arrays], Path], tmp_path: Path
) -> None:
    path = save(tmp_path / "model", perceptron([2, 4, 1], ["0", "2"]) | change)
    with pytest.raises(InputError, match=message) as caught:
        import_state_dict(path, "tanh", state_size=2)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("ending", [".pt", ".pth", ".bin", ".ckpt", ".pkl"])
def test_pickled_files_are_refused_with_the_way_out(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"model{ending}"
    path.write_bytes(b"whatever it is")
    with pytest.raises(InputError, match=r"pickled files are not read.*weights_only=True.*npz"):
        import_state_dict(path, "tanh", state_size=2)


def test_objects_inside_an_npz_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    np.savez(path, **{"0.weight": np.array([{}], dtype=object)})
    with pytest.raises(InputError, match=r"no \.npz file of plain arrays"):
        import_state_dict(path, "tanh", state_size=2)


@pytest.mark.parametrize("save", SAVERS)
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_truncated_files(
    share: float, save: Callable[[Path, Arrays], Path], tmp_path: Path
) -> None:
    path = save(tmp_path / "model", perceptron([2, 40, 1], ["0", "2"]))
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(InputError) as caught:
        import_state_dict(path, "tanh", state_size=2)
    assert "\n" not in str(caught.value)


def test_files_that_are_none(tmp_path: Path) -> None:
    for name in ("missing.npz", "missing.safetensors"):
        with pytest.raises(InputError, match="cannot be read: No such file"):
            read_state_dict(tmp_path / name)
    with pytest.raises(InputError, match=r"not '\.h5'"):
        read_state_dict(tmp_path / "model.h5")
    with pytest.raises(InputError, match="holds no arrays"):
        read_state_dict(save_safetensors(tmp_path / "empty", {}))
    path = save_npz(tmp_path / "model", perceptron([2, 1], ["0"]))
    with pytest.raises(InputError, match="no activation 'swish'; there are tanh"):
        import_state_dict(path, "swish", state_size=2)
    with pytest.raises(InputError, match=r"no NAME\.weight among no names"):
        import_state_dict(path, "tanh", state_size=2, prefix="V.")
    with pytest.raises(InputError, match=r"there is no 7\.weight"):
        import_state_dict(path, "tanh", state_size=2, layers=["0", "7"])


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F64", "shape": [2], "data_offsets": [0, 1000]},
        {"dtype": "F64", "shape": [2], "data_offsets": [-16, 0]},
        {"dtype": "F64", "shape": [2], "data_offsets": [16, 0]},
        {"dtype": "F64", "shape": [3], "data_offsets": [0, 16]},
        {"dtype": "F64", "shape": [10**30, 0], "data_offsets": [0, 0]},
        {"dtype": "F64", "shape": [True], "data_offsets": [0, 8]},
        {"dtype": "F64", "shape": [2.0], "data_offsets": [0, 16]},
        {"dtype": "F64", "shape": None, "data_offsets": [0, 16]},
        {"dtype": "F64", "shape": [2], "data_offsets": [0, 8, 16]},
        {"dtype": "F8_E4M3", "shape": [16], "data_offsets": [0, 16]},
        {"dtype": ["F64"], "shape": [2], "data_offsets": [0, 16]},
        {"shape": [2]},
        17,
    ],
    ids=str,
)
def test_lying_headers(entry: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    text = json.dumps({"a": entry}).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(16))
    with pytest.raises(InputError, match="'a'"):
        read_state_dict(path)


@pytest.mark.parametrize("text", [b"[]", b"{", b'{"a": 1, "a": 2}', b"[" * 100_000, b"\xff\xfe"])
def test_damaged_headers(text: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    with pytest.raises(InputError, match=r"header of the \.safetensors file is damaged"):
        read_state_dict(path)


def test_bfloat16(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    entry = {"a": {"dtype": "BF16", "shape": [1, 2], "data_offsets": [0, 4]}}
    text = json.dumps(entry).encode()
    upper = (np.array([1.5, -0.15625], dtype="<f4").view("<u4") >> 16).astype("<u2")
    path.write_bytes(len(text).to_bytes(8, "little") + text + upper.tobytes())
    assert read_state_dict(path)["a"].tolist() == [[1.5, -0.15625]]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(position=st.integers(min_value=0), bit=st.integers(min_value=0, max_value=7))
@pytest.mark.parametrize("save", SAVERS)
def test_flipped_bits_never_crash(
    position: int, bit: int, save: Callable[[Path, Arrays], Path], tmp_path: Path
) -> None:
    path = save(tmp_path / "model", perceptron([2, 3, 1], ["0", "2"]))
    data = bytearray(path.read_bytes())
    data[position % len(data)] ^= 1 << bit
    path.write_bytes(bytes(data))
    try:
        out = import_state_dict(path, "tanh", state_size=2)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert out.size == 1


def plant(inputs: int = 1) -> ControlAffineSystem:
    x = ex.variable("state", 2)
    y = x - ex.constant(["1/10", 0])
    column = ex.constant([0, 1])
    return ControlAffineSystem(
        name="plant",
        state=x,
        drift=ex.stack([y[1], ex.sin(y[0]) - (ex.constant("1/5") if inputs else 0)]),
        input_columns=(column,) * inputs,
        domain=Box.of([(-1, 1), (-1, 1)]),
        equilibrium=(Fraction(1, 10), Fraction(0)),
        equilibrium_input=(Fraction(1, 5),) * inputs,
        state_cost=ex.dot(y, y),
        input_cost=((Fraction(1),),) * inputs,
        input_limits=Box.of([(-1, 1)]) if inputs else None,
    )


def mlp(outputs: int, tmp_path: Path, seed: int, states: int = 2) -> Expression:
    arrays = perceptron([states, 8, outputs], ["0", "2"], seed=seed)
    path = save_npz(tmp_path / f"net{seed}", arrays)
    return import_state_dict(path, "tanh", state_size=states)


@pytest.mark.parametrize("saturate", [False, True])
def test_anchored_candidates_are_exact_at_the_equilibrium(saturate: bool, tmp_path: Path) -> None:
    system = plant()
    value, control = mlp(1, tmp_path, 1), mlp(1, tmp_path, 2)
    candidate = foreign_candidate(system, value, control, saturate=saturate)
    assert candidate.control is not None
    claims = [
        candidate.value,
        gradient(candidate.value, system.state),
        candidate.control - "1/5",
        candidate.closed_loop(system).field,
    ]
    tests = prove_zero(compile_tape(claims, [system.state]), system.equilibrium)
    assert {t.answer for entries in tests for t in entries} == {Answer.ZERO}
    points = np.random.default_rng(5).uniform(-3, 3, (200, 2))
    at = np.array([[0.1, 0.0]])
    k = values(control, points) - values(control, at) + 0.2
    wanted = np.clip(k, -1, 1) if saturate else k
    np.testing.assert_allclose(values(candidate.control, points), wanted, rtol=1e-9, atol=1e-12)
    assert (abs(k) > 1).any()


def test_candidates_as_they_are(tmp_path: Path) -> None:
    system = plant()
    value, control = mlp(1, tmp_path, 1), mlp(1, tmp_path, 2)
    candidate = foreign_candidate(
        system, value, control, anchor=False, provenance={"file": "net1.npz"}
    )
    points = np.random.default_rng(5).uniform(-1, 1, (10, 2))
    assert candidate.control is not None
    assert (values(candidate.value, points) == values(value, points)).all()
    assert (values(candidate.control, points) == values(control, points)).all()
    assert candidate.provenance == {"learner": "foreign", "file": "net1.npz"}
    assert foreign_candidate(plant(inputs=0), value).control is None


def test_networks_that_do_not_fit_the_system(tmp_path: Path) -> None:
    system = plant()
    one, two, wide = mlp(1, tmp_path, 1), mlp(2, tmp_path, 2), mlp(1, tmp_path, 3, states=3)
    for arguments, message in (
        ((system, two, one), "the value network has 2 outputs; plant needs 1"),
        ((system, one, two), "the control network has 2 outputs; plant needs 1"),
        ((system, wide, one), "the value network takes 3 states; plant has 2"),
        ((system, one, None), "plant has 1 inputs, but no control network"),
        ((plant(inputs=0), one, one), "plant has no inputs, but a control network"),
        ((system, one, one + mlp(1, tmp_path, 4)), "depends on several variables"),
    ):
        with pytest.raises(InputError, match=message):
            foreign_candidate(*arguments)
