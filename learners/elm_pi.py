"""ELM-PI: policy iteration by linear least squares over a random hidden layer.

Algorithm 1 of Meng, Zhou, Mukherjee, Fitzsimmons, Song and Liu, "Physics-Informed Neural Network
Policy Iteration" (arXiv 2402.10119). A policy k is evaluated by the GHJB equation
∇V·(f + g k) + Q + (k − u*)ᵀR(k − u*) = 0 (9), linear in V and so a least-squares problem for the
output weights (14); it is improved to u* − ½ R⁻¹gᵀ∇V (10). What differs from the algorithm as
printed (:mod:`learners.elm_reference`):

* V(x*) = 0, ∇V(x*) = 0 and k(x*) = u* hold exactly, by construction, not by a penalty;
* the hidden layer is fitted to the plant (:mod:`learners.elm_features`);
* collocation points are dense near the boundary, where least squares is worst;
* nested iteration: the policy first converges on a small prefix of the features, at the cost of a
  small least squares, and then on prefixes twice as large; Newton's method (which policy iteration
  is) needs one or two full-size steps from there. Only Lyapunov functions are handed on
  (:mod:`learners.elm_iteration`);
* the LQR policy need not be admissible on the whole domain: iteration starts on the largest box
  on which its quadratic cost decreases, and the box grows from step to step;
* nor need the domain be controllable: where no Lyapunov function is found on all of it, as with
  bounded inputs on a large box, V is learned on the largest part that has one
  (:mod:`learners.elm_training`); a policy that lost stability at x* is never returned;
* the identity HJB(V₊) = GHJB(V₊, k) − (k₊ − k)ᵀR(k₊ − k) tells when to stop: when what iteration
  can still change is small against the residual that the features leave;
* the paper's local-stability idea (18)-(21), for ELM: the Hessian of V at x* is fitted to the
  solution of the linearised problem;
* Tikhonov regularisation of Σ(βⱼ|wⱼ|)², since rounding and remainders in proofs grow with Σ|β||w|.

With input limits the policy is cut off at them. The quadratic running cost has the clipped policy
as its minimiser when R is diagonal; otherwise clipping is a heuristic, which proofs then judge.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, fields
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from certify.candidate import Candidate
from learners.elm_candidate import network_candidate
from learners.elm_features import Activation, Features, draw_adapted, draw_uniform
from learners.elm_iteration import IterationSettings, Progress
from learners.elm_start import Start, first_policy
from learners.elm_structure import Structure, detect_structure, unstructured
from learners.elm_training import Trained, Training
from learners.extra_points import checked_points, with_roots
from learners.first_candidate import first_candidate
from learners.numeric import Plant
from systems.dynamics import ControlAffineSystem
from systems.errors import InputError
from systems.expression import Expression
from systems.threads import single_threaded_blas

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ElmPolicyIteration:
    """Settings of the learner; :meth:`fit` runs it.

    ``neurons`` is the size of the hidden layer, at most. ``features``: "adapted" to the plant, or
    "uniform", the paper's W, b ~ U[−1, 1]. ``iterations``: at most so many policy iterations on
    each prefix of the features. ``collocation_points``: by default twice the number of unknowns
    (n times, as in the paper, with "uniform" features), and 10 n. ``regularization``: the Tikhonov
    parameter relative to the norm of the least-squares matrix; smaller fits better with larger
    output weights. ``target_residual``: stop adding neurons once the HJB residual at held-out
    points is at most this; None uses all neurons. ``origin_weight``: how much the Hessian of V at
    x* counts, against all collocation points together. ``initial_gain`` (m, n): start from
    u = u* − K(x − x*); ``initial_policy``: from an expression of the system's state; by default
    from LQR on the linearisation.
    """

    neurons: int = 100
    seed: int = 0
    activation: Activation = "tanh"
    features: Literal["adapted", "uniform"] = "adapted"
    iterations: int = 10
    collocation_points: int | None = None
    regularization: float = 1e-9
    target_residual: float | None = None
    origin_weight: float = 1.0
    initial_gain: Array | None = field(default=None, compare=False)
    initial_policy: Expression | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        for name in ("neurons", "iterations"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.collocation_points is not None and self.collocation_points < 1:
            raise InputError(
                f"collocation_points must be at least 1, not {self.collocation_points}"
            )
        if self.activation not in ("tanh", "relu"):
            raise InputError(f'activation must be "tanh" or "relu", not {self.activation!r}')
        if self.features not in ("adapted", "uniform"):
            raise InputError(f'features must be "adapted" or "uniform", not {self.features!r}')
        if not 0.0 < self.regularization < 1.0:
            raise InputError(f"regularization must be in (0, 1), not {self.regularization}")
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

        Its ``warnings`` say, a line each, which policies were dropped as unstable, and whether V
        was learned on a part of the domain only (``trained_fraction``, ``trained_box``; fraction 0:
        nothing was learned, the candidate is the first policy with its quadratic cost).

        ``extra_points`` (M, n), such as counterexamples, join the collocation points; one with
        ``extra_weights`` (M,) w counts like w of them (10 by default). ``progress`` is called
        with every entry of the history. Raises :class:`InputError` on an unusable system, a first
        policy that is unstable, or points that do not fit. Disturbances are taken at the centre of
        their ranges.
        """
        _refuse_discrete(system)
        system = system.nominal()
        with single_threaded_blas():
            return self._fit(system, extra_points, extra_weights, progress)

    def check_for(self, system: ControlAffineSystem) -> None:
        """Raises InputError where :meth:`fit` could not begin: a wrong system, a bad first policy.

        Takes milliseconds, since nothing is trained.
        """
        _refuse_discrete(system)
        with single_threaded_blas():
            first_policy(Plant(system.nominal()), self.initial_gain, self.initial_policy)

    def _fit(
        self,
        system: ControlAffineSystem,
        extra_points: Array | None,
        extra_weights: Array | None,
        progress: Progress | None,
    ) -> Candidate:
        began = time.perf_counter()
        plant = Plant(system)
        extra = with_roots(checked_points(plant.system, extra_points, extra_weights))
        start = first_policy(plant, self.initial_gain, self.initial_policy)
        plant.sample(plant.x_star[None])  # compiles the tape
        ready = time.perf_counter()
        training = Training(
            self._iteration_settings(system.state_dimension),
            plant,
            start,
            lambda part: self._draw(part, start),
            extra,
            progress,
        )
        trained = training.run()
        solved = time.perf_counter()
        provenance: dict[str, object] = {
            **self._settings(),
            "iterations": len(training.history),
            "history": training.history,
            "warnings": training.warnings,
            "numpy": np.__version__,
            "solve_seconds": solved - ready,
            "seconds": 0.0,
        }
        if trained is None:
            candidate = first_candidate(
                start,
                provenance,
                failed="policy iteration diverged; give another initial policy, more neurons or a "
                "smaller domain",
                found="policy iteration found no positive value function with a stable policy",
                may_help="more neurons or a smaller domain",
            )
        else:
            candidate = _network_candidate(trained, provenance)
        provenance["seconds"] = time.perf_counter() - began
        return candidate

    def _draw(self, plant: Plant, start: Start) -> tuple[Structure, Features]:
        if self.features == "uniform":
            uniform = draw_uniform(
                self.neurons, plant.half_widths, plant.x_star, self.activation, self.seed
            )
            return unstructured(len(plant.x_star)), uniform
        structure = detect_structure(plant, start.policy)
        return structure, draw_adapted(self.neurons, structure, self.activation, self.seed)

    def _iteration_settings(self, n: int) -> IterationSettings:
        # Dense features without structure are far from a solution: V then is more accurate
        # everywhere with more points, fewer of them at the boundary.
        uniform = self.features == "uniform"
        return IterationSettings(
            points_per_unknown=max(2, n) if uniform else 2,
            arcsine=0.5 if uniform else 1.0,
            seed=self.seed,
            iterations=self.iterations,
            collocation_points=self.collocation_points,
            regularization=self.regularization,
            target_residual=self.target_residual,
            origin_weight=self.origin_weight,
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
        return {"learner": "elm-pi", "seed": self.seed, "settings": settings}


def _refuse_discrete(system: ControlAffineSystem) -> None:
    if system.time == "discrete":
        raise InputError(
            f"{system.name}: ELM-PI learns in continuous time only; for a discrete system use "
            "LQR (--learner lqr)"
        )


def _network_candidate(trained: Trained, provenance: dict[str, object]) -> Candidate:
    """V and its greedy policy; what is known of them joins the provenance."""
    plant, solution, structure = trained.plant, trained.solution, trained.structure
    features = solution.features
    W, b = features.hidden_layer(plant.x_star, plant.half_widths)
    output = features.output_layer(solution.beta)
    low, high = plant.ends
    provenance |= {
        "symmetries": structure.signs.astype(int).tolist(),
        "blocks": [list(block) for block in structure.blocks],
        "trained_fraction": plant.fraction,
        "trained_box": [low.tolist(), high.tolist()],
        **solution.summary(W, output),
    }
    return network_candidate(plant.system, W, b, output, features.activation, provenance)
