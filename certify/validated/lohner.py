"""Sets that turn with the flow: parallelepipeds m + B r, with B kept nearly orthogonal.

A box would be wrapped in a new box at every step, and a rotation alone would make it grow. Lohner's
remedy (Lohner 1987; Nedialkov, Jackson and Corliss 1999): carry the frame B along with the flow's
derivative and replace it by the Q of its QR factorisation, longest columns first. Any nonsingular
frame is sound; this one keeps the boxes small.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from flint import arb, arb_mat
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Parallelepiped:
    """{m + B r : r in a box}: m (``centre``, (n, 1)) and B (``frame``, (n, n)) exact, r balls."""

    centre: arb_mat
    frame: arb_mat
    spread: arb_mat

    @staticmethod
    def of(box: Sequence[arb]) -> Parallelepiped:
        """A box, or an exact point."""
        n = len(box)
        centre = arb_mat(n, 1, [x.mid() for x in box])
        identity = arb_mat(n, n, [int(i == j) for i in range(n) for j in range(n)])
        return Parallelepiped(centre, identity, arb_mat(n, 1, list(box)) - centre)

    def hull(self) -> list[arb]:
        """A box around the set."""
        return list((self.centre + self.frame * self.spread).entries())

    def is_finite(self) -> bool:
        return all(x.is_finite() for x in self.hull())

    def mapped(self, image: arb_mat, derivative: arb_mat) -> Parallelepiped:
        """Contains image + derivative · (x − m) for every x in the set and all values in the balls.

        ``image`` (n, 1) encloses what becomes of m.
        """
        n = image.nrows()
        centre = image.mid()
        moved = derivative * self.frame
        frame = _orthogonal(moved, self.spread)
        back = frame.inv()
        spread = (back * moved) * self.spread + back * (image - centre)
        return Parallelepiped(arb_mat(n, 1, centre.entries()), frame, spread)


def _orthogonal(moved: arb_mat, spread: arb_mat) -> arb_mat:
    """A nearly orthogonal float frame along the longest edges of the moved set."""
    n = moved.nrows()
    edges = np.array([float(x.mid()) for x in moved.entries()]).reshape(n, n)
    reach = np.array([float(x.abs_upper()) for x in spread.entries()])
    lengths = np.linalg.norm(edges, axis=0) * reach
    frame = np.eye(n)
    if np.isfinite(edges).all() and np.isfinite(lengths).all():
        order = np.argsort(-lengths, kind="stable")
        frame = np.linalg.qr(edges[:, order])[0]
    return arb_mat(n, n, [arb(v) for v in frame.ravel().tolist()])
