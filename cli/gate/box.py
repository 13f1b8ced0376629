"""Whether a certified region holds the box that a claim asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.gate.finding import Status

if TYPE_CHECKING:
    from certify.candidate import Candidate
    from cli.gate.certified import Certified
    from systems.box import Box
    from systems.dynamics import ControlAffineSystem


def outside(
    system: ControlAffineSystem,
    candidate: Candidate,
    certified: Certified,
    box: Box,
    seconds: float,
) -> tuple[Status, str] | None:
    """Why the box is not known to lie in {x in D : V(x) ≤ c2}; None where it is shown to.

    Either a point of it lies outside, or the time ran out. It is shown by the search that proves
    the conditions too, and is no part of the certificate.
    """
    from certify.branch_and_bound import search
    from certify.budget import Budget
    from certify.conditions import Condition, Constraint
    from certify.verdict import Refuted, Unknown
    from systems.tape import compile_tape

    domain = certified.domain
    if not (domain.contains(box.lower) and domain.contains(box.upper)):
        return Status.SMALL, "the box sticks out of the D on which the region was certified"
    violation = Constraint(0, "at least", certified.c2, strict=True)
    tape = compile_tape([candidate.on(system).value], [system.state])
    condition = Condition("region", "V ≤ c2 on the box", tape, ("V",), (violation,), (box,))
    verdict = search(condition, Budget(seconds)).verdict
    if isinstance(verdict, Refuted):
        found = verdict.counterexample
        where = ", ".join(f"{v:.6g}" for v in found.point)
        return Status.SMALL, (
            f"the box is not inside the certified region: at ({where}) V >= "
            f"{found.outputs[0][0]:.6g}, above c2 = {float(certified.c2):.6g}"
        )
    if isinstance(verdict, Unknown):
        reason = f"that the box lies in the certified region could not be shown: {verdict.reason}"
        return Status.UNKNOWN, reason
    return None
