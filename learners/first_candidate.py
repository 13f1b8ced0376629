"""What policy iteration hands back where it found nothing better: the policy that it began with."""

from __future__ import annotations

from certify.candidate import Candidate
from learners.elm_start import Start
from learners.lqr import quadratic_value
from systems.errors import InputError


def first_candidate(
    start: Start, provenance: dict[str, object], *, failed: str, found: str, may_help: str
) -> Candidate:
    """The first policy with the quadratic cost of its linearisation, the last good state there is.

    A warning in the provenance says what was ``found`` and what ``may_help``. Raises
    :class:`InputError`, saying what ``failed``, where the linearisation decides nothing.
    """
    system, P = start.plant.system, start.policy_cost
    if P is None:
        raise InputError(f"{system.name}: {failed}")
    warnings = provenance["warnings"]
    assert isinstance(warnings, list)
    warnings.append(
        f"{system.name}: {found}; this is the first policy with the quadratic cost of its "
        f"linearisation ({may_help} may help)"
    )
    provenance |= {"trained_fraction": 0.0, "cost_matrix": P.tolist()}
    return Candidate(system.state, quadratic_value(P, system), start.control, provenance)
