"""Where Zubov's equation is fitted: the region of attraction within the domain, seen by simulation.

The region is what never leaves the domain and converges to x*. Its boundary is bisected along rays
from x*; of a region that is not star-shaped, the part up to the first crossing is filled.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from learners.numeric import low_discrepancy
from learners.zubov_flow import Flow
from systems.errors import InputError

Array = NDArray[np.float64]

COARSE_GRID = 2.0 ** -np.arange(14.0, 4.0, -1.0)
FINE_GRID = np.linspace(1 / 16, 1.0, 16)
REFINEMENTS, SECTIONS = 3, 12
"""Sections at once, rather than halves: few long trajectories in turn."""
FIRST_RAYS = 32
LARGEST_REACH = 1.3
"""How far beyond the boundary, as a share of its distance, values are asked for."""
BEYOND_DOMAIN = 0.02
EXTRA_MARGIN = 0.05
MOST_REPEATS = 100
CLOSEST = 3.3
"""The nearest points keep 10^−this of the boundary's distance from it."""


@dataclass(frozen=True, eq=False)
class Region:
    """Its boundary as seen along rays: ``crossings`` (R, n). ``half_widths`` (n,) is its extent."""

    flow: Flow
    crossings: Array
    half_widths: Array
    share: float
    """How much of the domain it is, roughly."""

    def along(self, shares: Array, generator: np.random.Generator) -> Array:
        """Points at these shares of the way from x* to crossings drawn at random; (len, n)."""
        ray = generator.integers(len(self.crossings), size=len(shares))
        star = self.flow.x_star
        return star + shares[:, None] * (self.crossings[ray] - star)


def find_region(flow: Flow, rays: int, seed: int, name: str) -> Region:
    """Rays in coordinates scaled first by the domain, then by what that found.

    Raises :class:`InputError` where nothing but the immediate neighbourhood of x* converges.
    """
    generator = np.random.default_rng(seed)
    scale = np.maximum(flow.high - flow.x_star, flow.x_star - flow.low)
    n = len(scale)
    found = _crossings(flow, scale, FIRST_RAYS * n, generator)
    scale = np.abs(found - flow.x_star).max(axis=0)
    found = _crossings(flow, np.maximum(scale, 1e-9), rays, generator)
    away = np.abs(found - flow.x_star)
    if not (away.max(axis=0) > 0).all():
        raise InputError(
            f"{name}: no trajectory from the domain was seen to converge to the equilibrium "
            "without leaving the domain; choose another domain, or another policy"
        )
    # Directions are evenly spread in these coordinates, where a cone's volume goes with radiusⁿ.
    radius = np.linalg.norm(away / np.maximum(scale, 1e-9), axis=1)
    whole = radius * _reach(flow, found - flow.x_star)
    return Region(flow, found, away.max(axis=0), float((radius**n).mean() / (whole**n).mean()))


def _crossings(flow: Flow, scale: Array, count: int, generator: np.random.Generator) -> Array:
    """The last point of every ray before the first that does not converge; (count, n)."""
    ray = _directions(count, len(scale), generator) * scale
    ray *= _reach(flow, ray)[:, None]  # to the domain's boundary
    grid = np.concatenate([COARSE_GRID, FINE_GRID])
    low, high = _first_change(flow, ray, np.tile([0.0, *grid, 1.0], (count, 1)))
    for _ in range(REFINEMENTS):
        low, high = _first_change(flow, ray, np.linspace(low, high, SECTIONS + 1, axis=1))
    out: Array = flow.x_star + low[:, None] * ray
    return out


def _first_change(flow: Flow, ray: Array, shares: Array) -> tuple[Array, Array]:
    """The last of a ray's increasing shares (R, S) up to which all converge, and the next one.

    The first share is taken to converge, and is not followed; nor is the last, which does not.
    """
    tried = shares[:, 1:-1]
    starts = flow.x_star + tried[:, :, None] * ray[:, None, :]
    converges = np.isfinite(flow.costs(starts.reshape(-1, ray.shape[1]))).reshape(tried.shape)
    first = np.where(converges.all(axis=1), tried.shape[1], np.argmin(converges, axis=1))
    rows = np.arange(len(ray))
    return shares[rows, first], shares[rows, first + 1]


def _directions(count: int, n: int, generator: np.random.Generator) -> Array:
    """Unit vectors, evenly spread over the circle in the plane; (count, n)."""
    if n == 2:
        angle = 2 * np.pi * (np.arange(count) + generator.random()) / count
        return np.column_stack([np.cos(angle), np.sin(angle)])
    out = generator.normal(size=(count, n))
    out /= np.linalg.norm(out, axis=1)[:, None]
    return out


def _reach(flow: Flow, ray: Array) -> Array:
    """The largest t with x* + t ray in the domain, for rays (N, n); (N,)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        room = np.where(ray > 0, flow.high - flow.x_star, flow.low - flow.x_star) / ray
    out: Array = np.where(ray == 0, np.inf, room).min(axis=1)
    return out


@dataclass(frozen=True, eq=False)
class Points:
    """What the fit sees, by kind.

    ``interior`` (N, n), where V has to decrease, with ``margin`` (N,), about 1 − W there, and
    ``weights`` (N,); ``near`` and ``near_margin``: below the boundary; ``boundary``: on it;
    ``outside`` and ``excess``: how far above 1 W should be there.
    """

    interior: Array
    margin: Array
    weights: Array
    near: Array
    near_margin: Array
    boundary: Array
    outside: Array
    excess: Array

    def joined(self, flow: Flow, extra: Array, weights: Array) -> Points:
        """With points of one's own (M, n), each as heavy as ``weights`` (M,) others.

        Those that converge join the interior, the others what is outside, repeated by weight.
        """
        if not len(extra):
            return self
        inside = np.isfinite(flow.costs(extra))
        times = np.maximum(1, np.round(weights[~inside])).astype(np.int64)
        beyond = np.repeat(extra[~inside], np.minimum(times, MOST_REPEATS), axis=0)
        return replace(
            self,
            interior=np.vstack([self.interior, extra[inside]]),
            margin=np.append(self.margin, np.full(int(inside.sum()), EXTRA_MARGIN)),
            weights=np.append(self.weights, np.sqrt(weights[inside])),
            outside=np.vstack([self.outside, beyond]),
            excess=np.append(self.excess, np.full(len(beyond), EXTRA_MARGIN)),
        )


def draw_points(region: Region, count: int, generator: np.random.Generator) -> Points:
    """About ``count`` points of the interior, half of them dense near the boundary."""
    n = len(region.half_widths)
    near_margin = 10.0 ** generator.uniform(-CLOSEST, -0.7, count // 2)
    near = region.along(1.0 - near_margin, generator)
    shares = generator.random(count // 2) ** (1.0 / n)
    small = 10.0 ** generator.uniform(-2.0, -0.3, max(20, count // 16))
    excess = np.minimum(10.0 ** generator.uniform(-3.0, -0.5, count // 6), LARGEST_REACH - 1.0)
    beyond = region.along(1.0 + excess, generator)
    far = _far(region, count // 4, generator)
    outside, excess = np.vstack([beyond, far]), np.append(excess, np.full(len(far), 0.3))
    room = BEYOND_DOMAIN * (
        region.flow.high - region.flow.low
    )  # W need not be anything farther out
    kept = ((region.flow.low - room <= outside) & (outside <= region.flow.high + room)).all(axis=1)
    outside, excess = outside[kept], excess[kept]
    back = np.isfinite(region.flow.costs(outside))  # behind a fold of the boundary
    interior = np.vstack(
        [region.along(shares, generator), near, region.along(small, generator), outside[back]]
    )
    margin = np.concatenate(
        [np.minimum(1 - shares, 0.2), near_margin, 1 - small, np.full(back.sum(), 0.2)]
    )
    return Points(
        interior,
        margin,
        np.ones(len(interior)),
        near,
        near_margin,
        region.along(np.ones(count // 6), generator),
        outside[~back],
        excess[~back],
    )


def _far(region: Region, count: int, generator: np.random.Generator) -> Array:
    """Points all over the domain and on its boundary, in the region or not; (2 count, n)."""
    flow = region.flow
    n = len(flow.x_star)
    inner = low_discrepancy(count, n, generator.random(n))
    faces = low_discrepancy(count, n, generator.random(n))
    axis = np.arange(count) % n
    faces[np.arange(count), axis] = (np.arange(count) // n) % 2
    unit = np.vstack([inner, faces])
    out: Array = flow.low + unit * (flow.high - flow.low)
    away = (np.abs(out - flow.x_star) > region.half_widths / 8).any(axis=1)
    return out[away]
