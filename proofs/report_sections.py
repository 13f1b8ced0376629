"""The report's sections about claim, verdict and evidence, each a list of Markdown lines."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from certify.branch_and_bound import Search
from certify.result import StabilityResult
from certify.theorem import Constants
from certify.verdict import Proved, Refuted, Unknown, Verdict
from proofs.report_claim import claim_of, equilibrium
from proofs.report_words import (
    approximate,
    box,
    coordinates,
    rounded_down,
    rounded_up,
    seconds,
    table,
    text,
)
from systems.units import in_powers

ORDER = ("contraction", "core", "rest", "containment", "decrease", "trap", "defined", "small set")


def headline(result: StabilityResult) -> list[str]:
    """Title, verdict, and the one sentence that matters."""
    system = text(result.problem.system.name)
    match result.verdict:
        case Proved():
            given = ", given what the section on trust names" if result.verdict.trust else ""
            outcome = f"**Proved{given}.** {claim_of(result).words}{_figures(result)}"
        case Refuted(found):
            outcome = (
                f"**Refuted.** The condition “{text(found.condition)}” is false; the point below "
                "breaks it, in rigorous arithmetic."
            )
        case Unknown(reason):
            outcome = f"**Unknown.** Neither proved nor refuted: {text(reason)}."
    spent = f"{result.boxes:,} boxes in {seconds(result.seconds)}{_evidence(result)}"
    return [
        f"# {system}: {claim_of(result).value}",
        "",
        outcome,
        "",
        f"The search examined {spent}.",
        "",
    ]


def _evidence(result: StabilityResult) -> str:
    """How many leaves a certificate of the result has; the same that its checker counts."""
    if result.theorem is None:
        return ""
    whole = "" if result.paving is None else ", with those of the region's volume"
    return f"; its evidence has {leaves_of(result):,} leaves (closed boxes){whole}"


def leaves_of(result: StabilityResult) -> int:
    """The leaves of all searches, and those that show the region's volume."""
    trees = [s.verdict.evidence for s in result.searches.values() if isinstance(s.verdict, Proved)]
    if result.paving is not None:
        trees.append(result.paving.tree)
    return sum(tree.leaves for tree in trees if tree is not None)


def _figures(result: StabilityResult) -> str:
    """The proved region in figures, for those who read no further."""
    out = ""
    if result.constants is not None:
        out += f" Here c2 = {approximate(result.constants.c2)}"
    if result.paving is not None:
        out += f", and the region's volume is {_volume_words(result)}"
    domain = result.problem.domain
    if domain != result.problem.system.domain:
        out += f"; the domain is the box {box(domain)}, a part of the system's own"
    return f"{out}."


def _volume_unit(result: StabilityResult) -> str:
    units = in_powers(result.problem.system.state_units)
    return f" {text(' · '.join(units))}" if units else ""


def _volume_words(result: StabilityResult) -> str:
    """The bounds that say something, for the headline."""
    paving, unit, shown = result.paving, _volume_unit(result), result.plain_volume
    assert paving is not None
    if shown is not None:
        return f"at least {rounded_down(shown.at_least)}{unit}"
    return f"at most {rounded_up(paving.at_most)}{unit} (no lower bound was found)"


def counterexample(result: StabilityResult) -> list[str]:
    """The point that breaks a condition, and the bounds there."""
    found = result.counterexample
    if found is None:
        return []
    lines = ["## The counterexample", ""]
    lines += table(
        ["coordinate", "value (float64, exact)", "unit"],
        [
            [text(n), repr(v), text(u) or "–"]
            for (n, u), v in zip(coordinates(result.problem.system), found.point, strict=False)
        ],
    )
    search = result.searches.get(found.condition)
    outputs = search.condition.outputs if search is not None else ()
    bounds = [
        [text(_output_name(outputs, i)), f"[{low:.17g}, {high:.17g}]"]
        for i, (low, high) in enumerate(found.outputs)
    ]
    lines += ["Rigorous bounds there:", "", *table(["quantity", "enclosure"], bounds)]
    if search is not None:
        wanted = " and ".join(text(c.words(outputs)) for c in search.condition.violation)
        lines += [f"The condition says that no point of its region has {wanted}; this one has.", ""]
    return lines


def _output_name(outputs: Sequence[str], index: int) -> str:
    return outputs[index] if index < len(outputs) else f"residual {index + 1}"


def region(result: StabilityResult) -> list[str]:
    """The volume of the proved region."""
    paving = result.paving
    if paving is None:
        return []
    system, domain = result.problem.system, result.problem.domain
    unit = _volume_unit(result)
    share = paving.volume / float(system.domain.volume)
    smaller = (
        ""
        if domain == system.domain
        else " The statement is made on a box $D$ smaller than the system's domain, which gives a "
        "larger region; beyond $D$, $V \\le c_2$ says nothing."
    )
    shown = result.plain_volume
    if shown is not None and shown.how != "paving":
        share = shown.at_least / float(system.domain.volume)
        whole = " that the domain holds" if shown.how == "inner ellipsoid" else ""
        bounds = (
            f"$V$ is a quadratic form, and the ellipsoid{whole} has a volume of **at least "
            f"{rounded_down(shown.at_least)}{unit}**, by the formula for it in exact arithmetic; "
            f"that is at least {rounded_down(100 * share, 3)} % of the system's domain."
        )
    elif paving.volume > 0:
        bounds = (
            f"The region $\\{{x \\in D : V(x) \\le c_2\\}}$ has a volume of **at least "
            f"{rounded_down(paving.volume)}{unit}**, and at most {rounded_up(paving.at_most)}"
            f"{unit}; that is at least {rounded_down(100 * share, 3)} % of the system's domain. "
            f"Both bounds are rigorous: {len(paving.lower):,} leaves on which an enclosure of $V$ "
            "lies below $c_2$, and those where it may."
        )
    else:
        bounds = (
            "No lower bound of the volume of $\\{x \\in D : V(x) \\le c_2\\}$ was found; it is at "
            f"most {rounded_up(paving.at_most)}{unit}, rigorously. The claim above does not "
            "depend on it."
        )
    return ["## The proved region", "", f"{bounds}{smaller}", ""]


def conditions(result: StabilityResult) -> list[str]:
    """What was examined, and how it ended."""
    rows = [[*equilibrium(result), _equilibrium_verdict(result), "–", "–", "–"]]
    known = [n for n in ORDER if n in result.searches]
    for name in [*known, *(n for n in result.searches if n not in ORDER)]:
        s: Search = result.searches[name]
        rows.append(
            [_label(name), text(s.condition.claim), _verdict_word(s.verdict), f"{s.boxes:,}",
             seconds(s.seconds), str(s.order)]
        )  # fmt: skip
    head = ["condition", "claim", "verdict", "boxes examined", "time", "Taylor order"]
    return ["## Conditions", "", *table(head, rows)]


def _label(name: str) -> str:
    """The condition's name, and in parentheses the word that the terminal has for it."""
    shorter = {"contraction": "origin", "containment": "contained"}.get(name)
    return f"{name} ({shorter})" if shorter else name


def _equilibrium_verdict(result: StabilityResult) -> str:
    if result.searches or result.theorem is not None:
        return "proved (exactly)"
    return _verdict_word(result.verdict)


def _verdict_word(verdict: Verdict) -> str:
    match verdict:
        case Proved():
            return "proved"
        case Refuted():
            return "**refuted**"
        case Unknown(reason):
            return f"unknown: {text(reason)}"


def constants(result: StabilityResult) -> list[str]:
    """Every constant, exact, with its meaning and unit."""
    k = result.constants
    if k is None:
        asked = result.requested
        given = [(n, getattr(asked, n)) for n in ("c1", "c2", "mu", "alpha", "epsilon")]
        rows = [
            [f"{n}, as asked", f"`{v}`", approximate(v), "", ""] for n, v in given if v is not None
        ]
    else:
        rows = [
            [text(n), f"`{v}`", approximate(v), m, u]
            for n, v, m, u in _meanings(result, k)
            if v is not None
        ]
    if not rows:
        return []
    head = ["constant", "exact", "decimal", "meaning", "unit"]
    return ["## Constants", "", *table(head, rows)]


def _small_set(result: StabilityResult) -> tuple[str, str]:
    if result.requested.claim.has_band:
        return "level of the small set", "unit of V"
    return "level of the small ellipsoid q ≤ c1", "unit of q"


def _meanings(result: StabilityResult, k: Constants) -> list[tuple[str, Fraction | None, str, str]]:
    """Name, value, meaning and unit of every constant that there may be."""
    lengths = set(result.problem.system.state_units)
    length = text(next(iter(lengths))) if len(lengths) == 1 else "states in their units"
    discrete, banded = result.problem.is_discrete, result.requested.claim.has_band
    falls = "falls at least by this in a step" if discrete else "falls at least this fast"
    rate = (
        "V falls at least by alpha V" + (" in a step" if discrete else "") + " between the levels"
    )
    if not banded:
        rate = "√q between two solutions shrinks at half this rate, at least"
    return [
        ("c2", k.c2, "level of the proved region", "unit of V"),
        ("c1", k.c1 if banded or k.alpha else None, *_small_set(result)),
        ("mu", k.mu, f"V {falls} between the levels", f"unit of V{'' if discrete else ' / time'}"),
        ("alpha", k.alpha, rate, "1" if discrete else "1 / time"),
        ("epsilon", k.epsilon, "radius of a ball around {V ≤ c1}", length),
        ("core", k.core, "level up to which {V ≤ core} lies in the ellipsoid", "unit of V"),
        ("c_q", k.c_q, "level of the ellipsoid", "unit of q"),
    ]
