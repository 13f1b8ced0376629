"""The shape of a gate file: which tables and keys there are, and what each takes."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

DEFAULT_BACKENDS = ["taylor", "checker"]


def _kind(value: object) -> str:
    kinds = {bool: "a truth value", str: "text", int: "a number", Decimal: "a number"}
    return {list: "a list", dict: "a table", **kinds}.get(type(value), type(value).__name__)


def _is_number(value: object) -> bool:
    return isinstance(value, int | Decimal | str) and not isinstance(value, bool)


def _text(value: object) -> object:
    if not isinstance(value, str) or not value.strip():
        what = "empty text" if isinstance(value, str) else _kind(value)
        raise ValueError(f"give text in quotation marks, not {what}")
    if not value.isprintable():
        raise ValueError("the text holds characters that cannot be printed")
    return value


def _name(value: object) -> object:
    if isinstance(value, str) and len(value) > 200:
        raise ValueError("a name has at most 200 characters")
    return _text(value)


def _number(value: object) -> Fraction:
    from systems.exact import exact

    if not _is_number(value):
        raise ValueError(f"give a number such as 0.029, not {_kind(value)}")
    return exact(str(value))


def _positive(value: object) -> Fraction:
    from systems.exact import nearest_float

    number = _number(value)
    if number <= 0 or nearest_float(number) == 0.0:
        raise ValueError(f"give a positive number, not {str(value)[:40]}")
    return number


def _share(value: object) -> Fraction:
    number = _number(value)
    if not 0 <= number < 1:
        raise ValueError("give a share from 0 to below 1, such as 0.01")
    return number


def _count(value: object) -> object:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 1024:
        raise ValueError("give a number of processes, from 1 to 1024")
    return value


def _steps(value: object) -> object:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("give a number of steps")
    return value


def _interval(value: object) -> tuple[Fraction, Fraction]:
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError(f"give two ends, [lower, upper], not {_kind(value)}")
    low, high = _number(value[0]), _number(value[1])
    if low >= high:
        raise ValueError("the lower end is not below the upper one")
    return low, high


def _texts(value: object) -> object:
    if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
        raise ValueError('give a list of names, such as ["taylor", "checker"]')
    return value


def _learner(value: object) -> object:
    """``learner = "lqr"`` is short for ``learner = { name = "lqr" }``."""
    return {"name": value} if isinstance(value, str) else _settings(value)


def _settings(value: object) -> object:
    if not isinstance(value, dict):
        raise ValueError(f'give a table such as {{ name = "elm-pi" }}, not {_kind(value)}')
    for key, entry in value.items():
        if not isinstance(entry, int | Decimal | str):
            raise ValueError(f"{key}: give a number or text, not {_kind(entry)}")
    return value


def _checked(check: Callable[[object], object]) -> BeforeValidator:
    return BeforeValidator(check)


Text = Annotated[str, _checked(_text)]
Positive = Annotated[Fraction, _checked(_positive)]
Interval = Annotated[tuple[Fraction, Fraction], _checked(_interval)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)


class RegionTable(_Table):
    """[claim.region]"""

    c1: Positive | None = None
    c2: Positive | None = None
    mu: Positive | None = None
    epsilon: Positive | None = None
    box: dict[str, Interval] | None = None


class MinimumTable(_Table):
    """[claim.minimum]"""

    volume: Positive | None = None
    c2: Positive | None = None


class ClaimTable(_Table):
    """[[claim]]"""

    name: Annotated[str, _checked(_name)]
    system: Text
    candidate: Text | None = None
    learner: Annotated[dict[str, Any], _checked(_learner)] | None = None
    networks: Annotated[dict[str, Any], _checked(_settings)] | None = None
    theorem: Text = "asymptotic-stability"
    rate: Positive | None = None
    sample_time: Positive | None = None
    sample_method: Text | None = None
    substeps: Annotated[int, _checked(_steps)] | None = None
    region: RegionTable = RegionTable()
    minimum: MinimumTable = MinimumTable()
    backends: Annotated[list[str], _checked(_texts)] = DEFAULT_BACKENDS
    time_budget: Positive = Fraction(60)
    baseline: Text | None = None
    shrink_tolerance: Annotated[Fraction, _checked(_share)] = Fraction(1, 100)


class GateTables(_Table):
    """A whole gate file."""

    out: Text = "stableproof-gate"
    cache: Text = ".stableproof-cache"
    jobs: Annotated[int, _checked(_count)] | None = None
    claim: list[ClaimTable] = []
