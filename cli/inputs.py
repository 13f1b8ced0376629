"""From what stands on the command line to systems, candidates, learners and constants."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.output import note
from cli.panel import panel_settings
from systems.errors import InputError

if TYPE_CHECKING:
    from certify.candidate import Candidate
    from certify.result import Requested
    from learners.refine import Learner
    from systems.dynamics import ControlAffineSystem

CONSTANTS = ("c1", "c2", "mu", "alpha", "epsilon")
"""The constants that options fix."""


@dataclass(frozen=True, eq=False)
class Plant:
    """A system, and how the user named it. ``text`` is the file's content, where it is a file."""

    system: ControlAffineSystem
    source: str
    text: bytes | None = None

    def settings(self) -> dict[str, object]:
        """What makes two runs runs of the same system."""
        settings: dict[str, object] = {"system": self.system.name}
        if self.text is not None:
            settings["system_sha256"] = hashlib.sha256(self.text).hexdigest()
        return settings


def load_plant(source: str) -> Plant:
    """A system of the zoo by name, or the one in a TOML file. Raises InputError."""
    from systems import zoo
    from systems.reader import read_system

    if source.endswith(".toml") or "/" in source or Path(source).is_file():
        system = read_system(source)
        return Plant(system, source, Path(source).read_bytes())
    return Plant(zoo.system(source), source)


def load_candidate_for(plant: Plant, path: str) -> Candidate:
    """The candidate in a file, or in a run's folder, for the system. Raises InputError."""
    from certify.candidate_file import load_candidate

    file = Path(path) / "candidate.json" if Path(path).is_dir() else Path(path)
    candidate, name = load_candidate(file)
    if name != plant.system.name:
        raise InputError(f"{file} was made for {name!r}, not for {plant.system.name!r}")
    try:
        candidate.closed_loop(plant.system).field  # noqa: B018 (raises where sizes do not fit)
    except ValueError as error:
        raise InputError(f"{file} does not fit {plant.system.name}: {error}") from None
    return candidate


def requested(options: Mapping[str, Any], plant: Plant | None = None) -> Requested:
    """The constants asked for. Raises InputError where they contradict each other or the system."""
    from certify.result import Requested
    from certify.theorem import Claim

    claim = Claim(options["claim"].replace("-", " "))
    try:
        asked = Requested(claim=claim, **{name: options.get(name) for name in CONSTANTS})
        if plant is not None:
            asked.check_for(plant.system)
    except ValueError as error:
        raise InputError(str(error)) from None
    return asked


def constant_settings(options: Mapping[str, Any]) -> dict[str, object]:
    """The options about the proof, as JSON data."""
    given = {k: options.get(k) for k in CONSTANTS}
    exact = {k: None if v is None else _text(v) for k, v in given.items()}
    return {
        **exact,
        "claim": options["claim"],
        "time_limit": options["time_limit"],
        **panel_settings(options),
    }


def learner_settings(options: Mapping[str, Any]) -> dict[str, object]:
    """The options about the learner, as JSON data."""
    if options["learner"] == "lqr":
        return {"learner": "lqr", "seed": options["seed"]}
    names = (
        "learner", "seed", "neurons", "activation", "features", "initial_gain", "initial_policy",
    )  # fmt: skip
    return {k: options[k] for k in names}


def with_zoo_defaults(options: Mapping[str, Any], plant: Plant) -> dict[str, Any]:
    """The options, with what the zoo advises for the system where they are silent; notes say so.

    Where the linearisation has no LQR policy, the zoo supplies a first policy.
    """
    from systems import zoo

    known = zoo.entry(plant.source) if plant.text is None else None
    chosen = dict(options)
    advised: list[str] = []
    if known is not None and options["learner"] == "elm-pi":
        if options["activation"] is None and known.activation is not None:
            chosen["activation"] = known.activation
            advised.append(f"--activation {known.activation}")
        if known.initial_policy and not (options["initial_gain"] or options["initial_policy"]):
            chosen["initial_policy"] = known.initial_policy
            advised.append(f'--initial-policy "{known.initial_policy}"')
    if advised:
        note(f"{plant.system.name}: {' and '.join(advised)} taken from the zoo")
    chosen["activation"] = chosen["activation"] or "tanh"
    return chosen


def note_ignored(options: Mapping[str, Any]) -> None:
    """Tell which options of the command line the learner has no use for."""
    import click
    from click.core import ParameterSource

    if options["learner"] != "lqr":
        return
    context = click.get_current_context()
    for name in ("neurons", "activation", "features"):
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            note(f"--{name} is ignored: the learner lqr has none")


def make_learner(options: Mapping[str, Any], plant: Plant) -> Learner:
    """The learner that the options describe. Raises InputError, also where it fits no such system.

    What is wrong is said here, before a folder is taken or a former run's files are overwritten.
    """
    if options["initial_gain"] and options["initial_policy"]:
        raise InputError("give --initial-gain or --initial-policy, not both")
    if options["learner"] == "lqr":
        if options["initial_gain"] or options["initial_policy"]:
            raise InputError("the learner lqr takes no initial policy; leave it out")
        return _Baseline()
    from learners.elm_pi import ElmPolicyIteration

    gain, policy = options["initial_gain"], options["initial_policy"]
    learner = ElmPolicyIteration(
        neurons=options["neurons"],
        seed=options["seed"],
        activation=options["activation"],
        features=options["features"],
        initial_gain=None if gain is None else _gain(gain),
        initial_policy=None if policy is None else _policy(policy, plant.system),
    )
    learner.check_for(plant.system)
    return learner


@dataclass(frozen=True)
class _Baseline:
    """The linear-quadratic regulator: it takes no points, and nothing would change if it did."""

    def fit(self, system: ControlAffineSystem, **_: object) -> Candidate:
        from learners.lqr import lqr_candidate

        return lqr_candidate(system)


def _gain(text: str) -> Any:
    import numpy as np

    rows = [floats(row, "--initial-gain") for row in text.split(";")]
    if len({len(row) for row in rows}) != 1:
        raise InputError("--initial-gain: the rows have different lengths")
    return np.array(rows)


def _policy(text: str, system: ControlAffineSystem) -> Any:
    from systems import expression as ex
    from systems.parser import parse_expression

    names = {name: system.state[i] for i, name in enumerate(system.state_names)}
    parts = text.split(";")
    if len(parts) != system.input_dimension:
        raise InputError(
            f"--initial-policy: {len(parts)} formulas for {system.input_dimension} inputs"
        )
    return ex.stack([parse_expression(p, names, where="--initial-policy") for p in parts])


def numbers(text: str, option: str) -> list[Fraction]:
    """Exact numbers, separated by commas."""
    from systems.exact import exact

    try:
        return [exact(part.strip()) for part in text.split(",")]
    except ValueError as error:
        raise InputError(f"{option}: {error}") from None


def floats(text: str, option: str) -> list[float]:
    """The float64 next to each of some numbers. Raises InputError where one overflows."""
    from systems.exact import nearest_float

    try:
        return [nearest_float(v) for v in numbers(text, option)]
    except InputError:
        raise
    except ValueError:
        raise InputError(f"{option}: {text[:40]!r} lies beyond the range of float64") from None


def _text(value: Fraction) -> str:
    return str(value.numerator) if value.denominator == 1 else str(value)
