"""The controllers of the tables: which learner, of which size, and how its training is timed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.reproduce_run import NotThereError
from certify.candidate import Candidate
from learners import ElmPolicyIteration
from learners.lqr import lqr_candidate
from systems import expression as ex
from systems.dynamics import ControlAffineSystem
from systems.expression import Expression
from systems.parser import parse_expression
from systems.zoo.entry import Entry

NAMES = {"lqr": "LQR", "elm-pi": "ELM-PI", "pinn-pi": "PINN-PI", "galerkin": "Galerkin"}
LONG = 60.0
"""Training that takes longer than so many seconds runs once, and its row says so."""


@dataclass(frozen=True)
class Controller:
    """A learner and its size: neurons, or the order of Galerkin's polynomials; 0 for LQR.

    ``target``: PINN-PI stops at this HJB residual; None where it does not stop before the end.
    """

    learner: str
    size: int = 0
    features: str = "adapted"
    iterations: int = 10
    target: float | None = None

    @property
    def words(self) -> str:
        size = f", order {self.size}" if self.learner == "galerkin" else f", m = {self.size}"
        uniform = ", uniform features" if self.features == "uniform" else ""
        return NAMES[self.learner] + (size if self.size else "") + uniform

    @property
    def key(self) -> dict[str, object]:
        """For a row's key."""
        return {
            "learner": self.learner, "size": self.size, "features": self.features,
            "iterations": self.iterations, "target": self.target,
        }  # fmt: skip

    @property
    def seeded(self) -> bool:
        return self.learner in ("elm-pi", "pinn-pi")

    def fit(self, entry: Entry, system: ControlAffineSystem, seed: int) -> Candidate:
        """Train once. Raises NotThereError, or InputError where the learner has no answer."""
        if self.learner == "lqr":
            return lqr_candidate(system)
        start = first_policy(entry, system)
        if self.learner == "elm-pi":
            activation: Any = entry.activation or "tanh"
            features: Any = self.features
            elm = ElmPolicyIteration(
                neurons=self.size, seed=seed, activation=activation, features=features,
                iterations=self.iterations, **start,
            )  # fmt: skip
            return elm.fit(system)
        if self.learner == "pinn-pi":
            pinn = _pinn()(
                neurons=self.size, seed=seed, iterations=self.iterations,
                target_residual=self.target, **start,
            )  # fmt: skip
            return _candidate(pinn.fit(system))
        galerkin = _galerkin()(order=self.size, iterations=self.iterations, **start)
        return _candidate(galerkin.fit(system))


def _candidate(found: object) -> Candidate:
    assert isinstance(found, Candidate)
    return found


def _pinn() -> Callable[..., Any]:
    try:
        from learners.pinn_pi import PinnPolicyIteration
    except ModuleNotFoundError as error:
        raise _absent(error, "learners.pinn_pi", "PINN-PI") from None
    return PinnPolicyIteration


def _galerkin() -> Callable[..., Any]:
    try:
        from learners.galerkin import GalerkinPolicyIteration
    except ModuleNotFoundError as error:
        raise _absent(error, "learners.galerkin", "Galerkin") from None
    return GalerkinPolicyIteration


def _absent(error: ModuleNotFoundError, module: str, learner: str) -> Exception:
    """Only the learner's own absence is excused, not that of something it needs."""
    return NotThereError(f"{learner} is not there") if error.name == module else error


def first_policy(entry: Entry, system: ControlAffineSystem) -> dict[str, Any]:
    """What the zoo gives to start from: a gain, an expression, or nothing (LQR then)."""
    if entry.initial_gain is not None:
        gain = np.array([[float(v) for v in row] for row in entry.initial_gain])
        return {"initial_gain": gain}
    if entry.initial_policy is not None:
        return {"initial_policy": _policy(entry.initial_policy, system)}
    return {}


def _policy(text: str, system: ControlAffineSystem) -> Expression:
    names = {name: system.state[i] for i, name in enumerate(system.state_names)}
    return ex.stack([parse_expression(part, names, where="zoo") for part in text.split(";")])


@dataclass(frozen=True, eq=False)
class Training:
    """Candidates of the seeds (of equal runs, where a learner has no seed) and their seconds."""

    candidates: list[Candidate]
    times: list[float]

    @property
    def seconds(self) -> float:
        return statistics.median(self.times)

    def data(self) -> dict[str, object]:
        warnings = self.candidates[0].provenance.get("warnings", [])
        return {
            "training_seconds": self.seconds,
            "training_times": [round(t, 6) for t in self.times],
            "runs": len(self.times),
            "warnings": warnings,
        }


def train(entry: Entry, system: ControlAffineSystem, controller: Controller, runs: int) -> Training:
    """Train with the seeds 0, 1, …; once only where that takes long."""
    candidates, times = [], []
    for run in range(runs):
        began = time.perf_counter()
        candidates.append(controller.fit(entry, system, run if controller.seeded else 0))
        times.append(time.perf_counter() - began)
        if times[-1] > LONG:
            break
    return Training(candidates, times)
