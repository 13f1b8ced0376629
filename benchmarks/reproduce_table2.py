"""Table 2: seconds that the proof of the paper's three conditions takes, synthetic system."""

from __future__ import annotations

import statistics
from functools import partial
from pathlib import Path

from benchmarks.measure import requested_of
from benchmarks.reproduce_learners import Controller, train
from benchmarks.reproduce_measure import Limits, is_proved, proof_data, seconds_words
from benchmarks.reproduce_paper import SOURCE, TABLE_2
from benchmarks.reproduce_part import Part, Scale, find, is_measured, markdown_table, why_not
from benchmarks.reproduce_run import Data, Task
from certify import Claim
from systems import zoo

STORE = "table-2"
KINDS = (("elm-pi", "adapted"), ("elm-pi", "uniform"), ("pinn-pi", "adapted"))
PINN_SECONDS = 10.0
TARGET = 1e-4
"""The HJB residual at which PINN-PI stops, here and in Table 3; the paper's errors are 1e-2."""


def tasks(scale: Scale) -> list[Task]:
    """A row for every n, m and kind of network."""
    out = []
    for n, m in TABLE_2:
        if scale.quick and (n, m) != (1, 50):
            continue
        for learner, features in KINDS:
            quick = scale.quick and learner == "pinn-pi"
            target = TARGET if learner == "pinn-pi" else None
            iterations = 3 if quick else 10
            controller = Controller(learner, 10 if quick else m, features, iterations, target)
            key = {"system": f"synthetic-{n}", "row": m, **controller.key, **scale.key}
            expected = PINN_SECONDS * n if learner == "pinn-pi" else 1.0
            out.append(Task(STORE, key, expected, partial(verify, n, controller, scale)))
    return out


def verify(n: int, controller: Controller, scale: Scale) -> Data:
    """Every seed's candidate against the paper's constants, and with the origin closed."""
    entry = zoo.entry(f"synthetic-{n}")
    system = entry.build()
    training = train(entry, system, controller, scale.runs)
    out: Data = {**training.data()}
    limits = Limits(scale.limits.budget, 1)
    for name, claim in (
        ("paper", Claim.PRACTICAL_STABILITY),
        ("origin", Claim.ASYMPTOTIC_STABILITY),
    ):
        asked = requested_of(entry.verification, claim)
        proofs = [proof_data(system, c, asked, limits) for c in training.candidates]
        out[name] = {
            "proved": sum(is_proved(p) for p in proofs),
            "of": len(proofs),
            "search_seconds": statistics.median(_number(p["search_seconds"]) for p in proofs),
            "seconds": statistics.median(_number(p["seconds"]) for p in proofs),
            "proofs": proofs,
        }
    return out


def _number(value: object) -> float:
    assert isinstance(value, float)
    return value


COLUMNS = (
    "n", "m", "network", "paper: dReal, s", "**ours: searches, s**", "in all, s", "proved",
    "with the origin, s", "proved", "if not",
)  # fmt: skip


def write(rows: list[Data], out: Path) -> list[str]:
    """Ours beside theirs."""
    lines = []
    for (n, m), (elm, pinn) in TABLE_2.items():
        for learner, features in KINDS:
            row = find(rows, system=f"synthetic-{n}", row=m, learner=learner, features=features)
            if row is not None:
                theirs = pinn if learner == "pinn-pi" else elm
                size = int(row["key"]["size"])
                words = Controller(learner, size, features).words
                lines.append((str(n), str(m), words, theirs, *_cells(row)))
    return [*NOTES, *markdown_table(COLUMNS, lines)]


def _cells(row: Data) -> tuple[str, ...]:
    if not is_measured(row):
        return why_not(row), "–", "–", "–", "–", ""
    paper, origin = row["paper"], row["origin"]
    failed = [p["reason"] for part in (paper, origin) for p in part["proofs"] if not is_proved(p)]
    return (
        seconds_words(paper["search_seconds"]), seconds_words(paper["seconds"]),
        f"{paper['proved']} of {paper['of']}", seconds_words(origin["seconds"]),
        f"{origin['proved']} of {origin['of']}", failed[0] if failed else "",
    )  # fmt: skip


NOTES = [
    "The paper's conditions (Appendix D) with μ = 1e-4, c1 = 0.01, c2 = 1.99, ε = 0.1: decrease on "
    "c1 ≤ V ≤ c2, {V ≤ c2} inside the domain, {V ≤ c1} inside the ball of radius ε. Medians over "
    "the candidates of the seeds 0, 1, 2, each proved or refuted rigorously from scratch. "
    "Searches: branch and bound of the three conditions; in all: with preparing the statement. "
    "With the origin: asymptotic stability, which the paper's conditions leave open inside "
    f"{{V < c1}}. Published: {SOURCE}, Table 2, of its own networks, with dReal.",
]

PART = Part("table-2", "Table 2: seconds of verification", tasks, write)
