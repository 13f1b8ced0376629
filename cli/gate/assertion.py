"""One claim from a test: proved and checked, or an error that says why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.gate.box import outside
from cli.gate.evidence import Evidence, check, gaps
from cli.inputs import Plant, load_candidate_for, load_plant
from cli.outcome import reason_of, word
from systems.errors import InputError

if TYPE_CHECKING:
    from certify.candidate import Candidate
    from certify.result import Requested
    from systems.box import Box
    from systems.dynamics import ControlAffineSystem


class NotProvedError(Exception):
    """The claim is refuted, unknown, or its region too small; the message says which and why."""


@dataclass(frozen=True)
class Proof:
    """A claim that was proved and checked. ``volume`` is the lower bound of the region's."""

    certificate: Path
    c2: Fraction
    volume: float | None
    words: tuple[str, ...]


def prove_for_test(
    system: str | PathLike[str] | ControlAffineSystem,
    candidate: str | PathLike[str] | Candidate,
    region: object,
    path: Path,
    *,
    theorem: str | None = None,
    minimum_volume: object = None,
    time_budget: float = 60.0,
    seed: int = 0,
    **constants: object,
) -> Proof:
    """Prove it and write the certificate to ``path``. Raises NotProvedError, or InputError."""
    from certify import Budget, prove_stability
    from cli.warm_up import warm_up
    from proofs.certificate import certificate_of

    plant = _plant(system)
    proposal = _candidate(plant, candidate)
    box = _box(plant, region) if isinstance(region, Mapping) else None
    asked = _asked(region, theorem, constants)
    least = _least(minimum_volume)
    warm_up()
    result = prove_stability(
        plant.system, proposal, asked, budget=Budget(float(time_budget)), seed=seed
    )
    if result.theorem is None:
        raise NotProvedError(f"{word(result.verdict)}: {reason_of(result.verdict, result)}")
    evidence = Evidence.of(certificate_of(result, {"command": "pytest"}), proposal, "proved")
    proof = _checked(evidence, plant, asked, path)
    if box is not None:
        gap = outside(plant.system, proposal, evidence.certified, box, float(time_budget))
        if gap is not None:
            raise NotProvedError(f"{gap[0].value}: {gap[1]}")
    if least is not None and (evidence.certified.volume or 0) < least:
        raise NotProvedError(
            f"too small: volume >= {proof.volume or 0:.6g}, less than the {float(least):.6g} wanted"
        )
    return proof


def _checked(evidence: Evidence, plant: Plant, asked: Requested, path: Path) -> Proof:
    certified = evidence.certified
    gap = gaps(evidence.document, certified, plant.system, evidence.candidate, asked)
    if gap is not None:
        raise NotProvedError(f"rejected: the certificate is for another claim: {gap}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path.parent} cannot be used: {error.strerror}") from None
    checked = check(evidence.document, certified, path, None)
    if not checked.valid:
        raise NotProvedError(f"rejected by the independent checker: {checked.message}")
    volume = None if certified.volume is None else float(certified.volume)
    return Proof(path, certified.c2, volume, checked.words)


def _plant(system: str | PathLike[str] | ControlAffineSystem) -> Plant:
    if isinstance(system, str | PathLike):
        return load_plant(fspath(system))
    return Plant(system, system.name)


def _candidate(plant: Plant, candidate: str | PathLike[str] | Candidate) -> Candidate:
    if isinstance(candidate, str | PathLike):
        return load_candidate_for(plant, fspath(candidate))
    return candidate


def _least(volume: object) -> Fraction | None:
    if volume is None:
        return None
    least = _number(volume, "minimum_volume")
    if least <= 0:
        raise InputError(f"minimum_volume must be positive, not {float(least):g}")
    return least


def _asked(region: object, theorem: str | None, constants: Mapping[str, object]) -> Requested:
    """What is asked for; nothing that was given may be overruled by something else."""
    from certify.result import Requested
    from certify.theorem import Claim

    if isinstance(region, Requested):
        if constants:
            raise InputError("give the constants in Requested, or one by one, not both")
        if theorem is not None:
            raise InputError("give the theorem in Requested, as its claim, or by name, not both")
        return region
    known = {f.name for f in fields(Requested)} - {"claim"}
    level = None if isinstance(region, Mapping) else region
    given: dict[str, object] = {}
    for name, value in {**constants, "region": level}.items():
        means = {"rate": "alpha", "region": "c2"}.get(name, name)
        if value is not None and means in given:
            raise InputError(f"two values for {means}: give one of them")
        if value is not None:
            given[means] = value
        if means not in known:
            raise InputError(f"assert_proved takes no {name!r}; there are {', '.join(known)}")
    try:
        claim = Claim(("asymptotic-stability" if theorem is None else theorem).replace("-", " "))
        return Requested(**{k: _number(v, k) for k, v in given.items()}, claim=claim)
    except ValueError as error:
        raise InputError(str(error)) from None


def _box(plant: Plant, region: Mapping[str, Any]) -> Box:
    from systems.box import Box

    names = plant.system.state_names
    if set(region) != set(names):
        raise InputError(f"region: give an interval for each state: {', '.join(names)}")
    try:
        return Box.of([[_number(end, f"region {n}") for end in region[n]] for n in names])
    except (TypeError, ValueError) as error:
        raise InputError(f"region: {error}") from None


def _number(value: object, what: str) -> Fraction:
    """Exactly the number that is printed: 0.029 is 29/1000."""
    from systems.exact import exact

    try:
        return exact(value if isinstance(value, Fraction) else str(value))
    except ValueError as error:
        raise InputError(f"{what}: {error}") from None
