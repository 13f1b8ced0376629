"""Certificates in the hands of the gate: bound to what is claimed, and checked independently."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.gate.certified import Certified, certified_by, gap_between
from cli.progress import ProgressBars

if TYPE_CHECKING:
    from certify.candidate import Candidate
    from certify.result import Requested
    from systems.dynamics import ControlAffineSystem


@dataclass(frozen=True)
class Checked:
    """What the independent checker said of a certificate."""

    valid: bool
    message: str
    words: tuple[str, ...] = ()
    leaves: int = 0
    seconds: float = 0.0

    def as_json(self) -> dict[str, object]:
        return {
            "valid": self.valid,
            "message": self.message,
            "leaves": self.leaves,
            "seconds": self.seconds,
        }


def gaps(
    document: Mapping[str, Any],
    certified: Certified,
    system: ControlAffineSystem,
    candidate: Candidate,
    asked: Requested,
) -> str | None:
    """Why the certificate does not speak of this system, candidate and claim; None where it does.

    A certificate proves what it states, of whatever it states it: that has to be this.
    """
    from proofs.binding import binding_gaps

    other = gap_between(certified, asked, system.domain)
    if other is not None:
        return other
    found = binding_gaps(document, system, candidate)
    return found[0] if found else None


def check(
    document: Mapping[str, Any],
    certified: Certified,
    path: Path,
    jobs: int | None,
    *,
    keep: bool = True,
) -> Checked:
    """Write the certificate to ``path`` if, and only if, the independent checker accepts it.

    The checker reads the file that is kept, under another name until it is accepted; one that is
    rejected stays beside it as ``….rejected.json``. With ``keep`` False, only the answer is wanted:
    one that is accepted is not kept. Raises InputError where it cannot be written.
    """
    from proofs.certificate import save_certificate
    from proofs.checker import check_file

    waits, rejected = (path.with_suffix(f".{word}.json") for word in ("unchecked", "rejected"))
    save_certificate(document, waits)
    try:
        with ProgressBars() as bars:
            outcome = check_file(
                waits, jobs, lambda done, of: bars.counting("checking", "leaves", done, of)
            )
        valid, message = outcome.status == "valid", str(outcome.message)
        if valid and outcome.claim_hash != certified.statement_hash:
            valid, message = False, "the checker read another statement than the one proved"
        if keep or not valid:
            waits.replace(path if valid else rejected)
    finally:
        waits.unlink(missing_ok=True)
    if valid:
        rejected.unlink(missing_ok=True)
    said = message or ("" if valid else f"the checker calls it {outcome.status}")
    return Checked(valid, said, tuple(outcome.words), outcome.leaves, outcome.seconds)


@dataclass(frozen=True, eq=False)
class Evidence:
    """A certificate that may show a claim; ``origin`` is "proved", or whence it was taken."""

    document: Mapping[str, Any]
    certified: Certified
    candidate: Candidate
    origin: str

    @staticmethod
    def of(document: Mapping[str, Any], candidate: Candidate, origin: str) -> Evidence:
        """The V of local stability is the certificate's own, whatever the candidate's was.

        Raises InputError where the certificate is malformed.
        """
        from proofs.certificate_problem import as_spoken_of

        return Evidence(document, certified_by(document), as_spoken_of(document, candidate), origin)
