"""What became of a claim, and of all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from cli.errors import PROVED, REFUTED, UNKNOWN, USAGE
from cli.gate.baseline import Baseline, Comparison
from cli.gate.certified import Certified
from cli.gate.claim import GateClaim
from cli.gate.evidence import Checked


class Status(Enum):
    """How a claim ended. Only the first lets the gate pass."""

    PROVED = "proved"
    REFUTED = "refuted"
    REJECTED = "rejected"
    SHRUNK = "shrunk"
    SMALL = "too small"
    UNKNOWN = "unknown"
    INPUT = "input error"
    BUG = "internal error"

    @property
    def code(self) -> int:
        """The exit code that it alone would give."""
        match self:
            case Status.PROVED:
                return PROVED
            case Status.UNKNOWN:
                return UNKNOWN
            case Status.INPUT | Status.BUG:
                return USAGE
        return REFUTED

    @property
    def rule(self) -> str:
        """The name under which reports list it where no condition of the theorem is at fault."""
        return {
            Status.REJECTED: "certificate-rejected",
            Status.SHRUNK: "region-shrank",
            Status.SMALL: "region-too-small",
            Status.INPUT: "input-error",
            Status.BUG: "internal-error",
        }.get(self, "not-proved")


WORST = (USAGE, REFUTED, UNKNOWN, PROVED)


@dataclass(frozen=True, eq=False)
class Finding:
    """One claim's end. ``message`` is one line; ``origin`` says where its certificate is from.

    ``condition`` is the condition of the theorem that is broken or open, where there is one.
    ``certificate`` is there iff the independent checker accepted it, whether or not the region is
    large enough; ``certified`` and ``checked`` go with it. ``asked`` is what other backends said.
    """

    claim: GateClaim
    status: Status
    message: str
    origin: str = ""
    condition: str = ""
    counterexamples: Sequence[Mapping[str, object]] = ()
    certified: Certified | None = None
    checked: Checked | None = None
    certificate: Path | None = None
    candidate: Path | None = None
    baseline: Baseline | None = None
    comparison: Comparison | None = None
    asked: Sequence[Mapping[str, object]] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def total_seconds(self) -> float:
        return sum(self.seconds.values())

    def constants(self) -> dict[str, str]:
        """What is certified, by name, exactly, as text."""
        if self.certified is None or self.certificate is None:
            return {}
        known = {k: str(v) for k, v in self.certified.constants.items() if v is not None}
        volume = self.certified.volume
        return known if volume is None else {**known, "volume": repr(float(volume))}

    def as_json(self) -> dict[str, object]:
        """For gate.json."""
        known = self.certified if self.certificate is not None else None
        return {
            "name": self.claim.name,
            "file": str(self.claim.places.file),
            "line": self.claim.line,
            "system": self.claim.system,
            "status": self.status.value,
            "exit_code": self.status.code,
            "message": self.message,
            "origin": self.origin or None,
            "condition": self.condition or None,
            "theorem": None if known is None else known.theorem,
            "region": None if known is None else _region(known),
            "counterexamples": list(self.counterexamples),
            "backends": list(self.asked),
            "checker": None if self.checked is None else self.checked.as_json(),
            "words": [] if self.checked is None else list(self.checked.words),
            "baseline": None
            if self.comparison is None or self.baseline is None
            else self.comparison.as_json(self.baseline),
            "certificate": None if self.certificate is None else str(self.certificate),
            "candidate": None if self.candidate is None else str(self.candidate),
            "seconds": dict(self.seconds),
        }


def _region(known: Certified) -> dict[str, object]:
    domain = known.domain
    return {
        **{k: None if v is None else float(v) for k, v in known.constants.items()},
        "exact": {k: None if v is None else str(v) for k, v in known.constants.items()},
        "volume": None if known.volume is None else float(known.volume),
        "unit": known.unit,
        "domain": [[str(a), str(b)] for a, b in zip(domain.lower, domain.upper, strict=True)],
    }


def exit_code(findings: Iterable[Finding]) -> int:
    """The worst of all: an input error before a refutation before an unknown."""
    codes = {f.status.code for f in findings}
    return next((code for code in WORST if code in codes), PROVED)


def tally(findings: Sequence[Finding]) -> str:
    """3 claims: 2 proved, 1 shrunk."""
    counts = [(s.value, sum(f.status is s for f in findings)) for s in Status]
    n = len(findings)
    words = ", ".join(f"{count} {word}" for word, count in counts if count)
    return f"{n} claim{'' if n == 1 else 's'}: {words}"
