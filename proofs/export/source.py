"""What is exported: closed loop and V of a certificate or a candidate, and the conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from certify.candidate import Candidate
from certify.conditions import Condition
from certify.stability import StabilityProblem
from proofs.certificate import conditions_of, problem_of
from proofs.statement import names_of
from systems.box import Box
from systems.dynamics import ControlAffineSystem
from systems.json_data import quotient

NOT_PROVED = (
    "This is float64 arithmetic. What a certificate proves, it proves of the same functions in",
    "real arithmetic: the rounding errors of this file are not part of any proof.",
)


@dataclass(frozen=True, eq=False)
class Source:
    """A closed loop with V and, where there is a certificate, its conditions and its claim.

    ``claim_hash`` is the SHA-256 of the certificate's statement, ``document_hash`` that of all of
    it; both None for a candidate of which nothing is proved.
    """

    problem: StabilityProblem
    conditions: Mapping[str, Condition] = field(default_factory=dict)
    theorem: str | None = None
    constants: Mapping[str, Fraction] = field(default_factory=dict)
    claim_hash: str | None = None
    document_hash: str | None = None

    @property
    def origin(self) -> tuple[str, ...]:
        """Where it comes from and what is claimed, a line each, for comments."""
        system, D = self.problem.system, self.problem.domain
        states = self.state_names
        lines = [f"Exported by Stableproof. System: {system.name}, in {system.time} time."]
        if self.claim_hash is None:
            lines.append("No certificate: nothing is proved of this candidate.")
        else:
            lines += [
                f"Claim of the certificate: {self.theorem}.",
                f"SHA-256 of its statement: {self.claim_hash}",
                *(f"{name} = {_shown(v)}" for name, v in self.constants.items()),
            ]
        lines.append(f"Domain: {_intervals(states, D)}")
        W = system.disturbance_range
        if W is not None:
            lines.append(f"Disturbances: {_intervals(self.disturbance_names, W)}")
        star = ", ".join(map(_shown, system.equilibrium))
        return (*lines, f"Equilibrium: ({star})")

    @property
    def state_names(self) -> list[str]:
        system = self.problem.system
        return with_units(
            names_of(system.state_names, "x", system.state_dimension), system.state_units
        )

    @property
    def input_names(self) -> list[str]:
        system = self.problem.system
        return with_units(
            names_of(system.input_names, "u", system.input_dimension), system.input_units
        )

    @property
    def disturbance_names(self) -> list[str]:
        system = self.problem.system
        given = names_of(system.disturbance_names, "w", system.disturbance_dimension)
        return with_units(given, system.disturbance_units)


def source_of_certificate(document: Mapping[str, object]) -> Source:
    """What a certificate speaks of. Raises InputError with the place of what is malformed."""
    statement: Any = document["statement"]
    hashes: Any = document["sha256"]
    constants = statement["constants"]
    return Source(
        problem_of(document),
        {name: condition for name, (condition, _) in conditions_of(document).items()},
        statement["theorem"],
        {name: Fraction(v) for name, v in constants.items() if v is not None},
        hashes["statement"],
        hashes["document"],
    )


def source_of_candidate(system: ControlAffineSystem, candidate: Candidate) -> Source:
    """A candidate of which nothing is proved: there are no conditions."""
    return Source(StabilityProblem(system, candidate))


def with_units(names: Sequence[str], units: Sequence[str]) -> list[str]:
    """Each name, with its unit in brackets where it has one."""
    given = units or [""] * len(names)
    return [f"{n} [{u}]" if u else n for n, u in zip(names, given, strict=True)]


def _intervals(names: Sequence[str], box: Box) -> str:
    sides = zip(names, box.lower, box.upper, strict=True)
    return "; ".join(f"{n} in [{_shown(a)}, {_shown(b)}]" for n, a, b in sides)


def _shown(value: Fraction) -> str:
    return str(value.numerator) if value.denominator == 1 else quotient(value)
