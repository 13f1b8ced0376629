"""The learners of ``--learner``: their options, their notes and refusals, and how they are told."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import click
import pytest

from certify.candidate import Candidate
from cli.inputs import load_plant
from cli.learner_options import (
    learner_class,
    learner_settings,
    make_learner,
    rounds_of,
    with_defaults,
)
from cli.learners import LEARNERS, OPTIONS, LearnerEntry, defaults_in_words, title
from cli.main import run
from cli.options import training
from cli.transcript import LABEL, TEXT, training_row
from learners.lqr import lqr_candidate
from systems import zoo
from systems.errors import InputError
from tests.cli.conftest import FAST, Run
from tests.cli.test_run import stop_at

Refused = Callable[..., str]
NOTHING: dict[str, Any] = dict.fromkeys(OPTIONS)


def options(name: str, **given: Any) -> dict[str, Any]:
    """A command line that says nothing but this."""
    return {"learner": name, "seed": 0, "rounds": 10, **NOTHING, **given}


@dataclass
class StandIn:
    """Makes the LQR, and says that it was another learner that did."""

    entry: LearnerEntry
    made: list[dict[str, Any]] = field(default_factory=list)
    provenance: dict[str, Any] = field(default_factory=dict)

    def __call__(self, **settings: Any) -> StandIn:
        self.made.append(settings)
        return self

    def check_for(self, system: Any) -> None:
        """It takes every system."""

    def fit(self, system: Any, **_: Any) -> Candidate:
        made = lqr_candidate(system)
        record = {"learner": self.entry.name, **self.provenance}
        return Candidate(made.state, made.value, made.control, record)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Callable[..., StandIn]:
    """A learner of the table that takes no time."""

    def replace(name: str, **provenance: Any) -> StandIn:
        made = StandIn(LEARNERS[name], provenance=provenance)
        monkeypatch.setattr("cli.learner_options.learner_class", lambda _: made)
        return made

    return replace


def test_every_option_of_a_learner_is_one_of_the_command_line() -> None:
    command = click.command()(training(lambda **_: None))
    silent = command.make_context("train", []).params
    assert silent == {"learner": next(iter(LEARNERS)), **NOTHING}


@pytest.mark.parametrize("command", ["train", "run"])
def test_the_help_teaches_who_takes_what(stableproof: Run, command: str) -> None:
    told = " ".join(stableproof(command, "--help").out.split())
    for entry in LEARNERS.values():
        assert f"{entry.name}: {entry.words}." in told
    assert "Where left out: 4 (galerkin)" in told
    assert "50 (pinn-pi)" in told and "100 (elm-pi" in told


@pytest.mark.parametrize(
    "entry",
    [entry for entry in LEARNERS.values() if not entry.episodic],
    ids=lambda entry: entry.name,
)
def test_the_table_says_what_the_learner_does(entry: LearnerEntry) -> None:
    """Its options are settings of the learner, with the same defaults. (Those of an actor-critic
    are translated.)"""
    settings = {f.name: f.default for f in fields(learner_class(entry))}
    assert {o: settings.get(o, "no such setting") for o in entry.options} == dict(entry.options)
    assert ("seed" in settings) is entry.seeded
    for kind in entry.activations:
        assert learner_class(entry)(activation=kind).activation == kind


def test_defaults_are_grouped_by_learner() -> None:
    assert defaults_in_words("order") == "4 (galerkin)"
    assert defaults_in_words("iterations") == "10 (elm-pi, pinn-pi, galerkin), 50 (zubov)"


def test_runs_of_old_are_still_the_same_runs() -> None:
    """These were the settings of run.json before there were other learners and --iterations."""
    plant = load_plant("pendulum")
    assert learner_settings(with_defaults(options("elm-pi"), plant)) == {
        "learner": "elm-pi",
        "seed": 0,
        "neurons": 100,
        "activation": "tanh",
        "features": "adapted",
        "initial_gain": None,
        "initial_policy": None,
    }
    assert learner_settings(with_defaults(options("lqr", neurons=7, seed=3), plant)) == {
        "learner": "lqr",
        "seed": 3,
    }
    changed = learner_settings(with_defaults(options("elm-pi", iterations=3), plant))
    assert changed["iterations"] == 3


@pytest.mark.parametrize("name", ["pinn-pi", "galerkin", "zubov"])
def test_what_a_learner_uses_is_what_makes_its_run(name: str) -> None:
    """And nothing else is: an ignored option does not make another run of it."""
    plant = load_plant("pendulum")
    chosen = with_defaults(options(name), plant)
    settings = learner_settings(chosen)
    assert {*settings} == {"learner", "seed", *LEARNERS[name].options}
    ignored = {o: 5 for o in OPTIONS if o not in LEARNERS[name].options}
    assert learner_settings(with_defaults(options(name, **ignored), plant)) == settings


def test_options_become_a_learners_settings(stand_in: Callable[..., StandIn]) -> None:
    made = stand_in("pinn-pi").made
    plant = load_plant("pendulum")
    given = options("pinn-pi", layers=2, initial_gain="20,5", seed=4, optimizer="adam", steps=30)
    make_learner(with_defaults(given, plant), plant)
    gain = made[0].pop("initial_gain")
    assert gain.tolist() == [[20.0, 5.0]]
    assert made[0] == {
        "neurons": 50, "layers": 2, "activation": "tanh", "features": "adapted",
        "optimizer": "adam", "iterations": 10, "steps": 30, "initial_policy": None, "seed": 4,
    }  # fmt: skip
    stand_in("galerkin")
    make_learner(with_defaults(options("galerkin", order=6), plant), plant)


def test_galerkin_takes_no_seed(stand_in: Callable[..., StandIn]) -> None:
    plant = load_plant("lorenz")
    made = stand_in("galerkin").made
    make_learner(with_defaults(options("galerkin", order=6, seed=3), plant), plant)
    assert made == [{"order": 6, "iterations": 10, "initial_gain": None, "initial_policy": None}]


def test_only_some_learners_make_several_rounds() -> None:
    assert {n: rounds_of(options(n, rounds=7)) for n in LEARNERS} == {
        "elm-pi": 7, "pinn-pi": 7, "galerkin": 1, "zubov": 7, "lqr": 1, "lac": 7, "dlac": 7,
    }  # fmt: skip


def test_the_zoo_advises_what_a_learner_can_use(capfd: pytest.CaptureFixture[str]) -> None:
    plant = load_plant("bilinear")
    elm = with_defaults(options("elm-pi"), plant)
    assert (elm["activation"], elm["initial_policy"]) == ("relu", "-3*abs(x)")
    assert "--activation relu and --initial-policy" in capfd.readouterr().err
    pinn = with_defaults(options("pinn-pi"), plant)
    assert (pinn["activation"], pinn["initial_policy"]) == ("tanh", "-3*abs(x)")
    told = capfd.readouterr().err
    assert "--initial-policy" in told and "activation" not in told
    assert with_defaults(options("lqr"), plant)["initial_policy"] is None
    assert with_defaults(options("galerkin", initial_gain="1"), plant)["initial_policy"] is None
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("name", "ignored", "option", "value"),
    [
        ("galerkin", "--neurons", "--neurons", "20"),
        ("galerkin", "--activation", "--activation", "tanh"),
        ("galerkin", "--rounds", "--rounds", "5"),
        ("elm-pi", "--order", "--order", "4"),
        ("elm-pi", "--layers", "--layers", "2"),
        ("elm-pi", "--optimizer", "--optimizer", "adam"),
        ("pinn-pi", "--order", "--order", "4"),
        ("zubov", "--features", "--features", "uniform"),
        ("lqr", "--steps", "--steps", "9"),
        ("lqr", "--rounds", "--rounds", "9"),
    ],
)
def test_options_that_a_learner_ignores_are_told(
    stableproof: Run,
    stand_in: Callable[..., StandIn],
    name: str,
    ignored: str,
    option: str,
    value: str,
) -> None:
    stand_in(name)
    levels = ("--c1", "0.1", "--c2", "0.2", "--mu", "1e-4")
    ended = stableproof("run", "pendulum", "--learner", name, option, value, *levels)
    assert f"{ignored} is ignored: the learner {name}" in ended.err
    assert len(ended.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("given", "part"),
    [
        (("--learner", "galerkin", "--order", "9"), "9 is not in the range 2<=x<=8"),
        (("--learner", "galerkin", "--order", "1"), "1 is not in the range 2<=x<=8"),
        (("--learner", "pinn-pi", "--layers", "0"), "0 is not in the range"),
        (("--learner", "pinn-pi", "--iterations", "0"), "0 is not in the range"),
        (("--learner", "pinn-pi", "--steps", "0"), "0 is not in the range"),
        (("--learner", "pinn-pi", "--optimizer", "sgd"), "'sgd' is not one of"),
        (("--learner", "pinn-pi", "--activation", "relu"), "use --activation tanh or sigmoid"),
        (("--activation", "sin"), "use --activation tanh or relu"),
        (("--learner", "pinnpi"), "'pinnpi' is not one of"),
        (("--learner", "lqr", "--initial-policy", "-3*theta"), "lqr takes no initial policy"),
    ],
)
def test_bad_input_takes_no_folder(
    refused: Refused, tmp_path: Path, given: tuple[str, ...], part: str
) -> None:
    for command in ("train", "run"):
        assert part in refused(command, "pendulum", *given, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", ["--initial-gain", "--initial-policy"])
@pytest.mark.parametrize("name", ["elm-pi", "galerkin", "zubov"])
def test_a_system_without_inputs_takes_no_policy(refused: Refused, name: str, option: str) -> None:
    message = refused("train", "van-der-pol-reversed-1", "--learner", name, option, "1")
    assert "van-der-pol-reversed-1 has no inputs" in message and option in message


def test_a_missing_library_is_told(
    refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "learners.elm_pi", None)
    message = refused("train", "pendulum", "--out", tmp_path / "out")
    assert "the learner elm-pi needs learners.elm_pi" in message and "--learner " in message
    assert not (tmp_path / "out").exists()


ROWS: list[tuple[str, dict[str, Any], str, str]] = [
    ("elm-pi", {"neurons": 100, "iterations": 4}, "ELM-PI, 100 neurons, 4 iterations", "HJB"),
    (
        "pinn-pi",
        {
            "neurons": 50,
            "iterations": 10,
            "settings": {"layers": 2, "optimizer": "levenberg-marquardt"},
        },
        "PINN-PI, 2 x 50 neurons, 10 iterations, Levenberg-Marquardt",
        "HJB",
    ),
    (
        "galerkin",
        {"settings": {"order": 4}, "iterations": 1},
        "Galerkin, order 4, 1 iteration",
        "HJB",
    ),
    ("zubov", {"neurons": 30, "settings": {"layers": 1}}, "Zubov, 30 neurons", "Zubov"),
    ("lqr", {}, "LQR of the linearisation", ""),
    ("foreign", {}, "foreign", ""),
]


@pytest.mark.parametrize(("name", "record", "words", "equation"), ROWS)
def test_the_training_row(name: str, record: dict[str, Any], words: str, equation: str) -> None:
    plain = lqr_candidate(zoo.system("pendulum"))
    residual = {f"{equation.lower()}_residual_max": 2e-3} if equation else {}
    warnings = {
        "warnings": ["policy lost stability in iteration 3", "the domain\nis not invariant"]
    }
    candidate = Candidate(
        plain.state, plain.value, plain.control, {"learner": name, **record, **residual, **warnings}
    )
    first, *notes = training_row(candidate, 1.5).splitlines()
    assert first[:LABEL] == "training     " and first[LABEL : LABEL + TEXT].rstrip() == words
    assert first[LABEL + TEXT :].startswith("  1.50 s")
    assert first.endswith(f"{equation} residual 2.0e-03" if equation else "1.50 s")
    assert notes == [
        "note         policy lost stability in iteration 3",
        "note         the domain is not invariant",
    ]


def test_every_learner_has_a_title_and_a_name_of_its_own() -> None:
    assert len({entry.title for entry in LEARNERS.values()}) == len(LEARNERS)
    assert title("foreign") == "foreign"


def test_what_a_learner_remarks_is_told_everywhere(
    stableproof: Run, stand_in: Callable[..., StandIn], tmp_path: Path
) -> None:
    """In the transcript, in JSON, by show, and in the report."""
    remark = "pendulum: the policy lost stability in iteration 3 (eigenvalue 0.2)"
    stand_in("pinn-pi", warnings=[remark], neurons=5, settings={"neurons": 5, "layers": 3})
    given = ("pendulum", "--learner", "pinn-pi", "--neurons", "5")
    out = tmp_path / "out"
    ended = stableproof("run", *given, "--out", out)
    assert ended.code == 0 and f"note         {remark}" in ended.out
    data = stableproof("run", *given, "--out", out, "--json").data
    assert data["training"]["warnings"] == [remark]
    assert remark[len("pendulum: ") :] in (out / "report.md").read_text()
    shown = stableproof("show", out / "candidate.json").out
    assert f"note         {remark}" in shown and "settings     neurons 5, layers 3" in shown
    assert "learner      pinn-pi" in shown
    trained = stableproof("train", *given[:5], "--json").data
    assert trained["training"]["warnings"] == [remark]


@pytest.mark.parametrize(
    ("learner", "part"),
    [
        ('{ name = "galerkin", neurons = 3 }', "the learner galerkin has no neurons"),
        ('{ name = "galerkin", rounds = 3 }', "the learner galerkin has no rounds"),
        ('{ name = "galerkin", order = 9 }', "learner order: 9 is not in the range"),
        ('{ name = "pinn-pi", layer = 2 }', "unknown key 'layer' (did you mean 'layers'?)"),
    ],
)
def test_a_gate_file_names_learners_alike(
    refused: Refused, tmp_path: Path, learner: str, part: str
) -> None:
    file = tmp_path / "stability.toml"
    file.write_text(f'[[claim]]\nname = "a"\nsystem = "pendulum"\nlearner = {learner}\n')
    assert part in refused("gate", file)


def test_a_run_of_before_the_table_is_recognised(stableproof: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(["run", *FAST, "--out", str(out)]) == 0
    again = stableproof("run", *FAST, "--iterations", "10", "--out", out)
    assert again.code == 0 and "holds this run already" in again.err
    other = stableproof("run", *FAST, "--iterations", "9", "--out", out)
    assert other.code == 2 and "iterations: none there, 9 here" in other.err


def test_an_unknown_activation_of_a_learner_is_refused_by_the_gate_too() -> None:
    plant = load_plant("pendulum")
    with pytest.raises(InputError, match="elm-pi has no --activation softplus"):
        make_learner(with_defaults(options("elm-pi", activation="softplus"), plant), plant)


LEARN: dict[str, tuple[str, ...]] = {
    "pinn-pi": ("pendulum", "--neurons", "8", "--iterations", "2", "--steps", "10"),
    "galerkin": ("pendulum", "--order", "2"),
    "zubov": ("van-der-pol-reversed-1", "--neurons", "30", "--c2", "0.3"),
}
"""Small enough for tests, and proved in the first round."""


@pytest.mark.parametrize("name", LEARN)
def test_a_run_of_each_leaves_what_the_other_commands_take(
    stableproof: Run, tmp_path: Path, name: str
) -> None:
    out = tmp_path / "out"
    line = ("run", *LEARN[name], "--learner", name, "--out", out)
    ended = stableproof(*line)
    assert ended.code == 0
    first = ended.out.splitlines()[0]
    assert first.startswith(f"training     {LEARNERS[name].title}, ")
    assert stableproof("check", out).code == 0
    assert stableproof("report", out).code == 0
    again = stableproof(*line, "--json")
    assert again.code == 0 and "holds this run already" in again.err
    assert again.data["training"]["learner"] == name
    assert name in (out / "report.md").read_text()
    assert f"learner      {name}" in stableproof("show", out / "candidate.json").out
    assert stableproof("simulate", LEARN[name][0], out, "--horizon", "1").code == 0
    changed = stableproof(*line, "--iterations", "7")
    assert changed.code == 2 and "(iterations: " in changed.err and ", 7 here)" in changed.err


@pytest.mark.parametrize("name", LEARN)
def test_ctrl_c_in_training_and_in_the_proof(
    stableproof: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    out = tmp_path / "out"
    line = ("run", *LEARN[name], "--learner", name, "--out", out)
    learner = learner_class(LEARNERS[name])
    fit, seen = learner.fit, []

    def interrupted(self: Any, *arguments: Any, **options: Any) -> Any:
        def progress(entry: Any) -> None:
            raise KeyboardInterrupt

        return fit(self, *arguments, **{**options, "progress": progress})

    def counted(self: Any, *arguments: Any, **options: Any) -> Any:
        seen.append(self)
        return fit(self, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(learner, "fit", interrupted)
        ended = stableproof(*line)
    assert ended.code == 130 and "the same command goes on" in ended.err
    assert not (out / "candidate.json").exists()
    with monkeypatch.context() as patch:
        stop_at(patch, "containment", 1)
        assert stableproof(*line).code == 130
    stored = (out / "candidate.json").read_bytes()
    monkeypatch.setattr(learner, "fit", counted)
    assert stableproof(*line).code == 0
    assert seen == [] and (out / "candidate.json").read_bytes() == stored


@pytest.mark.parametrize("name", LEARN)
def test_a_discrete_system_is_refused_in_one_line(
    refused: Refused, tmp_path: Path, name: str
) -> None:
    message = refused("run", "pendulum-discrete", "--learner", name, "--out", tmp_path / "out")
    assert "use LQR (--learner lqr)" in message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", LEARN)
def test_an_unstable_or_misshapen_gain_is_refused(refused: Refused, name: str) -> None:
    line = ("train", "pendulum", "--learner", name, "--initial-gain")
    assert "eigenvalue 2.85" in refused(*line, "0,0")
    assert "shape (1, 2)" in refused(*line, "1")


def test_a_policy_of_which_the_linear_part_decides_nothing(refused: Refused) -> None:
    message = refused("train", "bilinear", "--learner", "zubov", "--initial-gain", "1")
    assert "not exponentially stable under this policy" in message


def test_too_many_weights(refused: Refused) -> None:
    line = ("train", "pendulum", "--learner", "pinn-pi", "--layers", "4", "--neurons", "300")
    assert "use --optimizer lbfgs or fewer" in refused(*line)


def test_training_that_takes_all_the_time(
    stableproof: Run, stand_in: Callable[..., StandIn]
) -> None:
    stand_in("pinn-pi")
    ended = stableproof("run", "pendulum", "--learner", "pinn-pi", "--time-limit", "1e-5")
    assert "note         training alone took longer than the time limit of 1e-05 s" in ended.out
    assert "--time-limit" in ended.out
