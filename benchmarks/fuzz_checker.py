"""Fuzzing of the checker, and of the prover's own reader: bad input is refused, and nothing else.

What the checker takes must mean what a certificate meant before, or be shown to be harmless by the
oracle of the mutation test.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from benchmarks.certificate_bases import Base, bases
from benchmarks.documents import digest
from benchmarks.fuzz_inputs import FAMILIES
from benchmarks.fuzz_large import LARGE
from benchmarks.fuzz_run import Read, Reader, Task, run_tasks
from benchmarks.mutation_oracle import Judgement, judge
from benchmarks.mutators import Mutant
from benchmarks.report import Bar, Report, Row
from benchmarks.settings import Settings

COUNT, QUICK_COUNT = 100_000, 1_000
LOADED = 10
"""Every so manieth input is given to the prover's reader, too."""
SLICE = 2_500
"""Inputs a process."""
SECONDS, BYTES = 60.0, 2**30
"""What reading one input may take."""
SUBJECTS = ("LQR, one state", "practical stability, continuous", "asymptotic stability, discrete")
STATUSES: Mapping[Reader, tuple[str, ...]] = {
    "checker": ("unreadable", "invalid"),
    "loader": ("refused", "loaded"),
}
HARMLESS = ("unchanged", "beside the proof", "same claim", "another claim")
WRONG = ("crash", "died", "hung", "acted", "open", "escape")
COLUMNS = ("input", "inputs", "refused", "invalid", "taken, harmless", "wrong", "slowest",
           "peak memory")  # fmt: skip
NOTES = (
    "Small certificates, damaged in many ways; most changes of their data with all hashes computed "
    "anew. The same inputs on every run; benchmarks/fuzz_inputs.py makes each from its number.",
    "Taken, harmless: found valid, and unchanged, or changed beside the proof, or shown by the "
    "oracle of the mutation test to be the same claim or another one that is true. The prover's "
    "reader (loader) only takes or refuses: it does not judge claims.",
    "Wrong: an exception left the reader, its process died or took more than "
    f"{SECONDS:g} s, a file was opened for writing, a program started or code run (an audit hook "
    "looks on), or something was taken that is not shown to be harmless.",
    "Peak memory is that of the whole process, Python and the input included.",
)


def run(settings: Settings) -> Iterator[Report]:
    """The table, one report."""
    sys.setrecursionlimit(20_000)  # the judge reads nestings that a reader of its own could
    subjects = list(bases(lambda name: name in SUBJECTS))
    count = QUICK_COUNT if settings.quick else COUNT
    rows = []
    readers: dict[Reader, int] = {"checker": count, "loader": count // LOADED}
    for reader, number in readers.items():
        found = []
        for one in fuzz(subjects, reader, number, settings.say):
            _keep(settings, reader, one)
            found.append(replace(one, data=None))
        rows += rows_of(reader, "fuzz", found, [Bar("inputs", number, len(found), "", True)])
        found = list(large(subjects, reader))
        rows += rows_of(reader, "large", found, [])
        for one in found:
            if one.status in WRONG:
                settings.say(f"{reader}, {one.family}: {one.status}: {one.message}")
    yield Report("fuzz_checker", "Fuzzing of the checker", NOTES, COLUMNS, rows)


def fuzz(
    subjects: Sequence[Base],
    reader: Reader,
    count: int,
    say: Any = lambda _: None,
    *,
    seed: int = 0,
    first: int = 0,
) -> Iterator[Read]:
    """Inputs ``first`` to ``first + count``, judged."""
    stop = first + count
    tasks = [Task(reader, "fuzz", seed, i, min(i + SLICE, stop)) for i in range(first, stop, SLICE)]
    documents, known = [b.document for b in subjects], dict[str, Judgement]()
    reads = run_tasks(documents, tasks, min(2, os.cpu_count() or 1), SECONDS)
    for done, read in enumerate(reads, 1):
        one = _judged(read, subjects, known)
        if one.status in WRONG:
            say(f"{reader}, {one.family}, input {one.number}: {one.status}: {one.message}")
        if done % 5_000 == 0:
            say(f"{reader}: {done:,} inputs")
        yield replace(one, data=one.data if one.status in WRONG else None)


def large(subjects: Sequence[Base], reader: Reader, *names: str) -> Iterator[Read]:
    """The large inputs, each in a process of its own; those with these ``names`` only, if given."""
    chosen = [i for i, name in enumerate(LARGE) if not names or name in names]
    tasks = [Task(reader, "large", 0, i, i + 1) for i in chosen]
    for one in run_tasks([subjects[0].document], tasks, 1, SECONDS):
        # The large ones change nothing of the proof, or nothing that could be true.
        beside = one.status == "valid" and one.family.endswith("beside a proof")
        yield replace(one, status="beside the proof") if beside else _or_escape(one)


def _or_escape(one: Read) -> Read:
    return replace(one, status="escape") if one.status == "valid" else one


def _judged(one: Read, subjects: Sequence[Base], known: dict[str, Judgement]) -> Read:
    """What was found valid, judged by the oracle; once where only names differ."""
    if one.status != "valid" or one.data is None:
        return one
    document = json.loads(one.data)
    if any(document == base.document for base in subjects):
        return replace(one, status="unchanged")
    hashes = [base.document["sha256"]["statement"] for base in subjects]
    place = hashes.index(one.claim_hash) if one.claim_hash in hashes else 0
    key = digest([place, one.claim_hash in hashes, _without_names(document)])
    if key not in known:
        mutant = Mutant("fuzz", one.family, subjects[place], document, True)
        known[key] = judge(mutant, one.claim_hash)
    return replace(one, status=known[key].kind, message=known[key].reason)


def _without_names(document: dict[str, Any]) -> list[Any]:
    statement = json.loads(json.dumps(document["statement"]))
    system = statement["system"]
    system["name"] = ""
    for row in (*system["states"], *system["inputs"], *system["disturbances"]):
        row["name"] = row["unit"] = ""
    volume = document["volume"]
    return [statement, document["evidence"], volume and {**volume, "unit": ""}]


def _keep(settings: Settings, reader: Reader, one: Read) -> None:
    """The input itself, to repeat the finding."""
    if one.status in WRONG and one.data is not None:
        folder = settings.out / "fuzz_checker"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{reader}-{one.status}-{one.number}.json").write_bytes(one.data)


def rows_of(reader: Reader, source: str, found: Sequence[Read], bars: Sequence[Bar]) -> list[Row]:
    """A line for all of them, and one for each family."""
    by_family: dict[str, list[Read]] = defaultdict(list)
    for one in found:
        by_family[one.family].append(one)
    order = list(FAMILIES if source == "fuzz" else LARGE)
    wrong = sum(one.status in WRONG for one in found)
    slowest = max((one.seconds for one in found), default=0.0)
    memory = max((one.memory for one in found), default=0)
    whole = [
        *bars,
        Bar("wrong", 0, wrong, ""),
        Bar("slowest", SECONDS, slowest),
        Bar("memory", BYTES / 1e6, memory / 1e6, "MB"),
    ]
    rows = [_row(f"{reader}: {source}, all", found, whole)]
    rows += [_row(f"{reader}: {name}", by_family[name], []) for name in order if by_family[name]]
    return rows


def _row(what: str, found: Sequence[Read], bars: Sequence[Bar]) -> Row:
    count = Counter(one.status for one in found)
    refused = count["unreadable"] + count["refused"]
    harmless = sum(count[k] for k in HARMLESS) + count["loaded"]
    bad = {k: count[k] for k in WRONG if count[k]}
    slowest = max((one.seconds for one in found), default=0.0)
    memory = max((one.memory for one in found), default=0)
    cells = (
        what, f"{len(found):,}", f"{refused:,}", f"{count['invalid']:,}", f"{harmless:,}",
        ", ".join(f"{n} {k}" for k, n in bad.items()) or "–",
        f"{slowest:.2f} s", f"{memory / 1e6:.0f} MB",
    )  # fmt: skip
    data = {
        "what": what,
        "inputs": len(found),
        "statuses": dict(count),
        "slowest_seconds": slowest,
        "peak_bytes": memory,
        "wrong": [
            {"number": r.number, "family": r.family, "status": r.status, "message": r.message}
            for r in found
            if r.status in WRONG
        ],
    }
    return Row(cells, data, bars)
