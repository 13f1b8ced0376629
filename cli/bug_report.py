"""A contradiction of two backends in one file, with all that it takes to see it again."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.version import version
from systems.errors import InputError

if TYPE_CHECKING:
    from certify.agreement import Contradiction
    from certify.backends import Backend
    from certify.conditions import Condition
    from certify.opinions import Opinion

FORMAT, VERSION = "stableproof-contradiction", 1
FILE = "contradiction.json"
REPRODUCE = "stableproof backends --reproduce"
MOST_BYTES, MOST_VALUES = 50_000_000, 5_000_000
MOST_CONTRADICTIONS, MOST_SECONDS = 100, 86_400.0
KEYS = (
    "format", "version", "program", "platform", "versions", "command", "reproduce", "system",
    "seed", "seconds", "contradictions",
)  # fmt: skip


def bug_report(
    clash: tuple[Contradiction, ...],
    conditions: Mapping[str, Condition],
    *,
    system: str,
    seed: int,
    seconds: float,
    command: str,
    file: str = FILE,
) -> dict[str, object]:
    """The contradictions as JSON data; ``seconds`` is what all questions together had."""
    from certify.condition_json import condition_to_json
    from proofs.certificate import versions

    return {
        "format": FORMAT,
        "version": VERSION,
        "program": version(),
        "platform": {
            "system": platform.platform(),
            "machine": platform.machine(),
            "python": platform.python_implementation(),
        },
        "versions": versions(),
        "command": command,
        "reproduce": f"{REPRODUCE} {file}",
        "system": system,
        "seed": seed,
        "seconds": seconds,
        "contradictions": [
            {
                "condition": condition_to_json(conditions[c.condition]),
                "answers": [_answer(c.proof), _answer(c.refutation)],
            }
            for c in clash
        ],
    }


def _answer(opinion: Opinion) -> dict[str, object]:
    from certify.verdict import Proved, Refuted, Unknown

    answer, verdict = opinion.answer, opinion.verdict
    told: dict[str, object] = {"verdict": type(verdict).__name__.lower()}
    match verdict:
        case Proved(evidence, trust):
            leaves = None if evidence is None else evidence.leaves
            told |= {"trust": list(trust), "leaves": leaves}
        case Refuted(found):
            told |= {
                "point": [v.hex() for v in found.point],
                "outputs": [[a.hex(), b.hex()] for a, b in found.outputs],
            }
        case Unknown(reason):
            told["reason"] = reason
    return {
        "backend": answer.backend,
        "version": answer.version,
        "said": answer.said,
        "seconds": answer.seconds,
        **told,
    }


@dataclass(frozen=True, eq=False)
class Disputed:
    """A condition of a bug report, the backends that contradicted each other, and their words."""

    condition: Condition
    backends: tuple[Backend, ...]
    words: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Report:
    """A bug report that was read."""

    seed: int
    seconds: float
    disputed: tuple[Disputed, ...]


def read_bug_report(path: str | Path) -> Report:
    """Raises InputError, one line, for whatever is wrong in the file."""
    from systems.json_data import integer, list_of, object_of, read_json

    data = read_json(path, "a bug report", most_bytes=MOST_BYTES, most_values=MOST_VALUES)
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise InputError(f"{path} is no bug report of contradicting backends")
    table = object_of(data, str(path), KEYS)
    integer(table["version"], f"{path}: version", VERSION, VERSION)
    seconds = table["seconds"]
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise InputError(f"{path}: seconds: a number is wanted")
    if not 0 <= seconds <= MOST_SECONDS:
        raise InputError(f"{path}: seconds: it is not in 0…{MOST_SECONDS:g}")
    found = list_of(table["contradictions"], f"{path}: contradictions", MOST_CONTRADICTIONS)
    return Report(
        integer(table["seed"], f"{path}: seed", 0, 2**32 - 1),
        float(seconds),
        tuple(_disputed(d, f"{path}: contradictions[{i}]") for i, d in enumerate(found)),
    )


def _disputed(data: object, where: str) -> Disputed:
    from certify.condition_json import condition_from_json
    from systems.json_data import list_of, object_of

    table = object_of(data, where, ("condition", "answers"))
    condition = condition_from_json(table["condition"], f"{where}.condition")
    backends, words = [], []
    for i, answer in enumerate(list_of(table["answers"], f"{where}.answers", 2)):
        backend, said = _named(answer, f"{where}.answers[{i}]")
        backends.append(backend)
        words.append(said)
    if len(backends) != 2:
        raise InputError(f"{where}.answers: two answers are wanted, not {len(backends)}")
    return Disputed(condition, tuple(backends), tuple(words))


def _named(data: object, where: str) -> tuple[Backend, str]:
    from certify.backends import backend
    from systems.json_data import kind, text_of

    if not isinstance(data, dict):
        raise InputError(f"{where}: an object is wanted, not {kind(data)}")
    answer: dict[str, Any] = data
    name = text_of(answer.get("backend"), f"{where}.backend", 100)
    said = text_of(answer.get("verdict"), f"{where}.verdict", 20)
    if said not in ("proved", "refuted"):
        raise InputError(f"{where}.verdict: proved or refuted is wanted, not {said!r}")
    try:
        return backend(name), said
    except ValueError as error:
        raise InputError(f"{where}.backend: {error}") from None
