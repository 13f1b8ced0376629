"""Whether the first policy keeps trajectories within the domain, at points of its boundary."""

from __future__ import annotations

import numpy as np

from learners.elm_start import Start
from learners.numeric import Plant, boundary_dense_points

BOUNDARY_POINTS = 400


def outward_share(plant: Plant, start: Start) -> float:
    """The fraction of the faces, all of equal weight, where the first policy points outwards."""
    n, (low, high) = len(plant.x_star), plant.ends
    cloud = boundary_dense_points((low, high), BOUNDARY_POINTS, np.random.default_rng(0), 0.0)
    outwards = []
    for i in range(n):
        for end, sign in ((low[i], -1.0), (high[i], 1.0)):
            face = cloud.copy()
            face[:, i] = end
            samples = plant.sample(face)
            outwards.append(sign * samples.velocity(start.policy(face))[:, i] > 0.0)
    return float(np.mean(outwards))


def outward_warnings(plant: Plant, start: Start) -> list[str]:
    """A line where the domain is not forward invariant, with what to change; else none."""
    share = outward_share(plant, start)
    if not share:
        return []
    under, other = "", ""
    if plant.system.input_dimension:
        under, other = "under the first policy ", " or another first policy"
    return [
        f"{plant.system.name}: the domain is not forward invariant: {under}{100.0 * share:.0f} % "
        f"of its boundary flows outwards; choose a smaller domain{other}"
    ]
