"""What backends say of the conditions of a result: each is asked about each, one after the other.

The constants are those that our own search has found, or was given. What the opinions amount to is
decided in :mod:`certify.agreement`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from certify.backends.base import Answer, Backend, Soundness
from certify.backends.taylor import Taylor
from certify.branch_and_bound import Search
from certify.budget import Budget
from certify.conditions import Condition
from certify.definite import about_ellipsoid
from certify.result import StabilityResult
from certify.theorem import Claim, Constants, required_conditions
from certify.verdict import Proved, Refuted, Unknown, Verdict

OWN = "taylor"
"""The backend whose searches find the constants."""

FILLED, WORTH_ASKING_AGAIN = 0.9, 1.5
"""An Unknown that took this share of its time ran out of it; with so many times as much it is worth
another try."""

OnAsking = Callable[[str, int, int], None]
"""Told the backend and condition that is next, how many were asked before, and of how many."""


@dataclass(frozen=True)
class Opinion:
    """A backend's answer on one condition; ``evidence`` is what the checker can replay of it.

    ``aside`` is the condition itself where it is none of the statement's, but one that this program
    decides exactly and an exact backend was asked about as well.
    """

    condition: str
    answer: Answer
    evidence: Search | None = None
    aside: Condition | None = None

    @property
    def backend(self) -> str:
        return self.answer.backend

    @property
    def verdict(self) -> Verdict:
        return self.answer.verdict


@dataclass(frozen=True, eq=False)
class Statement:
    """Conditions by name; where there are ``constants``, they imply the claim together."""

    conditions: Mapping[str, Condition]
    constants: Constants | None


def statement_of(result: StabilityResult) -> Statement:
    """What there is to ask about: the theorem's conditions, or those that were examined.

    Where our search ended without a verdict, but all constants are known, every condition that the
    claim needs is stated with them.
    """
    found = {name: s.condition for name, s in result.searches.items()}
    if result.theorem is not None:
        needed = result.theorem.evidence
        return Statement({n: needed[n].condition for n in needed}, result.theorem.constants)
    constants = None if _refuted(result) else known_constants(result)
    if constants is None:
        return Statement(found, None)
    try:
        wanted = required_conditions(
            result.requested.claim, result.problem, constants, result.ellipsoid
        )
    except ValueError:
        return Statement(found, None)
    stated = {n: _as_searched(found.get(n), wanted[n]) for n in wanted}
    return Statement(stated, constants)


def _refuted(result: StabilityResult) -> bool:
    verdicts = [s.verdict for s in result.searches.values()]
    return any(isinstance(v, Refuted) for v in [result.verdict, *verdicts])


def _as_searched(searched: Condition | None, wanted: Condition) -> Condition:
    """The condition that was searched, where it is the wanted one (a contraction on a hull too)."""
    if searched is None or searched.tape.digest != wanted.tape.digest:
        return wanted
    same = searched.regions == wanted.regions or wanted.name == "contraction"
    return searched if same and searched.violation == wanted.violation else wanted


def known_constants(result: StabilityResult) -> Constants | None:
    """The constants that were asked for or got as far as a search; None where one is missing."""
    if result.constants is not None:
        return result.constants
    asked, at = result.requested, _levels(result)
    c_q, core = at("contraction", 0), at("core", 0)
    if asked.claim is Claim.SET_POINT_CONVERGENCE:
        return None  # its rate and its small ellipsoid are known only where all is proved
    if asked.claim.closes_origin and (c_q is None or core is None or result.ellipsoid is None):
        return None
    if not asked.claim.has_band:
        return None if core is None else Constants(core, core, core=core, c_q=c_q)
    rated = asked.claim is Claim.EXPONENTIAL_STABILITY
    c1, c2, mu = asked.c1 or at("decrease", 0), at("decrease", 1) or asked.c2, asked.mu
    speed = at("decrease", 2)
    if not rated and speed is not None:
        mu = -speed
    if c1 is None or c2 is None or (asked.alpha if rated else mu) is None:
        return None
    return Constants(c1, c2, None if rated else mu, asked.epsilon, core, c_q, asked.alpha)


def _levels(result: StabilityResult) -> Callable[[str, int], Fraction | None]:
    def level(name: str, constraint: int) -> Fraction | None:
        search = result.searches.get(name)
        return None if search is None else search.condition.violation[constraint].level

    return level


def own_opinions(result: StabilityResult) -> tuple[Opinion, ...]:
    """What our own searches found out about the conditions of the statement."""
    out = []
    version = Taylor().availability().version
    for name, condition in statement_of(result).conditions.items():
        search = result.searches.get(name)
        if search is not None and search.condition is condition:
            word = type(search.verdict).__name__.lower()
            answer = Answer(OWN, search.verdict, word, search.seconds, version)
            proved = isinstance(search.verdict, Proved)
            out.append(Opinion(name, answer, search if proved else None))
    return tuple(out)


def opinions(
    result: StabilityResult,
    backends: Sequence[Backend],
    budget: Budget,
    on_asking: OnAsking | None = None,
    seed: int = 0,
) -> tuple[Opinion, ...]:
    """What every one of the backends says of every condition; see :func:`each_opinion`."""
    return tuple(each_opinion(result, backends, budget, on_asking, seed))


def each_opinion(
    result: StabilityResult,
    backends: Sequence[Backend],
    budget: Budget,
    on_asking: OnAsking | None = None,
    seed: int = 0,
) -> Iterator[Opinion]:
    """One opinion after the other, so that those before a Ctrl-C are not lost.

    A question may take an equal share of what is left of the budget, so that what one does not
    need is left to the others; those that took all of theirs are asked again at the end, if much is
    left. What our search decided already is not asked again.
    """
    known = {o.condition: o for o in own_opinions(result)}
    todo: list[tuple[Backend, Condition]] = []
    for backend in backends:
        for name, condition in statement_of(result).conditions.items():
            if backend.name == OWN and name in known:
                yield known[name]
            else:
                todo.append((backend, condition))
    asides = _asides(result, backends)
    todo += [(b, c) for b in backends if b.decides_polynomials for c in asides]
    clock = budget.started()
    late: list[tuple[Backend, Condition, float, Opinion]] = []

    def asked(backend: Backend, condition: Condition, seconds: float, done: int) -> Opinion:
        if on_asking is not None:
            on_asking(f"{backend.name}: {condition.name}", done, len(todo))
        opinion = ask(backend, condition, Budget(seconds, budget.boxes), seed)
        return replace(opinion, aside=condition) if condition in asides else opinion

    for done, (backend, condition) in enumerate(todo):
        seconds = clock.remaining.seconds / (len(todo) - done)
        opinion = asked(backend, condition, seconds, done)
        if isinstance(opinion.verdict, Unknown) and opinion.answer.seconds >= FILLED * seconds:
            late.append((backend, condition, seconds, opinion))
        else:
            yield opinion
    for done, (backend, condition, had, opinion) in enumerate(late):
        seconds = clock.remaining.seconds / (len(late) - done)
        if seconds >= WORTH_ASKING_AGAIN * had:
            opinion = asked(backend, condition, seconds, len(todo) - len(late) + done)
        yield opinion


def _asides(result: StabilityResult, backends: Sequence[Backend]) -> tuple[Condition, ...]:
    """What a theorem's ellipsoid rests on in exact arithmetic, for backends that can judge it."""
    if (
        not any(b.decides_polynomials for b in backends)
        or result.theorem is None
        or result.theorem.ellipsoid is None
    ):
        return ()
    return about_ellipsoid(result.problem, result.theorem.ellipsoid)


def ask(backend: Backend, condition: Condition, budget: Budget, seed: int = 0) -> Opinion:
    """One opinion. A proof that leaves a tree, but no evidence, is re-proved from that tree."""
    clock = budget.started()
    answer = backend.ask(condition, budget, seed)
    verdict = answer.verdict
    if not isinstance(verdict, Proved) or verdict.evidence is None:
        return Opinion(condition.name, answer)
    if not verdict.trust:
        found = Search(verdict, condition, verdict.evidence.nodes, answer.seconds, 1)
        return Opinion(condition.name, answer, found)
    if backend.soundness is not Soundness.NOT_FLOAT_SOUND:
        return Opinion(condition.name, answer)
    from certify.reprove import reprove

    try:
        found = reprove(condition, verdict.evidence, clock.remaining)
    except (ValueError, ArithmeticError, MemoryError):  # the opinion stands, without evidence
        return Opinion(condition.name, answer)
    match found.verdict:
        case Proved(_, trust) if not trust:
            return Opinion(condition.name, answer, found)
        case Refuted():  # its own tree leads to a point that breaks the condition
            said = f"{answer.said}, but re-proving refutes it"
            return Opinion(condition.name, replace(answer, verdict=found.verdict, said=said))
    return Opinion(condition.name, answer)
