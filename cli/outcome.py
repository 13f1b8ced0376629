"""A result as the one JSON object of ``--json``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from certify.ellipsoid import Ellipsoid
    from certify.result import StabilityResult
    from certify.verdict import Counterexample, Verdict

ORDER = (
    "equilibrium", "centre", "contraction", "core", "rest", "containment", "avoid",
    "decrease", "trap", "defined", "small set",
)  # fmt: skip
"""As a proof examines them."""


def rank(name: str) -> tuple[int, str]:
    """The place of a condition; "avoid 1", "avoid 2", … share one."""
    kind = name.rstrip("0123456789 ")
    return (ORDER.index(kind) if kind in ORDER else len(ORDER), name)


def nothing_decided(reason: str, **more: object) -> dict[str, object]:
    """The object of a command that proves nothing."""
    return {
        "verdict": "unknown",
        "reason": reason,
        "conditions": [],
        "region": None,
        "counterexamples": [],
        "seconds": {"train": 0.0, "prove": 0.0},
        "boxes": 0,
        "rounds": [],
        "candidate": None,
        "certificate": None,
        "report": None,
        "backends": [],
        "trust": [],
        **more,
    }


def outcome(
    result: StabilityResult,
    conclusion: Verdict,
    *,
    counterexamples: Sequence[Mapping[str, object]],
    train_seconds: float = 0.0,
    prove_seconds: float | None = None,
    boxes: int | None = None,
    **more: object,
) -> dict[str, object]:
    """The result of a proof; ``conclusion`` is the loop's verdict where there was one.

    ``region`` is there iff the verdict is "proved", and states what was proved; ``requested`` is
    what was asked for. Seconds and boxes are those of all rounds.
    """
    return {
        "verdict": word(conclusion),
        "reason": reason_of(conclusion, result),
        "system": result.problem.system.name,
        "claim": result.requested.claim.value,
        "conditions": conditions(result),
        "region": region(result),
        "requested": _exact_constants(
            {k: getattr(result.requested, k) for k in ("c1", "c2", "mu", "alpha", "epsilon")}
        ),
        "counterexamples": list(counterexamples),
        "seconds": {
            "train": train_seconds,
            "prove": result.seconds if prove_seconds is None else prove_seconds,
        },
        "boxes": result.boxes if boxes is None else boxes,
        "rounds": [],
        "candidate": None,
        "certificate": None,
        "report": None,
        "backends": [],
        "trust": [],
        **more,
    }


def word(verdict: Verdict) -> str:
    """ "proved", "refuted" or "unknown"."""
    return type(verdict).__name__.lower()


def reason_of(verdict: Verdict, result: StabilityResult) -> str:
    """Why, in words: what the theorem says, what the counterexample breaks, or what is open."""
    from certify.verdict import Refuted, Unknown

    if isinstance(verdict, Unknown):
        return verdict.reason
    if isinstance(verdict, Refuted):
        return violated(verdict.counterexample, result)
    if result.constants is None:
        return result.requested.claim.words
    from certify.wording import conclusion_words

    return conclusion_words(
        result.requested.claim, result.problem, result.constants, result.ellipsoid
    )


def violated(found: Counterexample, result: StabilityResult) -> str:
    """A counterexample in words: the point, the values there, and what they break."""
    where = ", ".join(f"{v:.6g}" for v in found.point)
    if found.condition not in result.searches:
        return _not_at_rest(found, result)
    condition = result.searches[found.condition].condition
    values = ", ".join(
        f"{name} = {0.5 * (low + high):.6g}"
        for name, (low, high) in zip(condition.outputs, found.outputs, strict=True)
    )
    return f"{found.condition}: at ({where}) {values}, against: {condition.claim}"


def _not_at_rest(found: Counterexample, result: StabilityResult) -> str:
    """Why x* is no equilibrium, or V(x*) not 0, and what may be done about it."""
    low, high = found.outputs[0]
    system = result.problem.system
    n = system.state_dimension
    where = ", ".join(f"{v:.6g}" for v in found.point[:n])
    value = f"a value there lies in [{low:.6g}, {high:.6g}]"
    if found.condition == "centre":
        return f"centre: V does not vanish at ({where}): {value}"
    if system.disturbance is not None:
        at = ", ".join(f"{v:.6g}" for v in found.point[n:])
        fixed = "x*" if result.problem.is_discrete else "0"
        return (
            f"equilibrium: F(x*, w) is not {fixed} for every w, or V(x*) is not 0: at w = ({at}) "
            f"{value}; claim practical-stability instead, which needs no equilibrium"
        )
    foreign = result.problem.candidate.provenance.get("learner") == "foreign"
    hint = "; import without --as-is shifts V and k" if foreign else ""
    if not foreign:
        hint = "; if one is near, --claim set-point-convergence proves it"
    return (
        f"equilibrium: the closed loop or V does not vanish at the equilibrium ({where}): "
        f"{value}{hint}"
    )


def conditions(result: StabilityResult) -> list[dict[str, object]]:
    """What became of every condition, in the order of the proof."""
    found = result.counterexample
    rows: list[dict[str, object]] = [_equilibrium_row(result)]
    for name in sorted(result.searches, key=rank):
        search = result.searches[name]
        rows.append(
            {
                "name": name,
                "claim": search.condition.claim,
                "verdict": word(search.verdict),
                "boxes": search.boxes,
                "seconds": search.seconds,
                "point": list(found.point) if found and found.condition == name else None,
            }
        )
    return rows


def _equilibrium_row(result: StabilityResult) -> dict[str, object]:
    from certify.verdict import Proved

    verdict, found = "proved", result.counterexample
    if not result.searches and not isinstance(result.verdict, Proved):
        verdict = "refuted" if found is not None else "unknown"
    return {
        "name": "equilibrium" if result.requested.claim.closes_origin else "centre",
        "claim": f"{equilibrium_words(result)}, exactly",
        "verdict": verdict,
        "boxes": 0,
        "seconds": 0.0,
        "point": list(found.point) if found is not None and verdict == "refuted" else None,
    }


def equilibrium_words(result: StabilityResult) -> str:
    """What must hold at x*."""
    if not result.requested.claim.closes_origin:
        return "V(x*) = 0"
    disturbed = result.problem.system.disturbance is not None
    field = "F(x*, w)" if disturbed else "F(x*)"
    rest = "x*" if result.problem.is_discrete else "0"
    return f"{field} = {rest}{' for all w' if disturbed else ''} and V(x*) = 0"


def region(result: StabilityResult) -> dict[str, object] | None:
    """The proved region {x in domain : V ≤ c2}: constants as numbers and exactly, and its volume.

    The volume is a rigorous lower bound. ``domain`` may be a box inside the system's, and
    ``ellipsoid`` is P of q(x) = (x − x*)ᵀ P (x − x*). Where an ellipsoid carries the claim,
    ``reach`` is how far the region extends along each state, rounded down, in the states' units
    (null where V is not q, as in a certificate of another make), and ``offset`` how far from the
    set point the equilibrium may be, or with disturbances any solution in the end, rounded up.
    """
    from certify.verdict import Proved

    constants = result.constants
    if constants is None or not isinstance(result.verdict, Proved):
        return None
    names = ("c1", "c2", "mu", "alpha", "epsilon", "core", "c_q")
    values = {name: getattr(constants, name) for name in names}
    paving, volume, domain = result.paving, result.volume, result.problem.domain
    shown = None if paving is None else paving.volume
    return {
        **{k: None if v is None else float(v) for k, v in values.items()},
        "volume": shown if volume is None else max(volume.at_least, shown or 0.0),
        "volume_by": None if volume is None else volume.how,
        "volume_at_most": None if paving is None else paving.at_most,
        "exact": _exact_constants(values),
        "ellipsoid": None if result.ellipsoid is None else result.ellipsoid.matrix.tolist(),
        **_extents(result),
        "domain": [[str(a), str(b)] for a, b in zip(domain.lower, domain.upper, strict=True)],
    }


def _extents(result: StabilityResult) -> dict[str, list[float] | None]:
    """How far {V ≤ c2} and {q ≤ c1} extend along each state, where an ellipsoid is all there is."""
    from certify.ellipsoid import half_widths
    from systems.exact import short_fraction

    k, claim = result.constants, result.requested.claim
    if k is None or result.ellipsoid is None or claim.has_band:
        return {"reach": None, "offset": None}
    reach = None
    if _value_is_quadratic(result, result.ellipsoid):
        # Half widths are rounded up by next to nothing.
        shorter = Fraction(1) - Fraction(1, 2**40)
        widths = half_widths(result.ellipsoid, k.c2)
        reach = [float(short_fraction(d * shorter, down=True)) for d in widths]
    if claim.closes_origin:
        return {"reach": reach, "offset": None}
    ends = half_widths(result.ellipsoid, k.c1)
    return {"reach": reach, "offset": [float(short_fraction(d, down=False)) for d in ends]}


def _value_is_quadratic(result: StabilityResult, ellipsoid: Ellipsoid) -> bool:
    """Whether V is q, operation by operation: else c2 is no level of q."""
    from certify.ellipsoid import quadratic
    from systems.tape import compile_tape

    problem = result.problem
    q = quadratic(ellipsoid, problem.displacement)
    stated, wanted = (compile_tape([v], [problem.state]).digest for v in (problem.value, q))
    return stated == wanted


def counterexample_row(
    found: Counterexample, result: StabilityResult, round_number: int
) -> dict[str, object]:
    """A confirmed counterexample, with rigorous bounds of the condition's outputs at it."""
    search = result.searches.get(found.condition)
    names: Iterable[str] = ("value",) if search is None else search.condition.outputs
    return {
        "round": round_number,
        "condition": found.condition,
        "point": list(found.point),
        "values": {n: list(b) for n, b in zip(names, found.outputs, strict=False)},
    }


def _exact_constants(values: Mapping[str, Fraction | None]) -> dict[str, str | None]:
    return {k: None if v is None else str(v) for k, v in values.items()}
