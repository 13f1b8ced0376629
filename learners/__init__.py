"""Who proposes controllers and Lyapunov functions. A learner is never trusted: proofs judge."""

from learners.elm_pi import ElmPolicyIteration
from learners.lqr import lqr, lqr_candidate
from learners.refine import Attempt, refine

__all__ = ["Attempt", "ElmPolicyIteration", "lqr", "lqr_candidate", "refine"]
