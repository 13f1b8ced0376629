"""The committed certificate of a claim: the region may not shrink behind anybody's back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from cli.gate.certified import Certified, certified_by
from cli.gate.claim import GateClaim
from cli.gate.evidence import Checked
from systems.errors import InputError

HINT = "--update-baseline writes it"


@dataclass(frozen=True, eq=False)
class Baseline:
    """A baseline that was read: its certificate, what it states, and the checker's word on it.

    Nothing of it is to be used or shown before the checker accepted it, in this very run: whoever
    may write the file may write anything into it.
    """

    path: Path
    document: Mapping[str, Any]
    certified: Certified
    checked: Checked | None = None

    def vouches_for(self, document: Mapping[str, Any]) -> bool:
        """Whether it is this very certificate, and was accepted."""
        from systems.json_data import canonical_json

        valid = self.checked is not None and self.checked.valid
        return valid and canonical_json(self.document) == canonical_json(document)


@dataclass(frozen=True)
class Comparison:
    """The certified region now, and that of the baseline.

    ``differs`` says in which functions the two closed loops differ; empty where in none.
    """

    shrank: bool
    words: str
    differs: str

    def as_json(self, baseline: Baseline) -> dict[str, object]:
        was = baseline.certified
        return {
            "path": str(baseline.path),
            "volume": None if was.volume is None else float(was.volume),
            "c2": float(was.c2),
            "shrank": self.shrank,
            "words": self.words,
            "differs": self.differs or None,
        }


def read_baseline(claim: GateClaim) -> Baseline | None:
    """The claim's baseline; None where it names none. Raises InputError for one of no use."""
    from proofs.certificate import load_certificate

    if claim.baseline is None:
        return None
    place = claim.places("baseline")
    if not claim.baseline.exists():
        raise InputError(f"{place}: {claim.baseline}: there is no such file; {HINT}")
    try:
        document = load_certificate(claim.baseline)
        return Baseline(claim.baseline, document, certified_by(document))
    except InputError as error:
        raise InputError(f"{place}: {error}; {HINT} anew") from None


def compare(now: Certified, baseline: Baseline, tolerance: Fraction) -> Comparison:
    """Whether the region shrank by more than the tolerance, a share of the volume.

    Volumes are lower bounds that depend a little on the time there was. So where V and D are the
    same, a level that did not fall is enough: {V ≤ c2} did not shrink then. Raises InputError
    where the two cannot be compared: other theorems, units, disturbances, unsafe sets.
    """
    was = baseline.certified
    if (was.system, was.theorem) != (now.system, now.theorem):
        raise InputError(
            f"the baseline {baseline.path} is for {was.theorem} of {was.system!r}, not "
            f"{now.theorem} of {now.system!r}; {HINT} anew"
        )
    for what, stated in was.about.items():
        if stated != now.about[what]:
            raise InputError(f"the baseline {baseline.path} has another {what}; {HINT} anew")
    same = was.value == now.value and was.domain == now.domain
    least = (was.volume or Fraction(0)) * (1 - tolerance)
    if same and now.c2 >= was.c2:
        shrank = False
    elif was.volume is None:
        if not same:
            raise InputError(f"the baseline {baseline.path} states no volume; {HINT} anew")
        shrank = True
    else:
        shrank = (now.volume or Fraction(0)) < least
    words = (
        f"volume >= {_number(now.volume)}, c2 = {_number(now.c2)}; "
        f"baseline: volume >= {_number(was.volume)}, c2 = {_number(was.c2)}"
    )
    return Comparison(shrank, words, _differences(now, was))


def _differences(now: Certified, was: Certified) -> str:
    """A larger region of another loop is no larger region of this one: it has to be told."""
    functions = {
        "other dynamics": (now.dynamics, was.dynamics),
        "another controller": (now.control, was.control),
        "another V": (now.value, was.value),
    }
    found = [name for name, (here, there) in functions.items() if here != there]
    if not found:
        return ""
    *first, last = found
    named = f"{', '.join(first)} and {last}" if first else last
    return f"the baseline has {named}"


def update_baseline(claim: GateClaim, certificate: Path) -> None:
    """Put the certificate, whole, in the baseline's place.

    Raises InputError where that cannot be done, or where the file is something else.
    """
    from systems.files import write_atomically

    path = claim.baseline
    if path is None:
        return
    if path.exists():
        _refuse_stranger(path, claim)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        data = certificate.read_bytes()
    except OSError as error:
        raise InputError(f"{claim.places('baseline')}: {path}: {error.strerror}") from None
    if not (path.is_file() and path.read_bytes() == data):
        write_atomically(path, data)


def _refuse_stranger(path: Path, claim: GateClaim) -> None:
    from proofs.certificate import FORMAT
    from systems.json_data import read_json

    try:
        data = read_json(path, "a certificate")
    except InputError:
        data = None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise InputError(
            f"{claim.places('baseline')}: {path} is no certificate; it is not overwritten"
        )


def _number(value: Fraction | None) -> str:
    return "none" if value is None else f"{float(value):.6g}"
