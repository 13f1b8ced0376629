"""A claim over a region: no point of it satisfies all constraints of a violation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

from systems.box import Box
from systems.tape import Tape


@dataclass(frozen=True)
class Constraint:
    """output ≥ level ("at least") or ≤ level ("at most") of the tape; > and < where strict."""

    output: int
    sense: Literal["at least", "at most"]
    level: Fraction
    strict: bool = False

    @property
    def sign(self) -> int:
        return 1 if self.sense == "at least" else -1

    def words(self, names: Sequence[str]) -> str:
        relation = {
            ("at least", False): "≥",
            ("at least", True): ">",
            ("at most", False): "≤",
            ("at most", True): "<",
        }[self.sense, self.strict]
        return f"{names[self.output]} {relation} {float(self.level):.6g}"


@dataclass(frozen=True, eq=False)
class Condition:
    """Holds iff no x in the regions satisfies every constraint of ``violation``.

    The claim "g(x) ≤ c on {a ≤ V(x) ≤ b}" is the violation {V ≥ a, V ≤ b, g > c}. ``tape`` has
    scalar outputs, named by ``outputs``; ``regions`` are boxes, possibly of width 0 along an axis.
    """

    name: str
    claim: str
    tape: Tape
    outputs: tuple[str, ...]
    violation: tuple[Constraint, ...]
    regions: tuple[Box, ...]

    def __post_init__(self) -> None:
        if not self.violation or not self.regions:
            raise ValueError(f"{self.name}: a condition needs constraints and a region")
        if len(self.outputs) != len(self.tape.outputs):
            raise ValueError(f"{self.name}: every output of the tape needs a name")
        if any(size != 1 for size in self.tape.output_sizes):
            raise ValueError(f"{self.name}: an output of the tape is no scalar")
        if any(r.dimension != self.tape.dimension for r in self.regions):
            raise ValueError(f"{self.name}: region and tape have different dimensions")
        if any(not 0 <= c.output < len(self.outputs) for c in self.violation):
            raise ValueError(f"{self.name}: a constraint names an output that the tape lacks")

    def with_levels(self, levels: Sequence[Fraction]) -> Condition:
        """The same condition with other levels, in the order of the constraints."""
        violation = tuple(replace(c, level=v) for c, v in zip(self.violation, levels, strict=True))
        return replace(self, violation=violation)
