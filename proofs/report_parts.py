"""What a report says, part by part, in Markdown: the page and report.md share these words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from certify.origin import centre_point
from certify.result import StabilityResult
from certify.verdict import Proved, Refuted, Unknown
from proofs import report_record as record
from proofs import report_sections as sections
from proofs.figure_paving import PavedCondition, paved_condition
from proofs.report_beside import beside
from proofs.report_claim import claim
from proofs.report_trust import trust
from proofs.report_words import figure, rounded_down, table, text

SHOWN = ("decrease", "core", "contraction", "rest", "small set", "defined", "containment", "trap")
"""The conditions whose boxes are shown, in this order; unsafe sets follow."""


@dataclass(frozen=True)
class Part:
    """Lines of Markdown, and the names of the figures that follow them."""

    lines: Sequence[str]
    figures: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Report:
    """A result and what is told with it; see :func:`proofs.report.write_report`."""

    result: StabilityResult
    rounds: Sequence[Mapping[str, object]] = ()
    counterexamples: Sequence[Mapping[str, object]] = ()
    history: Sequence[Mapping[str, object] | float] | None = None
    provenance: Mapping[str, object] | None = None
    certificate: Mapping[str, object] | None = None
    certificate_file: str = "certificate.json"
    commands: Sequence[str] = ()
    repeat: str = ""
    training_picture: bytes | None = None
    beside: Mapping[str, object] = field(default_factory=dict)

    @cached_property
    def _known(self) -> tuple[dict[str, object], list[Mapping[str, object]]]:
        """How the candidate came about, and the training history."""
        given = self.provenance
        known = dict(self.result.problem.candidate.provenance if given is None else given)
        recorded = known.pop("history", None)
        return known, record.as_records(recorded if self.history is None else self.history)

    @property
    def steps(self) -> list[Mapping[str, object]]:
        return self._known[1]

    @property
    def series(self) -> dict[str, list[float]]:
        return record.residuals(self.steps)

    @cached_property
    def points(self) -> list[Mapping[str, object]]:
        """Every counterexample that was found, with its round."""
        found = self.result.counterexample
        if self.counterexamples or found is None:
            return list(self.counterexamples)
        return [{"round": 1, "condition": found.condition, "point": list(found.point)}]

    @cached_property
    def pavings(self) -> list[PavedCondition]:
        """The boxes of every search that proved a condition on a region with an inside."""
        searches, centre = self.result.searches, centre_point(self.result.problem)[0]
        names = [n for n in SHOWN if n in searches]
        names += [n for n in searches if n not in SHOWN]
        found = (paved_condition(searches[n], centre) for n in names)
        return [p for p in found if p is not None]

    def parts(self) -> list[Part]:
        """Everything, in order."""
        result = self.result
        known, steps = self._known
        return [
            Part(sections.headline(result), ("region",)),
            Part(sections.counterexample(result)),
            Part(claim(result)),
            Part([*sections.region(result), *beside(result, self.beside)]),
            Part([*sections.conditions(result), *self._closed()], ("paving",)),
            Part(sections.constants(result)),
            Part(record.plant(result), ("trajectories",)),
            Part([*record.rounds(self.rounds), *self._found_by_round()]),
            Part(record.training(known, steps), ("training",)),
            Part(trust(result)),
            Part(
                record.again(
                    result, self.certificate, self.certificate_file, self.commands, self.repeat
                )
            ),
        ]

    def _closed(self) -> list[str]:
        """Why the boxes of the decrease search are closed, and with how much to spare."""
        paved = next((p for p in self.pavings if p.name == "decrease"), None)
        if paved is None:
            return []
        rows = [[text(word), f"{count:,}", percent(least)] for word, count, least in paved.tally]
        return [
            "### Why the leaves of the decrease search are closed",
            "",
            "Of the boxes examined, those that a reason closes are the leaves, and the evidence; "
            "the others were split.",
            "",
            *table(["reason", "leaves", "smallest margin"], rows),
            "The margin of a leaf is the share of its own size by which the level that closes the "
            "leaf could be moved with the leaf still closed, or all levels, where two constraints "
            "close it together; a lower bound, from the same enclosures as the proof.",
            "",
        ]

    def _found_by_round(self) -> list[str]:
        """The table of the counterexamples that training was given."""
        if not self.counterexamples:
            return []
        rows = [
            [figure(c.get("round")), text(c.get("condition", "")), figure(c.get("point")),
             _values(c.get("values"))]
            for c in self.counterexamples
        ]  # fmt: skip
        head = ["round", "condition", "point", "rigorous bounds there"]
        return ["## Counterexamples by round", "", *table(head, rows)]


def _values(found: object) -> str:
    if not isinstance(found, Mapping):
        return "–"
    return "; ".join(f"{text(name)} in [{figure(v)}]" for name, v in found.items())


def percent(share: float | None) -> str:
    """A margin, rounded down."""
    if share is None:
        return "not bounded"
    if share < 1e-4:
        return "below 0.01 %"
    if share >= 10:
        return f"{math.floor(share):,} times the level"
    return f"{rounded_down(100 * share, 3)} %"


def outcome_word(result: StabilityResult) -> str:
    """ "proved", "refuted" or "unknown"."""
    match result.verdict:
        case Proved():
            return "proved"
        case Refuted():
            return "refuted"
        case Unknown():
            return "unknown"
