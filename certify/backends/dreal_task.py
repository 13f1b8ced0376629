"""dReal in its own process, through its Python interface."""

from __future__ import annotations

from collections.abc import Mapping

from certify.backends.dreal_formulas import statement
from certify.backends.worker import Answer, no_violation, open_, points
from certify.conditions import Condition


def task(condition: Condition, options: Mapping[str, object]) -> Answer:
    """Whether dReal finds a point; then its box, as the rows centre, lower and upper corner.

    ``options``: "delta" and "jobs". A linear relaxation of the constraints (the polytope option)
    is left off: it adds a solver of linear programs in floating point to what has to be believed.
    """
    try:
        import dreal
    except ImportError as error:
        return open_(f"the package does not load: {' '.join(str(error).split())[:200]}")
    stated = statement(condition, dreal)
    config = dreal.Config()
    config.precision = _number(options["delta"])
    config.number_of_jobs = int(_number(options["jobs"]))
    config.use_polytope = False
    box = dreal.CheckSatisfiability(stated.formula, config)
    if box is None:
        return no_violation()
    sides = [box[variable] for variable in stated.states]
    rows = [[f(side) for side in sides] for f in (_middle, lambda s: s.lb(), lambda s: s.ub())]
    return points(rows, f"delta-sat with delta = {config.precision:g}")


def _middle(side: object) -> float:
    return float(side.mid())  # type: ignore[attr-defined]


def _number(value: object) -> float:
    if not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")
    return float(value)
