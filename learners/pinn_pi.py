"""PINN-PI: policy iteration with a neural network trained by Gauss-Newton steps.

Algorithm 2 of Meng, Zhou, Mukherjee, Fitzsimmons, Song and Liu, "Physics-Informed Neural Network
Policy Iteration" (arXiv 2402.10119): every policy is evaluated by minimising the residual (16) of
its GHJB equation over all weights of a network, at collocation points drawn afresh, with the
local-stability loss (21) at the equilibrium. What differs from the algorithm as printed:

* V(x*) = 0, ∇V(x*) = 0 and k(x*) = u* hold exactly, by construction
  (:mod:`learners.pinn_network`): there is no term for V(0) in the loss;
* the default optimiser is Levenberg-Marquardt with derivatives by hand
  (:mod:`learners.pinn_marquardt`), some hundred steps where Adam takes 10,000 and ends a hundred
  times further from V*; the first output weights come from linear least squares. "lbfgs" is there
  for networks with many thousand weights, "adam" for the paper's setting;
* with "adapted" features the network has the symmetries and decoupled blocks of the Hamiltonian
  (:mod:`learners.pinn_draw`); "uniform" is a plain dense network;
* collocation points are denser near the boundary;
* blocks of states that nothing couples are trained one after the other
  (:mod:`learners.pinn_blocks`);
* few steps while the policy still moves, and a growing box where the first policy is not
  admissible everywhere (:mod:`learners.pinn_iteration`); where no Lyapunov function is found on
  the whole domain, one on the largest part that has one (:mod:`learners.pinn_training`).
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field, fields
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from certify.candidate import Candidate
from learners.elm_start import Start, first_policy
from learners.elm_structure import Structure, detect_structure, unstructured
from learners.extra_points import checked_points, with_roots
from learners.first_candidate import first_candidate
from learners.numeric import Plant
from learners.pinn_blocks import trained_by_blocks
from learners.pinn_candidate import output_sizes, pinn_candidate
from learners.pinn_descent import OPTIMIZERS, Optimizer
from learners.pinn_draw import draw_dense, draw_structured
from learners.pinn_iteration import PinnSettings
from learners.pinn_network import ACTIVATIONS, Network, SmoothActivation
from learners.pinn_progress import Progress
from learners.pinn_training import PinnTraining, Trained
from systems.dynamics import ControlAffineSystem
from systems.errors import InputError
from systems.expression import Expression
from systems.threads import single_threaded_blas

Array = NDArray[np.float64]

STEPS: dict[Optimizer, int] = {"levenberg-marquardt": 100, "lbfgs": 500, "adam": 10_000}
POINTS_PER_UNKNOWN = 3
MANY_UNKNOWNS = 1500
"""From here on the linear algebra may use all cores."""
MOST_UNKNOWNS = 10_000
"""Levenberg-Marquardt keeps a square matrix of so many rows, and its factor: 1.6 GB."""
MOST_ENTRIES = 200_000_000
"""Of the least squares for the first output weights, which "lbfgs" begins with: 1.6 GB."""


@dataclass(frozen=True)
class PinnPolicyIteration:
    """Settings of the learner; :meth:`fit` runs it.

    ``layers`` hidden layers of ``neurons`` neurons each, at most. ``features``: "adapted" to the
    plant's structure, or "uniform", a plain dense network. ``iterations``: at most so many policy
    iterations on the whole domain. ``steps`` of the optimiser in each, once the policy has
    settled: 100 (Levenberg-Marquardt), 500 (L-BFGS) or 10,000 (Adam) by default.
    ``collocation_points``: by default three times the number of weights and 10 n; with "adam", n
    times the neurons, as in the paper. ``origin_weight``: how much the local-stability loss counts,
    against all collocation points together. ``target_residual``: stop once the HJB residual at
    held-out points is at most this. ``initial_gain`` (m, n): start from u = u* − K(x − x*);
    ``initial_policy``: from an expression of the system's state; by default from LQR.
    """

    neurons: int = 50
    layers: int = 1
    seed: int = 0
    activation: SmoothActivation = "tanh"
    features: Literal["adapted", "uniform"] = "adapted"
    optimizer: Optimizer = "levenberg-marquardt"
    iterations: int = 10
    steps: int | None = None
    collocation_points: int | None = None
    origin_weight: float = 1.0
    target_residual: float | None = None
    initial_gain: Array | None = field(default=None, compare=False)
    initial_policy: Expression | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        for name in ("neurons", "layers", "iterations", "steps", "collocation_points"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} must be at least 1, not {value}")
        for name, allowed in (
            ("activation", ACTIVATIONS),
            ("features", ("adapted", "uniform")),
            ("optimizer", OPTIMIZERS),
        ):
            if getattr(self, name) not in allowed:
                words = ", ".join(f'"{a}"' for a in allowed)
                raise InputError(f"{name} must be one of {words}, not {getattr(self, name)!r}")
        if not 0.0 <= self.origin_weight < np.inf:
            raise InputError(f"origin_weight must be finite and not negative: {self.origin_weight}")
        if self.initial_gain is not None and self.initial_policy is not None:
            raise InputError("give initial_gain or initial_policy, not both")

    def fit(
        self,
        system: ControlAffineSystem,
        *,
        extra_points: Array | None = None,
        extra_weights: Array | None = None,
        progress: Progress | None = None,
    ) -> Candidate:
        """Train on a system; the candidate's provenance holds settings, history and residuals.

        Its ``warnings`` say, a line each, which policies were dropped as unstable or because the
        optimiser diverged, and whether V was learned on a part of the domain only
        (``trained_fraction``, ``trained_box``; fraction 0: nothing was learned, the candidate is
        the first policy with its quadratic cost).

        ``extra_points`` (M, n), such as counterexamples, join the collocation points; one with
        ``extra_weights`` (M,) w counts like w of them (10 by default). An uncontrolled system has
        one policy only, whose equation is solved until it no longer gets better. Raises
        :class:`InputError` on an unusable system, an unstable first policy, or points that do not
        fit. Disturbances are taken at the centre of their ranges.
        """
        began = time.perf_counter()
        plant, start = self._started(system)
        structure = self._structure(plant, start)
        network, theta = self._draw(structure)
        self._refuse_too_large(plant, network)
        many = network.count >= MANY_UNKNOWNS
        with contextlib.nullcontext() if many else single_threaded_blas():
            plant.sample(plant.x_star[None])  # compiles the tape
            ready = time.perf_counter()
            training = PinnTraining(
                self._iteration_settings(network, network.dimension),
                plant,
                start,
                network,
                theta,
                with_roots(checked_points(plant.system, extra_points, extra_weights)),
                progress,
            )
            trained = self._trained(training, structure)
        provenance: dict[str, object] = {
            **self._settings(),
            "iterations": len(training.history),
            "history": training.history,
            "warnings": training.warnings,
            "numpy": np.__version__,
            "solve_seconds": time.perf_counter() - ready,
            "seconds": 0.0,
            "symmetries": structure.signs.astype(int).tolist(),
            "blocks": [list(block) for block in structure.blocks],
        }
        if trained is None:
            candidate = first_candidate(
                start,
                provenance,
                failed="policy iteration diverged, and there is no earlier policy to keep; give "
                "another initial policy, fewer neurons or a smaller domain",
                found="policy iteration found no value function with a stable policy",
                may_help="more neurons or a smaller domain",
            )
        else:
            candidate = _network_candidate(trained, network, provenance)
        provenance["seconds"] = time.perf_counter() - began
        return candidate

    def _trained(self, training: PinnTraining, structure: Structure) -> Trained | None:
        """Block by block where nothing couples them, else (or where that fails) all at once."""
        if len(structure.blocks) > 1:
            trained = trained_by_blocks(training, structure.blocks, self._iteration_settings)
            if trained is not None:
                return trained
        return training.run()

    def check_for(self, system: ControlAffineSystem) -> None:
        """Raises InputError where :meth:`fit` could not begin: a wrong system, a bad first policy.

        Takes milliseconds, since nothing is trained.
        """
        plant, start = self._started(system)
        self._refuse_too_large(plant, self._draw(self._structure(plant, start))[0])

    def _started(self, system: ControlAffineSystem) -> tuple[Plant, Start]:
        if system.time == "discrete":
            raise InputError(
                f"{system.name}: PINN-PI learns in continuous time only; for a discrete system use "
                "LQR (--learner lqr)"
            )
        plant = Plant(system.nominal())
        with single_threaded_blas():
            return plant, first_policy(plant, self.initial_gain, self.initial_policy)

    def _structure(self, plant: Plant, start: Start) -> Structure:
        if self.features == "uniform":
            return unstructured(len(plant.x_star))
        with single_threaded_blas():
            return detect_structure(plant, start.policy)

    def _draw(self, structure: Structure) -> tuple[Network, Array]:
        if self.features == "uniform":
            n = structure.dimension
            return draw_dense(self.neurons, self.layers, n, self.activation, self.seed)
        return draw_structured(self.neurons, self.layers, structure, self.activation, self.seed)

    def _refuse_too_large(self, plant: Plant, network: Network) -> None:
        if self.optimizer == "levenberg-marquardt" and network.count > MOST_UNKNOWNS:
            raise InputError(
                f"{plant.system.name}: {network.count} weights are too many for "
                f'Levenberg-Marquardt (at most {MOST_UNKNOWNS}); use optimizer="lbfgs" or fewer '
                "neurons"
            )
        points = self._iteration_settings(network, network.dimension).points
        if self.optimizer != "adam" and points * network.widths[-1] > MOST_ENTRIES:
            raise InputError(
                f"{plant.system.name}: {network.widths[-1]} output weights at {points} points are "
                "too many for the least squares that training begins with; use fewer neurons"
            )

    def _iteration_settings(self, network: Network, n: int) -> PinnSettings:
        points = self.collocation_points
        if points is None:
            points = POINTS_PER_UNKNOWN * network.count + 10 * n
            if self.optimizer == "adam":
                points = max(self.neurons * n, 10 * n)
        return PinnSettings(
            seed=self.seed,
            iterations=self.iterations,
            optimizer=self.optimizer,
            steps=self.steps or STEPS[self.optimizer],
            points=points,
            arcsine=0.5 if self.features == "uniform" else 1.0,
            origin_weight=self.origin_weight,
            target_residual=self.target_residual,
        )

    def _settings(self) -> dict[str, object]:
        settings: dict[str, object] = {
            f.name: getattr(self, f.name)
            for f in fields(self)
            if f.name not in ("initial_gain", "initial_policy")
        }
        settings["initial"] = "expression" if self.initial_policy is not None else "lqr"
        if self.initial_gain is not None:
            settings["initial"] = np.asarray(self.initial_gain, dtype=np.float64).tolist()
        return {"learner": "pinn-pi", "seed": self.seed, "settings": settings}


def _network_candidate(
    trained: Trained, network: Network, provenance: dict[str, object]
) -> Candidate:
    plant, solution = trained.plant, trained.solution
    low, high = plant.ends
    neurons = int(network.members.sum())
    provenance |= {
        "trained_fraction": plant.fraction,
        "trained_box": [low.tolist(), high.tolist()],
        "neurons": neurons,
        "unknowns": network.count,
        "hjb_residual_max": solution.residual_max,
        "hjb_residual_rms": solution.residual_rms,
        **output_sizes(plant, network, solution.theta),
    }
    return pinn_candidate(plant, network, solution.theta, provenance)
