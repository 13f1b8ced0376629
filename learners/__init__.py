"""Who proposes controllers and Lyapunov functions. A learner is never trusted: proofs judge."""

from learners.elm_pi import ElmPolicyIteration
from learners.galerkin import GalerkinPolicyIteration
from learners.lqr import lqr, lqr_candidate
from learners.pinn_pi import PinnPolicyIteration
from learners.refine import Attempt, refine
from learners.zubov import ZubovLearning

__all__ = [
    "Attempt",
    "ElmPolicyIteration",
    "GalerkinPolicyIteration",
    "PinnPolicyIteration",
    "ZubovLearning",
    "lqr",
    "lqr_candidate",
    "refine",
]
