"""Z3: exact decisions about polynomials, quotients, roots and kinks over the reals."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from certify.backends.base import Availability, Backend, Lead, Soundness
from certify.backends.child import solve_in_child
from certify.backends.z3_folding import explain_unsupported
from certify.budget import Budget
from certify.conditions import Condition

OLDEST = (4, 13)
INSTALL = "pip install 'stableproof[smt]'"
MEGABYTES = 3072


@dataclass(frozen=True)
class Z3(Backend):
    """The SMT solver of de Moura and Bjørner (TACAS 2008), with nlsat for nonlinear reals."""

    name: str = field(init=False, default="z3")
    soundness: Soundness = field(init=False, default=Soundness.EXACT)
    decides_polynomials: bool = field(init=False, default=True)

    def availability(self) -> Availability:
        found = installed_version()
        if found is None:
            return Availability(False, None, ("the package z3-solver",), (INSTALL,))
        if _numbers(found) < OLDEST:
            oldest = ".".join(map(str, OLDEST))
            missing = f"z3-solver {oldest} or later (version {found} is installed)"
            return Availability(False, found, (missing,), (INSTALL,))
        return Availability(True, found)

    def explain_unsupported(self, condition: Condition) -> str | None:
        return explain_unsupported(condition)

    def solve(self, condition: Condition, budget: Budget, seed: int) -> Lead:
        trust = f"Z3 {installed_version()}, that no real numbers satisfy the negation it was given"
        options = {"megabytes": MEGABYTES}
        return solve_in_child("z3", condition, budget, options, trust=(trust,))


def installed_version() -> str | None:
    """The version of z3-solver, without importing it; None where it is not installed."""
    try:
        return version("z3-solver") if find_spec("z3") is not None else None
    except (PackageNotFoundError, ValueError):
        return None


def _numbers(text: str) -> tuple[int, ...]:
    """The leading numbers of a version."""
    out = []
    for part in text.split("."):
        if not part.isdigit():
            break
        out.append(int(part))
    return tuple(out)
