"""One claim, from its files to its end: an existing certificate re-checked, or proved anew."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import click

from cli.errors import OutputLostError
from cli.gate.agreement import agreement
from cli.gate.attempt import Outcome, attempt
from cli.gate.backends import may_prove
from cli.gate.baseline import Baseline, compare, read_baseline
from cli.gate.box import outside
from cli.gate.cache import certificate_path, remember, reusable
from cli.gate.claim import GateClaim
from cli.gate.evidence import Checked, Evidence, check, gaps
from cli.gate.finding import Finding, Status
from cli.gate.subject import Subject, subject_of
from cli.output import note
from cli.transcript import box_words, decimal, row, seconds
from cli.wording import in_options
from systems.errors import InputError

LOUD = "!!! THE INDEPENDENT CHECKER REJECTS THIS CERTIFICATE, SO NOTHING IS PROVED !!!"


@dataclass(frozen=True)
class Workshop:
    """What the claims of a gate share. ``tell`` takes a line of the transcript."""

    certificates: Path
    candidates: Path
    cache: Path
    jobs: int | None
    updating: bool
    tell: Callable[[str], None]


def decide(claim: GateClaim, shop: Workshop) -> Finding:
    """The claim's end. Bad input is an end too, told in one line; nothing is raised for it.

    Nor for a bug of ours: the other claims are still to be decided.
    """
    started = time.perf_counter()
    try:
        found = _decided(claim, shop)
    except InputError as error:
        found = Finding(claim, Status.INPUT, in_options(" ".join(str(error).split())))
    except OutputLostError:
        raise
    except Exception as error:
        found = Finding(claim, Status.BUG, _unexpected(error))
    rest = time.perf_counter() - started - found.total_seconds
    return replace(found, seconds={**found.seconds, "rest": max(rest, 0.0)})


def _unexpected(error: Exception) -> str:
    arguments: list[str] = click.get_current_context().obj or []
    if "--debug" in arguments:
        traceback.print_exception(error)
    words = " ".join(str(error).split())
    return f"unexpected {type(error).__name__}: {words} (a bug; --debug shows where it arose)"


def _decided(claim: GateClaim, shop: Workshop) -> Finding:
    subject = subject_of(claim)
    baseline = None if shop.updating else read_baseline(claim)
    if baseline is not None:
        baseline = _checked_baseline(baseline, subject, shop)
        if baseline.checked is None or not baseline.checked.valid:
            return _rejected(_of_baseline(baseline, claim), subject, shop)
    for evidence in reusable(subject, shop.cache, baseline):
        found = _judged(subject, evidence, baseline, shop)
        dissent = found.status is Status.UNKNOWN and found.asked
        if found.status in (Status.PROVED, Status.REJECTED) or dissent:
            return found
        note(f"{claim.name}: the certificate of the {evidence.origin} will not do: {found.message}")
    if not may_prove(claim.backends):
        named = ", ".join(claim.backends)
        return Finding(
            claim, Status.UNKNOWN, f"no certificate covers it, and {named} cannot prove it anew"
        )
    shop.tell(row("proving", "no certificate covers the claim: it is proved anew"))
    outcome = attempt(subject, shop.tell)
    spent = {"train": outcome.train_seconds, "prove": outcome.prove_seconds}
    if not outcome.proved:
        return _not_proved(claim, outcome, spent)
    found = _judged(subject, _evidence(subject, outcome), baseline, shop)
    return replace(
        found, seconds={**spent, **found.seconds}, counterexamples=outcome.counterexamples
    )


def _not_proved(claim: GateClaim, outcome: Outcome, spent: dict[str, float]) -> Finding:
    from certify.verdict import Refuted

    refuted = isinstance(outcome.conclusion, Refuted)
    return Finding(
        claim,
        Status.REFUTED if refuted else Status.UNKNOWN,
        outcome.reason,
        condition=outcome.condition,
        counterexamples=outcome.counterexamples,
        seconds=spent,
    )


def _evidence(subject: Subject, outcome: Outcome) -> Evidence:
    from proofs.certificate import certificate_of

    provenance = {
        "command": "stableproof gate",
        "claim": subject.claim.name,
        "settings": {**subject.plant.settings(), "seed": subject.seed, "rounds": subject.rounds},
        "rounds": list(outcome.rounds),
    }
    document = certificate_of(outcome.result, provenance)
    return Evidence.of(document, outcome.candidate, "proved")


def _judged(
    subject: Subject, evidence: Evidence, baseline: Baseline | None, shop: Workshop
) -> Finding:
    """What a certificate is worth for the claim, after the independent checker's word on it."""
    claim, certified = subject.claim, evidence.certified
    gap = gaps(
        evidence.document, certified, subject.plant.system, evidence.candidate, subject.asked
    )
    if gap is not None:
        return Finding(claim, Status.REJECTED, f"the certificate is for another claim: {gap}")
    path = shop.certificates / f"{claim.slug}.json"
    checked = _checked(evidence, baseline, path, shop)
    found = Finding(
        claim, Status.PROVED, "", evidence.origin, certified=certified, checked=checked,
        baseline=baseline, seconds={"check": checked.seconds},
    )  # fmt: skip
    if not checked.valid:
        return _rejected(found, subject, shop)
    heard = agreement(subject, evidence, path.with_suffix(".contradiction.json"), shop.tell)
    found = replace(found, asked=heard.asked, condition=heard.condition)
    if heard.bug_report is not None:
        path.unlink(missing_ok=True)  # what is contradicted is not left to be used
        return replace(found, status=Status.UNKNOWN, message=heard.gap or "")
    if evidence.origin == "proved":
        remember(subject, shop.cache, evidence)
    kept = None
    if subject.candidate is None:
        kept = _keep_candidate(subject, evidence, shop)
    found = replace(found, certificate=path, candidate=kept)
    if heard.gap is not None:
        return replace(found, status=Status.UNKNOWN, message=heard.gap)
    return _measured(found, subject, evidence, shop)


def _checked(evidence: Evidence, baseline: Baseline | None, path: Path, shop: Workshop) -> Checked:
    """The checker's word on a certificate, which is kept in ``path`` if it is accepted."""
    from proofs.certificate import save_certificate

    if baseline is not None and baseline.checked and baseline.vouches_for(evidence.document):
        save_certificate(evidence.document, path)  # accepted a moment ago, as the baseline
        return baseline.checked
    checked = check(evidence.document, evidence.certified, path, shop.jobs)
    _tell_valid(checked, _whence(evidence.origin), shop)
    return checked


def _tell_valid(checked: Checked, whence: str, shop: Workshop) -> None:
    if checked.valid:
        words = f"{checked.leaves:,} leaves rechecked in ball arithmetic ({whence})"
        shop.tell(row("checker", words, "valid", seconds(checked.seconds)))


def _checked_baseline(baseline: Baseline, subject: Subject, shop: Workshop) -> Baseline:
    """The baseline with the checker's word on it, whatever else is known of the claim."""
    path = shop.certificates / f"{subject.claim.slug}.json"
    checked = check(baseline.document, baseline.certified, path, shop.jobs, keep=False)
    _tell_valid(checked, "the baseline", shop)
    return replace(baseline, checked=checked)


def _of_baseline(baseline: Baseline, claim: GateClaim) -> Finding:
    checked = baseline.checked
    return Finding(
        claim, Status.PROVED, "", "baseline", certified=baseline.certified, checked=checked,
        baseline=baseline, seconds={} if checked is None else {"check": checked.seconds},
    )  # fmt: skip


def _whence(origin: str) -> str:
    return "just proved" if origin == "proved" else f"from the {origin}"


def _rejected(found: Finding, subject: Subject, shop: Workshop) -> Finding:
    assert found.checked is not None
    where = {
        "proved": "it was just proved: a bug in Stableproof, please report it",
        "cache": f"it lay in the cache as {certificate_path(shop.cache, subject)}: who put it there"
        "? Delete it to have the claim proved anew",
        "baseline": f"it is the baseline {subject.claim.baseline}: who changed it?",
    }[found.origin]
    message = f"{LOUD} {found.checked.message}; {where}"
    return replace(found, status=Status.REJECTED, message=message)


def _keep_candidate(subject: Subject, evidence: Evidence, shop: Workshop) -> Path:
    from certify.candidate_file import save_candidate

    path = shop.candidates / f"{subject.claim.slug}.json"
    save_candidate(evidence.candidate, path, subject.plant.system.name)
    return path


def _measured(found: Finding, subject: Subject, evidence: Evidence, shop: Workshop) -> Finding:
    """Whether the certified region is as large as the claim and its baseline want it."""
    claim, certified = subject.claim, evidence.certified
    volume = certified.volume or 0
    if claim.least_volume is not None and volume < claim.least_volume:
        words = f"volume >= {float(volume):.6g}, less than the {float(claim.least_volume):.6g}"
        return replace(found, status=Status.SMALL, message=f"{words} wanted")
    if claim.least_c2 is not None and certified.c2 < claim.least_c2:
        words = f"c2 = {float(certified.c2):.6g}, below the {float(claim.least_c2):.6g} wanted"
        return replace(found, status=Status.SMALL, message=words)
    if subject.box is not None:
        gap = outside(
            subject.plant.system, evidence.candidate, certified, subject.box, subject.seconds
        )
        if gap is not None:
            return replace(found, status=gap[0], message=gap[1])
        shop.tell(row("region", "V <= c2 on the whole box asked for", "proved"))
    if found.baseline is not None:
        comparison = compare(certified, found.baseline, claim.shrink_tolerance)
        found = replace(found, comparison=comparison)
        shop.tell(row("baseline", comparison.words))
        if comparison.differs:
            shop.tell(row("", comparison.differs))
        if comparison.shrank:
            words = "; ".join(filter(None, (comparison.words, comparison.differs)))
            words = f"the certified region shrank: {words}"
            return replace(found, status=Status.SHRUNK, message=words)
    return replace(found, message=_proved_words(found, subject))


def _proved_words(found: Finding, subject: Subject) -> str:
    """Lower bounds stay such when they are printed; of a smaller D, {V <= c2} is meant in it."""
    known = found.certified
    assert known is not None
    volume = "" if known.volume is None else f", volume >= {decimal(known.volume)} {known.unit}"
    inside = (
        "" if known.domain == subject.plant.system.domain else f"x in {box_words(known.domain)}: "
    )
    return f"{known.theorem} on {{{inside}V <= c2}}, c2 = {decimal(known.c2)}{volume.rstrip()}"
