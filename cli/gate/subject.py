"""From a claim of a gate file to what is to be proved, and the hash by which it is found again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cli.gate.claim import GateClaim
from cli.inputs import (
    Plant,
    constant_settings,
    load_candidate_for,
    load_plant,
    requested,
)
from cli.learner_options import learner_settings, make_learner, rounds_of, with_defaults
from cli.sampling import KEYS
from systems.errors import InputError

if TYPE_CHECKING:
    from certify.candidate import Candidate
    from certify.result import Requested
    from learners.refine import Learner
    from systems.box import Box


@dataclass(frozen=True, eq=False)
class Subject:
    """A claim with its files read. Either ``candidate`` or ``learner`` is there.

    ``key`` is a hash of all that the proof depends on: the system, the candidate or the learner's
    settings, the settings of the proof, and the versions of program and certificate.
    """

    claim: GateClaim
    plant: Plant
    candidate: Candidate | None
    learner: Learner | None
    asked: Requested
    rounds: int
    seed: int
    box: Box | None
    key: str

    @property
    def seconds(self) -> float:
        """The time budget, for training and proof."""
        return float(self.claim.options["time_limit"])


def subject_of(claim: GateClaim) -> Subject:
    """Read the files that the claim names. Raises InputError, with the line of the wrong key."""
    with _at(claim, "system"):
        plant = load_plant(claim.system)
    asked_for = [key for key in KEYS if claim.options[key] is not None]
    if asked_for:
        with _at(claim, asked_for[0]):
            plant = load_plant(claim.system, claim.options)
    options = with_defaults(claim.options, plant)
    with _at(claim, *_culprit(claim)):
        asked = requested(options, plant)
    candidate, learner = None, None
    with _at(claim, claim.kind):
        if claim.kind == "learner":
            learner = make_learner(options, plant)
        else:
            candidate = _candidate(claim, plant)
    rounds = 1 if learner is None else rounds_of(options)
    settings: dict[str, object] = {**plant.settings(), **constant_settings(options)}
    if candidate is None:
        settings.update(learner_settings(options), rounds=rounds)
    else:
        settings.update(candidate=_digest(candidate), seed=options["seed"])
    return Subject(
        claim,
        plant,
        candidate,
        learner,
        asked,
        rounds,
        options["seed"],
        _box(claim, plant),
        _key(settings),
    )


@contextmanager
def _at(claim: GateClaim, *keys: str) -> Iterator[None]:
    """Whatever is found wrong inside is told with the place of these keys."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{claim.places(*keys)}: {error}") from None


def _culprit(claim: GateClaim) -> tuple[str, ...]:
    """The key that is to blame where the constants asked for make no sense together."""
    if claim.options["claim"] == "exponential-stability" and claim.options["mu"] is not None:
        return ("region", "mu")
    return ("theorem",) if claim.options["alpha"] is None else ("rate",)


def _candidate(claim: GateClaim, plant: Plant) -> Candidate:
    if claim.kind == "candidate":
        return load_candidate_for(plant, claim.source)
    from cli.networks import network_candidate, network_files

    for which, path in network_files(claim.networks).items():
        if not Path(path).is_file():
            raise InputError(f"{which}: {path}: there is no such file")
    return network_candidate(plant, claim.networks)


def _digest(candidate: Candidate) -> str:
    from certify.candidate_file import candidate_tape

    return candidate_tape(candidate).digest


def _key(settings: dict[str, object]) -> str:
    from cli.version import version
    from proofs.certificate import FORMAT, VERSION
    from systems.json_data import canonical_json, plain

    stated = {"settings": plain(settings), "program": version(), "format": [FORMAT, VERSION]}
    return hashlib.sha256(canonical_json(stated).encode()).hexdigest()


def _box(claim: GateClaim, plant: Plant) -> Box | None:
    """The box that the region has to hold. Raises InputError where its states are not all there."""
    if claim.box is None:
        return None
    from systems.box import Box

    names = plant.system.state_names
    place = claim.places("region", "box")
    if set(claim.box) != set(names):
        raise InputError(f"{place}: give an interval for each state: {', '.join(names)}")
    box = Box.of([claim.box[n] for n in names])
    if not box.contains(plant.system.equilibrium):
        raise InputError(f"{place}: the equilibrium is not inside")
    domain = plant.system.domain
    if not (domain.contains(box.lower) and domain.contains(box.upper)):
        raise InputError(f"{place}: it sticks out of the domain of {plant.system.name}")
    return box
