"""PINN-PI on the systems of the paper's Table 1, and against ELM-PI with as many neurons."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import Bar, Report, Row
from benchmarks.settings import Settings
from certify.candidate import Candidate
from learners import ElmPolicyIteration, PinnPolicyIteration
from systems import expression as ex
from systems import zoo
from systems.differentiate import gradient, jacobian
from systems.dynamics import ControlAffineSystem
from systems.evaluate import function
from systems.linearize import linearize

Array = NDArray[np.float64]
Features = Literal["adapted", "uniform"]

FEATURES: tuple[Features, ...] = ("adapted", "uniform")
PAPER = {
    # n: (m, N, the paper's least PINN error of all m, its seconds on a V100)
    1: (200, 200, "2.17e-03", "284.02"),
    2: (100, 200, "4.97e-03", "273.05"),
    3: (400, 1200, "1.21e-02", "762.42"),
    4: (800, 3200, "2.85e-02", "903.55"),
    5: (800, 4800, "3.63e-02", "770.54"),
    6: (800, 4800, "4.31e-02", "800.76"),
    **{n: (800, 100_000, "3.7e-02 to 8.3e-02", "4,415 to 4,427") for n in range(7, 13)},
}
ADAPTED_NEURONS = 24
"""For every state: twelve pairs of neurons that are mirror images."""
DENSE = {1: (20, 100), 2: (50, 100), 3: (60, 100), 4: (100, 100)}
"""For n: neurons of the dense network, the optimiser's steps in an iteration. Beyond n = 4 a seed
takes minutes, and the error leaves the bar: structure is what scales."""
ADAPTED_STEPS = 100
SMALL, SMALL_BAR, BAR, SECONDS_BAR = 6, 1e-4, 1e-3, 600.0
SYSTEMS = {"pendulum": 50, "lorenz": 50, "cartpole": 50, "quadrotor-2d": 100, "quadrotor-3d": 100}
TEST_POINTS = 2000

COLUMNS = (
    "n", "paper m", "paper N", "paper error", "paper s", "features", "neurons", "weights", "N",
    "error", "worst error", "s", "Σ|β||w|",
)  # fmt: skip
NOTES = (
    "Synthetic systems, [-1, 1]ⁿ, 10 policy iterations. Paper: PINN-PI by Adam on a V100, its best "
    "row for each n; a range for n = 7…12. Ours: Levenberg-Marquardt, tanh, one hidden layer, "
    "first policy LQR, on this machine's processor.",
    "Adapted: the network has the symmetries and decoupled blocks that the Hamiltonian is found to "
    "have; here all states decouple, and are trained one after the other, with N points each. "
    "Dense: a plain network told nothing, as the paper's.",
    "Errors are maxima against V* at 2N uniform points, N the larger of the paper's and ours. "
    "Medians of the seeds 0, 1, 2, beside the worst error of them (quick: seed 0).",
)
SYSTEM_COLUMNS = (
    "system", "first policy", "neurons", "ELM-PI residual", "s", "PINN-PI residual",
    "worst residual", "s", "stable at x*",
)  # fmt: skip
SYSTEM_NOTES = (
    "Root mean square of the HJB residual at 2000 uniform points, relative to that of the running "
    "cost, from the candidates' own expressions. Equal numbers of neurons; adapted features. "
    "Medians of the seeds 0, 1, 2, beside the worst PINN-PI residual of them.",
)


def run(settings: Settings) -> Iterator[Report]:
    """Two tables."""
    rows = []
    for n in (1, 2) if settings.quick else PAPER:
        if settings.among((f"synthetic-{n}",)):
            for features in FEATURES if n in DENSE else FEATURES[:1]:
                rows.append(_synthetic(n, features, settings))
                settings.say("  ".join(rows[-1].cells))
    yield Report("pinn", "PINN-PI on the systems of Table 1", NOTES, COLUMNS, rows)
    rows = []
    for name in settings.among(("pendulum",) if settings.quick else tuple(SYSTEMS)):
        rows += _single(name, settings)
        settings.say("  ".join(rows[-1].cells))
    title = "PINN-PI and ELM-PI with as many neurons"
    yield Report("pinn_systems", title, SYSTEM_NOTES, SYSTEM_COLUMNS, rows)


def _synthetic(n: int, features: Features, settings: Settings) -> Row:
    entry = zoo.entry(f"synthetic-{n}")
    system, optimal = entry.build(), entry.optimal_value
    assert optimal is not None
    adapted = ADAPTED_NEURONS * n, ADAPTED_STEPS
    neurons, steps = adapted if features == "adapted" else DENSE[n]
    errors, seconds, candidates = [], [], []
    for seed in range(settings.repeats):
        learner = PinnPolicyIteration(neurons=neurons, features=features, seed=seed, steps=steps)
        candidate = learner.fit(system)
        count = 2 * max(PAPER[n][1], _last(candidate, "points"))
        x = system.domain.sample(count, np.random.default_rng([n, seed]))
        found = function([candidate.value, optimal(candidate.state)], candidate.state)(x)
        errors.append(float(np.abs(found[0] - found[1]).max()))
        seconds.append(_figure(candidate, "seconds"))
        candidates.append(candidate)
    error, took = statistics.median(errors), statistics.median(seconds)
    weights, points = candidates[0].provenance["unknowns"], _last(candidates[0], "points")
    size = statistics.median(_figure(c, "sum_beta_w") for c in candidates)
    m, N, paper_error, paper_seconds = PAPER[n]
    words = "adapted" if features == "adapted" else "dense"
    cells = (
        str(n), str(m), f"{N:,}", paper_error, paper_seconds, words, str(neurons), str(weights),
        f"{points:,}", f"{error:.1e}", f"{max(errors):.1e}", f"{took:.1f}", f"{size:.0f}",
    )  # fmt: skip
    data = {
        "n": n,
        "features": words,
        "neurons": neurons,
        "steps": steps,
        "weights": weights,
        "points": points,
        "errors": errors,
        "seconds": seconds,
        "sum_beta_w": size,
        "warnings": [c.provenance["warnings"] for c in candidates],
    }
    bars = [
        Bar("error", SMALL_BAR if n <= SMALL else BAR, error, unit=""),
        Bar("training", SECONDS_BAR, took),
    ]
    return Row(cells, data, bars)


def _single(name: str, settings: Settings) -> Iterator[Row]:
    """From LQR, and from the paper's own gain where it states one."""
    entry = zoo.entry(name)
    system, neurons = entry.build(), SYSTEMS[name]
    gains: dict[str, Array | None] = {"LQR": None}
    if entry.initial_gain is not None:
        gains["paper's gain"] = np.array([[float(v) for v in row] for row in entry.initial_gain])
    for words, gain in gains.items():
        theirs, ours = [], []
        for seed in range(settings.repeats):
            elm = ElmPolicyIteration(neurons=neurons, seed=seed, initial_gain=gain)
            pinn = PinnPolicyIteration(neurons=neurons, seed=seed, initial_gain=gain)
            theirs.append(elm.fit(system))
            ours.append(pinn.fit(system))
        before, after = ([relative_residual(c, system) for c in group] for group in (theirs, ours))
        times = [statistics.median(_figure(c, "seconds") for c in g) for g in (theirs, ours)]
        stable = all(stable_at_equilibrium(c, system) for c in ours)
        cells = (
            name, words, str(neurons), f"{statistics.median(before):.1e}", f"{times[0]:.2f}",
            f"{statistics.median(after):.1e}", f"{max(after):.1e}", f"{times[1]:.1f}",
            "yes" if stable else "no",
        )  # fmt: skip
        data = {
            "system": name,
            "first_policy": words,
            "neurons": neurons,
            "elm_residuals": before,
            "pinn_residuals": after,
            "elm_seconds": times[0],
            "pinn_seconds": times[1],
            "warnings": [c.provenance["warnings"] for c in ours],
        }
        yield Row(cells, data, [Bar.claim("stable at x*", stable)])


def relative_residual(candidate: Candidate, system: ControlAffineSystem) -> float:
    """Root mean square of the HJB residual over that of the running cost, at uniform points."""
    on = candidate.on(system)
    assert on.control is not None
    along = ex.dot(gradient(on.value, system.state), system.vector_field(on.control))
    x = system.domain.sample(TEST_POINTS, np.random.default_rng(99))
    slope, cost, u = function([along, system.state_cost, on.control], system.state)(x)
    v = u - np.array([float(value) for value in system.equilibrium_input])
    running = cost[:, 0] + np.vecdot(v @ system.input_cost_array(), v)
    residual = slope[:, 0] + running
    return float(np.sqrt(np.mean(residual**2) / np.mean(running**2)))


def stable_at_equilibrium(candidate: Candidate, system: ControlAffineSystem) -> bool:
    """Whether the closed loop's linearisation is, in floating point."""
    on = candidate.on(system)
    assert on.control is not None
    A, B = linearize(system)
    there = np.array([[float(v) for v in system.equilibrium]])
    slopes = function(jacobian(on.control, system.state), system.state)(there)
    K = np.array([row[0] for row in slopes])
    return bool(np.linalg.eigvals(A + B @ K).real.max() < 0.0)


def _last(candidate: Candidate, key: str) -> int:
    history = candidate.provenance["history"]
    assert isinstance(history, list)
    return int(history[-1][key])


def _figure(candidate: Candidate, key: str) -> float:
    value = candidate.provenance[key]
    assert isinstance(value, float)
    return value
