"""A result for people: aligned columns, one line a step, the verdict last."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_DOWN, Context, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from cli.outcome import ORDER, reason_of, word

if TYPE_CHECKING:
    from certify.branch_and_bound import Search
    from certify.candidate import Candidate
    from certify.result import StabilityResult
    from certify.verdict import Verdict
    from systems.box import Box

LABEL, TEXT = 13, 64


def row(label: str, text: str, *rest: str) -> str:
    """A line of the transcript: label, text, and short columns after it."""
    label = f"{label:<{LABEL - 1}} "
    cells = "  ".join(f"{cell:<8}" for cell in rest[:-1]) if rest else ""
    tail = rest[-1] if rest else ""
    return f"{label}{text:<{TEXT}}  {cells}{'  ' if cells else ''}{tail}".rstrip()


def seconds(value: float) -> str:
    """0.03 s, 12 s."""
    return f"{value:.2f} s" if value < 9.95 else f"{value:.0f} s"


def decimal(value: Fraction, digits: int = 6) -> str:
    """The number itself where it is a short decimal, else cut off towards 0."""
    context = Context(prec=digits, rounding=ROUND_DOWN)
    cut = context.divide(Decimal(value.numerator), Decimal(value.denominator))
    return f"{float(cut):.{digits}g}"


def training_row(candidate: Candidate, elapsed: float) -> str:
    """What the learner did, and what it has to say of it, a line each."""
    record = candidate.provenance
    learner = str(record.get("learner", "?"))
    parts = [{"elm-pi": "ELM-PI", "lqr": "LQR of the linearisation"}.get(learner, learner)]
    for key in ("neurons", "iterations"):
        if isinstance(record.get(key), int):
            parts.append(f"{record[key]} {key}")
    residual = record.get("hjb_residual_max")
    end = f"HJB residual {residual:.1e}" if isinstance(residual, float) else ""
    lines = [row("training", ", ".join(parts), seconds(elapsed), end)]
    remarks = record.get("warnings")
    if isinstance(remarks, list):
        lines.extend(row("note", str(remark)) for remark in remarks)
    return "\n".join(lines)


def proof_rows(result: StabilityResult) -> Iterator[str]:
    """One line for every condition that was examined, after the box where it is no whole domain."""
    if result.problem.chosen_domain is not None:
        yield row("box", f"D = {box_words(result.problem.domain)}, inside the system's domain")
    if result.searches:
        yield row("equilibrium", "F(x*) = 0 and V(x*) = 0, exactly", "proved")
    for name in sorted(result.searches, key=ORDER.index):
        search = result.searches[name]
        label = {"contraction": "origin", "containment": "contained"}.get(name, name)
        text = f"{_claim(name, search)}, {search.boxes:,} boxes"
        yield row(label, text, word(search.verdict), seconds(search.seconds))


def _claim(name: str, search: Search) -> str:
    levels = [decimal(c.level) for c in search.condition.violation]
    match name:
        case "contraction":
            return f"P > 0, P DF + DF'P < 0 where q(x) <= {levels[0]}"
        case "core":
            return f"V <= {levels[0]} only where q(x) < {levels[1]}"
        case "containment":
            return f"V > {levels[0]} on the boundary of the domain"
        case "decrease":
            mu = decimal(-search.condition.violation[2].level)
            return f"dV/dt <= -{mu} where {levels[0]} <= V <= {levels[1]}"
        case "defined":
            return f"F is defined and bounded where V <= {levels[0]}"
        case "small set":
            radius = float(search.condition.violation[1].level) ** 0.5
            return f"V <= {levels[0]} only where |x - x*| < {radius:.4g}"
    return search.condition.claim


def verdict_row(result: StabilityResult, conclusion: Verdict) -> str:
    """The last word."""
    theorem = result.theorem
    if theorem is None or word(conclusion) != "proved":
        return f"{word(conclusion)}: {reason_of(conclusion, result)}"
    from certify.theorem import Claim

    where = " in the box D" if result.problem.chosen_domain is not None else ""
    c1, c2 = decimal(theorem.constants.c1), decimal(theorem.constants.c2)
    at_least = 0.0 if result.paving is None else result.paving.volume
    volume = f" (region volume >= {_floor(at_least)})" if at_least > 0 else ""
    if theorem.claim is Claim.ASYMPTOTIC_STABILITY:
        return (
            f"proved: asymptotically stable; every start{where} with V(x) <= {c2} converges{volume}"
        )
    return (
        f"proved: attraction; every start{where} with V(x) <= {c2} reaches V(x) <= {c1} and "
        f"stays there{volume}; nothing is claimed about the equilibrium itself"
    )


def box_words(box: Box) -> str:
    """[-1, 1] x [-1/3, 2]."""
    sides = zip(box.lower, box.upper, strict=True)
    return " x ".join(f"[{float(a):.6g}, {float(b):.6g}]" for a, b in sides)


def _floor(value: float) -> str:
    """A lower bound stays one when it is printed."""
    return decimal(Fraction(value), 4)
