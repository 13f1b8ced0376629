"""From what stands on the command line to systems, candidates and constants."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.panel import panel_settings
from cli.sampling import recorded_sampling, sampling_hint, sampling_of, sampling_settings
from systems.errors import InputError

if TYPE_CHECKING:
    from certify.candidate import Candidate
    from certify.result import Requested
    from systems.dynamics import ControlAffineSystem
    from systems.sampled import Sampling

CONSTANTS = ("c1", "c2", "mu", "alpha", "epsilon")
"""The constants that options fix."""


@dataclass(frozen=True, eq=False)
class Plant:
    """A system, and how the user named it. ``text`` is the file's content, where it is a file.

    ``sampling`` is what the options asked for, not what a file has said itself.
    """

    system: ControlAffineSystem
    source: str
    text: bytes | None = None
    sampling: Sampling | None = None

    @property
    def unsampled_name(self) -> str:
        """The name of the system that the options asked to sample; else its own."""
        suffix = "" if self.sampling is None else self.sampling.suffix
        return self.system.name.removesuffix(suffix)

    @property
    def is_near(self) -> bool:
        """Whether x* is a set point that need not be an equilibrium: of the zoo, or [set_point]."""
        if self.text is None:
            from systems import zoo

            return zoo.entry(self.source).set_point is not None
        return "set_point" in tomllib.loads(self.text.decode("utf-8"))

    def settings(self) -> dict[str, object]:
        """What makes two runs runs of the same system."""
        settings: dict[str, object] = {"system": self.unsampled_name}
        settings.update(sampling_settings(self.sampling))
        if self.text is not None:
            settings["system_sha256"] = hashlib.sha256(self.text).hexdigest()
        return settings


def load_plant(source: str, options: Mapping[str, Any] | None = None) -> Plant:
    """A system of the zoo by name, or the one in a TOML file. Raises InputError.

    Where ``options`` (those of :data:`cli.sampling.sampling`) ask for it, the system is sampled
    before anything else happens to it.
    """
    asked = sampling_of(options or {})
    plant = _plant(source)
    return plant if asked is None else _sampled(plant, asked)


def recorded_plant(folder: Path, data: Mapping[str, Any]) -> Plant:
    """The plant of a run's folder, whose run.json says ``data``. Raises InputError."""
    from cli.run_folder import SYSTEM

    settings, own = data["settings"], folder / SYSTEM
    plant = _plant(str(own) if SYSTEM in data["files"] else str(settings.get("system")))
    asked = recorded_sampling(settings)
    return plant if asked is None else _sampled(plant, asked)


def _sampled(plant: Plant, asked: Sampling) -> Plant:
    from systems.sampled import sampled

    return replace(plant, system=sampled(plant.system, asked), sampling=asked)


def _plant(source: str) -> Plant:
    from systems import zoo
    from systems.reader import read_system

    if source.endswith(".toml") or "/" in source or Path(source).is_file():
        system = read_system(source)
        return Plant(system, source, Path(source).read_bytes())
    return Plant(zoo.system(source), source)


def load_candidate_for(plant: Plant, path: str) -> Candidate:
    """The candidate in a file, or in a run's folder, for the system. Raises InputError.

    A controller made in continuous time may be examined under the sampling that the options ask
    for; one made for another sampling may not.
    """
    from certify.candidate_file import load_candidate

    file = Path(path) / "candidate.json" if Path(path).is_dir() else Path(path)
    candidate, name = load_candidate(file)
    if name not in (plant.system.name, plant.unsampled_name):
        raise InputError(
            f"{file} was made for {name!r}, not for {plant.system.name!r}"
            f"{sampling_hint(name, plant.unsampled_name)}"
        )
    try:
        candidate.closed_loop(plant.system).field  # noqa: B018 (raises where sizes do not fit)
    except ValueError as error:
        raise InputError(f"{file} does not fit {plant.system.name}: {error}") from None
    return candidate


def with_claim(options: Mapping[str, Any], plant: Plant) -> dict[str, Any]:
    """The options, with the claim that the system allows where none was given, which a note tells.

    A set point that is no exact equilibrium leaves set-point convergence to claim.
    """
    import click
    from click.core import ParameterSource

    from cli.output import note

    given = click.get_current_context().get_parameter_source("claim")
    if given is not ParameterSource.DEFAULT or not plant.is_near:
        return dict(options)
    note(
        f"{plant.system.name}: --claim set-point-convergence, since the set point need not be an "
        "exact equilibrium"
    )
    return {**options, "claim": "set-point-convergence"}


def requested(options: Mapping[str, Any], plant: Plant | None = None) -> Requested:
    """The constants asked for. Raises InputError where they contradict each other or the system."""
    from certify.result import Requested
    from certify.theorem import Claim

    [claim] = [c for c in Claim if c.option == options["claim"]]
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
