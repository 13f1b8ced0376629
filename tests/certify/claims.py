"""Systems written as text, with a V beside them, to claim theorems of; and their simulation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from certify import Budget, Candidate, Claim, Proved, Refuted, Requested, StabilityResult
from certify.prove import prove_stability
from certify.theorem import Theorem
from systems.build import system_from_text
from systems.dynamics import ControlAffineSystem
from systems.evaluate import function
from systems.expression import Expression
from tests.certify.planted import confirmed, square

Array = NDArray[np.float64]

ASYMPTOTIC = Claim.ASYMPTOTIC_STABILITY
EXPONENTIAL = Claim.EXPONENTIAL_STABILITY
PRACTICAL = Claim.PRACTICAL_STABILITY
LOCAL = Claim.LOCAL_STABILITY
CONVERGENCE = Claim.SET_POINT_CONVERGENCE


@dataclass(frozen=True, eq=False)
class Plant:
    """A closed loop without inputs, and a Lyapunov candidate."""

    system: ControlAffineSystem
    value: Expression

    def prove(self, claim: Claim, seconds: float = 20.0, **constants: object) -> StabilityResult:
        """The claim with constants given as numbers or text."""
        asked = {k: Fraction(v) for k, v in constants.items()}  # type: ignore[arg-type]
        return prove_stability(
            self.system,
            Candidate(self.system.state, self.value, None),
            Requested(claim=claim, **asked),
            budget=Budget(seconds),
        )


def plant(
    equations: Sequence[str],
    *,
    discrete: bool = False,
    value: Callable[[Expression], Expression] = square,
    domain: Sequence[tuple[object, object]] | None = None,
    w: Sequence[tuple[object, object]] = (),
    unsafe: Mapping[str, str | Sequence[str]] | None = None,
) -> Plant:
    """States x1, x2, … on [-1, 1]ⁿ and disturbances w1, w2, …; V = |x|² unless given."""
    states = [f"x{i + 1}" for i in range(len(equations))]
    disturbances = [f"w{i + 1}" for i in range(len(w))]
    system = system_from_text(
        "planted",
        states,
        [],
        dict(zip(states, equations, strict=True)),
        domain=domain or [(-1, 1)] * len(states),
        time="discrete" if discrete else "continuous",
        disturbances=disturbances,
        disturbance_range=[[str(a), str(b)] for a, b in w],
        unsafe=unsafe,
    )
    return Plant(system, value(system.state))


def assert_not_proved(result: StabilityResult, *conditions: str) -> None:
    """Not proved, and refuted only at a condition named, by a point that really breaks it."""
    assert not isinstance(result.verdict, Proved), result.theorem
    if isinstance(result.verdict, Refuted):
        assert result.verdict.counterexample.condition in conditions
        assert confirmed(result)


def assert_refuted(result: StabilityResult, *conditions: str) -> None:
    assert isinstance(result.verdict, Refuted), result.verdict
    assert_not_proved(result, *conditions)


def theorem_of(result: StabilityResult) -> Theorem:
    assert isinstance(result.verdict, Proved), result.verdict
    assert result.theorem is not None
    return result.theorem


def simulate(theorem: Theorem, starts: Array, steps: int, h: float, seed: int) -> Array:
    """Solutions from the starts, (steps + 1, N, n), with disturbances drawn anew at every step,
    most at the ends of their range; Runge-Kutta of order 4 in continuous time."""
    problem = theorem.problem
    field = function(problem.field, *problem.variables)
    W = problem.system.disturbance_range
    generator = np.random.default_rng(seed)

    def rate(x: Array, w: Array) -> Array:
        return field(np.hstack([x, w]))[0]

    path = [starts]
    for _ in range(steps):
        x = path[-1]
        if W is None:
            w = np.empty((len(x), 0))
        else:
            low, high = W.outer()
            w = low + (high - low) * np.clip(generator.uniform(-1, 2, (len(x), len(low))), 0, 1)
        if problem.is_discrete:
            path.append(rate(x, w))
            continue
        k1 = rate(x, w)
        k2 = rate(x + h / 2 * k1, w)
        k3 = rate(x + h / 2 * k2, w)
        k4 = rate(x + h * k3, w)
        path.append(x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4))
    return np.array(path)


def assert_simulations_agree(
    theorem: Theorem, *, count: int = 200, steps: int = 400, h: float = 0.02, seed: int = 0
) -> None:
    """From points all over the region: what the theorem says of solutions is what happens."""
    problem, k = theorem.problem, theorem.constants
    value = function(problem.value, problem.state)
    points = problem.domain.sample(40 * count, np.random.default_rng(seed))
    starts = points[value(points)[0][:, 0] <= float(k.c2)][:count]
    assert len(starts) >= 20
    path = simulate(theorem, starts, steps, h, seed)
    V = np.array([value(x)[0][:, 0] for x in path])
    slack = 1e-7 * float(k.c2)
    low, high = problem.domain.outer()
    assert (float(k.c2) + slack >= V).all() and ((path >= low) & (path <= high)).all()
    inside = float(k.c1) + slack >= V
    assert (np.diff(inside.astype(int), axis=0) >= 0).all()  # once in {V ≤ c1}, always
    time = np.arange(steps + 1) if problem.is_discrete else h * np.arange(steps + 1)
    if k.mu is not None:
        late = time >= float((k.c2 - k.c1) / k.mu) + 1
        assert inside[late].all()
    for unsafe in problem.system.unsafe:
        held = function(list(unsafe.constraints), problem.state)
        assert not any((np.hstack(held(x)) >= 0).all(axis=1).any() for x in path)
    if k.alpha is not None:
        base = 1 - float(k.alpha) if problem.is_discrete else np.exp(-float(k.alpha))
        above = np.minimum.accumulate(V, axis=0) >= float(k.bottom)
        assert (V[0] * base ** time[:, None] + slack >= V)[above].all()
    if theorem.claim.closes_origin:
        star = np.array([float(v) for v in problem.system.equilibrium])
        assert np.abs(path[-1] - star).max() < 0.05 * np.abs(starts - star).max()
