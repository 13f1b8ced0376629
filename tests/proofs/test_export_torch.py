"""The PyTorch module computes what the tape computes, and autograd gives the tape's gradient."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from certify.candidate import Candidate
from learners.lqr import lqr_candidate
from proofs.export.source import Source, source_of_candidate
from proofs.export.torch_module import CLASSES, write_torch
from systems import expression as ex
from systems import zoo
from systems.evaluate import evaluate
from systems.expression import Expression, Op
from tests.proofs.exports import TOLERANCE, differences, functions, points_of, source_of

torch: Any = pytest.importorskip("torch", reason="torch, an extra, is not installed")


def written(source: Source, folder: Path) -> Path:
    for artifact in write_torch(source).artifacts:
        path = folder / artifact.path
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(artifact.content)
    return folder / "torch" / "module.py"


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Any]:
    """Export a source and import what was written."""

    def imported(source: Source) -> ModuleType:
        path = written(source, tmp_path)
        spec = importlib.util.spec_from_file_location("exported_module", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield imported
    torch.set_num_threads(threads)


@pytest.mark.parametrize("kind", ["lqr", "elm"])
@pytest.mark.parametrize("name", zoo.names())
def test_every_system(name: str, kind: str, load: Any) -> None:
    source = source_of(name, kind)
    if source is None:
        assert kind == "lqr"  # test_export_onnx.py knows which have none
        return
    module = load(source)
    by_name = {f.name: f for f in functions(source)}
    for f in by_name.values():
        if f.name not in CLASSES:
            continue
        points = points_of(source, f.tape)
        arguments = [torch.tensor(p) for p in np.split(points, [f.tape.inputs[0][1]], axis=1)]
        given = arguments[: len(f.tape.inputs)]
        values = getattr(module, CLASSES[f.name])()(*given).numpy()
        expected = evaluate(f.tape, points)[0]
        assert values.dtype == np.float64 and values.shape == expected.shape
        scale = np.maximum(1, np.abs(expected).max(axis=0))
        assert (np.abs(values - expected) <= TOLERANCE * scale).all(), f.name
        assert (differences(f.tape, points[:5], values[:5]) <= TOLERANCE).all(), f.name
    points = points_of(source, by_name["V"].tape)
    x = torch.tensor(points, requires_grad=True)
    module.V()(x).sum().backward()
    expected = evaluate(by_name["gradient"].tape, points)[0]
    scale = np.maximum(1, np.abs(expected).max(axis=0))
    assert (np.abs(x.grad.numpy() - expected) <= TOLERANCE * scale).all()


def candidate(value: Expression, control: Expression) -> Source:
    system = zoo.pendulum()
    renamed = {x: system.state}
    return source_of_candidate(
        system,
        Candidate(system.state, ex.substitute(value, renamed), ex.substitute(control, renamed)),
    )


x = ex.variable("x", 2)
EVERY = [ex.apply(op, x) for op in sorted(ex.UNARY - {Op.LOG, Op.SQRT}, key=lambda o: o.value)]
ALL_OPERATIONS = ex.total(
    ex.stack(
        [
            *EVERY,
            ex.log(2 + x[0]),
            ex.sqrt(2 + x[1]),
            ex.minimum(x[0], x),
            ex.maximum(x, "1/3"),
            x / (2 + x[1]),
            (x - ex.pi()) ** 5,
            ex.pi(),
            ex.affine([["1/3", 2], [0, 1], [4, "1/7"]], x[[1, 0]], [1, "1/5", 0]),
        ]
    )
)


def test_every_operation(load: Any) -> None:
    source = candidate(ALL_OPERATIONS, ex.softplus(x[0]))
    module = load(source)
    [value] = [f for f in functions(source) if f.name == "V"]
    points = np.random.default_rng(0).uniform(-1.5, 1.5, (20, 2))
    found = module.V()(torch.tensor(points)).numpy()
    assert (differences(value.tape, points, found) <= TOLERANCE).all()
    stated = json.loads((Path(module.__file__).parent / "weights.json").read_text())
    exactly = {q for c in stated["V"].values() for q in c.get("exactly", {}).values()}
    assert {"1/3", "1/7", "1/5"} <= exactly


def test_batches_of_any_shape_and_other_precisions(load: Any) -> None:
    source = source_of("pendulum", "elm")
    assert source is not None
    controller = load(source).Controller()
    assert controller(torch.zeros(2)).shape == (1,)
    assert controller(torch.zeros(3, 4, 2)).shape == (3, 4, 1)
    assert controller(torch.zeros(0, 2)).shape == (0, 1)
    assert controller(torch.zeros(2, dtype=torch.float32)).dtype == torch.float64
    with pytest.raises(ValueError, match="the state has the shape"):
        controller(torch.zeros(3))


def test_constants_keep_the_batch(load: Any) -> None:
    module = load(candidate(ex.total(x**2), ex.pi() * ex.constant("1/3")))
    found = module.Controller()(torch.zeros(4, 2, dtype=torch.float64))
    assert found.shape == (4, 1) and torch.allclose(found, torch.full_like(found, np.pi / 3))


@pytest.mark.parametrize("op", sorted(ex.UNARY, key=lambda op: op.value), ids=lambda op: op.value)
def test_nan_stays_nan_and_tails_keep_their_digits(op: Op, load: Any) -> None:
    source = candidate(ex.total(x**2), ex.apply(op, x[0]))
    controller = load(source).Controller()
    assert torch.isnan(controller(torch.full((2,), torch.nan))).all()
    [f] = [f for f in functions(source) if f.name == "controller"]
    points = np.array([[v, 0.0] for v in (-40.0, -20.5, 0.0, 20.5, 40.0)])
    found, expected = controller(torch.tensor(points)).numpy(), evaluate(f.tape, points)[0]
    # numpy's softplus at −40 is e⁻⁴⁰ too, so that nothing absolute is needed
    assert np.allclose(found, expected, rtol=1e-12, atol=0, equal_nan=True)


def test_other_weights_than_those_exported_are_refused(load: Any) -> None:
    source = source_of("pendulum", "elm")
    assert source is not None
    module = load(source)
    path = Path(module.__file__).with_name("weights.json")
    path.write_text(path.read_text().replace("0x1.", "0x1.1", 1))
    with pytest.raises(ValueError, match="not the file that was exported"):
        module.V()


def test_the_file_needs_nothing_of_ours(tmp_path: Path) -> None:
    source = source_of("pendulum", "elm")
    assert source is not None
    path = written(source, tmp_path)
    program = (
        "import sys, module, torch; module.ClosedLoop()(torch.zeros(1, 2));"
        "print([m for m in ('systems', 'certify', 'proofs') if m in sys.modules])"
    )
    environment = {"PATH": "", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=path.parent, env=environment, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "[]"


def test_names_of_strangers_are_comments_only() -> None:
    system = replace(
        zoo.pendulum(),
        name='x"""\nimport os',
        state_names=("a\n1/0", "b\\"),
        state_units=("']", "\u202e"),
    )
    source = source_of_candidate(system, lqr_candidate(system))
    text = write_torch(source).artifacts[0].content.decode("ascii")
    assert "import os" in text and "1/0" in text
    for line in text.splitlines():
        if "import os" in line or "1/0" in line:
            assert line.startswith("#")
