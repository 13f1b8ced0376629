"""A backend that does whatever a test wants it to do, and what must come of it: Unknown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from certify import Budget, Proved, Refuted, Unknown
from certify.backends import Answer, Availability, Backend, Soundness
from certify.backends.base import Lead
from certify.backends.taylor import Taylor
from certify.conditions import Condition
from tests.certify.statements import ALL

TRUST = ("a solver",)
CONDITIONS = {s.name: s.condition for s in ALL}
TRUE, FALSE = CONDITIONS["square-below-two"], CONDITIONS["square-below-a-half"]
PLANE = CONDITIONS["point-false"]


@dataclass(frozen=True)
class Hostile(Backend):
    """Whatever ``deed`` does instead of solving."""

    deed: Callable[..., object] = lambda *_: None
    found: Callable[..., object] = lambda: Availability(True, "1.0")
    refusal: Callable[..., object] = lambda: None
    rated: Soundness = Soundness.EXACT
    name: str = field(init=False, default="hostile")

    def __post_init__(self) -> None:
        object.__setattr__(self, "soundness", self.rated)

    def availability(self) -> Availability:
        return self.found()  # type: ignore[return-value]

    def explain_unsupported(self, condition: Condition) -> str | None:
        return self.refusal()  # type: ignore[return-value]

    def solve(self, condition: Condition, budget: Budget, seed: int) -> Lead:
        return self.deed(condition, budget)  # type: ignore[return-value]


def assert_others_still_work() -> None:
    """The package's own backend decides as before."""
    assert isinstance(Taylor().check(TRUE, Budget(60.0)), Proved)
    assert isinstance(Taylor().check(FALSE, Budget(60.0)), Refuted)


def unknown(answer: Answer) -> str:
    """The reason of an answer that must be Unknown, in one printable line that names who spoke."""
    assert isinstance(answer.verdict, Unknown), answer
    reason = answer.verdict.reason
    assert reason.startswith("hostile: ") and reason.isprintable() and len(reason) < 1200
    assert answer.said.isprintable() and len(answer.said) < 1200
    assert answer.seconds >= 0
    return reason
