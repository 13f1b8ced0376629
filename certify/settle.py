"""The result of a proof after other backends were heard: verdict, theorem, and who decided what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from certify.agreement import best_proof, joint, why, why_not
from certify.backends.base import Backend
from certify.branch_and_bound import Search
from certify.budget import Budget
from certify.conditions import Condition
from certify.opinions import OWN, Opinion, statement_of
from certify.region_volume import region_volume
from certify.result import StabilityResult
from certify.theorem import conclude
from certify.verdict import Proved, Refuted, Unknown
from certify.volume import sublevel_paving


def settled(
    result: StabilityResult,
    opinions: Sequence[Opinion],
    backends: Sequence[Backend],
    agree: bool,
) -> StabilityResult:
    """The result with the joint verdict, and what each condition owes to whom.

    The theorem is there iff the verdict is Proved and every condition has evidence of a backend
    that was named. Where the verdict rests on trust, the region's volume is still bounded by us.
    """
    verdict, statement = joint(result, opinions, backends, agree), statement_of(result)
    searches = {**result.searches}
    for name, condition in statement.conditions.items():
        searches[name] = _search(condition, searches.get(name), opinions, backends)
    theorem, constants, paving, volume = None, result.constants, result.paving, result.volume
    if isinstance(verdict, Proved):
        constants = statement.constants
        assert constants is not None
        if paving is None:
            tape, domain = result.problem.value_tape, result.problem.domain
            paving = sublevel_paving(tape, constants.c2, domain, Budget(2.0))
        if not verdict.trust:
            claim, problem = result.requested.claim, result.problem
            theorem = conclude(claim, problem, constants, result.ellipsoid, searches)
        if volume is None:
            volume = region_volume(result.problem, constants.c2, paving=paving, budget=Budget(2.0))
    else:
        paving = volume = None
    return replace(
        result,
        verdict=verdict,
        theorem=theorem,
        constants=constants,
        searches=searches,
        paving=paving,
        volume=volume,
        asked=heard(opinions, backends, tuple(statement.conditions)),
    )


def _search(
    condition: Condition,
    own: Search | None,
    opinions: Sequence[Opinion],
    backends: Sequence[Backend],
) -> Search:
    """What the backends named know of a condition: evidence, a proof on trust, a refutation, or
    why it is open. Boxes and seconds are those of our search, where there was one."""
    told = [o for o in opinions if o.condition == condition.name]
    if own is not None and own.condition is condition:
        named = any(o.backend == OWN for o in told)
        if isinstance(own.verdict, Refuted) or (named and isinstance(own.verdict, Proved)):
            return own
    best = best_proof(condition.name, opinions, backends)
    if best is not None and best.evidence is not None:
        return best.evidence
    decided = [best] if best is not None else [o for o in told if isinstance(o.verdict, Refuted)]
    seconds = sum(o.answer.seconds for o in told)
    spent = own or Search(Unknown(""), condition, 0, seconds, 0)
    if decided:
        return replace(spent, condition=condition, verdict=decided[0].verdict)
    reason = "; ".join(f"{o.backend}: {why(o)}" for o in told)
    return replace(spent, condition=condition, verdict=Unknown(reason or "nobody was asked"))


def heard(
    opinions: Sequence[Opinion], backends: Sequence[Backend], conditions: Sequence[str]
) -> tuple[str, ...]:
    """A line for each backend but our own: its version and worth, and what it said.

    Of the conditions, it may not have been asked about all.
    """
    lines = []
    for backend in backends:
        told = [o for o in opinions if o.backend == backend.name]
        if backend.name == OWN or not told:
            continue
        version = f" {told[0].answer.version}" if told[0].answer.version else ""
        proved = sum(isinstance(o.verdict, Proved) for o in told)
        unasked = [n for n in conditions if n not in {o.condition for o in told}]
        open_ = [f"; {', '.join(of)}: {said}" for said, of in why_not(told, unasked).items()]
        lines.append(
            f"{backend.name}{version} ({backend.soundness.value}) proved {proved} of "
            f"{len(told) + len(unasked)} conditions{''.join(open_)}"
        )
    return tuple(lines)
