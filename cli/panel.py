"""The backends of ``--backend`` and ``--agree``: who is asked, and what comes of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cli.outcome import rank, word
from cli.progress import ProgressBars
from cli.transcript import row, seconds
from systems.errors import InputError

if TYPE_CHECKING:
    from certify.agreement import Contradiction
    from certify.backends import Backend
    from certify.opinions import Opinion
    from certify.result import StabilityResult

OWN = "taylor"
OWN_SHARE = 0.5
"""The share of the time limit for our own search, where other backends are named."""


@dataclass(frozen=True)
class Panel:
    """The backends named, in that order; all of them must agree where ``agree`` is set."""

    backends: tuple[Backend, ...]
    agree: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(b.name for b in self.backends)

    @property
    def counts_own(self) -> bool:
        """Whether our own search counts; else it only proposes the constants."""
        return OWN in self.names

    @property
    def asks(self) -> bool:
        """Whether anybody but our own search has a say."""
        return self.names != (OWN,)

    def own_seconds(self, limit: float) -> float:
        """The part of a time limit that our own search may take."""
        return limit * OWN_SHARE if self.asks else limit

    def consult(
        self, result: StabilityResult, budget_seconds: float, seed: int, bars: ProgressBars
    ) -> Consulted:
        """Ask everybody about the result's conditions, within so many seconds altogether.

        A Ctrl-C ends the asking; what was answered before it counts.
        """
        from certify.agreement import contradictions
        from certify.budget import Budget
        from certify.opinions import each_opinion, own_opinions
        from certify.settle import settled

        if not self.asks:
            return Consulted(self, result, result, own_opinions(result))
        heard: list[Opinion] = []
        interrupted = False

        def asking(what: str, done: int, whole: int) -> None:
            bars.counting(what, "questions", done, whole)

        budget = Budget(max(budget_seconds, 0.0))
        try:
            for opinion in each_opinion(result, self.backends, budget, asking, seed):
                heard.append(opinion)
        except KeyboardInterrupt:
            interrupted = True
        final = settled(result, heard, self.backends, self.agree)
        clash = contradictions(result, heard)
        return Consulted(self, result, final, tuple(heard), clash, budget.seconds, interrupted)


@dataclass(frozen=True, eq=False)
class Consulted:
    """What came of asking: ``own`` is our search's result, ``result`` the joint one."""

    panel: Panel
    own: StabilityResult
    result: StabilityResult
    opinions: tuple[Opinion, ...]
    clash: tuple[Contradiction, ...] = ()
    seconds: float = 0.0
    interrupted: bool = False

    @property
    def decided(self) -> bool:
        """Whether a Ctrl-C left a verdict, or a contradiction that must not be lost."""
        return word(self.result.verdict) != "unknown" or bool(self.clash)

    @property
    def interruption(self) -> str:
        """What to tell of the Ctrl-C."""
        whole = len(self.conditions)
        gaps = ""
        for name, n in ((b.name, len(self._of(b))) for b in self.panel.backends):
            if n < whole:
                asked = f"asked about {n} of {whole} conditions" if n else "not asked"
                gaps += f"; {name} was {asked}"
        return f"interrupted: what was decided is told and kept{gaps}"

    @property
    def conditions(self) -> tuple[str, ...]:
        """The names of what everybody is asked about, in the order of the proof."""
        from certify.opinions import statement_of

        return tuple(sorted(statement_of(self.own).conditions, key=rank))

    def keys(self) -> dict[str, Any]:
        """``backends`` and ``trust`` of ``--json``."""
        from certify.verdict import Proved

        verdict = self.result.verdict
        return {
            "backends": [record_of(b, self._of(b)) for b in self.panel.backends],
            "agree": self.panel.agree,
            "trust": list(verdict.trust) if isinstance(verdict, Proved) else [],
            **({"interrupted": self.interruption} if self.interrupted else {}),
        }

    def _of(self, backend: Backend) -> list[Opinion]:
        told = [o for o in self.opinions if o.backend == backend.name]
        return sorted(told, key=lambda o: rank(o.condition))

    def rows(self) -> Iterator[str]:
        """A line for every backend but our own, and one for every reason not to prove."""
        for backend in self.panel.backends if self.panel.asks else ():
            told = self._of(backend)
            if backend.name != OWN and told:
                heard = {o.condition for o in told}
                yield from rows_of(backend, told, [n for n in self.conditions if n not in heard])
            elif backend.name != OWN:
                why = "not asked: interrupted" if self.interrupted else "nothing to ask about"
                yield row(backend.name, why, "unknown")

    def last_rows(self) -> Iterator[str]:
        """After the verdict: what a proof on trust rests on, and why it has no certificate."""
        from certify.verdict import Proved

        verdict = self.result.verdict
        if not isinstance(verdict, Proved) or not verdict.trust:
            return
        for line in verdict.trust:
            yield row("trust", line)
        foreign = [n for n in self.panel.names if n != OWN]
        hint = "" if self.panel.counts_own else "; add --backend taylor"
        leaves = "leave" if len(foreign) > 1 else "leaves"
        who = " and ".join(foreign)
        yield f"no certificate: {who} {leaves} no evidence that can be replayed{hint}"


def rows_of(
    backend: Backend, told: Sequence[Opinion], unasked: Sequence[str] = ()
) -> Iterator[str]:
    """How many conditions a backend proves, how it ended, and a line for each reason not to.

    ``unasked`` are the conditions that a Ctrl-C left.
    """
    from certify.agreement import why_not
    from certify.backends import Soundness
    from certify.verdict import Proved

    proved = [o for o in told if isinstance(o.verdict, Proved)]
    whole = len(told) + len(unasked)
    text = f"proves {len(proved)} of {whole} conditions, {backend.soundness.value}"
    ended = _word(told, bool(unasked))
    yield row(backend.name, text, ended, seconds(sum(o.answer.seconds for o in told)))
    anew = sum(o.evidence is not None for o in told)
    if anew and backend.soundness is not Soundness.RIGOROUS:
        yield row("", f"{anew} of them proved anew by our own enclosures, with evidence")
    for reason, names in why_not(told, unasked).items():
        yield row("", f"{', '.join(names)}: {reason}")


def _word(told: Sequence[Opinion], cut_off: bool) -> str:
    """refuted before unknown before proved."""
    words = {word(o.verdict) for o in told} | ({"unknown"} if cut_off else set())
    return next(w for w in ("refuted", "unknown", "proved") if w in words)


def record_of(backend: Backend, told: Sequence[Opinion]) -> dict[str, object]:
    """What a backend said, as JSON data."""
    version = told[0].answer.version if told else backend.availability().version
    return {
        "name": backend.name,
        "version": version,
        "soundness": backend.soundness.value,
        "conditions": [_condition(o) for o in told],
    }


def _condition(opinion: Opinion) -> dict[str, object]:
    from certify.verdict import Unknown

    verdict = opinion.verdict
    return {
        "name": opinion.condition,
        "verdict": word(verdict),
        "reason": verdict.reason if isinstance(verdict, Unknown) else None,
        "said": opinion.answer.said,
        "seconds": opinion.answer.seconds,
        "evidence": opinion.evidence is not None,
    }


def panel_of(options: Mapping[str, Any]) -> Panel:
    """The backends that the options name. Raises InputError where there is no such panel."""
    from certify.backends import backend

    names, agree = tuple(options["backends"]) or (OWN,), options["agree"]
    for i, name in enumerate(names):
        if name in names[:i]:
            raise InputError(f"--backend: {name[:40]!r} is named twice; name each once")
    try:
        found = tuple(backend(name) for name in names)
    except ValueError as error:
        raise InputError(f"--backend: {error}") from None
    if agree and len(found) < 2:
        raise InputError(
            "--agree: agreement needs two backends; add for example --backend taylor --backend z3"
        )
    return Panel(found, agree)


def panel_settings(options: Mapping[str, Any]) -> dict[str, object]:
    """The options as JSON data; nothing where they are left out, as in the runs of old."""
    names = tuple(options.get("backends") or (OWN,))
    stated: dict[str, object] = {} if names == (OWN,) else {"backends": ", ".join(names)}
    return {**stated, "agree": True} if options.get("agree") else stated
