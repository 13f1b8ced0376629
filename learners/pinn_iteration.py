"""Policy iteration with a network: each policy is evaluated by nonlinear least squares.

Algorithm 2 of the paper, with these differences. The optimiser takes few steps while the policy
still moves, and all of them once it has settled: V of a policy that is about to be replaced need
not be exact. The first policies may be learned on a part of the domain
(:class:`learners.elm_start.Start`), which then grows. A policy that is unstable at x* is never
handed on: the next iteration goes back to the last good one, with more steps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from learners.elm_least_squares import regularised
from learners.elm_start import Start, shown_eigenvalue
from learners.lqr import policy_cost
from learners.numeric import Plant, boundary_dense_points
from learners.pinn_descent import Optimizer, descend
from learners.pinn_equations import OFFSETS, SPACING, STENCIL, Equations, Origin, scaled_origin
from learners.pinn_marquardt import FIRST_DAMPING, Descended
from learners.pinn_network import Network
from learners.pinn_progress import Reporter

Array = NDArray[np.float64]

GROWTH_OF_BOX = 1.4
EARLY_SHARE = 0.1
"""Of the optimiser's steps, while the policy moves or its part of the domain grows."""
LEAST_EARLY_STEPS = 10
SETTLED, MOST_EARLY = 1e-3, 4
"""The policy has settled when (k₊ − k)ᵀR(k₊ − k) is at most this times the running cost, or at most
the GHJB residual: what moves it then is the fit. Early are at most so many iterations."""
CONVERGED, STALLED = 0.1, 0.9
"""Ends where what the policy still changes is at most this times the largest GHJB residual, and
the residual at the held-out points no less than this fraction of the one before."""
FIRST_REGULARIZATION = 0.1
"""Of the first output weights, relative to the norm of the least squares: they stay small, and the
hidden weights can move; see :mod:`learners.pinn_marquardt`."""
NEGATIVE = 0.01
"""V counts as positive if it is not below −NEGATIVE times its maximum."""
MOST_RETRIES = 2


@dataclass(frozen=True)
class PinnSettings:
    """What the iteration needs of the learner's settings.

    ``points`` are collocation points; ``arcsine`` says how dense they are at the boundary.
    """

    seed: int
    iterations: int
    optimizer: Optimizer
    steps: int
    points: int
    arcsine: float
    origin_weight: float
    target_residual: float | None


@dataclass(frozen=True, eq=False)
class Evaluated:
    """A value function: its weights, and the HJB residual (max, rms) at the held-out points.

    ``is_lyapunov``: V is positive but for errors of the fit, and decreases along its greedy
    policy, at all points looked at.
    """

    theta: Array
    iteration: int
    residual_max: float
    residual_rms: float
    is_lyapunov: bool


@dataclass(eq=False)
class PinnIteration:
    """One training run; entries go to ``history``, lines to ``warnings``.

    With ``axes``, only these coordinates of the points leave the equilibrium: those of a block that
    nothing else is coupled to (:mod:`learners.pinn_blocks`).
    """

    settings: PinnSettings
    plant: Plant
    start: Start
    network: Network
    extra: tuple[Array, Array]
    history: list[dict[str, object]]
    warnings: list[str]
    reporter: Reporter
    axes: tuple[int, ...] | None = None
    found: list[Evaluated] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.generator = np.random.default_rng([self.settings.seed, 2])
        n = len(self.plant.x_star)
        self.held_out = self._cloud(self.settings.points // 4 + 40 * n)
        self.gain = self.start.K
        self.damping = FIRST_DAMPING

    def run(self, theta: Array) -> Evaluated | None:
        """The best V from first weights ``theta``: a Lyapunov function if there is one.

        Among equals the one with the least rms residual. None where no policy was stable.
        """
        with np.errstate(all="ignore"):  # what overflows is seen, and dropped
            self._run(theta)
        lyapunov = [s for s in self.found if s.is_lyapunov]
        return min(lyapunov or self.found, key=lambda s: s.residual_rms, default=None)

    def _run(self, theta: Array) -> None:
        known: Array | None = None
        box, done, retries = self._first_box(), 0, 0
        settled, least = False, math.inf
        while done < self.settings.iterations:
            done += box >= 1.0
            self.reporter.begin(len(self.history) + 1, done, self.settings.iterations)
            step = self._iterate(theta, known, box, self._steps(settled, retries))
            if step is None:
                retries += 1
                if retries > MOST_RETRIES:
                    return
                continue
            theta = known = step.theta
            if box < 1.0:
                box = min(1.0, box * GROWTH_OF_BOX)
                continue
            entry = self.history[-1]
            change, largest = _number(entry, "policy_change"), _number(entry, "ghjb_residual_max")
            stalled = step.residual_rms > STALLED * least
            least = min(least, step.residual_rms)
            target = self.settings.target_residual
            if target is not None and step.residual_max <= target:
                return
            if settled and stalled and change <= CONVERGED * largest:
                return
            settled |= change <= max(SETTLED * _number(entry, "cost_max"), largest)
            settled |= done >= MOST_EARLY

    def _steps(self, settled: bool, retries: int) -> int:
        steps = self.settings.steps
        if settled or self.settings.optimizer == "adam":
            return steps
        return min(steps, max(LEAST_EARLY_STEPS, int(EARLY_SHARE * steps)) << retries)

    def _first_box(self) -> float:
        n = len(self.plant.x_star)
        if self.start.decreases_on(self.plant.sample(self._cloud(100 * n))):
            return 1.0
        return min(1.0, self.start.box / self.plant.fraction)

    def _iterate(
        self, theta: Array, known: Array | None, box: float, steps: int
    ) -> Evaluated | None:
        """Evaluate the greedy policy of ``known`` (None: the first policy), from weights ``theta``.

        None, with a warning, where nothing can be made of the result.
        """
        equations, u = self._equations(known, box)
        if known is None:
            theta = self._first_output(equations, theta)
        network, number = self.network, len(self.history) + 1
        self.reporter.steps = steps
        out = descend(
            self.settings.optimizer, equations, theta, steps, self.reporter.tick, self.damping
        )
        self.damping = min(FIRST_DAMPING, 10.0 * out.damping)
        if not out.finite:
            self.warnings.append(_diverged(number, out, self.settings.optimizer))
            if not math.isfinite(out.loss):
                return None
        unstable = self._unstable(out.theta)
        solution = self._record(equations, u, out, box, unstable is None)
        if unstable is not None:
            self.warnings.append(
                f"iteration {number}: the policy lost stability at the equilibrium (eigenvalue "
                f"{unstable}) and was dropped; the last good one is kept (more neurons, a smaller "
                "domain or another initial policy may help)"
            )
            return None
        if box >= 1.0:
            self.found.append(solution)
        self.reporter.end(
            self.history[-1],
            lambda x: network.values(out.theta, (x - self.plant.x_star) / self.plant.half_widths),
        )
        return solution

    def _first_output(self, equations: Equations, theta: Array) -> Array:
        """``theta`` with output weights by least squares; as it is, for the paper's optimiser."""
        if self.settings.optimizer == "adam":
            return theta
        A, a = equations.linear(theta)
        theta = theta.copy()
        ones = np.ones(A.shape[1])
        theta[self.network.output] = regularised(A, -a, ones, FIRST_REGULARIZATION)[0]
        return theta

    def _equations(self, known: Array | None, box: float) -> tuple[Equations, Array]:
        plant, h = self.plant, self.plant.half_widths
        x, root = self._cloud(self.settings.points), np.ones(self.settings.points)
        if box < 1.0:
            x = plant.x_star + box * (x - plant.x_star)
        elif len(self.extra[0]):
            x = np.concatenate([x, self.extra[0]])
            root = np.concatenate([root, self.extra[1]])
        samples, z = plant.sample(x), (x - plant.x_star) / h
        if known is None:
            u = self.start.policy(x)
        else:
            u = plant.greedy(samples, self.network.gradient(known, z) / h)
        cost = plant.running_cost(samples, u)
        velocity = samples.velocity(u) / h
        return Equations(self.network, z, velocity, cost, root, self._origin(len(x))), u

    def _origin(self, points: int) -> Origin | None:
        """The rows of (21), after a step of Kleinman's iteration (18)-(19)."""
        linear, plant = self.start.linear, self.plant
        if linear is None or self.gain is None or not self.settings.origin_weight:
            return None
        P = policy_cost(linear, self.gain)
        M, root = np.eye(len(P)), np.diag(plant.half_widths)
        if plant.system.input_dimension:
            M = 2.0 * plant.half_R_inverse @ linear.B.T
            root = np.asarray(np.linalg.cholesky(plant.R).T, dtype=np.float64)
            self.gain = np.asarray(M @ P, dtype=np.float64)
        h, wanted = plant.half_widths, M @ P
        if self.axes is not None:  # the other blocks' part of the gain is not this network's
            wanted[:, np.setdiff1d(np.arange(len(h)), self.axes)] = 0.0
        return scaled_origin(M / h, wanted * h, self.settings.origin_weight, points, root)

    def _unstable(self, theta: Array) -> str | None:
        """The rightmost eigenvalue of the greedy policy's linearisation, if it is not stable."""
        linear, plant, n = self.start.linear, self.plant, len(self.plant.x_star)
        if linear is None:
            return None
        z = SPACING * np.array(OFFSETS)[:, None, None] * np.eye(n)
        slopes = self.network.gradient(theta, z.reshape(-1, n)).reshape(4, n, n)
        hessian = (slopes * np.array(STENCIL)[:, None, None]).sum(axis=0) / SPACING
        hessian /= np.outer(plant.half_widths, plant.half_widths)
        closed = linear.A - linear.B @ (plant.half_R_inverse @ (linear.B.T @ hessian))
        if not np.isfinite(closed).all():
            return "nan"
        if self.axes is not None:
            closed = closed[np.ix_(self.axes, self.axes)]
        return shown_eigenvalue(closed) if np.linalg.eigvals(closed).real.max() >= 0.0 else None

    def _record(
        self, equations: Equations, u: Array, out: Descended, box: float, stable: bool
    ) -> Evaluated:
        """What is known of the new V joins the history."""
        plant, h, network = self.plant, self.plant.half_widths, self.network
        x = plant.x_star + equations.z * h
        change = plant.input_energy(
            plant.greedy(plant.sample(x), network.gradient(out.theta, equations.z) / h) - u
        )
        solution = self.measured(out.theta, box, equations.z)
        self.history.append(
            {
                "iteration": len(self.history) + 1,
                "unknowns": network.count,
                "points": len(equations.z),
                "steps": out.steps,
                "loss": out.loss,
                "ghjb_residual_max": float(np.abs(equations.ghjb(out.theta)).max()),
                "policy_change": float(change.max()),
                "cost_max": float(equations.cost.max()),
                "hjb_residual_max": solution.residual_max,
                "hjb_residual_rms": solution.residual_rms,
                "box": box * plant.fraction,
                "stable": stable,
            }
        )
        return solution

    def measured(self, theta: Array, box: float, more: Array) -> Evaluated:
        """The HJB residual at the held-out points, drawn into a box, and whether V is positive
        and decreases there; V also at ``more`` points (N, n) in domain units."""
        plant, h, network = self.plant, self.plant.half_widths, self.network
        away = plant.x_star + min(box, 1.0) * (self.held_out - plant.x_star)
        samples, z = plant.sample(away), (away - plant.x_star) / h
        gradient = network.gradient(theta, z) / h
        improved = plant.greedy(samples, gradient)
        residual = plant.hamiltonian(samples, gradient, improved)
        rate = residual - plant.running_cost(samples, improved)
        V = network.values(theta, np.concatenate([z, more]))
        lyapunov = bool(rate.max() < 0.0 and V.min() > -NEGATIVE * V.max())
        largest = float(np.abs(residual).max())
        rms = math.sqrt(float(residual @ residual) / len(residual))
        return Evaluated(theta, len(self.history) + 1, largest, rms, lyapunov)

    def _cloud(self, count: int) -> Array:
        ends, arcsine = self.plant.ends, self.settings.arcsine
        if self.axes is None:
            return boundary_dense_points(ends, count, self.generator, arcsine)
        axes = list(self.axes)
        out = np.tile(self.plant.x_star, (count, 1))
        low, high = (end[axes] for end in ends)
        out[:, axes] = boundary_dense_points((low, high), count, self.generator, arcsine)
        return out


def _number(entry: Mapping[str, object], key: str) -> float:
    value = entry[key]
    assert isinstance(value, float)
    return value


def _diverged(iteration: int, out: Descended, optimizer: str) -> str:
    other = "" if optimizer == "levenberg-marquardt" else 'the optimizer "levenberg-marquardt", '
    return (
        f"iteration {iteration}: the loss was NaN or infinite at step {out.steps + 1}; the last "
        f"good weights are kept (try {other}fewer neurons or a smaller domain)"
    )
