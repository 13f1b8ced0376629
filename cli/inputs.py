"""From what stands on the command line to systems, candidates, learners and constants."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from systems.errors import InputError

if TYPE_CHECKING:
    from certify.candidate import Candidate
    from certify.prove import Requested
    from learners.refine import Learner
    from systems.dynamics import ControlAffineSystem


@dataclass(frozen=True, eq=False)
class Plant:
    """A system, and how the user named it. ``digest`` identifies a file's content."""

    system: ControlAffineSystem
    source: str
    digest: str | None = None

    def settings(self) -> dict[str, object]:
        """What makes two runs runs of the same system."""
        settings: dict[str, object] = {"system": self.system.name}
        if self.digest is not None:
            settings["system_sha256"] = self.digest
        return settings


def load_plant(source: str) -> Plant:
    """A system of the zoo by name, or the one in a TOML file. Raises InputError."""
    from systems import zoo
    from systems.reader import read_system

    if source.endswith(".toml") or "/" in source or Path(source).is_file():
        system = read_system(source)
        return Plant(system, source, hashlib.sha256(Path(source).read_bytes()).hexdigest())
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


def requested(options: Mapping[str, Any]) -> Requested:
    """The constants asked for. Raises InputError where they contradict each other."""
    from certify.prove import Requested
    from certify.theorem import Claim

    claim = Claim(options["claim"].replace("-", " "))
    try:
        return Requested(options["c1"], options["c2"], options["mu"], options["epsilon"], claim)
    except ValueError as error:
        raise InputError(str(error)) from None


def constant_settings(options: Mapping[str, Any]) -> dict[str, object]:
    """The options about the proof, as JSON data."""
    names = ("c1", "c2", "mu", "epsilon")
    exact = {k: None if options[k] is None else _text(options[k]) for k in names}
    return {**exact, "claim": options["claim"], "time_limit": options["time_limit"]}


def learner_settings(options: Mapping[str, Any]) -> dict[str, object]:
    """The options about the learner, as JSON data."""
    if options["learner"] == "lqr":
        return {"learner": "lqr", "seed": options["seed"]}
    names = (
        "learner", "seed", "neurons", "activation", "features", "initial_gain", "initial_policy",
    )  # fmt: skip
    return {k: options[k] for k in names}


def make_learner(options: Mapping[str, Any], plant: Plant) -> Learner:
    """The learner that the options describe. Raises InputError."""
    if options["learner"] == "lqr":
        if options["initial_gain"] or options["initial_policy"]:
            raise InputError("the learner lqr takes no initial policy; leave it out")
        return _Baseline()
    from learners.elm_pi import ElmPolicyIteration

    gain, policy = options["initial_gain"], options["initial_policy"]
    return ElmPolicyIteration(
        neurons=options["neurons"],
        seed=options["seed"],
        activation=options["activation"],
        features=options["features"],
        initial_gain=None if gain is None else _gain(gain),
        initial_policy=None if policy is None else _policy(policy, plant.system),
    )


@dataclass(frozen=True)
class _Baseline:
    """The linear-quadratic regulator: it takes no points, and nothing would change if it did."""

    def fit(self, system: ControlAffineSystem, **_: object) -> Candidate:
        from learners.lqr import lqr_candidate

        return lqr_candidate(system)


def _gain(text: str) -> Any:
    import numpy as np

    rows = [numbers(row, "--initial-gain") for row in text.split(";")]
    if len({len(row) for row in rows}) != 1:
        raise InputError("--initial-gain: the rows have different lengths")
    return np.array([[float(v) for v in row] for row in rows])


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


def _text(value: Fraction) -> str:
    return str(value.numerator) if value.denominator == 1 else str(value)
