"""Certificates of former runs by a hash of what they depend on. Not trusted: a hint, no more.

What is found here is bound to the present system and candidate and checked like any other
certificate before it counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cli.gate.baseline import Baseline
from cli.gate.evidence import Evidence, gaps
from cli.gate.subject import Subject
from cli.output import note
from systems.errors import InputError


def reusable(subject: Subject, cache: Path, baseline: Baseline | None) -> Iterator[Evidence]:
    """Certificates that are for the claim, as it seems; unchecked. Those of no use are noted."""
    path = certificate_path(cache, subject)
    if path.exists():
        try:
            found = _cached(subject, cache)
            gap = gaps(
                found.document, found.certified, subject.plant.system, found.candidate,
                subject.asked,
            )  # fmt: skip
            if gap is None:
                yield found
            else:
                note(f"{path} is of no use: {gap}")
        except InputError as error:
            note(f"{error}; it is not used")
    if baseline is not None and subject.candidate is not None:
        document, certified = baseline.document, baseline.certified
        if not gaps(document, certified, subject.plant.system, subject.candidate, subject.asked):
            yield Evidence.of(document, subject.candidate, "baseline")


def remember(subject: Subject, cache: Path, evidence: Evidence) -> None:
    """Keep a certificate that was accepted, and a learner's candidate. What fails is noted."""
    from certify.candidate_file import save_candidate
    from proofs.certificate import save_certificate

    try:
        cache.mkdir(parents=True, exist_ok=True)
        if subject.candidate is None:
            name = subject.plant.system.name
            save_candidate(evidence.candidate, candidate_path(cache, subject), name)
        save_certificate(evidence.document, certificate_path(cache, subject))
    except (InputError, OSError) as error:
        note(f"the cache {cache} cannot be written: {error}")


def certificate_path(cache: Path, subject: Subject) -> Path:
    return cache / f"{subject.key}.certificate.json"


def candidate_path(cache: Path, subject: Subject) -> Path:
    return cache / f"{subject.key}.candidate.json"


def _cached(subject: Subject, cache: Path) -> Evidence:
    from cli.inputs import load_candidate_for
    from proofs.certificate import load_certificate

    candidate = subject.candidate
    if candidate is None:
        candidate = load_candidate_for(subject.plant, str(candidate_path(cache, subject)))
    return Evidence.of(load_certificate(certificate_path(cache, subject)), candidate, "cache")
