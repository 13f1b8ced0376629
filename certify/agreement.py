"""What the opinions of several backends amount to: one verdict, or a contradiction.

A proof counts where a sound backend that was named gives it; under ``agree`` every one of them has
to. A point that our enclosures confirm refutes, whoever found it. A proof against such a point is
a bug in one of the backends, and nothing is claimed then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from certify.backends.base import Backend, Soundness
from certify.opinions import OWN, Opinion, Statement, own_opinions, statement_of
from certify.result import StabilityResult
from certify.theorem import check_statement
from certify.verdict import Counterexample, Proved, Refuted, Unknown, Verdict

BASIS = "this program decides exactly what holds at x* itself, and states the conditions rightly"
"""What a proof by a foreign solver rests on besides that solver."""

CONSTANTS_IN = {
    "containment": ("c2",),
    "avoid": ("c2",),
    "decrease": ("c1", "c2", "speed"),
    "trap": ("c1",),
    "small set": ("c1", "epsilon"),
    "defined": ("c1",),
}
"""A condition with these constants; where all of them were asked for, a point refutes the claim."""


@dataclass(frozen=True)
class Contradiction:
    """A proof and a refutation of one condition."""

    condition: str
    proof: Opinion
    refutation: Opinion

    @property
    def words(self) -> str:
        assert isinstance(self.refutation.verdict, Refuted)
        where = _point(self.refutation.verdict.counterexample)
        return (
            f"contradiction: {self.proof.backend} proves {self.condition}, and "
            f"{self.refutation.backend} refutes it at ({where}), so that one of them has a bug; "
            "nothing is claimed"
        )


def contradictions(
    result: StabilityResult, opinions: Sequence[Opinion]
) -> tuple[Contradiction, ...]:
    """Every condition that is both proved and refuted; our own searches count, named or not."""
    everyone = [*own_opinions(result), *opinions]
    out = []
    for name in statement_of(result).conditions:
        about = [o for o in everyone if o.condition == name]
        proof = next((o for o in about if isinstance(o.verdict, Proved)), None)
        refutation = next((o for o in about if isinstance(o.verdict, Refuted)), None)
        if proof is not None and refutation is not None:
            out.append(Contradiction(name, proof, refutation))
    for o in opinions:
        if o.aside is not None and isinstance(o.verdict, Refuted):
            trust = ("this program's exact arithmetic",)
            own = replace(o.answer, backend=OWN, verdict=Proved(trust=trust), said="proved")
            out.append(Contradiction(o.condition, Opinion(o.condition, own, aside=o.aside), o))
    return tuple(out)


def joint(
    result: StabilityResult,
    opinions: Sequence[Opinion],
    backends: Sequence[Backend],
    agree: bool,
) -> Verdict:
    """The verdict of the backends named on the claim of the result.

    Proved without trust only where every condition has evidence; with it, names what has to be
    believed. Never Proved where a condition lacks a sound proof, or was refuted by anybody.
    """
    clash = contradictions(result, opinions)
    if clash:
        return Unknown(clash[0].words)
    statement = statement_of(result)
    if not statement.conditions:
        return result.verdict  # what holds at x* alone has failed: exact, and nobody was asked
    refuted = _refuted(result, opinions)
    if agree:
        dissent = _dissent(statement, opinions, backends, refuted)
        if dissent is not None:
            return Unknown(f"no agreement: {dissent}")
    if refuted is not None:
        return _refutation(result, refuted)
    if statement.constants is None:
        return _still_open(result)
    return _proof(result, statement, opinions, backends)


def _refuted(result: StabilityResult, opinions: Sequence[Opinion]) -> Opinion | None:
    """The first refutation; that of our search, where it ended so, before all others."""
    found = [o for o in (*own_opinions(result), *opinions) if isinstance(o.verdict, Refuted)]
    if isinstance(result.verdict, Unknown):  # of constants that it gave up
        found = [o for o in found if o.backend != OWN]
    return found[0] if found else None


def _dissent(
    statement: Statement,
    opinions: Sequence[Opinion],
    backends: Sequence[Backend],
    refuted: Opinion | None,
) -> str | None:
    """The first backend that does not say what the others say, on which condition, and why."""
    given = {(o.backend, o.condition): o.verdict for o in opinions}
    wanted = Proved if refuted is None else Refuted
    names = list(statement.conditions) if refuted is None else [refuted.condition]
    for name in names:
        for backend in backends:
            verdict = given.get((backend.name, name), Unknown("it was not asked"))
            if not isinstance(verdict, wanted):
                other = "" if refuted is None else f"{refuted.backend} refutes {name}, but "
                return f"{other}{backend.name} on {name}: {reason_of(verdict, backend.name, name)}"
    return None


def _refutation(result: StabilityResult, refuted: Opinion) -> Verdict:
    """Refuted, where the point breaks what was asked for, and not only what our search chose."""
    if isinstance(result.verdict, Refuted):
        return result.verdict
    assert isinstance(refuted.verdict, Refuted)
    found, asked = refuted.verdict.counterexample, result.requested
    needed = CONSTANTS_IN.get(refuted.condition.rstrip("0123456789 "))
    values = {"c1": asked.c1, "c2": asked.c2, "epsilon": asked.epsilon}
    values["speed"] = asked.alpha or asked.mu
    fixed = needed is not None and all(values[name] is not None for name in needed)
    if fixed and refuted.condition == "decrease" and asked.c1 is not None:
        fixed = found.outputs[0][0] >= asked.c1  # from the core to c1 it was not asked for
    if fixed:
        return refuted.verdict
    said = (
        f"{refuted.backend} refutes it at ({_point(found)}) for constants that the search chose; "
        "others may do"
    )
    if isinstance(result.verdict, Unknown):
        said += f"; {result.verdict.reason}"
    return Unknown(f"{refuted.condition}: {said}")


def _still_open(result: StabilityResult) -> Unknown:
    if isinstance(result.verdict, Unknown):
        return result.verdict
    return Unknown("the search found no constants for which the claim could be stated")


def _proof(
    result: StabilityResult,
    statement: Statement,
    opinions: Sequence[Opinion],
    backends: Sequence[Backend],
) -> Verdict:
    assert statement.constants is not None
    trust: list[str] = []
    for name in statement.conditions:
        best = best_proof(name, opinions, backends)
        if best is None:
            return Unknown(_why_open(name, result, opinions))
        trust += [] if best.evidence is not None else _trust(best)
    try:
        check_statement(
            result.requested.claim,
            result.problem,
            statement.constants,
            result.ellipsoid,
            statement.conditions,
        )
    except ValueError as gap:
        return Unknown(str(gap))
    return Proved(trust=tuple(dict.fromkeys([*trust, BASIS]))) if trust else Proved()


def best_proof(
    name: str, opinions: Sequence[Opinion], backends: Sequence[Backend]
) -> Opinion | None:
    """The proof of a condition that asks for least trust; None where no sound backend has one."""
    sound = {b.name for b in backends if b.soundness is not Soundness.NOT_FLOAT_SOUND}
    proofs = [o for o in opinions if o.condition == name and isinstance(o.verdict, Proved)]
    with_evidence = [o for o in proofs if o.evidence is not None]
    believed = [o for o in proofs if o.backend in sound and _trust(o)]
    return next(iter([*with_evidence, *believed]), None)


def _trust(opinion: Opinion) -> tuple[str, ...]:
    return opinion.verdict.trust if isinstance(opinion.verdict, Proved) else ()


def _why_open(name: str, result: StabilityResult, opinions: Sequence[Opinion]) -> str:
    """Our own search's reason first, where it counts, and what every backend said."""
    told = [o for o in opinions if o.condition == name]
    reasons = [("" if o.backend == OWN else f"{o.backend}: ") + why(o) for o in told]
    return f"{name}: {'; '.join(reasons) or 'nobody was asked'}"


def why(opinion: Opinion) -> str:
    """Why an opinion is no proof."""
    return reason_of(opinion.verdict, opinion.backend, opinion.condition)


def why_not(opinions: Sequence[Opinion], unasked: Sequence[str] = ()) -> dict[str, list[str]]:
    """Every reason why one of them is no proof, with the conditions that it is told of.

    ``unasked`` are conditions about which the backend was not asked any more.
    """
    reasons: dict[str, list[str]] = {}
    for opinion in opinions:
        if not isinstance(opinion.verdict, Proved):
            reasons.setdefault(why(opinion), []).append(opinion.condition)
    for name in unasked:
        reasons.setdefault("not asked: interrupted", []).append(name)
    return reasons


def reason_of(verdict: Verdict, backend: str, condition: str) -> str:
    """Why it is no proof, in words, without the names of backend and condition before them."""
    match verdict:
        case Unknown(reason):
            reason = reason.removeprefix(f"{backend}: ").removeprefix(f"{condition}: ")
            return printable(reason)
        case Refuted(found):
            return f"refuted at ({_point(found)})"
        case Proved(_, trust):
            return printable(f"proved, but that alone is no proof: {'; '.join(trust)}")


def printable(text: str) -> str:
    """What a solver said, on one line and without what a terminal would obey."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:1000]


def _point(found: Counterexample) -> str:
    return ", ".join(f"{v:.6g}" for v in found.point)
