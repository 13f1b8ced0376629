"""What is loaded is, bit for bit, what was saved; everything else is one clear line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from certify.candidate import Candidate, anchored_value
from certify.candidate_file import candidate_tape, load_candidate, save_candidate
from certify.stability import StabilityProblem
from systems import expression as ex
from systems import zoo
from systems.dynamics import linear_control
from systems.errors import InputError


def network_candidate(seed: int = 0) -> Candidate:
    """A small anchored network and a saturated linear controller for the pendulum."""
    generator = np.random.default_rng(seed)
    system = zoo.pendulum()
    hidden = ex.tanh(
        ex.affine(generator.normal(size=(5, 2)), system.state, generator.normal(size=5))
    )
    network = ex.affine(generator.normal(size=(1, 5)), hidden)
    value = anchored_value(network, system.state, system.equilibrium)
    control = ex.clip(linear_control([["1.2", "1/3"]], system), -2, "2.5")
    return Candidate(system.state, value, control, {"seed": seed, "residual": float("nan")})


def saved(tmp_path: Path) -> Path:
    path = tmp_path / "candidate.json"
    save_candidate(network_candidate(), path, "pendulum")
    return path


def test_the_loaded_object_is_the_saved_one(tmp_path: Path) -> None:
    for seed in range(5):
        candidate = network_candidate(seed)
        save_candidate(candidate, tmp_path / "c.json", "pendulum")
        again, name = load_candidate(tmp_path / "c.json")
        assert name == "pendulum" and again.provenance == {"seed": seed, "residual": "nan"}
        assert candidate_tape(again).digest == candidate_tape(candidate).digest
        one, two = (StabilityProblem(zoo.pendulum(), c) for c in (candidate, again))
        assert one.program.digest == two.program.digest
        assert one.equilibrium_tape.digest == two.equilibrium_tape.digest


def test_a_candidate_without_controller_comes_back(tmp_path: Path) -> None:
    x = ex.variable("x", 3)
    save_candidate(Candidate(x, ex.total(x**2), None), tmp_path / "c.json", "mine")
    again, name = load_candidate(tmp_path / "c.json")
    assert name == "mine" and again.control is None and again.state.size == 3


def test_saving_again_gives_the_same_bytes(tmp_path: Path) -> None:
    path = saved(tmp_path)
    candidate, name = load_candidate(path)
    save_candidate(candidate, tmp_path / "again.json", name)
    assert (tmp_path / "again.json").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_told(tmp_path: Path, kept: float) -> None:
    path = saved(tmp_path)
    text = path.read_bytes()
    path.write_bytes(text[: int(kept * len(text))])
    with pytest.raises(InputError, match=r"candidate\.json is not a candidate file: .*cut off"):
        load_candidate(path)


def set_key(key: str, value: object) -> Callable[[Any], None]:
    return lambda document: document.__setitem__(key, value)


def set_weight(text: str) -> Callable[[Any], None]:
    return lambda document: document["tape"]["constants"][0]["entries"].__setitem__(0, text)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (set_key("format", "stableproof-certificate"), "format"),
        (lambda d: d.pop("format"), "format"),
        (set_key("version", 2), "of version 2, and this program reads version 1"),
        (set_key("version", True), "of version True"),
        (set_key("system", 3), "system: text is wanted"),
        (set_key("system", "x\x1b[31m"), "cannot be printed"),
        (set_key("provenance", []), "provenance"),
        (set_key("surprise", 1), "unknown key 'surprise'"),
        (lambda d: d.pop("tape"), "'tape' is missing"),
        (set_weight("nan"), r"tape\.constants\[0\]\.entries\[0\]: 'nan' is no finite number"),
        (set_weight("inf"), "no finite number"),
        (lambda d: d["tape"]["outputs"].append(0), "one or two outputs"),
        (lambda d: d["tape"]["inputs"].append(["y", 1]), "one input"),
        (lambda d: d["tape"]["outputs"].__setitem__(0, 0), "V must be a scalar"),
    ],
)
def test_bad_content_is_told_in_one_line(
    tmp_path: Path, change: Callable[[Any], object], told: str
) -> None:
    path = saved(tmp_path)
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    with pytest.raises(InputError, match=told) as caught:
        load_candidate(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_a_bare_nan_or_another_document_is_told(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    for content, told in (
        ('{"a": NaN}', "no finite number"),
        ("[1, 2]", "format"),
        ("3", "format"),
    ):
        path.write_text(content)
        with pytest.raises(InputError, match=told):
            load_candidate(path)


def test_an_unwritable_place_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        save_candidate(network_candidate(), tmp_path / "no" / "c.json", "pendulum")
    with pytest.raises(InputError, match="system's name"):
        save_candidate(network_candidate(), tmp_path / "c.json", "two\nlines")
    assert list(tmp_path.iterdir()) == []
