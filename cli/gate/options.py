"""Settings of a gate file become the options of ``run`` and ``import``, checked by these commands.

So the gate takes whatever they take, with their defaults, and means the same by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.gate.claim import Places
from cli.learners import LEARNERS, OPTIONS
from systems.errors import InputError
from systems.formulas import did_you_mean

if TYPE_CHECKING:
    from cli.gate.shape import ClaimTable

LEARNER_KEYS = (*OPTIONS, "seed", "rounds")
NETWORK_KEYS = (
    "value", "value_output", "value_prefix", "value_activation", "value_output_activation",
    "control", "control_output", "control_prefix", "control_activation",
    "control_output_activation", "as_is", "saturate",
)  # fmt: skip
FLAGS = ("as_is", "saturate")


def run_options(table: ClaimTable, places: Places) -> dict[str, Any]:
    """All options of ``stableproof run`` for a claim. Raises InputError."""
    from cli.commands.run import command

    learner = dict(table.learner or {})
    name = learner.pop("name", "elm-pi")
    _known(learner, LEARNER_KEYS, "learner", places)
    if useless := sorted({*learner} - _used(name)):
        raise InputError(f"{places('learner', useless[0])}: the learner {name} has no {useless[0]}")
    given: dict[str, tuple[str, tuple[str, ...]]] = {
        "learner": (_plain(name), ("learner", "name")),
        "claim": (table.theorem, ("theorem",)),
        "time_limit": (str(float(table.time_budget)), ("time_budget",)),
    }
    for key, value in learner.items():
        given[key] = (_plain(value), ("learner", key))
    for key in ("c1", "c2", "mu", "epsilon"):
        value = getattr(table.region, key)
        if value is not None:
            given[key] = (str(value), ("region", key))
    for key in ("sample_time", "sample_method", "substeps"):
        value = getattr(table, key)
        if value is not None:
            given[key] = (str(value), (key,))
    if table.rate is not None:
        given["alpha"] = (str(table.rate), ("rate",))
    return _parsed(command, ["-"], given, places)


def _used(name: object) -> set[str]:
    """The keys that a learner has a use for; all of them for one that does not exist."""
    entry = LEARNERS.get(str(name))
    if entry is None:
        return {*LEARNER_KEYS}
    return {*entry.options, "seed"} | ({"rounds"} if entry.refits else set())


def import_options(given: Mapping[str, Any], base: Path, places: Places) -> dict[str, Any]:
    """All options of ``stableproof import`` for a table of networks. Raises InputError."""
    from cli.commands.import_network import command

    _known(given, NETWORK_KEYS, "networks", places)
    if "value" not in given:
        raise InputError(f'{places("networks")}: value is missing; add for example value = "V.npz"')
    texts: dict[str, tuple[str, tuple[str, ...]]] = {}
    flags = []
    for key, value in given.items():
        where = ("networks", key)
        if key in FLAGS:
            if not isinstance(value, bool):
                raise InputError(f"{places(*where)}: give true or false")
            flags += [f"--{key.replace('_', '-')}"] if value else []
        else:
            file = key in ("value", "control")
            texts[key] = (str(base / _plain(value)) if file else _plain(value), where)
    return _parsed(command, ["-", *flags], texts, places)


def _known(given: Mapping[str, Any], keys: tuple[str, ...], table: str, places: Places) -> None:
    for key in given:
        if key not in keys:
            hint = did_you_mean(key, keys)
            raise InputError(f"{places(table, key)}: unknown key {key[:40]!r}{hint}")


def _parsed(
    command: click.Command,
    arguments: list[str],
    given: Mapping[str, tuple[str, tuple[str, ...]]],
    places: Places,
) -> dict[str, Any]:
    """The parameters of a command line with these values, as its own parser sees them."""
    options = {p.name: p.opts[0] for p in command.params}
    line = [*arguments, *(f"{options[key]}={text}" for key, (text, _) in given.items())]
    try:
        return dict(command.make_context("gate", line).params)
    except click.ClickException as error:
        parameter = getattr(error, "param", None)
        name = "" if parameter is None else str(parameter.name)
        path = given[name][1] if name in given else ()
        message = error.message.replace("\n", " ")
        raise InputError(f"{places(*path)}: {message.rstrip('.')}") from None


def _plain(value: object) -> str:
    """A number or text as a word of the command line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal | Fraction | int | str):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no place in a gate file")
