"""The report's section about the claim: in plain words, and in mathematics."""

from __future__ import annotations

from certify.result import StabilityResult
from certify.stability import StabilityProblem
from certify.theorem import Claim
from certify.verdict import Proved, Refuted
from certify.wording import conclusion_words
from proofs.report_words import approximate, box, text
from systems.words import sampling_words


def claim_of(result: StabilityResult) -> Claim:
    """What was proved, or was to be."""
    return result.requested.claim if result.theorem is None else result.theorem.claim


def centre_word(result: StabilityResult) -> str:
    """x* by a name that claims no more than the theorem: practical stability needs no rest."""
    return claim_of(result).centre


def conclusion(result: StabilityResult) -> str:
    """What follows, or would follow, in words."""
    if isinstance(result.verdict, Proved) and result.constants is not None:
        return conclusion_words(
            claim_of(result), result.problem, result.constants, result.ellipsoid
        )
    return claim_of(result).words


def equilibrium(result: StabilityResult) -> tuple[str, str]:
    """Name and claim of the condition on x* that is decided without a search, in Markdown."""
    problem = result.problem
    if not claim_of(result).closes_origin:
        return "centre", "V(x\\*) = 0"
    field = "F(x\\*, w)" if problem.system.disturbance is not None else "F(x\\*)"
    rest = "x\\*" if problem.is_discrete else "0"
    every = " for all w" if problem.system.disturbance is not None else ""
    return "equilibrium", f"{field} = {rest}{every} and V(x\\*) = 0"


def claim(result: StabilityResult) -> list[str]:
    """The claim, said twice."""
    problem = result.problem
    proved = isinstance(result.verdict, Proved)
    verb = "is proved" if proved else "was to be proved"
    x_star = ", ".join(approximate(v) for v in problem.system.equilibrium)
    together = "Together" if proved else "Together they would say"
    return [
        "## The claim",
        "",
        f"**In plain words.** {plainly(result)}",
        "",
        f"**In mathematics.** The closed loop is {_loop(problem)} with the controller $k$ of the "
        f"candidate{_cut_off(result)}, on the domain $D$ = {box(problem.domain)} (units as in the "
        f"table of states), around the {centre_word(result)} $x^*$ = ({x_star})."
        f"{_disturbance(problem)} With {_whose_value(result)}, this {verb}:",
        "",
        *(f"- {line}" for line in _conditions(result)),
        "",
        f"{together}: {text(conclusion(result))}",
        "",
    ]


def _whose_value(result: StabilityResult) -> str:
    if claim_of(result).has_band:
        return "the Lyapunov function $V$ of the candidate"
    return "$V$ as it is stated with the ellipsoid, which need not be that of the candidate"


def plainly(result: StabilityResult) -> str:
    """What the verdict means, for those who read no formula."""
    match result.verdict:
        case Proved():
            return _promise(result)
        case Refuted():
            return (
                "The claim is false as it stands: at the state that is shown, rigorous arithmetic "
                "finds a condition broken. One point is enough for that. It says nothing of "
                "another controller, another Lyapunov function or a smaller region, which may do."
            )
    return (
        "Nothing is decided. The search found no point that breaks the claim, and it ended before "
        "it had covered the whole region; the claim may be true or false."
    )


def _promise(result: StabilityResult) -> str:
    system = result.problem.system
    whatever = (
        ", whatever the disturbances do within their ranges,"
        if system.disturbance is not None
        else ""
    )
    ends = {
        Claim.ASYMPTOTIC_STABILITY: "converges to the equilibrium",
        Claim.EXPONENTIAL_STABILITY: "converges to the equilibrium at a rate that is proved too",
        Claim.LOCAL_STABILITY: "converges to the equilibrium, without ever leaving an ellipsoid "
        "around it",
        Claim.SET_POINT_CONVERGENCE: "converges to one equilibrium close to the set point, without "
        "ever leaving an ellipsoid around it",
        Claim.PRACTICAL_STABILITY: "comes close to the centre, in a time that is bounded, and "
        "stays close",
    }[claim_of(result)]
    if claim_of(result) is Claim.SET_POINT_CONVERGENCE and system.disturbance is not None:
        ends = "comes close to the set point and stays close, without ever leaving an ellipsoid "
        ends += "around it"
    stays = "stays in it and " if claim_of(result).has_band else ""
    unsafe = ", and meets nothing unsafe on its way" if system.unsafe else ""
    return (
        f"Started anywhere in the region that is shown, the closed loop{whatever} {stays}"
        f"{ends}{unsafe}. That is proved for every one of the infinitely many starts, not tried on "
        "some of them; and it is proved of the model, which the section on trust spells out."
    )


def _loop(problem: StabilityProblem) -> str:
    w = ", w" if problem.system.disturbance is not None else ""
    right = f"F(x{w}) = f(x{w}) + g(x{w})\\,k(x)"
    if not problem.system.input_dimension:
        right = f"F(x{w})"
    if problem.system.sampling is not None:
        u, k = (", u", ", k(x)") if problem.system.input_dimension else ("", "")
        return (
            f"$x^+ = F(x{w}) = \\varphi(x{k}{w})$ (discrete time), where $\\varphi(x{u}{w})$ is "
            f"the equation below, {text(sampling_words(problem.system))},"
        )
    return f"$x^+ = {right}$ (discrete time)" if problem.is_discrete else f"$\\dot x = {right}$"


def _disturbance(problem: StabilityProblem) -> str:
    W = problem.system.disturbance_range
    if W is None:
        return ""
    return f" The disturbance $w$ may take any value in $W$ = {box(W)} at any time."


def _cut_off(result: StabilityResult) -> str:
    limited = result.problem.system.input_limits is not None
    return ", cut off at the limits of the inputs" if limited else ""


def _conditions(result: StabilityResult) -> list[str]:
    """The hypotheses of the theorem, one line each."""
    problem, k, claimed = result.problem, result.constants, claim_of(result)
    w = ", w" if problem.system.disturbance is not None else ""
    every = " and for every $w \\in W$" if w else ""
    F = f"F(x{w})"
    if not claimed.has_band:
        avoid = "$q(x) > c_q$ on the unsafe set"
        sets = [f"{avoid} {text(s.name)}" for s in problem.system.unsafe]
        rest = [_short_rest(problem, every)] if claimed.has_rate else []
        return [_at_rest(problem, claimed), *_origin(problem, claimed, every), *rest, *sets]
    lines = [_at_rest(problem, claimed), f"${_falls(problem, claimed, F)}$ wherever "
             f"$a \\le V(x) \\le c_2$ in $D${every}{_bottom(result)}"]  # fmt: skip
    if problem.is_discrete:
        lines.append(f"${F} \\in D$ wherever $V(x) \\le c_2$ in $D${every}")
        lines.append(f"$V({F}) \\le c_1$ wherever $V(x) \\le c_1$ in $D${every}")
    else:
        lines.append("$V(x) > c_2$ on the boundary of $D$")
    if k is None or k.epsilon is not None:
        lines.append("$V(x) \\le c_1$ in $D$ only where $|x - x^*| < \\varepsilon$")
    if claimed.closes_origin:
        lines += _origin(problem, claimed, every)
    elif not problem.is_discrete:
        lines.append(f"$F$ is defined and bounded where $V(x) \\le a$ in $D${every}")
    lines += [f"$V(x) > c_2$ on the unsafe set {text(s.name)}" for s in problem.system.unsafe]
    return lines


def _at_rest(problem: StabilityProblem, claimed: Claim) -> str:
    if not claimed.closes_origin:
        return "$V(x^*) = 0$, in real arithmetic"
    disturbed = problem.system.disturbance is not None
    field = "F(x^*, w)" if disturbed else "F(x^*)"
    rest = "x^*" if problem.is_discrete else "0"
    every = " for all $w \\in W$" if disturbed else ""
    return f"${field} = {rest}${every} and $V(x^*) = 0$, in real arithmetic"


def _falls(problem: StabilityProblem, claimed: Claim, field: str) -> str:
    most = "-\\alpha\\,V(x)" if claimed is Claim.EXPONENTIAL_STABILITY else "-\\mu"
    if problem.is_discrete:
        return f"\\Delta V = V({field}) - V(x) \\le {most}"
    return f"\\dot V(x) = \\nabla V(x) \\cdot {field} \\le {most}"


def _origin(problem: StabilityProblem, claimed: Claim, every: str) -> list[str]:
    rated = claimed.has_rate
    if problem.is_discrete:
        form = "DF(x)^T P\\,DF(x) - " + ("(1 - \\alpha)\\,P" if rated else "P")
    else:
        form = "P\\,DF(x) + DF(x)^T P" + (" + \\alpha\\,P" if rated else "")
    follows = (
        "$q$ decreases along every solution in it"
        if claimed.closes_origin
        else "solutions in it approach each other at the rate $\\alpha$"
    )
    return [
        "$V(x) \\le \\text{core}$ in $D$ only inside the ellipsoid $q(x) = (x - x^*)^T P "
        "(x - x^*) \\le c_q$",
        f"${form}$ is negative definite on that ellipsoid{every}, so that {follows}",
    ]


def _short_rest(problem: StabilityProblem, every: str) -> str:
    moved = "F(x^*) - x^*" if problem.is_discrete else "F(x^*)"
    return f"$({moved})^T P\\,({moved}) < \\alpha^2 c_1/4${every}, so that all comes to rest near"


def _bottom(result: StabilityResult) -> str:
    """What a is, the level from which on V decreases."""
    k = result.constants
    if not claim_of(result).closes_origin:
        return ", where $a = c_1$"
    if k is None or k.core is None:
        return ", where $a = \\min(c_1, \\text{core})$"
    levels = f"{approximate(k.c1)}, {approximate(k.core)}"
    return f", where $a = \\min(c_1, \\text{{core}})$ = min({levels}) = {approximate(k.bottom)}"
