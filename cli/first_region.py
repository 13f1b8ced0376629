"""What is left where the search for a region ends open: the ellipsoid on which alone all converges.

One bound on the whole ellipsoid shows it, with next to no branching, so that there is a region to
be had in many dimensions too (:mod:`certify.prove_local`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from cli.transcript import proof_rows, row, verdict_row

if TYPE_CHECKING:
    from certify.candidate import Candidate
    from certify.result import Requested, StabilityResult
    from certify.verdict import Verdict
    from cli.progress import ProgressBars
    from systems.dynamics import ControlAffineSystem

EXTRA = 0.2
"""The share of the time limit that it may take, once the time limit has run out."""


def is_wanted(asked: Requested, conclusion: Verdict) -> bool:
    """Whether an ellipsoid answers what was asked, and nothing larger does."""
    from certify.verdict import Unknown

    return leaves_constants_free(asked) and isinstance(conclusion, Unknown)


def leaves_constants_free(asked: Requested) -> bool:
    """Whether stability was asked for, with all constants left to us."""
    from certify.claim import Claim

    constants = (asked.c1, asked.c2, asked.mu, asked.epsilon)
    return asked.claim is Claim.ASYMPTOTIC_STABILITY and all(v is None for v in constants)


def origin_size(result: StabilityResult) -> float:
    """How large an ellipsoid it has shown to contract: the logarithm of the volume, up to what the
    dimension adds; -inf where none is shown."""
    from math import inf, log

    from certify import Proved

    found, ellipsoid = result.searches.get("contraction"), result.ellipsoid
    if found is None or ellipsoid is None or not isinstance(found.verdict, Proved):
        return -inf
    import numpy as np

    _, logarithm = np.linalg.slogdet(ellipsoid.matrix)
    level = float(found.condition.violation[0].level)
    return 0.5 * (len(ellipsoid.matrix) * log(level) - float(logarithm))


def first_region(
    system: ControlAffineSystem,
    candidates: Sequence[tuple[Candidate, StabilityResult | None]],
    seconds: float,
    seed: int,
    bars: ProgressBars,
) -> StabilityResult | None:
    """The ellipsoid of the first of the candidates that has one; None where none has.

    Beside each stands what the search for a larger region left of it, if that is at hand: its
    ellipsoid is tried first. V of the result is its quadratic form. ``seconds`` are shared among
    the candidates.
    """
    from certify import Budget, Claim, Proved, Requested, prove_stability

    for candidate, known in candidates:
        result = prove_stability(
            system,
            candidate,
            Requested(claim=Claim.LOCAL_STABILITY),
            budget=Budget(seconds / len(candidates)),
            on_progress=bars.proving,
            seed=seed,
            known=known,
        )
        if isinstance(result.verdict, Proved):
            return result
    return None


def first_region_rows(result: StabilityResult) -> Iterator[str]:
    """Its conditions and its verdict, after that of the larger region that was looked for."""
    yield row("first region", "an ellipsoid on which V = q = (x - x*)' P (x - x*) falls")
    yield from proof_rows(result)
    yield verdict_row(result, result.verdict)
