"""Validated simulation: boxes that provably contain the solution, in ball arithmetic.

It shares nothing with the enclosures that proofs are made of, except the tape: no Lyapunov
function, no branch and bound, no float64 kernels. So it can be called as a witness against them.
"""

from __future__ import annotations

from certify.validated.field import VectorField
from certify.validated.trajectory import Enclosure, EnclosureLostError, Trajectory

__all__ = ["Enclosure", "EnclosureLostError", "Trajectory", "VectorField"]
