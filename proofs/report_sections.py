"""The report's sections about claim, verdict and evidence, each a list of Markdown lines."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from certify.branch_and_bound import Search
from certify.result import StabilityResult
from certify.theorem import Claim
from certify.verdict import Proved, Refuted, Unknown, Verdict
from proofs.report_words import approximate, seconds, table, text
from proofs.statement import names_of
from systems.box import Box

ORDER = ("contraction", "core", "containment", "decrease", "defined", "small set")


def headline(result: StabilityResult) -> list[str]:
    """Title, verdict, and the one sentence that matters."""
    system = text(result.problem.system.name)
    match result.verdict:
        case Proved():
            outcome = f"**Proved.** {_claim_of(result).words}{_figures(result)}"
        case Refuted(found):
            outcome = (
                f"**Refuted.** The condition “{text(found.condition)}” is false; the point below "
                "breaks it, in rigorous arithmetic."
            )
        case Unknown(reason):
            outcome = f"**Unknown.** Neither proved nor refuted: {text(reason)}."
    spent = f"{result.boxes:,} boxes in {seconds(result.seconds)}"
    return [
        f"# {system}: {_claim_of(result).value}",
        "",
        outcome,
        "",
        f"The search took {spent}.",
        "",
    ]


def _figures(result: StabilityResult) -> str:
    """The proved region in figures, for those who read no further."""
    out = ""
    if result.constants is not None:
        out += f" Here c2 = {approximate(result.constants.c2)}"
    if result.paving is not None:
        out += f", and the region's volume is {_volume_words(result)}"
    domain = result.problem.domain
    if domain != result.problem.system.domain:
        out += f"; the domain is the box {_box(domain)}, a part of the system's own"
    return f"{out}."


def _box(box: Box) -> str:
    ends = zip(box.lower, box.upper, strict=True)
    return " × ".join(f"[{approximate(a)}, {approximate(b)}]" for a, b in ends)


def _volume_unit(result: StabilityResult) -> str:
    units = [u for u in result.problem.system.state_units if u]
    return f" {text(' · '.join(units))}" if units else ""


def _volume_words(result: StabilityResult) -> str:
    """The bounds that say something, for the headline."""
    paving, unit = result.paving, _volume_unit(result)
    assert paving is not None
    if paving.volume > 0:
        return f"at least {_rounded_down(paving.volume)}{unit}"
    return f"at most {_rounded_up(paving.at_most)}{unit} (no lower bound was found)"


def _claim_of(result: StabilityResult) -> Claim:
    return result.requested.claim if result.theorem is None else result.theorem.claim


def claim(result: StabilityResult) -> list[str]:
    """The claim in mathematics."""
    problem, k = result.problem, result.constants
    where = _box(problem.domain)
    verb = "is proved" if result.theorem is not None else "was to be proved"
    x_star = ", ".join(approximate(v) for v in problem.system.equilibrium)
    strong = _claim_of(result) is Claim.ASYMPTOTIC_STABILITY
    lines = [
        "## The claim",
        "",
        "The closed loop is $\\dot x = F(x) = f(x) + g(x)\\,k(x)$ with the controller $k$ of the "
        f"candidate{_cut_off(result)}, on the domain $D$ = {where} (units as in the table of "
        f"states), around the equilibrium $x^*$ = ({x_star}). "
        f"With the Lyapunov function $V$ of the candidate, this {verb}:",
        "",
        "- $F(x^*) = 0$ and $V(x^*) = 0$, in real arithmetic",
        "- $\\dot V(x) = \\nabla V(x) \\cdot F(x) \\le -\\mu$ wherever "
        f"${'a' if strong else 'c_1'} \\le V(x) \\le c_2$ in $D${_bottom(result)}",
        "- $V(x) > c_2$ on the boundary of $D$",
    ]
    if k is None or k.epsilon is not None:
        lines.append("- $V(x) \\le c_1$ in $D$ only where $|x - x^*| < \\varepsilon$")
    if strong:
        lines += [
            "- $V(x) \\le \\text{core}$ in $D$ only inside the ellipsoid $q(x) = (x - x^*)^T P "
            "(x - x^*) \\le c_q$",
            "- $P\\,DF(x) + DF(x)^T P$ is negative definite on that ellipsoid, so that $q$ "
            "decreases along every solution in it",
        ]
    else:
        lines.append("- $F$ is defined and bounded where $V(x) \\le c_1$ in $D$")
    together = "Together" if result.theorem is not None else "Together they would say"
    return [*lines, "", f"{together}: {_claim_of(result).words}", ""]


def _cut_off(result: StabilityResult) -> str:
    limited = result.problem.system.input_limits is not None
    return ", cut off at the limits of the inputs" if limited else ""


def _bottom(result: StabilityResult) -> str:
    """What a, the level from which on V decreases, is where a core is claimed."""
    if _claim_of(result) is not Claim.ASYMPTOTIC_STABILITY:
        return ""
    k = result.constants
    if k is None or k.core is None:
        return ", where $a = \\min(c_1, \\text{core})$"
    levels = f"{approximate(k.c1)}, {approximate(k.core)}"
    least = approximate(min(k.c1, k.core))
    return f", where $a = \\min(c_1, \\text{{core}})$ = min({levels}) = {least}"


def counterexample(result: StabilityResult) -> list[str]:
    """The point that breaks a condition, and the bounds there."""
    found = result.counterexample
    if found is None:
        return []
    system = result.problem.system
    names = names_of(system.state_names, "x", system.state_dimension)
    units = system.state_units or ("",) * len(names)
    lines = ["## The counterexample", ""]
    lines += table(
        ["state", "value (float64, exact)", "unit"],
        [[text(n), repr(v), text(u)] for n, v, u in zip(names, found.point, units, strict=True)],
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
    if paving.volume > 0:
        bounds = (
            f"The region $\\{{x \\in D : V(x) \\le c_2\\}}$ has a volume of **at least "
            f"{_rounded_down(paving.volume)}{unit}**, and at most {_rounded_up(paving.at_most)}"
            f"{unit}; that is at least {100 * share:.3g} % of the system's domain. Both bounds are "
            f"rigorous: {len(paving.lower):,} boxes on which an enclosure of $V$ lies below $c_2$, "
            "and those where it may."
        )
    else:
        bounds = (
            "No lower bound of the volume of $\\{x \\in D : V(x) \\le c_2\\}$ was found; it is at "
            f"most {_rounded_up(paving.at_most)}{unit}, rigorously. The claim above does not "
            "depend on it."
        )
    return ["## The proved region", "", f"{bounds}{smaller}", ""]


def _rounded_down(value: float) -> str:
    short = f"{value:.5g}"
    return short if float(short) <= value else f"{value * (1 - 1e-4):.5g}"


def _rounded_up(value: float) -> str:
    short = f"{value:.5g}"
    return short if float(short) >= value else f"{value * (1 + 1e-4):.5g}"


def conditions(result: StabilityResult) -> list[str]:
    """What was examined, and how it ended."""
    first = [
        "equilibrium",
        "F(x\\*) = 0 and V(x\\*) = 0",
        _equilibrium_verdict(result),
        "–",
        "–",
        "–",
    ]
    rows = [first]
    known = [n for n in ORDER if n in result.searches]
    for name in [*known, *(n for n in result.searches if n not in ORDER)]:
        s: Search = result.searches[name]
        rows.append(
            [_label(name), text(_words_of(result, s)), _verdict_word(s.verdict), f"{s.boxes:,}",
             seconds(s.seconds), str(s.order)]
        )  # fmt: skip
    head = ["condition", "claim", "verdict", "boxes", "time", "Taylor order"]
    return ["## Conditions", "", *table(head, rows)]


def _label(name: str) -> str:
    """The condition's name, and in parentheses the word that the terminal has for it."""
    shorter = {"contraction": "origin", "containment": "contained"}.get(name)
    return f"{name} ({shorter})" if shorter else name


def _words_of(result: StabilityResult, search: Search) -> str:
    """The condition's claim in the letters of the list above."""
    claim = search.condition.claim
    if search.condition.name == "decrease" and "core" in result.searches:
        return claim.replace("c1 ≤ V", "a ≤ V")
    if search.condition.name == "core":
        return claim.replace("c1", "core")
    return claim


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
        given = [(n, getattr(asked, n)) for n in ("c1", "c2", "mu", "epsilon")]
        rows = [
            [f"{n}, as asked", f"`{v}`", approximate(v), "", ""] for n, v in given if v is not None
        ]
    else:
        lengths = set(result.problem.system.state_units)
        length = text(next(iter(lengths))) if len(lengths) == 1 else "states in their units"
        meanings: list[tuple[str, Fraction | None, str, str]] = [
            ("c2", k.c2, "level of the proved region", "unit of V"),
            ("c1", k.c1, "level of the small set", "unit of V"),
            ("mu", k.mu, "V decreases at least this fast between the levels", "unit of V / time"),
            ("epsilon", k.epsilon, "radius of a ball around {V ≤ c1}", length),
            ("core", k.core, "level up to which {V ≤ core} lies in the ellipsoid", "unit of V"),
            ("c_q", k.c_q, "level of the ellipsoid", "unit of q"),
        ]
        rows = [
            [text(n), f"`{v}`", approximate(v), m, u] for n, v, m, u in meanings if v is not None
        ]
    if not rows:
        return []
    head = ["constant", "exact", "decimal", "meaning", "unit"]
    return ["## Constants", "", *table(head, rows)]
