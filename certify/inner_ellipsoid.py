"""An ellipsoid inside {V ≤ c2}: found by sampling, proved by branch and bound.

What is sampled only proposes a shape and a level. The claim "V ≤ c2 wherever q ≤ r" is searched
like any other condition; a violation lowers r, and what is left open when the budget ends does too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from certify.branch_and_bound import Relax, search
from certify.budget import Budget
from certify.conditions import Condition, Constraint
from certify.ellipsoid_volume import ellipsoid_volume, half_widths, level_inside
from certify.stability import StabilityProblem
from certify.verdict import Counterexample, Proved
from systems import expression as ex
from systems.box import Box
from systems.differentiate import NotDifferentiableError, gradient, jacobian
from systems.evaluate import function
from systems.exact import short_fraction
from systems.quadratic import Rows, is_positive_definite, quadratic_form
from systems.tape import compile_tape

Array = NDArray[np.float64]

DIRECTIONS = 60
"""Rays for each entry of P, from x* to where V first exceeds c2."""

STEPS = 6
"""Times the shape is improved, each by a linear program."""

SHARES = (Fraction(9, 10), Fraction(97, 100), Fraction(99, 100))
"""Of the level that the samples allow, tried in turn: the closer, the harder to prove, and at a
point of contact no box would ever close. Where the first is not proved, its half is tried."""

FIRST_BUDGET = 0.6
"""The share of the time that the first level may take."""


SMALLEST = Fraction(1, 1000)
"""No smaller level is tried."""


@dataclass(frozen=True, eq=False)
class InnerEllipsoid:
    """{x : (x − x*)ᵀ P (x − x*) ≤ level}, which lies in {x in D : V(x) ≤ c2}. ``matrix`` is P."""

    matrix: Rows
    level: Fraction
    volume: float


def inner_ellipsoid(
    problem: StabilityProblem, c2: Fraction, budget: Budget, seed: int = 0
) -> InnerEllipsoid | None:
    """A large ellipsoid inside {x in D : V(x) ≤ c2}; None where none is found and proved in time.

    Sound for any V: a point where V is not defined is not inside.
    """
    clock = budget.started()
    try:
        shape = promising_shape(problem, c2, seed)
    except np.linalg.LinAlgError:
        shape = None
    if shape is None:
        return None
    P = [[Fraction(v) for v in row] for row in shape.tolist()]
    most = level_inside(P, problem.system.equilibrium, problem.domain)
    proved, shares = Fraction(0), list(SHARES)
    while shares:
        level = short_fraction(min(shares.pop(0), most), down=True)
        seconds = clock.remaining.seconds * (1.0 if proved else FIRST_BUDGET)
        if level <= proved or clock.exhausted(0):
            break
        found = search(
            _inside(problem, P, c2, level),
            Budget(seconds),
            relax=_lower_level(c2, level),
            frontier=0,
            seed=seed,
        )
        if isinstance(found.verdict, Proved):
            proved = max(proved, found.condition.violation[0].level)
        elif proved or level < SMALLEST:
            break
        else:
            shares = [level / 2]
    return InnerEllipsoid(P, proved, ellipsoid_volume(P, proved)) if proved else None


def _inside(problem: StabilityProblem, P: Rows, c2: Fraction, level: Fraction) -> Condition:
    """{q ≤ level} ⊆ {V ≤ c2}, on a box around the ellipsoid, which lies in D.

    The third constraint follows from the other two, V > c2 and q ≤ r: V − s q > c2 − s r, for any
    s ≥ 0. Along the boundary the slopes of V and s q nearly cancel, and larger boxes close.
    """
    state, centre, domain = problem.state, problem.system.equilibrium, problem.domain
    q = quadratic_form(P, state, centre)
    excess = problem.value - ex.multiply(c2 / level, q)
    sides = [
        (max(c - h, low), min(c + h, high))
        for c, h, low, high in zip(
            centre, half_widths(P, level), domain.lower, domain.upper, strict=True
        )
    ]
    return Condition(
        "inner ellipsoid",
        "V ≤ c2 wherever q ≤ r",
        compile_tape([q, problem.value, excess], [state]),
        ("q", "V", "V - s q"),
        (
            Constraint(0, "at most", level),
            Constraint(1, "at least", c2, strict=True),
            Constraint(2, "at least", Fraction(0), strict=True),
        ),
        (Box.of(sides),),
    )


def _lower_level(c2: Fraction, first: Fraction) -> Relax:
    """Relax the condition to an ellipsoid that excludes the counterexample."""

    def relax(condition: Condition, found: Counterexample) -> Condition | None:
        level = short_fraction(Fraction(found.outputs[0][0]) * Fraction(31, 32), down=True)
        if level <= first / 2**12:
            return None
        return condition.with_levels([level, c2, c2 - c2 / first * level])

    return relax


def promising_shape(problem: StabilityProblem, c2: Fraction, seed: int) -> Array | None:
    """P, rounded to short floats, whose {q ≤ 1} just fits into {V ≤ c2}, as far as rays show.

    In floating point. log det P is lowered by linear programs: at L Q Lᵀ it is at most tr Q plus a
    constant, where P = L Lᵀ, and every point y on the boundary asks for yᵀ P y ≥ 1, linear in P.
    None, or LinAlgError, where the rays show no set.
    """
    generator = np.random.default_rng(seed)
    rays = _Rays(problem, c2)
    n = problem.state.size
    shape = _first_shape(problem)
    points = np.empty((0, n))
    for step in range(STEPS):
        factor = np.linalg.cholesky(shape)
        directions = generator.standard_normal((DIRECTIONS * n * (n + 1) // 2, n))
        tips = np.linalg.solve(factor, np.hstack([np.eye(n), -np.eye(n)])).T  # by the faces of D
        moved = np.linalg.solve(factor.T, np.vstack([directions, tips]).T).T
        points = np.vstack([points, rays.ends(moved)])
        if not _form(points, shape).min() > 1e-200:
            return None
        shape = shape / _form(points, shape).min()
        if step < STEPS - 1:
            shape = _improved(shape, points)
    if not np.isfinite(shape).all():
        return None
    short = shape.astype(np.float32).astype(np.float64)
    exact = [[Fraction(v) for v in row] for row in short.tolist()]
    return short if is_positive_definite(exact) else None


class _Rays:
    """How far {V ≤ c2} reaches from x*, inside D."""

    SCAN, BISECTIONS = 40, 30

    def __init__(self, problem: StabilityProblem, c2: Fraction) -> None:
        compiled = function(problem.value, problem.state)
        self.value: Callable[[Array], Array] = lambda x: compiled(x)[0][:, 0]
        self.level = float(c2)
        self.centre = np.array([float(v) for v in problem.system.equilibrium])
        low, high = problem.domain.outer()
        self.low, self.high = low - self.centre, high - self.centre

    def ends(self, directions: Array) -> Array:
        """For each direction (N, n), the displacement where the ray leaves the set; (N, n)."""
        with np.errstate(all="ignore"):
            reach = np.where(directions > 0, self.high / directions, self.low / directions)
        most = np.nanmin(np.where(directions == 0, np.inf, reach), axis=1)
        whole = directions * most[:, None]
        inside = np.zeros(len(whole))
        going = np.ones(len(whole), dtype=bool)
        for k in range(1, self.SCAN + 1):
            going &= self._within(whole, np.full(len(whole), k / self.SCAN))
            inside = np.where(going, k / self.SCAN, inside)
        outside = np.minimum(inside + 1.0 / self.SCAN, 1.0)
        for _ in range(self.BISECTIONS):
            middle = 0.5 * (inside + outside)
            within = self._within(whole, middle)
            inside, outside = np.where(within, middle, inside), np.where(within, outside, middle)
        return np.asarray(whole * inside[:, None])

    def _within(self, whole: Array, share: Array) -> NDArray[np.bool_]:
        return np.asarray(self.value(self.centre + whole * share[:, None]) <= self.level)


def _first_shape(problem: StabilityProblem) -> Array:
    """V's own curvature where it is positive definite, else that of the box D; (n, n)."""
    widths = np.array([float(w) for w in problem.domain.widths])
    box = np.diag(4.0 / widths**2)
    try:
        rows = function(
            list(jacobian(gradient(problem.value, problem.state), problem.state)), problem.state
        )(np.array([[float(v) for v in problem.system.equilibrium]]))
    except NotDifferentiableError:
        return box
    shape = np.array([row[0] for row in rows]) / 2
    shape = 0.5 * (shape + shape.T)
    if not np.isfinite(shape).all() or np.linalg.eigvalsh(shape)[0] <= 0:
        return box
    return shape


def _form(points: Array, shape: Array) -> Array:
    """yᵀ P y of every point; (N,)."""
    return np.asarray(np.einsum("ki,ij,kj->k", points, shape, points))


def _improved(shape: Array, points: Array) -> Array:
    """A shape of smaller determinant, hence a larger ellipsoid, that every point allows."""
    from scipy.optimize import linprog  # takes half a second to import

    n = len(shape)
    factor = np.linalg.cholesky(shape)
    y = points @ factor
    near = y[np.argsort((y**2).sum(axis=1))[: 40 * n * n]]
    i, j = np.triu_indices(n)
    weights = np.where(i == j, 1.0, 2.0)
    rows = near[:, i] * near[:, j] * weights
    solved = linprog(
        (i == j).astype(float), A_ub=-rows, b_ub=-np.ones(len(rows)), bounds=(-1e3, 1e3)
    )
    if solved.status != 0:
        return shape
    Q = np.zeros((n, n))
    Q[i, j] = Q[j, i] = solved.x
    best, least = shape, float(np.linalg.slogdet(shape)[1])
    for share in (1.0, 0.5, 0.25, 0.1):
        mixed = (1.0 - share) * np.eye(n) + share * Q
        if np.linalg.eigvalsh(mixed)[0] <= 1e-6:
            continue
        tried = factor @ mixed @ factor.T
        tried = 0.5 * (tried + tried.T)
        tried = tried / _form(points, tried).min()
        size = float(np.linalg.slogdet(tried)[1])
        if size < least:
            best, least = tried, size
    return best
