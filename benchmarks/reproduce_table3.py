"""Table 3: the pendulum by Galerkin, ELM-PI and PINN-PI; Lorenz beside it. Figure 2's costs."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from benchmarks.measure import requested_of
from benchmarks.reproduce_learners import Controller, train
from benchmarks.reproduce_measure import (
    common_starts,
    constant,
    cost_data,
    cost_words,
    follow,
    hjb_residual,
    is_proved,
    largest_region,
    number,
    proof_data,
    seconds_words,
    verdict_words,
)
from benchmarks.reproduce_paper import LORENZ_SECONDS, SOURCE, TABLE_3_PENDULUM
from benchmarks.reproduce_part import Part, Scale, find, is_measured, markdown_table, why_not
from benchmarks.reproduce_run import Data, Task, without
from benchmarks.reproduce_table2 import TARGET
from certify import Claim
from systems import zoo

STORE = "table-3"
PAPER = {"pendulum": TABLE_3_PENDULUM, "lorenz": LORENZ_SECONDS}
QUICK_SIZES = {"galerkin": 2, "elm-pi": 50, "pinn-pi": 50}
EXPECTED = {"galerkin": 10.0, "elm-pi": 10.0, "pinn-pi": 25.0}
LEARNERS = ("galerkin", "elm-pi", "pinn-pi")


def tasks(scale: Scale) -> list[Task]:
    """A row for every controller of the paper's table."""
    out = []
    for system, learners in PAPER.items():
        for learner in LEARNERS:
            for size in learners.get(learner, {}):
                quick = scale.quick
                if quick and (system == "lorenz" or size != QUICK_SIZES[learner]):
                    continue
                fewer = quick and learner == "pinn-pi"
                target = TARGET if learner == "pinn-pi" else None
                iterations = 3 if fewer else 10
                used = Controller(
                    learner, 10 if fewer else size, iterations=iterations, target=target
                )
                key = {"system": system, "row": size, **used.key, **scale.key}
                key["starts"] = scale.starts
                work = partial(measure, system, used, scale)
                out.append(Task(STORE, key, EXPECTED[learner], work))
    return out


def measure(name: str, controller: Controller, scale: Scale) -> Data:
    """Train, prove with the paper's constants and the largest region, and follow 50 starts."""
    entry = zoo.entry(name)
    system = entry.build()
    training = train(entry, system, controller, scale.runs)
    candidate = training.candidates[0]
    out: Data = {**training.data(), **hjb_residual(system, candidate)}
    if entry.verification.c2 is not None:
        asked = requested_of(entry.verification, Claim.PRACTICAL_STABILITY)
        proofs = [proof_data(system, c, asked, scale.limits) for c in training.candidates]
        out["paper"] = proofs[0]
        out["proved"] = f"{sum(is_proved(p) for p in proofs)} of {len(proofs)}"
    out |= largest_region(system, candidate, scale.limits)
    starts = common_starts(system, scale.starts)
    costs = cost_data(system, follow(system, candidate, starts))
    return {**out, **without(costs, "cost_curves", "trajectories")}


PENDULUM_COLUMNS = (
    "controller", "paper: s", "**ours: s**", "paper: verified", "**ours: proved**", "proof, s",
    "largest proved c2", "volume", "in all, s", "HJB residual, max", "cost, 10 s",
)  # fmt: skip
LORENZ_COLUMNS = (
    "controller", "paper: s", "**ours: s**", "asymptotic stability", "c1", "c2", "volume",
    "proof, s", "HJB residual, max", "cost, 10 s",
)  # fmt: skip


def write(rows: list[Data], out: Path) -> list[str]:
    """Two tables: pendulum and Lorenz."""
    pendulum = [_pendulum_cells(row) for row in _in_order(rows, "pendulum")]
    lorenz = [_lorenz_cells(row) for row in _in_order(rows, "lorenz")]
    return [
        *NOTES, *markdown_table(PENDULUM_COLUMNS, pendulum),
        *LORENZ_NOTES, *markdown_table(LORENZ_COLUMNS, lorenz),
    ]  # fmt: skip


def _in_order(rows: list[Data], system: str) -> list[Data]:
    found = [
        find(rows, system=system, learner=learner, row=size)
        for learner in LEARNERS
        for size in PAPER[system].get(learner, {})
    ]
    return [row for row in found if row is not None]


def controller_of(row: Data) -> Controller:
    """The controller that a row's key describes."""
    key = row["key"]
    return Controller(key["learner"], key["size"], key["features"], key["iterations"])


def _seconds(row: Data) -> tuple[str, str, str]:
    key = row["key"]
    theirs = f"{PAPER[key['system']][key['learner']][key['row']]:g}"
    ours = seconds_words(row["training_seconds"]) if is_measured(row) else why_not(row)
    return controller_of(row).words, theirs, ours


def _pendulum_cells(row: Data) -> tuple[str, ...]:
    if not is_measured(row):
        return (*_seconds(row), "yes", *["–"] * 7)
    paper, proof = row["paper"], row["proof"]
    ours = f"yes, {row['proved']} seeds" if is_proved(paper) else verdict_words(paper)
    return (
        *_seconds(row), "yes", ours, seconds_words(paper["search_seconds"]), constant(proof, "c2"),
        number(proof["volume"], ".3f"), seconds_words(proof["seconds"]),
        number(row["hjb_residual_max"]), cost_words(row),
    )  # fmt: skip


def _lorenz_cells(row: Data) -> tuple[str, ...]:
    if not is_measured(row):
        return (*_seconds(row), *["–"] * 7)
    proof = row["proof"]
    return (
        *_seconds(row), verdict_words(proof), constant(proof, "c1"), constant(proof, "c2"),
        number(proof["volume"], ".4f"), seconds_words(proof["seconds"]),
        number(row["hjb_residual_max"]), cost_words(row),
    )  # fmt: skip


NOTES = [
    "The pendulum. Training: 10 iterations, medians of three runs (seeds 0, 1, 2); PINN-PI stops "
    "at an HJB residual of 1e-4. Proved: the paper's conditions with c1 = 0.01, c2 = 0.029, and "
    "the seconds of their searches; then, for seed 0, the largest region on which asymptotic "
    "stability is proved, and all the seconds of that proof. Cost: accumulated over 10 s, averaged "
    f"over the common starts. Published: {SOURCE}, Table 3; it calls Galerkin's method SGA.",
]
LORENZ_NOTES = [
    "Lorenz, with −x₁x₃ (the paper prints −x₁x₂), first gain by pole placement at −10 and −20. The "
    "paper proves nothing for it: in its simulations m = 400 and 800 stabilise, 100 and 200 do not."
    "",
]

PART = Part("table-3", "Table 3: the pendulum and Lorenz by three learners", tasks, write)
