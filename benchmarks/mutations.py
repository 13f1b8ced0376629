"""The mutation test of the checker: certificates with one thing changed, none of which may pass.

None, that is, unless it is shown to be harmless by an oracle that does not use the checker; see
benchmarks/mutation_oracle.py.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence

from benchmarks.certificate_bases import bases
from benchmarks.documents import encoded
from benchmarks.mutation_run import KINDS, Tried, run_mutants
from benchmarks.report import Bar, Report, Row
from benchmarks.settings import Settings
from proofs.checker import check_bytes

COUNT, QUICK_COUNT, SEED = 30, 2, 0
WANTED = 3000
OUTCOMES = {
    "unreadable": "unreadable",
    "invalid, certainly wrong": "invalid, and the oracle knows why",
    "invalid": "invalid",
    "beside the proof": "accepted: nothing of the proof changed",
    "same claim": "accepted: same claim, shown again",
    "another claim": "accepted: another claim, proved anew",
    "open": "accepted, open",
    "escape": "escapes",
    "crash": "crashes",
}
COLUMNS = ("changed", "mutants", "old hashes", *OUTCOMES.values(), "slowest")
NOTES = (
    "Every change is made to certificates of every kind of theorem and tried twice: with the "
    "hashes as they were (old hashes: all are rejected, or so many are not), and "
    "with all hashes computed anew, programs' keys included (the other columns).",
    "Unreadable and invalid are rejected. In 'the oracle knows why' a point of a leaf breaks its "
    "reason in ball arithmetic, a condition is refuted, or the prover's own reader refuses the "
    "document. What is merely 'invalid' may be true: the checker was not convinced.",
    "Accepted is harmless only if that is shown without the checker. Nothing of the proof changed: "
    "statement, programs, evidence and volume are equal. Same claim: the prover's search proves "
    "every leaf that is new. Another claim: it has another claim hash, so that a pinned hash "
    "rejects it; the prover's search proves its conditions from scratch, and validated simulations "
    "do not contradict it. A true claim nearby (c2 a little lower, a state renamed) is no error.",
    "Open: accepted, and neither shown nor refuted. Escape: accepted, and false or void for "
    "certain, or accepted with old hashes. The score is the share of mutants that are none of "
    "these and did not crash the checker.",
)


def run(settings: Settings) -> Iterator[Report]:
    """The table, one report."""
    subjects = list(bases())
    for base in subjects:
        found = check_bytes(encoded(base.document), 1)
        assert found.status == "valid", (base.name, found.message)
    count = QUICK_COUNT if settings.quick else COUNT
    tried: dict[str, list[Tried]] = {kind: [] for kind in KINDS}
    processes = min(2, os.cpu_count() or 1)
    for number, one in enumerate(run_mutants(subjects, count, SEED, processes), 1):
        tried[one.mutant.kind].append(one)
        if one.harmful:
            _keep(settings, one, number)
        if number % 200 == 0:
            settings.say(f"{number} mutants")
    every = [one for rows in tried.values() for one in rows]
    bars = [Bar("score", 100.0, score(every), "%", at_least=True)]
    if not settings.quick:
        bars.append(Bar("mutants", WANTED, float(len(every)), "", at_least=True))
    rows = [_row("all", every, bars)]
    rows += [_row(kind, found) for kind, found in tried.items()]
    notes = (*NOTES, f"Certificates: {'; '.join(base.name for base in subjects)}.")
    yield Report("mutations", "Mutation test of the checker", notes, COLUMNS, rows)


def score(tried: Sequence[Tried]) -> float:
    """Per cent of the mutants that were dealt with rightly, for certain."""
    if not tried:
        return 100.0
    # Without its own hashes nothing may be accepted, harmless or not.
    wrong = sum(one.harmful or not (one.mutant.rehashed or one.rejected)
                for one in tried)  # fmt: skip
    return 100.0 * (len(tried) - wrong) / len(tried)


def _keep(settings: Settings, one: Tried, number: int) -> None:
    """The mutant itself, to repeat the finding."""
    folder = settings.out / "mutations"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{one.outcome}-{number}.json"
    path.write_bytes(one.mutant.data)
    settings.say(f"{path}: {one.mutant.kind}, {one.mutant.what}: {one.reason}")


def _row(kind: str, tried: Sequence[Tried], bars: Sequence[Bar] = ()) -> Row:
    old = [one for one in tried if not one.mutant.rehashed]
    count = Counter(one.outcome for one in tried if one.mutant.rehashed)
    accepted = sum(not one.rejected for one in old)
    slowest = max((one.seconds for one in tried), default=0.0)
    cells = (
        kind, str(len(tried)), "all" if not accepted else f"{accepted} not",
        *(str(count[outcome] or "–") for outcome in OUTCOMES), f"{slowest:.2f} s",
    )  # fmt: skip
    data = {
        "what": kind,
        "mutants": len(tried),
        "old_hashes_not_rejected": accepted,
        "own_hashes": {outcome: count[outcome] for outcome in OUTCOMES},
        "slowest_seconds": slowest,
    }
    return Row(cells, data, bars)
