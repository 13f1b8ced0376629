"""Bad input: the checker and the prover's reader refuse it in bounded memory and time.

No exception, no file written, no code run, and nothing found valid that was not so before. The
whole of it, a hundred thousand inputs, is ``python -m benchmarks fuzz_checker``.
"""

from __future__ import annotations

import pytest

from benchmarks.certificate_bases import Base, bases
from benchmarks.fuzz_checker import BYTES, SUBJECTS, WRONG, fuzz, large
from benchmarks.fuzz_inputs import FAMILIES, fuzz_input
from benchmarks.fuzz_programs import BOMBS
from benchmarks.fuzz_run import Read, Reader

COUNT = 2_000


@pytest.fixture(scope="module")
def subjects() -> list[Base]:
    return list(bases(lambda name: name in SUBJECTS))


def wrong(found: list[Read]) -> list[tuple[str, int, str, str]]:
    return [(r.family, r.number, r.status, r.message) for r in found if r.status in WRONG]


@pytest.mark.parametrize("reader", ["checker", "loader"])
def test_nothing_but_refusals(subjects: list[Base], reader: Reader) -> None:
    count = COUNT if reader == "checker" else COUNT // 2
    found = list(fuzz(subjects, reader, count))
    assert wrong(found) == []
    assert {r.number for r in found} == set(range(count))
    assert {r.family for r in found} == set(FAMILIES)
    assert max(r.memory for r in found) < BYTES
    refused = [r for r in found if r.status in ("unreadable", "invalid", "refused")]
    assert len(refused) > 0.7 * count and all(r.message for r in refused)


@pytest.mark.parametrize("reader", ["checker", "loader"])
@pytest.mark.parametrize(
    "name",
    [
        "100 MB of nested objects",
        "5,000,000 nested lists in a certificate",
        "100 MB of digits in a certificate",
        "201 MB",
        "an array that unpacks to 2 GB",
    ],
)
def test_huge_inputs(subjects: list[Base], reader: Reader, name: str) -> None:
    [found] = large(subjects, reader, name)
    assert found.status in ("unreadable", "refused") and found.message
    assert found.memory < BYTES


@pytest.mark.parametrize("kind", BOMBS)
def test_short_programs_that_take_forever(subjects: list[Base], kind: str) -> None:
    [found] = large(subjects, "checker", kind)
    assert found.status in ("unreadable", "invalid") and found.message
    assert found.memory < BYTES


def test_inputs_are_the_same_on_every_run(subjects: list[Base]) -> None:
    documents = [base.document for base in subjects]
    first, again = ([fuzz_input(documents, 0, i) for i in range(50)] for _ in range(2))
    assert first == again
    assert first != [fuzz_input(documents, 1, i) for i in range(50)]
