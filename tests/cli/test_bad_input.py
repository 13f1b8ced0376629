"""Every kind of bad input: one clear line, exit code 2, nothing half-written."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import FAST, Run

Refused = Callable[..., str]
SystemFile = Callable[..., Path]


def test_an_unknown_system(refused: Refused) -> None:
    assert "did you mean 'pendulum'?" in refused("run", "pendulm")
    assert "synthetic-1 to synthetic-12" in refused("run", "synthetic-99")


def test_a_missing_system_file(refused: Refused, tmp_path: Path) -> None:
    assert "there is no such file" in refused("run", tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("[dynamics]", "[dynamics", "motor.toml:"),
        ('x_dot = "x + u"', 'x_dot = "x + __import__(1)"', "__import__"),
        ("x = [-1, 1]", "x = [1, 2]", "equilibrium"),
        ('x_dot = "x + u"', 'x_dot = "x + u + 1"', "f(x*, u*) = (1)"),
        ('Q = "x**2"', 'Q = "-x**2"', "Q is not positive definite"),
        ("R = 1", "R = -1", "R is not positive definite"),
        ("R = 1", "R = 0", "R is not positive definite"),
    ],
)
def test_a_wrong_system_file(
    refused: Refused, system_file: SystemFile, old: str, new: str, part: str
) -> None:
    message = refused("run", system_file((old, new)))
    assert part in message and "motor.toml" in message


def test_an_unstable_initial_policy(refused: Refused) -> None:
    assert "unstable" in refused("run", "pendulum", "--initial-gain", "0,0")
    assert "unstable" in refused("run", "pendulum", "--initial-policy", "theta + omega")


@pytest.mark.parametrize(
    ("option", "value", "part"),
    [
        ("--initial-gain", "1", "shape (1, 2)"),
        ("--initial-gain", "1e400,0", "beyond the range of float64"),
        ("--initial-gain", "1,2;3", "different lengths"),
        ("--initial-gain", "1,x", "'x' is not a number"),
        ("--initial-policy", "-3*theta; omega", "2 formulas for 1 inputs"),
        ("--initial-policy", "-3*thta", "thta"),
        ("--initial-policy", "theta.__class__", "column"),
    ],
)
def test_a_malformed_initial_policy(refused: Refused, option: str, value: str, part: str) -> None:
    assert part in refused("run", "pendulum", option, value)


def test_messages_of_a_learner_name_the_options(refused: Refused) -> None:
    assert "use --activation tanh" in refused("train", "pendulum", "--activation", "relu")
    message = refused("train", "bilinear", "--learner", "lqr")
    assert "give an initial policy (--initial-gain or --initial-policy, of" in message
    message = refused("train", "pendulum", "--initial-gain", "0,0")
    assert "(--initial-gain or --initial-policy)" in message


def test_two_initial_policies(refused: Refused) -> None:
    both = ("--initial-gain", "20,5", "--initial-policy", "-3*theta")
    assert "--initial-gain or --initial-policy, not both" in refused("run", "pendulum", *both)


def test_lqr_takes_no_initial_policy(refused: Refused) -> None:
    assert "lqr" in refused("run", "pendulum", "--learner", "lqr", "--initial-gain", "20,5")


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--c1", "0.03", "--c2", "0.029"], "c1 = 0.03 must be below c2 = 0.029"),
        (["--c1", "0.03", "--c2", "0.03"], "must be below"),
        (["--mu", "-1e-4"], "-1e-4 is not positive"),
        (["--epsilon", "0"], "0 is not positive"),
        (["--c2", "nan"], "'nan' is not a number"),
        (["--c2", "1e999999999"], "not a number of ordinary size"),
        (["--c2", "1e309"], "beyond the range of float64"),
        (["--c2", "1e400"], "beyond the range of float64"),
        (["--c1", "1e-400"], "beyond the range of float64"),
        (["--c2", "1/0"], "'1/0' is not a number"),
        (["--time-limit", "0"], "no time limit"),
        (["--time-limit", "inf"], "no time limit"),
        (["--claim", "safety"], "'safety'"),
    ],
)
def test_impossible_constants(
    stableproof: Run, trained: Path, options: list[str], part: str
) -> None:
    for command in (["run", "pendulum"], ["certify", "pendulum", str(trained)]):
        ended = stableproof(*command, *options)
        assert ended.code == 2 and ended.out == ""
        assert part in ended.err and len(ended.err.splitlines()) == 1


def test_a_folder_that_cannot_be_made_or_is_none(refused: Refused, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    assert "is a file, not a folder" in refused("run", *FAST, "--out", file)
    assert "cannot be used" in refused("run", *FAST, "--out", file / "below")
    assert "cannot be used" in refused("run", *FAST, "--out", "/proc/stableproof/run")
    assert file.read_text() == "mine"


def test_a_folder_that_is_not_empty(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    assert "is not empty and holds no run of ours" in refused("run", *FAST, "--out", tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": "other"}', '{"format": NaN}'])
def test_a_folder_with_somebody_elses_run_json(refused: Refused, tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    assert "run.json" in refused("run", *FAST, "--out", tmp_path)
    assert "run.json" in refused("run", *FAST, "--out", tmp_path, "--force")
    assert (tmp_path / "run.json").read_text() == text


def test_a_missing_candidate(refused: Refused, tmp_path: Path) -> None:
    assert "there is no such file" in refused("certify", "pendulum", tmp_path / "none.json")
    assert "there is no such file" in refused("certify", "pendulum", tmp_path)


def test_a_truncated_candidate(refused: Refused, trained: Path, tmp_path: Path) -> None:
    whole = (trained / "candidate.json").read_text()
    for length in (0, 1, len(whole) // 2, len(whole) - 2):
        cut = tmp_path / "cut.json"
        cut.write_text(whole[:length])
        for command in ("certify", "simulate"):
            assert "cut.json" in refused(command, "pendulum", cut)
        assert "cut.json" in refused("show", cut)


def test_a_candidate_with_nan(refused: Refused, trained: Path, tmp_path: Path) -> None:
    data = json.loads((trained / "candidate.json").read_text())
    data["tape"]["constants"][0]["values"] = float("nan")
    bad = tmp_path / "nan.json"
    bad.write_text(json.dumps(data))
    assert "NaN" in refused("certify", "pendulum", bad)


def test_a_candidate_for_another_system(refused: Refused, trained: Path) -> None:
    message = refused("certify", "van-der-pol", trained)
    assert "made for 'pendulum', not for 'van-der-pol'" in message


def test_networks_with_nan_weights(refused: Refused, system_file: SystemFile) -> None:
    plant = system_file()
    weights = {"0.weight": np.array([[np.nan]]), "1.weight": np.ones((1, 1))}
    path = plant.with_name("V.npz")
    np.savez(path, allow_pickle=False, **weights)
    assert "NaN" in refused("import", plant, "--value", path, "--control", path)


def test_an_onnx_graph_with_an_operation_we_lack(refused: Refused, system_file: SystemFile) -> None:
    onnx = pytest.importorskip("onnx", reason="the extra 'onnx' is not installed")
    helper, float32 = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("LSTM", ["x", "W", "R"], ["y"])],
        "strange",
        [helper.make_tensor_value_info("x", float32, [1, 1])],
        [helper.make_tensor_value_info("y", float32, [1, 1])],
    )
    plant = system_file()
    path = plant.with_name("strange.onnx")
    path.write_bytes(helper.make_model(graph).SerializeToString())
    message = refused("import", plant, "--value", path, "--control", path)
    assert "LSTM is not supported" in message


def test_a_full_disk(
    refused: Refused, stableproof: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from systems import files

    write = files._write_flushed

    def full(path: Path, data: bytes) -> None:
        if "certificate" in path.name:
            path.write_bytes(data[:10])
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, data)

    out = tmp_path / "out"
    monkeypatch.setattr(files, "_write_flushed", full)
    ended = stableproof("run", *FAST, "--out", out, "--json")
    assert ended.code == 2 and ended.out == ""
    assert ended.err.startswith("error: ") and "No space left on device" in ended.err
    assert len(ended.err.splitlines()) == 1
    kept = ["candidate.json", "run.json", "training.csv"]
    assert sorted(p.name for p in out.iterdir()) == kept
    monkeypatch.setattr(files, "_write_flushed", write)  # space again: the same command goes on
    assert stableproof("run", *FAST, "--out", out).code == 0
    assert (out / "certificate.json").is_file()


def test_a_disk_that_is_full_from_the_start(
    refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("systems.files._write_flushed", full)
    assert "No space left on device" in refused("train", "pendulum", "--out", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_starts_that_do_not_fit(refused: Refused, trained: Path) -> None:
    assert "2 states" in refused("simulate", "pendulum", trained, "--start", "1")
    message = refused("simulate", "pendulum", trained, "--start", "1e400,0")
    assert "--start" in message and "beyond the range of float64" in message
    message = refused("simulate", "pendulum", trained, "--horizon", "1e9")
    assert "no horizon" in message and "1,000,000" in message
    assert "'a'" in refused("simulate", "pendulum", trained, "--start", "0,a")
    assert "needs --out" in refused("simulate", "pendulum", trained, "--picture")
    assert "hardly a point" in refused("simulate", "pendulum", trained, "--level", "1e-12")


def test_something_else_to_show(refused: Refused, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text("{}")
    assert "neither a candidate nor a certificate" in refused("show", other)
    assert "no such file" in refused("show", tmp_path / "none.json")
    assert "run.json" in refused("show", tmp_path)
