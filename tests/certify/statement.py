"""A statement whose truth is known, and how one is written down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from certify.conditions import Condition, Constraint
from systems import expression as ex
from systems.box import Box
from systems.exact import exact
from systems.expression import Expression
from systems.tape import compile_tape

Point = tuple[Fraction, ...]
Constraints = Sequence[tuple[Expression, str, object]]

KINDS = ("polynomial", "rational", "kinked", "transcendental", "network")
TAGS = {
    "equality": "true with a margin of zero, or false only where equality holds",
    "hair": "decided by less than float64 resolves, or beyond its range",
    "identity": "true with a margin, but natural bounds on boxes do not show it",
    "partial": "has an operation that is not defined everywhere",
    "guarded": "undefined only where another constraint fails",
    "lyapunov": "a decrease or containment condition",
}


@dataclass(frozen=True, eq=False)
class Statement:
    """A condition, and whether it holds.

    ``truth`` is None where no point with values violates it, but an output is undefined (or has
    many values: step at 0) at a point that no other constraint rules out: it must not be proved.
    ``point`` violates a false statement, exactly, or is where one is undefined. ``between`` are two
    points on whose segment there is such a point, by the intermediate value theorem.
    """

    name: str
    condition: Condition
    truth: bool | None
    why: str
    kind: str
    tags: frozenset[str]
    point: Point | None = None
    between: tuple[Point, Point] | None = None

    @property
    def robust(self) -> bool:
        """Whether small errors do not change the truth: a good enough enclosure decides it."""
        return self.truth is not None and not self.tags & {"equality", "hair"}


def claim(
    name: str,
    words: str,
    regions: str,
    constraints: Callable[..., Constraints],
    truth: bool | None,
    why: str,
    *,
    at: str | None = None,
    between: tuple[str, str] | None = None,
    disturbances: int = 0,
) -> Statement:
    """A statement over x (and w, where there are disturbances) from its parts."""
    kind, *tags = words.split()
    assert kind in KINDS and set(tags) <= TAGS.keys(), words
    boxes = tuple(_box(part) for part in regions.split("|"))
    n = boxes[0].dimension - disturbances
    inputs = [ex.variable("x", n)]
    if disturbances:
        inputs.append(ex.variable("w", disturbances))
    violation = constraints(*inputs)
    outputs: list[Expression] = []
    for value, _, _ in violation:
        if not any(value is known for known in outputs):
            outputs.append(value)
    condition = Condition(
        name,
        why,
        compile_tape(outputs, inputs),
        tuple(f"g{i + 1}" for i in range(len(outputs))),
        tuple(
            Constraint(
                next(i for i, known in enumerate(outputs) if known is value),
                "at least" if relation.startswith(">") else "at most",
                exact(level),
                relation in (">", "<"),
            )
            for value, relation, level in violation
        ),
        boxes,
    )
    return Statement(
        name, condition, truth, why, kind, frozenset(tags),
        None if at is None else _point(at),
        None if between is None else (_point(between[0]), _point(between[1])),
    )  # fmt: skip


def _point(text: str) -> Point:
    return tuple(exact(part.strip()) for part in text.split(","))


def _box(text: str) -> Box:
    sides = [side.strip().split("..") for side in text.split(",")]
    return Box.of([(side[0], side[-1]) for side in sides])
