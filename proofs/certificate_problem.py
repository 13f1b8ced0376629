"""From a certificate back to the closed loop that it speaks of, and to its conditions.

For pictures, reports and searches. The independent checker does this for itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from certify.candidate import Candidate
from certify.conditions import Condition
from certify.ellipsoid import Ellipsoid
from certify.split_tree import SplitTree
from certify.stability import StabilityProblem
from certify.theorem import Claim, Constants, required_conditions
from proofs.certificate_reader import regions_of, statement_from, trees_of
from proofs.sampling_note import equation_of, is_step_of
from proofs.statement_reader import Annotations, Statement, read_annotations
from systems import expression as ex
from systems.differentiate import NotDifferentiableError, directional
from systems.dynamics import ControlAffineSystem, UnsafeSet
from systems.errors import InputError
from systems.expression import Expression
from systems.limits import lies_within
from systems.tape import Tape
from systems.tape_json import expressions_of


def problem_of(document: Mapping[str, object]) -> StabilityProblem:
    """The closed loop and the Lyapunov function that a certificate speaks of, as expressions.

    The system has its inputs, and the candidate the controller with the actuator's limits in it,
    where the dynamics are affine in the inputs, or the annotations name the equation whose sampled
    step they are; else the system is the closed loop itself, without inputs. Descriptions and
    limits come from the annotations; costs are zero. Raises InputError with the place of whatever
    is malformed.
    """
    statement = statement_from(document)
    try:
        return _problem(statement, read_annotations(document["annotations"], statement))
    except (ValueError, ArithmeticError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"statement: the closed loop cannot be rebuilt: {error}") from None


def as_spoken_of(document: Mapping[str, object], candidate: Candidate) -> Candidate:
    """The candidate with the V that the certificate is about.

    Where an ellipsoid carries the theorem, that is the ellipsoid's quadratic form, whatever the
    candidate's V was; any other V is left alone. Raises InputError where the document is malformed,
    or the candidate has another number of states.
    """
    if statement_from(document).has_band:
        return candidate
    problem = problem_of(document)
    if problem.state.size != candidate.state.size:
        raise InputError(
            f"the certificate has {problem.state.size} states, the candidate {candidate.state.size}"
        )
    value = ex.substitute(problem.candidate.value, {problem.state: candidate.state})
    return replace(candidate, value=value)


def conditions_of(document: Mapping[str, object]) -> dict[str, tuple[Condition, SplitTree]]:
    """Every condition of a certificate that has a split tree, rebuilt from the statement alone.

    Raises InputError with the place of whatever is malformed, and where the constants or the
    ellipsoid do not fit the theorem.
    """
    statement, problem = statement_from(document), problem_of(document)
    trees = trees_of(document, statement)
    ellipsoid = None if statement.ellipsoid is None else Ellipsoid(*statement.ellipsoid)
    try:
        conditions = required_conditions(
            Claim(statement.theorem), problem, constants_of(statement), ellipsoid
        )
    except (ValueError, ArithmeticError) as error:
        raise InputError(f"statement: {error}") from None
    if "contraction" in conditions:
        box = document["evidence"]["contraction"]["box"]  # type: ignore[index]
        regions = tuple(regions_of("contraction", statement, box))
        conditions["contraction"] = replace(conditions["contraction"], regions=regions)
    return {name: (condition, trees[name]) for name, condition in conditions.items()}


def constants_of(statement: Statement) -> Constants:
    """The constants as the theorems have them."""
    c1, c2 = statement.constants["c1"], statement.constants["c2"]
    assert c1 is not None and c2 is not None
    rest = {name: v for name, v in statement.constants.items() if name not in ("c1", "c2")}
    return Constants(c1, c2, **rest)


def _problem(statement: Statement, notes: Annotations) -> StabilityProblem:
    state = ex.variable("x", len(statement.states))
    W = statement.disturbance_range
    disturbance = None if W is None else ex.variable("w", W.dimension)
    [value] = _over(statement.value, [state])
    control = None if statement.control is None else _over(statement.control, [state])[0]
    note = notes.sampling if statement.time == "discrete" else None
    known = None if note is None else equation_of(note, state, disturbance, len(statement.inputs))
    drift, columns = known or _dynamics(statement, state, control, disturbance)
    m, D = len(columns), statement.domain
    inside = notes.domain.contains(D.lower) and notes.domain.contains(D.upper)
    limits = notes.input_limits
    if limits is not None and not (m and control is not None and lies_within(control, limits)):
        limits = None  # another saturation than that of k would change the closed loop
    names = {
        "state": statement.states,
        "input": statement.inputs if m else (),
        "disturbance": statement.disturbances,
    }
    system = ControlAffineSystem(
        name=statement.system,
        state=state,
        drift=drift,
        input_columns=columns,
        domain=notes.domain if inside else D,
        equilibrium=statement.equilibrium,
        equilibrium_input=notes.equilibrium_input if m else (),
        state_cost=ex.constant(0),
        input_cost=tuple(tuple(Fraction(int(i == j)) for j in range(m)) for i in range(m)),
        input_limits=limits,
        description=notes.description,
        parameters={name: value for name, (value, _) in notes.parameters.items()},
        parameter_units={name: unit for name, (_, unit) in notes.parameters.items() if unit},
        time=statement.time,
        disturbance=disturbance,
        disturbance_range=W,
        unsafe=tuple(UnsafeSet(a, tuple(_over(tape, [state]))) for a, tape in statement.unsafe),
        sampling=None if known is None or note is None else note.sampling,
        **{f"{what}_names": tuple(q.name for q in given) for what, given in names.items()},
        **{f"{what}_units": tuple(q.unit for q in given) for what, given in names.items()},
    )
    if known is not None and not is_step_of(system, statement.dynamics):
        return _problem(statement, replace(notes, sampling=None))
    return StabilityProblem(system, Candidate(state, value, control if m else None), D)


def _dynamics(
    statement: Statement,
    state: Expression,
    control: Expression | None,
    disturbance: Expression | None,
) -> tuple[Expression, tuple[Expression, ...]]:
    """f and the columns of g; or the closed loop and no columns, where φ is not affine in u."""
    w = [] if disturbance is None else [disturbance]
    if control is None:
        return _over(statement.dynamics, [state, *w])[0], ()
    u = ex.variable("u", control.size)
    [field] = _over(statement.dynamics, [state, u, *w])
    try:
        unit = [[int(i == j) for i in range(u.size)] for j in range(u.size)]
        columns = tuple(directional(field, u, ex.constant(row)) for row in unit)
        # φ is affine in u iff its derivative by u does not depend on u.
        if not any(u in ex.variables(column) for column in columns):
            return ex.substitute(field, {u: ex.constant([0] * u.size)}), columns
    except NotDifferentiableError:
        pass
    return ex.substitute(field, {u: control}), ()


def _over(tape: Tape, variables: Sequence[Expression]) -> list[Expression]:
    """A tape's outputs as expressions of these variables."""
    inputs, outputs = expressions_of(tape)
    renaming = dict(zip(inputs, variables, strict=True))
    return [ex.substitute(output, renaming) for output in outputs]
