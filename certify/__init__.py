"""What is claimed of a closed loop, and whether it holds."""

from certify.branch_and_bound import Search, search
from certify.budget import Budget
from certify.candidate import Candidate, anchored_control, anchored_value
from certify.conditions import Condition, Constraint
from certify.prove import prove_stability
from certify.result import Requested, StabilityResult
from certify.theorem import Claim, Constants, Theorem
from certify.verdict import Counterexample, Proved, Refuted, Unknown, Verdict

__all__ = [
    "Budget",
    "Candidate",
    "Claim",
    "Condition",
    "Constants",
    "Constraint",
    "Counterexample",
    "Proved",
    "Refuted",
    "Requested",
    "Search",
    "StabilityResult",
    "Theorem",
    "Unknown",
    "Verdict",
    "anchored_control",
    "anchored_value",
    "prove_stability",
    "search",
]
