"""``stableproof systems``: the zoo, or one system in detail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli.options import common
from cli.output import say, say_json

if TYPE_CHECKING:
    from systems.dynamics import ControlAffineSystem


@click.command("systems")
@click.argument("name", required=False, metavar="[SYSTEM]")
@common
def command(name: str | None, as_json: bool) -> int:
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

    plant = load_plant(name)
    details = _details(plant.system)
    if as_json:
        say_json(nothing_decided("a description proves nothing", system=details))
    else:
        _tell(details)
    return 0


def _names(system: ControlAffineSystem) -> tuple[list[str], list[str]]:
    from proofs.statement import names_of

    states = names_of(system.state_names, "x", system.state_dimension)
    return states, names_of(system.input_names, "u", system.input_dimension)


def _details(system: ControlAffineSystem) -> dict[str, object]:
    from systems.words import costs, equations

    def named(names: tuple[str, ...], units: tuple[str, ...]) -> list[dict[str, str]]:
        return [{"name": n, "unit": units[i] if units else ""} for i, n in enumerate(names)]

    limits = system.input_limits
    states, inputs = _names(system)
    state_cost, input_cost = costs(system, states, inputs)
    return {
        "name": system.name,
        "description": system.description,
        "states": named(system.state_names, system.state_units),
        "inputs": named(system.input_names, system.input_units),
        "dynamics": dict(zip(states, equations(system, states, inputs), strict=True)),
        "cost": {"Q": state_cost, **({"R": input_cost} if inputs else {})},
        "domain": _box(system.domain),
        "equilibrium": [str(v) for v in system.equilibrium],
        "equilibrium_input": [str(v) for v in system.equilibrium_input],
        "input_limits": None if limits is None else _box(limits),
        "parameters": {
            k: {"value": str(v), "unit": system.parameter_units.get(k, "")}
            for k, v in system.parameters.items()
        },
    }


def _box(box: object) -> list[list[str]]:
    from systems.box import Box

    assert isinstance(box, Box)
    return [[str(a), str(b)] for a, b in zip(box.lower, box.upper, strict=True)]


def _tell(details: dict[str, object]) -> None:
    description = f": {details['description']}" if details["description"] else ""
    say(f"{details['name']}{description}")
    for key, value in details.items():
        if key in ("name", "description"):
            continue
        if key in ("dynamics", "cost"):
            _tell_formulas(key, value)
            continue
        say(f"{key.replace('_', ' '):<18}{_words(value)}")


def _tell_formulas(key: str, formulas: object) -> None:
    """One line for each right-hand side, or for the running cost."""
    assert isinstance(formulas, dict)
    if key == "cost":
        say(f"{'running cost':<18}{' + '.join(formulas.values())}")
        return
    for k, (state, text) in enumerate(formulas.items()):
        say(f"{key if k == 0 else '':<18}{state}' = {text}")


def _words(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, dict):
        parts = [f"{k} = {v['value']} {v['unit']}".rstrip() for k, v in value.items()]
        return ", ".join(parts) or "none"
    if isinstance(value, list):
        return ", ".join(_item(v) for v in value) or "none"
    return str(value)


def _item(value: object) -> str:
    if isinstance(value, dict):
        return f"{value['name']} [{value['unit']}]" if value["unit"] else str(value["name"])
    if isinstance(value, list):
        return f"[{value[0]}, {value[1]}]"
    return str(value)
