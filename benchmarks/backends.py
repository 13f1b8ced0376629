"""Every backend on the same statements: verdict and time side by side."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.backend_cases import Case, cases
from benchmarks.measure import milliseconds
from benchmarks.report import Bar, Report, Row
from benchmarks.settings import Settings
from certify import Budget, Proved, Refuted, Unknown
from certify.backends import Answer, Backend, Soundness, backend, names
from certify.conditions import Condition
from tests.certify.statement import KINDS, Statement
from tests.certify.statements import ALL

SECONDS, QUICK_SECONDS = 60.0, 5.0
TABLE_SECONDS, QUICK_TABLE_SECONDS = 3.0, 1.0
CROSS_CHECK_SECONDS = 20.0
SHARE_OF_CROSS_CHECKS, QUICK_SHARE = 20, 21
"""Every so many statements of the table."""

SHORT = 5.0
"""What is decided within so many seconds is asked three times; the median counts."""

NOTES = (
    "Table of statements: how many of those asked were decided, and the seconds for all of them, "
    "by kind. All were also compared with the truth. Those that no backend can decide in float64 "
    "are among them, and so are statements that must stay undecided (an output is undefined).",
    "Cross-checks (lirpa:…) prove nothing by themselves; they are asked every "
    f"{SHARE_OF_CROSS_CHECKS}th statement of the table, and have at most {CROSS_CHECK_SECONDS:g} s "
    "each for the rest.",
    "Table 2: ELM-PI candidates of ours (uniform features, seed 0) with the paper's constants; "
    "decrease, containment and small set, in this order until one is not proved; the pendulum has "
    "no ε there, and μ = 1e-4 is ours. Published: dReal's seconds on the paper's own networks of "
    "that size, from its Table 2, not measured here.",
    "Time is what a caller waits for. Solvers in a child process (all but taylor and lirpa) start "
    "anew every time: the first row is a statement without any difficulty. Medians of three for "
    f"what is decided within {SHORT:g} s.",
)


@dataclass(frozen=True)
class Outcome:
    """A backend on one case: the verdict of the first condition that it did not prove, or proved.

    ``seconds`` is the time for all conditions that were asked; None where it is not here.
    """

    verdict: str
    seconds: float | None
    reason: str = ""
    said: str = ""

    @property
    def cell(self) -> str:
        if self.seconds is None:
            return self.reason
        if self.verdict == "unsupported":
            return f"unsupported: {self.reason}"
        return f"{self.verdict} {milliseconds(self.seconds)}"


def run(settings: Settings) -> Iterator[Report]:
    """The table, one report."""
    asked = [backend(name) for name in names()]
    rows = []
    for row in _rows(asked, settings):
        rows.append(row)
        settings.say("  ".join(row.cells))
    columns = ("part", "statement", *(b.name for b in asked), "dReal, published (s)")
    limit = settings.seconds(SECONDS, QUICK_SECONDS)
    given = f"In this run the time limit was {limit:g} s, {TABLE_SECONDS:g} s at most in the table."
    yield Report("backends", "Backends on the same statements", (*NOTES, given), columns, rows)


def _rows(asked: Sequence[Backend], settings: Settings) -> Iterator[Row]:
    easy = next(s for s in ALL if s.name == "square-below-two")
    start = Case("start", "x² < 2 on [-1, 1]", [easy.condition], truth=True)
    yield case_row(start, asked, settings)
    for kind in KINDS:
        yield table_row(kind, asked, settings)
    for case in cases(settings):
        yield case_row(case, asked, settings)


def table_row(kind: str, asked: Sequence[Backend], settings: Settings) -> Row:
    """All backends on the statements of one kind."""
    seconds = settings.seconds(TABLE_SECONDS, QUICK_TABLE_SECONDS)
    budget = Budget(min(seconds, TABLE_SECONDS))
    cells: list[str] = []
    data: dict[str, dict[str, object]] = {}
    wrong: list[str] = []
    for b in asked:
        absent = missing(b)
        if absent is not None:
            cells.append(absent)
            data[b.name] = {"missing": absent}
            continue
        answers = {s: b.ask(s.condition, budget) for s in share(b, kind, settings)}
        seconds = sum(a.seconds for a in answers.values())
        decided = [s for s, a in answers.items() if not isinstance(a.verdict, Unknown)]
        contradicted = [s.name for s, a in answers.items() if contradicts(s, a)]
        wrong += [f"{b.name}: {name}" for name in contradicted]
        cells.append(f"{len(decided)}/{len(answers)} in {milliseconds(seconds)}")
        data[b.name] = {
            "asked": len(answers),
            "decided": len(decided),
            "contradicts the truth": contradicted,
            "seconds": seconds,
            "answers": {s.name: _answer_data(a) for s, a in answers.items()},
        }
    bar = Bar.claim("no verdict contradicts the truth", not wrong)
    row = {"part": "table of statements", "kind": kind, "backends": data, "wrong": wrong}
    return Row(("table of statements", kind, *cells, "–"), row, [bar])


def share(b: Backend, kind: str, settings: Settings) -> list[Statement]:
    """The statements of a kind that a backend is asked."""
    step = QUICK_SHARE if settings.quick else 1
    if b.soundness is Soundness.NOT_FLOAT_SOUND:
        step = max(step, SHARE_OF_CROSS_CHECKS)
    return [s for s in ALL if s.kind == kind][step // 2 :: step]


def contradicts(statement: Statement, answer: Answer) -> bool:
    """Whether a verdict is wrong; one on trust counts too."""
    match answer.verdict:
        case Proved():
            return statement.truth is not True
        case Refuted():
            return statement.truth is not False
    return False


def case_row(case: Case, asked: Sequence[Backend], settings: Settings) -> Row:
    """All backends on one case."""
    outcomes = {b.name: measured(b, case.conditions, settings) for b in asked}
    data = {
        "part": case.part,
        "statement": case.name,
        "truth": case.truth,
        "published": case.published,
        "backends": {name: vars(o) for name, o in outcomes.items()},
    }
    verdicts = {o.verdict for o in outcomes.values()}
    right = not {"proved", "refuted"} <= verdicts
    if case.truth is not None:
        right = ("refuted" if case.truth else "proved") not in verdicts
    bar = Bar.claim("no two contradict each other, or the truth", right)
    cells = (case.part, case.name, *(o.cell for o in outcomes.values()), case.published)
    return Row(cells, data, [bar])


def measured(b: Backend, conditions: Sequence[Condition], settings: Settings) -> Outcome:
    """A backend's outcome, with the median of three times where it is decided quickly."""
    absent = missing(b)
    if absent is not None:
        return Outcome("missing", None, absent)
    limit = settings.seconds(SECONDS, QUICK_SECONDS)
    if b.soundness is Soundness.NOT_FLOAT_SOUND:
        limit = min(limit, CROSS_CHECK_SECONDS)
    first = once(b, conditions, limit)
    assert first.seconds is not None
    if first.verdict not in ("proved", "refuted") or first.seconds > SHORT:
        return first
    again = [once(b, conditions, limit).seconds for _ in range(settings.repeats - 1)]
    median = statistics.median([first.seconds, *(s for s in again if s is not None)])
    return Outcome(first.verdict, median, first.reason, first.said)


def once(b: Backend, conditions: Sequence[Condition], limit: float) -> Outcome:
    """One condition after the other, as long as they are proved and time is left."""
    seconds, said = 0.0, ""
    for condition in conditions:
        answer = b.ask(condition, Budget(max(limit - seconds, 0.0)))
        seconds += answer.seconds
        said = answer.said
        match answer.verdict:
            case Refuted(found):
                where = ", ".join(f"{v:.4g}" for v in found.point)
                return Outcome("refuted", seconds, f"{condition.name} fails at ({where})", said)
            case Unknown(reason):
                if said == "unsupported":
                    return Outcome("unsupported", seconds, _short(reason, b.name), said)
                return Outcome("unknown", seconds, reason, said)
    return Outcome("proved", seconds, "", said)


def missing(b: Backend) -> str | None:
    """What keeps a backend from being used here, in a few words."""
    found = b.availability()
    if found.available:
        return None
    return f"{found.missing[0].partition(' (')[0]} missing" if found.missing else "missing"


def _short(reason: str, name: str) -> str:
    """The operation that is not supported, or the beginning of another reason."""
    operation = re.search(r"the operation (\w+)", reason)
    return operation[1] if operation else reason.removeprefix(f"{name}: ").partition(":")[0][:80]


def _answer_data(answer: Answer) -> dict[str, object]:
    verdict = answer.verdict
    return {
        "verdict": type(verdict).__name__.lower(),
        "reason": verdict.reason if isinstance(verdict, Unknown) else "",
        "said": answer.said,
        "seconds": answer.seconds,
    }
