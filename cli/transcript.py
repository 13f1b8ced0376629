"""A result for people: aligned columns, one line a step, the verdict last."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import ROUND_DOWN, ROUND_UP, Context, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from cli.learners import title
from cli.outcome import equilibrium_words, rank, reason_of, region, word

if TYPE_CHECKING:
    from certify.branch_and_bound import Search
    from certify.candidate import Candidate
    from certify.result import StabilityResult
    from certify.verdict import Verdict
    from systems.box import Box
    from systems.dynamics import ControlAffineSystem

LABEL, TEXT = 13, 64
OPTIMIZERS = {"levenberg-marquardt": "Levenberg-Marquardt", "lbfgs": "L-BFGS", "adam": "Adam"}


def row(label: str, text: str, *rest: str) -> str:
    """A line of the transcript: label, text, and short columns after it."""
    begin = f"{label:<{LABEL - 1}} {text}"
    cells = "  ".join(f"{cell:<8}" for cell in rest[:-1]) if rest else ""
    tail = rest[-1] if rest else ""
    return f"{begin:<{LABEL + TEXT}}  {cells}{'  ' if cells else ''}{tail}".rstrip()


def seconds(value: float) -> str:
    """0.03 s, 12 s."""
    return f"{value:.2f} s" if value < 9.95 else f"{value:.0f} s"


def decimal(value: Fraction, digits: int = 6, up: bool = False) -> str:
    """The number itself where it is a short decimal, else cut off towards 0, or away from it."""
    context = Context(prec=digits, rounding=ROUND_UP if up else ROUND_DOWN)
    cut = context.divide(Decimal(value.numerator), Decimal(value.denominator))
    return f"{float(cut):.{digits}g}"


def sampling_rows(system: ControlAffineSystem) -> list[str]:
    """Of a sampled system, the line that says what is trained and proved; else none."""
    if system.sampling is None:
        return []
    from systems.sampled import unsampled
    from systems.words import sampling_words

    return [row("system", f"{unsampled(system).name}, {sampling_words(system)}")]


def training_row(candidate: Candidate, elapsed: float) -> str:
    """What the learner did, and what it has to say of it, a line each."""
    record = candidate.provenance
    parts = [title(str(record.get("learner", "?"))), *_sizes(record)]
    lines = [row("training", ", ".join(parts), seconds(elapsed), _residual(record))]
    lines.extend(row("note", remark) for remark in remarks(record))
    return "\n".join(lines)


def remarks(record: Mapping[str, object]) -> list[str]:
    """What the learner had to say of its work, each on one line; ``record`` is the provenance."""
    found = record.get("warnings")
    return [" ".join(str(r).split()) for r in found] if isinstance(found, list) else []


def _sizes(record: Mapping[str, object]) -> Iterator[str]:
    """How large the network or polynomial is, and how it was fitted."""
    settings = record.get("settings")
    stated = settings if isinstance(settings, Mapping) else {}

    def count(key: str) -> int | None:
        value = record.get(key, stated.get(key))
        return value if isinstance(value, int) else None

    order, layers, neurons = count("order"), count("layers"), record.get("neurons")
    if order is not None:
        yield f"order {order}"
    if isinstance(neurons, int):
        yield f"{layers} x {neurons} neurons" if (layers or 1) > 1 else f"{neurons} neurons"
    hidden = stated.get("hidden")
    if isinstance(hidden, list | tuple):
        yield " x ".join(str(width) for width in hidden) + " neurons"
    done = record.get("iterations")
    if isinstance(done, int):
        yield f"{done} iteration{'' if done == 1 else 's'}"
    optimizer = stated.get("optimizer")
    if isinstance(optimizer, str):
        yield OPTIMIZERS.get(optimizer, optimizer)


def _residual(record: Mapping[str, object]) -> str:
    """How well its equation holds at points that it was not fitted to; or where its V is from."""
    witness = record.get("witness")
    if isinstance(witness, Mapping):
        return f"V: {witness.get('name')}"
    for key, equation in (("hjb_residual_max", "HJB"), ("zubov_residual_max", "Zubov")):
        value = record.get(key)
        if isinstance(value, float):
            return f"{equation} residual {value:.1e}"
    return ""


def proof_rows(result: StabilityResult, counts: bool = True) -> Iterator[str]:
    """One line for every condition that was examined, after the box where it is no whole domain.

    Where our search does not count, what it proved is only proposed.
    """
    if result.problem.chosen_domain is not None:
        yield row("box", f"D = {box_words(result.problem.domain)}, inside the system's domain")
    if result.searches:
        label = "equilibrium" if result.requested.claim.closes_origin else "centre"
        yield row(label, f"{equilibrium_words(result)}, exactly", "proved")
    for name in sorted(result.searches, key=rank):
        search = result.searches[name]
        label = {"contraction": "origin", "containment": "contained"}.get(name, name)
        boxes = f"{search.boxes:,} box{'' if search.boxes == 1 else 'es'}"
        text = f"{_claim(name, search, result)}, {boxes}"
        ended = word(search.verdict)
        said = ended if counts or ended != "proved" else "proposed"
        yield row(label, text, said, seconds(search.seconds))
    yield from _extent_rows(result)


def _extent_rows(result: StabilityResult) -> Iterator[str]:
    """Where an ellipsoid carries the claim: how far it reaches, in the states' own units."""
    found = region(result) or {}
    system = result.problem.system
    # A disturbance moves the equilibrium: then this is where all solutions are in the end.
    what = "the equilibrium" if system.disturbance is None else "in the end all"
    for label, key, words in (
        ("reach", "reach", ""),
        ("offset", "offset", f"{what}, from the set point: at most "),
    ):
        ends = found.get(key)
        if isinstance(ends, list):
            yield row(label, words + ", ".join(_extents(system, ends, up=key == "offset")))


def _extents(system: ControlAffineSystem, ends: list[float], up: bool) -> Iterator[str]:
    from systems.words import state_names

    units = system.state_units or ("",) * len(ends)
    for name, end, unit in zip(state_names(system), ends, units, strict=True):
        yield f"{name} ± {decimal(Fraction(end), 3, up)}{f' {unit}' if unit else ''}"


def _claim(name: str, search: Search, result: StabilityResult) -> str:
    levels = [decimal(c.level) for c in search.condition.violation]
    discrete = result.problem.is_discrete
    match name:
        case "contraction":
            form = "DF'P DF - P" if discrete else "P DF + DF'P"
            if "alpha" in search.condition.claim:
                form = "DF'P DF - (1 - alpha) P" if discrete else "P DF + DF'P + alpha P"
            return f"P > 0, {form} < 0 where q(x) <= {levels[0]}"
        case "core":
            return f"V <= {levels[0]} only where q(x) < {levels[1]}"
        case "containment" if discrete:
            return f"F in the domain where V <= {levels[0]}"
        case "containment":
            return f"V > {levels[0]} on the boundary of the domain"
        case "decrease":
            return _decrease(search, result)
        case "defined":
            return f"F is defined and bounded where V <= {levels[0]}"
        case "trap":
            return f"V(F) <= {levels[0]} where V <= {levels[0]}"
        case "small set":
            radius = float(search.condition.violation[1].level) ** 0.5
            return f"V <= {levels[0]} only where |x - x*| < {radius:.4g}"
        case "rest":
            most = decimal(search.condition.violation[0].level, up=True)
            return f"{search.condition.outputs[0]} < {most} at x*"
        case _ if name.startswith("avoid "):
            unsafe = result.problem.system.unsafe[int(name.removeprefix("avoid ")) - 1]
            return f"{search.condition.outputs[0]} > {levels[0]} on {unsafe.name}"
    return search.condition.claim


def _decrease(search: Search, result: StabilityResult) -> str:
    bottom, top, speed = (c.level for c in search.condition.violation)
    alpha = None if result.constants is None else result.constants.alpha
    alpha = result.requested.alpha if alpha is None else alpha
    if search.condition.outputs[1] == result.problem.change_name:
        bound = f"-{decimal(-speed)}"
    else:
        bound = "-alpha V" if alpha is None else f"-{decimal(alpha)} V"
    change = result.problem.change_name
    return f"{change} <= {bound} where {decimal(bottom)} <= V <= {decimal(top)}"


def verdict_row(result: StabilityResult, conclusion: Verdict) -> str:
    """The last word."""
    constants, claim = result.constants, result.requested.claim
    if constants is None or word(conclusion) != "proved":
        return f"{word(conclusion)}: {reason_of(conclusion, result)}"
    where = " in the box D" if result.problem.chosen_domain is not None else ""
    c1, c2 = decimal(constants.c1, up=True), decimal(constants.c2)
    at_least = 0.0 if result.paving is None else result.paving.volume
    at_least = at_least if result.volume is None else max(at_least, result.volume.at_least)
    volume = f" (region volume >= {_floor(at_least)})" if at_least > 0 else ""
    unsafe = " and meets nothing unsafe" if result.problem.system.unsafe else ""
    start = f"every start{where} with V(x) <= {c2}"
    every = " for every disturbance" if result.problem.system.disturbance is not None else ""
    step = " a step" if result.problem.is_discrete else ""
    if claim.closes_origin:
        alpha = constants.alpha
        rate = "" if alpha is None else f" at the rate {decimal(alpha)}{step}"
        kind = "asymptotically" if alpha is None else "exponentially"
        whose = "" if claim.has_band else ", V of the ellipsoid,"
        return f"proved: {kind} stable{every}; {start}{whose} converges{rate}{unsafe}{volume}"
    if constants.alpha is not None:  # and no word of x* as an equilibrium: set-point convergence
        return (
            f"proved: set-point convergence{every}; {start}, V of the ellipsoid, stays in it and "
            f"{'comes' if every else 'converges to one equilibrium, which lies'} within the offset "
            f"of the set point, at the rate {decimal(constants.alpha)}{step}{unsafe}{volume}"
        )
    return (
        f"proved: practical stability{every}; {start} reaches V(x) <= {c1} and stays there"
        f"{unsafe}{volume}; nothing is claimed about the equilibrium itself"
    )


def box_words(box: Box) -> str:
    """[-1, 1] x [-1/3, 2]."""
    sides = zip(box.lower, box.upper, strict=True)
    return " x ".join(f"[{float(a):.6g}, {float(b):.6g}]" for a, b in sides)


def _floor(value: float) -> str:
    """A lower bound stays one when it is printed."""
    return decimal(Fraction(value), 4)
