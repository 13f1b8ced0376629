"""Whether the other backends that a claim names confirm what its certificate proves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cli.gate.backends import must_agree
from cli.gate.evidence import Evidence
from cli.gate.subject import Subject
from cli.panel import record_of, rows_of
from cli.progress import ProgressBars

if TYPE_CHECKING:
    from certify.agreement import Contradiction
    from certify.conditions import Condition
    from certify.opinions import Opinion
    from certify.split_tree import SplitTree


@dataclass(frozen=True)
class Agreement:
    """What the others said: ``gap`` is None where all confirm every condition.

    ``bug_report`` is there iff one of them refutes what the checker accepted.
    """

    asked: tuple[dict[str, object], ...] = ()
    gap: str | None = None
    condition: str = ""
    bug_report: Path | None = None


def agreement(
    subject: Subject, evidence: Evidence, report: Path, tell: Callable[[str], None]
) -> Agreement:
    """Ask them, within as many seconds again as the claim has; write a contradiction to ``report``.

    A not float-sound backend may confirm, too: the certificate is what proves.
    """
    from certify.agreement import why
    from certify.backends import backend
    from certify.budget import Budget
    from certify.opinions import Opinion
    from certify.verdict import Proved
    from proofs.certificate import conditions_of

    names = must_agree(subject.claim.backends)
    if not names:
        return Agreement()
    conditions = conditions_of(evidence.document)
    told: dict[str, list[Opinion]] = {name: [] for name in names}
    left = len(names) * len(conditions)
    clock, whole = Budget(subject.seconds).started(), left
    with ProgressBars() as bars:
        for name in names:
            for condition, _ in conditions.values():
                bars.counting(f"{name}: {condition.name}", "questions", whole - left, whole)
                share = Budget(clock.remaining.seconds / left)
                answer = backend(name).ask(condition, share, subject.seed)
                told[name].append(Opinion(condition.name, answer))
                left -= 1
    for name in names:
        for line in rows_of(backend(name), told[name]):
            tell(line)
    asked = tuple(record_of(backend(n), told[n]) for n in names)
    opinions = [o for name in names for o in told[name]]
    clash = _contradictions(opinions, conditions)
    if clash:
        _write(clash, conditions, subject, report)
        words = f"{clash[0].words}; bug report: {report}"
        return Agreement(asked, words, clash[0].condition, report)
    first = next((o for o in opinions if not isinstance(o.verdict, Proved)), None)
    if first is None:
        return Agreement(asked)
    gap = f"no agreement: {first.backend} on {first.condition}: {why(first)}"
    return Agreement(asked, gap, first.condition)


def _contradictions(
    opinions: list[Opinion], conditions: dict[str, tuple[Condition, SplitTree]]
) -> tuple[Contradiction, ...]:
    from certify.agreement import Contradiction
    from certify.backends import Answer, backend
    from certify.opinions import OWN, Opinion
    from certify.verdict import Proved, Refuted

    out = []
    version = backend(OWN).availability().version
    for opinion in opinions:
        if isinstance(opinion.verdict, Refuted):
            proof = Proved(conditions[opinion.condition][1])
            answer = Answer(OWN, proof, "a certificate that the checker accepts", 0.0, version)
            certified = Opinion(opinion.condition, answer)
            out.append(Contradiction(opinion.condition, certified, opinion))
    return tuple(out)


def _write(
    clash: tuple[Contradiction, ...],
    conditions: dict[str, tuple[Condition, SplitTree]],
    subject: Subject,
    report: Path,
) -> None:
    from cli.bug_report import bug_report
    from cli.evidence import repeating_command
    from systems.files import write_atomically
    from systems.json_data import canonical_json

    document = bug_report(
        clash,
        {name: condition for name, (condition, _) in conditions.items()},
        system=subject.plant.system.name,
        seed=subject.seed,
        seconds=subject.seconds,
        command=repeating_command(),
        file=report.name,
    )
    write_atomically(report, canonical_json(document) + "\n")
