"""The shape of a system file: which tables and keys there are, and what kind of value each takes.

Only the shape is settled here; what formulas and numbers mean is :mod:`systems.description`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict

from systems.sampled import METHODS, MOST_SUBSTEPS
from systems.values import Value


@dataclass(frozen=True)
class Parameter:
    """A parameter's value, and its unit where the file gives one."""

    value: Value
    unit: str = ""


def _is_value(value: object) -> bool:
    return isinstance(value, int | Decimal | str) and not isinstance(value, bool)


def _value(value: object) -> object:
    if not _is_value(value):
        raise ValueError(f'give a number or text such as "m*g/2", not {_kind(value)}')
    return value


def _text(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError(f"give text in quotation marks, not {_kind(value)}")
    return value


def _equation(value: object) -> object:
    if not _is_value(value):
        raise ValueError(f'give the right-hand side as text, such as "-x1 + u", not {_kind(value)}')
    return value if isinstance(value, str) else str(value)


def _interval(value: object) -> object:
    if not isinstance(value, list) or len(value) != 2 or not all(map(_is_value, value)):
        raise ValueError(f"give two ends, [lower, upper], not {_kind(value)}")
    return value


def _names(value: object) -> object:
    """Names with units, or names alone."""
    if isinstance(value, list) and all(isinstance(v, str) for v in value):
        twice = next((v for i, v in enumerate(value) if v in value[:i]), None)
        if twice is not None:
            raise ValueError(f"the name {twice!r} is given twice")
        return dict.fromkeys(value, "")
    if isinstance(value, dict):
        for name, unit in value.items():
            if not isinstance(unit, str):
                raise ValueError(f'give the unit of {name} as text, such as {name} = "rad"')
        return value
    raise ValueError(f'give names with units, such as theta = "rad", not {_kind(value)}')


def _parameter(value: object) -> object:
    if _is_value(value):
        return Parameter(value)  # type: ignore[arg-type]
    if (
        isinstance(value, dict)
        and set(value) <= {"value", "unit"}
        and _is_value(value.get("value"))
    ):
        unit = value.get("unit", "")
        if isinstance(unit, str):
            return Parameter(value["value"], unit)
    raise ValueError('give a number, or { value = 0.15, unit = "kg" }')


def _time(value: object) -> object:
    if value not in ("continuous", "discrete"):
        raise ValueError('give "continuous" or "discrete"')
    return value


def _method(value: object) -> object:
    if value not in METHODS:
        raise ValueError('give "rk4" or "euler"')
    return value


def _substeps(value: object) -> object:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST_SUBSTEPS:
        raise ValueError(f"give a number of steps in a period, from 1 to {MOST_SUBSTEPS}")
    return value


def _comparisons(value: object) -> object:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts or not all(isinstance(v, str) for v in texts):
        raise ValueError(
            'give comparisons as text, ["x1 >= 1.5", "x2 <= 0"], all of which hold in the set'
        )
    return texts


def _cost(value: object) -> object:
    rows = value if isinstance(value, list) else [value]
    entries = [v for row in rows for v in (row if isinstance(row, list) else [row])]
    if not entries or not all(map(_is_value, entries)):
        raise ValueError("give a number, a list (the diagonal), a list of rows, or text")
    return value


def _kind(value: object) -> str:
    kinds: list[tuple[type | tuple[type, ...], str]] = [
        (bool, "a truth value"),
        (str, "text"),
        ((int, Decimal), "a number"),
        (list, "a list" if not isinstance(value, list) else f"a list of {len(value)}"),
        (dict, "a table"),
    ]
    return next((name for kind, name in kinds if isinstance(value, kind)), type(value).__name__)


def _checked(check: Callable[[object], object]) -> BeforeValidator:
    return BeforeValidator(check)


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)


class SystemTable(_Table):
    """[system]"""

    name: Annotated[str, _checked(_text)]
    description: Annotated[str, _checked(_text)] = ""
    time: Annotated[Literal["continuous", "discrete"], _checked(_time)] = "continuous"


class SamplingTable(_Table):
    """[sampling]"""

    period: Annotated[Any, _checked(_value)]
    method: Annotated[Literal["rk4", "euler"], _checked(_method)] = "rk4"
    substeps: Annotated[int, _checked(_substeps)] = 1


class CostTable(_Table):
    """[cost]"""

    Q: Annotated[Any, _checked(_cost)]
    R: Annotated[Any, _checked(_cost)] = None


class SystemFile(_Table):
    """A whole system file."""

    system: SystemTable
    states: Annotated[dict[str, str], _checked(_names)]
    inputs: Annotated[dict[str, str], _checked(_names)] = {}
    disturbances: Annotated[dict[str, str], _checked(_names)] = {}
    parameters: dict[str, Annotated[Parameter, _checked(_parameter)]] = {}
    dynamics: dict[str, Annotated[str, _checked(_equation)]]
    domain: dict[str, Annotated[list[Any], _checked(_interval)]]
    equilibrium: dict[str, Annotated[Any, _checked(_value)]] = {}
    set_point: dict[str, Annotated[Any, _checked(_value)]] | None = None
    cost: CostTable
    input_limits: dict[str, Annotated[list[Any], _checked(_interval)]] = {}
    disturbance_range: dict[str, Annotated[list[Any], _checked(_interval)]] = {}
    unsafe: dict[str, Annotated[list[str], _checked(_comparisons)]] = {}
    sampling: SamplingTable | None = None


EXAMPLES = {
    "system": 'name = "my-system"',
    "states": 'theta = "rad"',
    "dynamics": 'theta_dot = "omega"',
    "domain": "theta = [-1, 1]",
    "cost": "Q = [1, 1]",
    "sampling": "period = 0.02",
}
"""A line that would be right in each of the tables that a file must have."""
