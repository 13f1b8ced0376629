"""One claim from a test: proved and checked, or an error that says why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from numbers import Integral
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
    from certify.theorem import Claim
    from systems.box import Box
    from systems.dynamics import ControlAffineSystem


KEYWORDS = (
    "theorem", "rate", "c1", "c2", "mu", "epsilon", "minimum_volume", "time_budget", "seed",
)  # fmt: skip
"""What ``assert_proved`` takes besides system, candidate and region: all that docs/gate.md has."""
CONSTANTS = {"rate": "alpha", "c1": "c1", "c2": "c2", "mu": "mu", "epsilon": "epsilon"}
"""Those of them that the prover is asked for, with the names that it has for them."""


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
    time_budget: object = 60,
    seed: object = 0,
    **constants: object,
) -> Proof:
    """Prove it and write the certificate to ``path``. Raises NotProvedError, or InputError."""
    from certify import Budget, prove_stability
    from cli.warm_up import warm_up
    from proofs.certificate import certificate_of

    _refuse_unknown(constants)
    plant = _plant(system)
    proposal = _candidate(plant, candidate)
    box = _box(plant, region) if isinstance(region, Mapping) else None
    asked = _asked(plant, region, theorem, constants)
    least = None if minimum_volume is None else _positive(minimum_volume, "minimum_volume")
    budget, start = float(_positive(time_budget, "time_budget")), _seed(seed)
    warm_up()
    result = prove_stability(plant.system, proposal, asked, budget=Budget(budget), seed=start)
    if result.theorem is None:
        raise NotProvedError(f"{word(result.verdict)}: {reason_of(result.verdict, result)}")
    evidence = Evidence.of(certificate_of(result, {"command": "pytest"}), proposal, "proved")
    proof = _checked(evidence, plant, asked, path)
    if box is not None:
        gap = outside(plant.system, evidence.candidate, evidence.certified, box, budget)
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
    from systems.dynamics import ControlAffineSystem

    if not isinstance(system, ControlAffineSystem):
        raise InputError(f"system: give a name, a file or a system, not {_kind(system)}")
    return Plant(system, system.name)


def _candidate(plant: Plant, candidate: str | PathLike[str] | Candidate) -> Candidate:
    if isinstance(candidate, str | PathLike):
        return load_candidate_for(plant, fspath(candidate))
    from certify.candidate import Candidate

    if not isinstance(candidate, Candidate):
        raise InputError(f"candidate: give a file or a candidate, not {_kind(candidate)}")
    return candidate


def _kind(value: object) -> str:
    return "None" if value is None else f"a value of type {type(value).__name__}"


def _refuse_unknown(constants: Mapping[str, object]) -> None:
    for name in constants:
        if name not in CONSTANTS:
            known = ", ".join(KEYWORDS)
            raise InputError(f"assert_proved takes no {name!r}; there are {known}")


def _positive(value: object, name: str) -> Fraction:
    from systems.exact import nearest_float

    number = _number(value, name)
    try:
        if number > 0 and nearest_float(number) > 0:
            return number
    except ValueError:
        pass
    raise InputError(f"{name}: give a positive number, not {str(value)[:40]}")


def _seed(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 0:
        raise InputError(f"seed: give an integer from 0 on, not {str(value)[:40]!r}")
    return int(value)


def _asked(
    plant: Plant, region: object, theorem: str | None, constants: Mapping[str, object]
) -> Requested:
    """What is asked for; nothing that was given may be overruled by something else."""
    from certify.result import Requested

    if isinstance(region, Requested):
        if constants:
            raise InputError("give the constants in Requested, or one by one, not both")
        if theorem is not None:
            raise InputError("give the theorem in Requested, as its claim, or by name, not both")
        asked = region
    else:
        asked = _from_names(region, theorem, constants)
    try:
        asked.check_for(plant.system)
    except ValueError as error:
        raise InputError(str(error)) from None
    return asked


def _from_names(region: object, theorem: str | None, constants: Mapping[str, object]) -> Requested:
    """A level or nothing as the region, and constants under their documented names."""
    from certify.result import Requested

    level = None if isinstance(region, Mapping) else region
    if level is not None and constants.get("c2") is not None:
        raise InputError("two values for c2: give it as the region or by its name, not both")
    given = {
        CONSTANTS[name]: _positive(value, name)
        for name, value in {"c2": level, **constants}.items()
        if value is not None
    }
    try:
        return Requested(**given, claim=_claim(theorem))
    except ValueError as error:
        raise InputError(str(error)) from None


def _claim(theorem: object) -> Claim:
    from certify.theorem import Claim

    names = {claim.option: claim for claim in Claim}
    name = "asymptotic-stability" if theorem is None else theorem
    if not isinstance(name, str) or name not in names:
        raise InputError(f"theorem: {str(name)[:40]!r} is none of {', '.join(names)}")
    return names[name]


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
