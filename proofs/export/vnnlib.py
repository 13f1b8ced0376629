"""VNN-LIB 1.0 properties, each beside the ONNX model that it is about.

The property is satisfiable where a condition is violated. It is never stronger than the
violation: strict relations become ≤ and ≥, numbers that are no decimals are rounded so that the
region grows and the constraints weaken, and where an output has no value, it counts as violating.
So "unsat", meant in real arithmetic, implies the condition. "sat" is only a lead.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from certify.conditions import Condition, Constraint
from proofs.export.artifact import Artifact, ImpossibleError, LeftOut, Written
from proofs.export.condition_model import ConditionModel, Guard, InexactError, condition_model
from proofs.export.names import comment, commented, file_stem
from proofs.export.numbers import decimal_above, decimal_below, is_short_decimal
from proofs.export.onnx_model import require_onnx
from proofs.export.source import Source
from systems.box import Box

UNSAT = (
    'in real arithmetic, "unsat" implies the condition: {claim}. Whether the answer of a tool '
    "that computes in floating point is meant so, its authors say"
)


def write_vnnlib(source: Source) -> Written:
    """NAME.vnnlib and NAME.onnx for every condition of the certificate."""
    require_onnx()
    if not source.conditions:
        raise ImpossibleError("there is no certificate, and so there are no conditions to state")
    artifacts: list[Artifact] = []
    left_out = []
    for name, condition in source.conditions.items():
        stem = f"vnnlib/{file_stem(name)}"
        origin = (f"Condition: {name}. {condition.claim}", *source.origin)
        try:
            model = condition_model(condition, [comment(line) for line in origin])
        except InexactError as error:
            left_out.append(LeftOut("vnnlib", name, str(error)))
            continue
        text = property_text(condition, model, origin)
        words = f"the model whose outputs {stem}.vnnlib speaks of"
        artifacts += [
            Artifact(f"{stem}.onnx", model.content, words, name),
            Artifact(
                f"{stem}.vnnlib", text.encode("ascii"), f"the violation of {condition.claim}",
                name, UNSAT.format(claim=condition.claim),
            ),
        ]  # fmt: skip
    return Written(tuple(artifacts), tuple(left_out))


def property_text(condition: Condition, model: ConditionModel, origin: Sequence[str] = ()) -> str:
    """The property: declarations, the regions, and for each constraint that it may hold."""
    n = condition.tape.dimension
    total = n + sum(f.count for f in model.free)
    lines = [commented([*origin, *_explanation(condition, model)], ";")]
    lines += [f"(declare-const X_{i} Real)\n" for i in range(total)]
    lines += [f"(declare-const Y_{i} Real)\n" for i in range(model.outputs)]
    lines.append(_regions(condition.regions))
    at = n
    for f in model.free:
        for i in range(at, at + f.count):
            lines += [f"(assert {bound})\n" for bound in _side(i, f.lower, f.upper)]
        at += f.count
    for c in condition.violation:
        lines.append(_assertion(c, model.guards[c.output]))
    return "".join(lines)


def _explanation(condition: Condition, model: ConditionModel) -> list[str]:
    names = ", ".join(f"Y_{i} = {name}" for i, name in enumerate(condition.outputs))
    lines = [
        f"Inputs: the states in order, then the disturbances. Outputs: {names}.",
        '"unsat", meant in real arithmetic, implies the condition; "sat" is only a lead.',
    ]
    if any(c.strict for c in condition.violation):
        lines.append("The violation is strict where this format has only <= and >=: weakened.")
    ends = [v for r in condition.regions for v in (*r.lower, *r.upper)]
    ends += [c.level for c in condition.violation] + [
        v for f in model.free for v in (f.lower, f.upper)
    ]
    if not all(map(is_short_decimal, ends)):
        lines.append(
            "Some numbers are no decimals: rounded so that regions grow and constraints weaken."
        )
    at = condition.tape.dimension
    for f in model.free:
        lines.append(f"X_{at}{f'..X_{at + f.count - 1}' if f.count > 1 else ''}: {f.what}")
        at += f.count
    if any(model.guards):
        lines += [
            f"Y_{len(condition.outputs)} and what follows are arguments of quotients, logarithms, "
            "roots and tangents.",
            "Where one leaves its domain an output has no value, which counts as a violation.",
        ]
    return lines


def _regions(regions: Sequence[Box]) -> str:
    boxes = [
        [
            bound
            for i, ends in enumerate(zip(r.lower, r.upper, strict=True))
            for bound in _side(i, *ends)
        ]
        for r in regions
    ]
    if len(boxes) == 1:
        return "".join(f"(assert {bound})\n" for bound in boxes[0])
    return f"(assert (or {' '.join(f'(and {chr(32).join(box)})' for box in boxes)}))\n"


def _side(index: int, lower: Fraction, upper: Fraction) -> tuple[str, str]:
    """Rounded outwards."""
    return (
        f"(>= X_{index} {decimal_below(lower)})",
        f"(<= X_{index} {decimal_above(upper)})",
    )


def _assertion(constraint: Constraint, guards: Sequence[Guard]) -> str:
    """The constraint may hold: it does, or its output has no value."""
    y = f"Y_{constraint.output}"
    if constraint.sense == "at least":
        relation = f"(>= {y} {decimal_below(constraint.level)})"
    else:
        relation = f"(<= {y} {decimal_above(constraint.level)})"
    if not guards:
        return f"(assert {relation})\n"
    cases = [f"(and {relation})"]
    for guard in guards:
        for i in guard.outputs:
            below = f"(<= Y_{i} 0.0)"
            above = f" (>= Y_{i} 0.0)" if guard.fails_where == "zero" else ""
            cases.append(f"(and {below}{above})")
    return f"(assert (or {' '.join(cases)}))\n"
