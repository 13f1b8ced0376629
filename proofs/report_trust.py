"""The report's section on trust: what is excluded, and what has to be believed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from certify.result import StabilityResult
from certify.theorem import Claim
from certify.verdict import Proved
from proofs.report_words import table, text
from systems.dynamics import ControlAffineSystem
from systems.words import sampling_words


def trust(result: StabilityResult) -> list[str]:
    """Arithmetic, solver, tolerances, exclusions, and the assumptions that are left."""
    from proofs.certificate import trust_base

    base = trust_base()
    lines = ["## What is excluded, and what is trusted", ""]
    if result.theorem is not None:
        lines += [_excluded(result, result.theorem.claim), ""]
    lines += [
        *table(["question", "answer"], _answers(result, base)),
        "Whoever takes the prover's word trusts that",
        "",
        *(f"- {text(a)}" for a in (*_listed(base, "assumptions"), *_believed(result))),
        "",
    ]
    if _believed(result):
        return [
            *lines,
            "There is no certificate: other solvers' proofs leave no evidence that can be "
            "replayed.",
            "",
        ]
    return [
        *lines,
        "Whoever checks the certificate with `proofs.checker` trusts none of this, but that "
        "program and the ball arithmetic of python-flint (Arb); it shares no code with the prover.",
        "",
    ]


def _answers(result: StabilityResult, base: Mapping[str, object]) -> list[list[str]]:
    orders = sorted({s.order for s in result.searches.values() if s.order})
    others = "; ".join(text(line) for line in result.asked)
    used = f" of order {', '.join(str(k) for k in orders)}" if orders else ""
    return [
        ["arithmetic", "float64, with a proved bound of every rounding error added outwards"],
        ["enclosures", f"Taylor models{used} with rigorous remainders, on boxes"],
        [
            "solver",
            f"this program's own branch and bound; {others or 'no other solver was asked'}",
        ],
        ["tolerances", _named(_listed(base, "tolerances"), "none")],
        ["excluded", _named([*_listed(base, "excluded"), *_left_out(result)], "nothing")],
    ]


def _believed(result: StabilityResult) -> tuple[str, ...]:
    """What a proof by other solvers rests on."""
    return result.verdict.trust if isinstance(result.verdict, Proved) else ()


def _listed(base: Mapping[str, object], key: str) -> Sequence[object]:
    found = base[key]
    assert isinstance(found, Sequence)
    return found


def _named(found: Sequence[object], otherwise: str) -> str:
    return "; ".join(text(v) for v in found) or otherwise


def _left_out(result: StabilityResult) -> list[str]:
    claimed = result.requested.claim if result.theorem is None else result.theorem.claim
    return [] if claimed.has_ellipsoid else ["what happens inside {V ≤ c1}"]


def _excluded(result: StabilityResult, claimed: Claim) -> str:
    system = result.problem.system
    hole = (
        "Nothing is excluded: there is no hole at the equilibrium, no tolerance and no rounded "
        "weight."
        if claimed.has_ellipsoid
        else "What happens inside {V ≤ c1} is excluded, beyond that solutions stay there; there is "
        "no tolerance and no rounded weight."
    )
    disturbed = (
        "no disturbance"
        if system.disturbance is None
        else "no disturbance beyond those stated with their ranges"
    )
    proved = (
        "functions that are proved are, bit for bit, those"
        if claimed.has_band
        else "controller that is proved is, bit for bit, that"
    )
    return (
        f"{hole} The {proved} of the candidate, with constants as written. "
        f"The statement is about the model: {system.time} time, {disturbed}, "
        f"no delay, no error of measurement.{_sampled(system)}"
    )


def _sampled(system: ControlAffineSystem) -> str:
    if system.sampling is None:
        return ""
    return (
        f" It is the equation {text(sampling_words(system))}, at the sampling times; neither the "
        "error of that step against the equation's own solution nor the time between two samples "
        "is part of it."
    )
