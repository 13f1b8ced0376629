"""Every mutant to the checker, and what it accepts to the oracle; in one process or in several."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.certificate_bases import Base
from benchmarks.documents import Document
from benchmarks.mutation_oracle import fault, judge
from benchmarks.mutators import Mutant, Mutator, mutants
from benchmarks.mutators_evidence import EVIDENCE
from benchmarks.mutators_programs import PROGRAMS
from benchmarks.mutators_statement import STATEMENT
from proofs.checker import check_bytes

KINDS: Mapping[str, Mutator] = {**STATEMENT, **PROGRAMS, **EVIDENCE}


@dataclass(frozen=True)
class Tried:
    """A mutant and what became of it; ``claim_hash`` is what the checker told.

    ``outcome``: "unreadable", "invalid", "invalid, certainly wrong" (it has its own hashes, and the
    oracle knows a fault, too), "crash", or what the oracle says of one that was
    accepted (:class:`Judgement`).
    """

    mutant: Mutant
    outcome: str
    reason: str
    seconds: float
    claim_hash: str | None = None

    @property
    def rejected(self) -> bool:
        return self.outcome.startswith(("unreadable", "invalid"))

    @property
    def harmful(self) -> bool:
        """It was accepted, and is not shown to be harmless; or nothing was decided."""
        return self.outcome in ("open", "escape", "crash")


def attempt(mutant: Mutant) -> Tried:
    """One mutant."""
    try:
        found = check_bytes(mutant.data, 1)
    except Exception as error:  # whatever leaves the checker is a finding
        return Tried(mutant, "crash", repr(error)[:300], 0.0)
    if found.status == "valid":
        judgement = judge(mutant, found.claim_hash)
        return Tried(mutant, judgement.kind, judgement.reason, found.seconds, found.claim_hash)
    outcome = str(found.status)
    if mutant.rehashed and outcome == "invalid" and fault(mutant) is not None:
        outcome = "invalid, certainly wrong"
    return Tried(mutant, outcome, found.message, found.seconds, found.claim_hash)


def run_mutants(
    subjects: Sequence[Base], count: int, seed: int, processes: int = 1
) -> Iterator[Tried]:
    """``count`` changes of every kind, twice each: with the old hashes, and with its own."""
    found = mutants(KINDS, subjects, count, seed)
    if processes == 1:
        yield from map(attempt, found)
        return
    context = multiprocessing.get_context("spawn")
    known = [(base.name, base.document) for base in subjects]
    tasks = ((m.kind, m.what, m.base.name, m.document, m.rehashed) for m in found)
    with context.Pool(processes, _prepare, (known,)) as pool:
        yield from pool.imap(_work, tasks, chunksize=8)


_known: dict[str, Base] = {}
"""Of a worker process: the bases by name."""


def _prepare(subjects: Sequence[tuple[str, Document]]) -> None:
    _known.update({name: Base(name, document) for name, document in subjects})


def _work(task: tuple[str, str, str, Document, bool]) -> Tried:
    kind, what, name, document, rehashed = task
    # A base without what it has computed for itself, which cannot be sent back.
    base = Base(name, _known[name].document)
    tried = attempt(Mutant(kind, what, base, document, rehashed))
    mutant = Mutant(kind, what, Base(name, {}), document if tried.harmful else {}, rehashed)
    return Tried(mutant, tried.outcome, tried.reason, tried.seconds, tried.claim_hash)
