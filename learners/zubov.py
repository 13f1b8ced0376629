"""Zubov learning: a Lyapunov function of a given vector field, up to the region's boundary.

Zubov's theorem (1961): for ψ positive definite, the solution of ∇W·F = −αψ(1 − W) with W(x*) = 0 is
W = 1 − exp(−αV), V = ∫ψ dt along solutions, and rises to 1 at the boundary of the region of
attraction. Four choices let a hundred neurons follow it to within a percent of the boundary:

* α. Near the boundary 1 − W is the distance to it to the power of α/α₀, and with α = α₀ so smooth
  that W may be continued beyond. α₀ is read off trajectories: it is log 10 over what V gains from
  90 % to 99 % of the way to the boundary.
* ψ = |z|² / (1 + |ż|²/q²), z in the domain's half-widths, q the root-mean-square speed: cost goes
  with the distance covered rather than with time. Otherwise fast motion along the boundary, as in
  relaxation oscillations, brings W close to 1 far inside of it.
* Least squares of the equation gives a start. Then the inequalities that a proof needs are fitted,
  with weights that grow towards the boundary (:mod:`learners.zubov_fit`).
* The hidden layer is drawn for the region that simulation finds (:mod:`learners.zubov_points`), not
  for the domain, and has the plant's sign symmetries.

Near x* the Hessian of W is fitted to 2αP, P from the Lyapunov equation of the linearisation.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace

import numpy as np
from numpy.typing import NDArray

from certify.candidate import Candidate, anchored_value
from learners.elm_features import Features, draw_adapted
from learners.elm_structure import detect_structure, unstructured
from learners.extra_points import checked_points
from learners.numeric import Plant
from learners.zubov_basis import ACTIVATIONS, Basis, Smooth
from learners.zubov_field import ClosedField, exponent, first_field, mean_speed
from learners.zubov_fit import Equation, assemble
from learners.zubov_points import draw_points, find_region
from learners.zubov_promise import promise, zubov_residual
from systems import expression as ex
from systems.dynamics import ControlAffineSystem
from systems.errors import InputError
from systems.expression import Expression
from systems.threads import single_threaded_blas

Array = NDArray[np.float64]
Progress = Callable[[Mapping[str, object]], None]

STRETCH = 2.0
"""Slopes of the features against those of policy iteration's: W bends more than a cost does."""
POINTS, POINTS_PER_UNKNOWN = 2500, 15
RAYS = 250
MOST_UNKNOWNS = 2000
"""The rows at all points then take some gigabytes."""


@dataclass(frozen=True)
class ZubovLearning:
    """Settings of the learner; :meth:`fit` runs it.

    ``neurons``: of the one hidden layer, whose weights are drawn and kept (``layers`` must be 1).
    ``activation``: "tanh", "sigmoid", "softplus" or "sin". A system with inputs stays under one
    policy: u = u* − K(x − x*) with ``initial_gain`` K (m, n), the expression ``initial_policy`` of
    its state, or LQR where both are None. ``enlarge``: fit the inequalities of a proof up to the
    boundary; False keeps the least-squares solution of Zubov's equation. ``iterations``: at most
    so many Newton steps for them. ``regularization``: Tikhonov's parameter, relative.
    """

    neurons: int = 100
    layers: int = 1
    seed: int = 0
    activation: Smooth = "tanh"
    initial_gain: Array | None = field(default=None, compare=False)
    initial_policy: Expression | None = field(default=None, compare=False)
    enlarge: bool = True
    iterations: int = 50
    regularization: float = 1e-9

    def __post_init__(self) -> None:
        for name in ("neurons", "iterations"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.layers != 1:
            raise InputError(f"Zubov learning has one hidden layer: layers = 1, not {self.layers}")
        if self.activation not in ACTIVATIONS:
            known = ", ".join(ACTIVATIONS)
            raise InputError(f"activation must be one of {known}, not {self.activation!r}")
        if not 0.0 < self.regularization < 1.0:
            raise InputError(f"regularization must be in (0, 1), not {self.regularization}")
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
        """Learn W for the system under its policy; V of the candidate is W, 1 at the boundary.

        The provenance holds settings, history, ``region_share`` (the region's part of the domain,
        as simulation sees it), ``promised_level`` and ``promised_share``: up to which level samples
        show no violation, and how much of the region that is. ``extra_points`` (M, n), such as
        counterexamples, join the points of the fit with ``extra_weights`` (M,), 10 by default.
        ``progress`` hears of every Newton step. Raises :class:`InputError` on a discrete system, an
        equilibrium that is not exponentially stable, equations undefined on the domain, or points
        that do not fit. Disturbances are taken at the centre of their ranges.
        """
        _refuse_discrete(system)
        with single_threaded_blas():
            run = _Run(self, Plant(system.nominal()), progress, time.perf_counter())
            return run.candidate(*checked_points(system, extra_points, extra_weights))

    def check_for(self, system: ControlAffineSystem) -> None:
        """Raises InputError where :meth:`fit` could not begin. Takes milliseconds."""
        _refuse_discrete(system)
        with single_threaded_blas():
            plant = Plant(system.nominal())
            self.features(first_field(plant, self.initial_gain, self.initial_policy))

    def features(self, closed: ClosedField) -> Features:
        """The hidden layer, with the plant's symmetries. Raises InputError if it is too large."""
        signs = detect_structure(closed.plant, closed.start.policy).signs
        structure = replace(unstructured(len(closed.scale)), signs=signs)
        drawn = draw_adapted(self.neurons, structure, "tanh", self.seed)
        if drawn.count > MOST_UNKNOWNS:
            raise InputError(
                f"{closed.plant.system.name}: {self.neurons} neurons have {drawn.count} output "
                f"weights, too many for Zubov learning (at most {MOST_UNKNOWNS}); use fewer neurons"
            )
        return replace(drawn, W=STRETCH * drawn.W)

    def settings(self) -> dict[str, object]:
        """Plain JSON data, with the policy as it was given."""
        out: dict[str, object] = {
            f.name: getattr(self, f.name)
            for f in fields(self)
            if f.name not in ("initial_gain", "initial_policy")
        }
        out["initial"] = "expression" if self.initial_policy is not None else "lqr"
        if self.initial_gain is not None:
            out["initial"] = np.asarray(self.initial_gain, dtype=np.float64).tolist()
        return out


@dataclass(eq=False)
class _Run:
    """One training: the settings, the plant, and what is recorded on the way."""

    settings: ZubovLearning
    plant: Plant
    progress: Progress | None
    began: float
    history: list[dict[str, object]] = field(default_factory=list)

    def candidate(self, extra: Array, weights: Array) -> Candidate:
        s, name = self.settings, self.plant.system.name
        closed = first_field(self.plant, s.initial_gain, s.initial_policy)
        features = s.features(closed)
        generator = np.random.default_rng(s.seed)
        flow = closed.flow()
        n = self.plant.system.state_dimension
        region = find_region(flow, RAYS * n, s.seed, name)
        speed = mean_speed(closed, region, generator)
        psi = closed.cost(speed)
        flow = replace(flow, cost=psi)
        alpha = exponent(flow, region, generator)
        equation = Equation(
            Basis(features, s.activation, self.plant.x_star, region.half_widths),
            closed.velocity,
            lambda x: alpha * psi(x, closed.velocity(x)),
            2.0 * alpha * closed.matrix,
            s.regularization,
        )
        unknowns = features.count
        points = draw_points(region, POINTS * n // 2 + POINTS_PER_UNKNOWN * unknowns, generator)
        fit = assemble(equation, points.joined(flow, extra, weights))
        simulated = time.perf_counter()
        beta = fit.enlarge(s.iterations, self._hears(equation)) if s.enlarge else fit.start
        solved = time.perf_counter()
        found = promise(equation, region, beta, np.random.default_rng(s.seed + 1))
        provenance: dict[str, object] = {
            "learner": "zubov",
            "seed": s.seed,
            "settings": s.settings(),
            "neurons": s.neurons,
            "iterations": len(self.history),
            "history": self.history,
            "warnings": found.warnings(name),
            "alpha": alpha,
            "speed": speed,
            "unknowns": unknowns,
            "region_share": region.share,
            "region_half_widths": region.half_widths.tolist(),
            "promised_level": found.level,
            "promised_share": found.share,
            "points": len(points.interior) + len(points.outside),
            "numpy": np.__version__,
            "solve_seconds": solved - simulated,
        }
        if not s.enlarge:
            largest, rms = zubov_residual(equation, region, beta, np.random.default_rng(s.seed + 2))
            provenance |= {"zubov_residual_max": largest, "zubov_residual_rms": rms}
        value = self._value(equation.basis, beta)
        provenance["seconds"] = time.perf_counter() - self.began
        return Candidate(self.plant.system.state, value, closed.start.control, provenance)

    def _hears(self, equation: Equation) -> Callable[[dict[str, object], Array], None]:
        basis = equation.basis

        def hear(entry: dict[str, object], beta: Array) -> None:
            iterations = self.settings.iterations
            entry |= {"iterations": iterations, "unknowns": basis.features.count}
            self.history.append(entry)
            if self.progress is not None:
                share = len(self.history) / iterations
                value = lambda x: basis.values(np.atleast_2d(x)) @ beta  # noqa: E731
                self.progress({**entry, "share": share, "value": value})

        return hear

    def _value(self, basis: Basis, beta: Array) -> Expression:
        system, features = self.plant.system, basis.features
        W, b = features.hidden_layer(basis.x_star, basis.scale)
        sigma = ACTIVATIONS[basis.activation].expression
        output = features.output_layer(beta)
        network = ex.affine(output[None, :], sigma(ex.affine(W, system.state, b)))
        return anchored_value(network, system.state, system.equilibrium)


def _refuse_discrete(system: ControlAffineSystem) -> None:
    if system.time == "discrete":
        raise InputError(
            f"{system.name}: Zubov learning is for continuous time only; for a discrete system use "
            "LQR (--learner lqr)"
        )
