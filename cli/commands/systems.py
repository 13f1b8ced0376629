"""``stableproof systems``: the zoo, or one system in detail."""

from __future__ import annotations

from decimal import Context, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import click

from cli.options import common
from cli.output import say, say_json
from cli.sampling import sampling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from systems.dynamics import ControlAffineSystem

WIDTH = 19
"""Of the column of labels."""
DIGITS = 20
"""Of a decimal, at most."""


@click.command("systems")
@click.argument("name", required=False, metavar="[SYSTEM]")
@sampling
@common
def command(name: str | None, as_json: bool, **options: Any) -> int:
    """List the systems of the zoo, or tell about SYSTEM (of the zoo, or a TOML file)."""
    from cli.outcome import nothing_decided

    if name is None:
        from systems import zoo

        rows = {n: zoo.entry(n).description for n in zoo.names()}
        if as_json:
            listed = [{"name": n, "description": d} for n, d in rows.items()]
            say_json(nothing_decided("a list proves nothing", systems=listed))
        else:
            width = max(map(len, rows)) + 2
            for n, description in rows.items():
                say(f"{n:<{width}}{description}")
        return 0
    from cli.inputs import load_plant

    plant = load_plant(name, options)
    details = _details(plant.system)
    if as_json:
        say_json(nothing_decided("a description proves nothing", system=details))
    else:
        _tell(details, "set point" if plant.is_near else "equilibrium")
    return 0


def _details(system: ControlAffineSystem) -> dict[str, Any]:
    from systems.checks import rests_under_disturbances
    from systems.words import (
        costs,
        disturbance_names,
        equations,
        input_names,
        state_names,
        unsafe_sets,
    )

    def named(names: Sequence[str], units: tuple[str, ...]) -> list[dict[str, str]]:
        return [{"name": n, "unit": units[i] if units else ""} for i, n in enumerate(names)]

    limits, disturbing = system.input_limits, system.disturbance_range
    states, inputs = state_names(system), input_names(system)
    state_cost, input_cost = costs(system, states, inputs)
    return {
        "name": system.name,
        "description": system.description,
        "time": system.time,
        "sampling": _sampling(system),
        "states": named(states, system.state_units),
        "inputs": named(inputs, system.input_units),
        "disturbances": named(disturbance_names(system), system.disturbance_units),
        "disturbance_range": None if disturbing is None else _box(disturbing),
        "dynamics": dict(zip(states, equations(system, states, inputs), strict=True)),
        "cost": {"Q": state_cost, **({"R": input_cost} if inputs else {})},
        "domain": _box(system.domain),
        "equilibrium": [str(v) for v in system.equilibrium],
        "equilibrium_input": [str(v) for v in system.equilibrium_input],
        "rests_under_disturbances": (
            None if disturbing is None else rests_under_disturbances(system)
        ),
        "input_limits": None if limits is None else _box(limits),
        "unsafe": unsafe_sets(system, states),
        "parameters": {
            k: {"value": str(v), "unit": system.parameter_units.get(k, "")}
            for k, v in system.parameters.items()
        },
    }


def _sampling(system: ControlAffineSystem) -> dict[str, object] | None:
    from cli.sampling import sampling_settings
    from systems.words import sampling_words

    if system.sampling is None:
        return None
    return {**sampling_settings(system.sampling), "words": sampling_words(system)}


def _box(box: object) -> list[list[str]]:
    from systems.box import Box

    assert isinstance(box, Box)
    return [[str(a), str(b)] for a, b in zip(box.lower, box.upper, strict=True)]


_ONLY_IF_THERE = ("sampling", "disturbances", "disturbance_range", "unsafe")


def _tell(details: dict[str, Any], rest: str) -> None:
    """``rest``: what x* is called, and so u*."""
    description = f": {details['description']}" if details["description"] else ""
    say(f"{details['name']}{description}")
    rates = details["time"] == "continuous" or details["sampling"]
    step = "{}'" if rates else "{}_next"
    for key, value in details.items():
        label = f"{key.replace('_', ' ').replace('equilibrium', rest):<{WIDTH}}"
        if key in ("name", "description", "rests_under_disturbances"):
            continue
        if key in _ONLY_IF_THERE and not value:
            continue
        if key == "dynamics":
            _tell_lines(label, [f"{step.format(k)} = {text}" for k, text in value.items()])
        elif key == "cost":
            say(f"{'running cost':<{WIDTH}}{' + '.join(value.values())}")
        elif key == "sampling":
            say(f"{label}{value['words'].removeprefix('sampled ')}")
        elif key == "unsafe":
            _tell_lines(label, [f"{k}: {' and '.join(texts)}" for k, texts in value.items()])
        elif key == "equilibrium":
            say(f"{label}{_words(value)}{_REST[details['rests_under_disturbances']]}")
        else:
            say(f"{label}{_words(value)}")


_REST = {
    None: "",
    True: " (whatever the disturbances are)",
    False: " (with the disturbances at the centre of their ranges)",
}


def _tell_lines(label: str, lines: list[str]) -> None:
    for k, line in enumerate(lines):
        say(f"{label if k == 0 else '':<{WIDTH}}{line}")


def _words(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, dict):
        parts = [f"{k} = {_decimal(v['value'])} {v['unit']}".rstrip() for k, v in value.items()]
        return ", ".join(parts) or "none"
    if isinstance(value, list):
        return ", ".join(_item(v) for v in value) or "none"
    return str(value)


def _item(value: object) -> str:
    if isinstance(value, dict):
        return f"{value['name']} [{value['unit']}]" if value["unit"] else str(value["name"])
    if isinstance(value, list):
        return f"[{_decimal(value[0])}, {_decimal(value[1])}]"
    return _decimal(str(value))


def _decimal(text: str) -> str:
    """A quotient such as 126/25 as the exact decimal 5.04; where there is none, as it stands."""
    above, _, below = text.partition("/")
    if not below:
        return text
    value = Context(prec=DIGITS).divide(Decimal(above), Decimal(below))
    return f"{value:f}" if Fraction(value) == Fraction(text) else text
