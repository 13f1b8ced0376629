"""From the options of the command line to a learner, and to what makes two runs the same run."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cli.actor_critic import check_installed, settings_of
from cli.inputs import Plant, floats
from cli.learners import FIRST_POLICY, LEARNERS, OPTIONS, LearnerEntry, flag, users
from cli.output import note
from systems.errors import InputError

if TYPE_CHECKING:
    from certify.candidate import Candidate
    from learners.refine import Learner
    from systems.dynamics import ControlAffineSystem


def rounds_of(options: Mapping[str, Any]) -> int:
    """How many rounds ``run`` makes at most."""
    return int(options["rounds"]) if LEARNERS[options["learner"]].refits else 1


def note_ignored(options: Mapping[str, Any]) -> None:
    """Tell which options of the command line the learner has no use for."""
    import click
    from click.core import ParameterSource

    entry = LEARNERS[options["learner"]]
    for option in OPTIONS:
        if option in FIRST_POLICY or option in entry.options or options[option] is None:
            continue
        note(
            f"{flag(option)} is ignored: the learner {entry.name} has none "
            f"(it is for {', '.join(users(option))})"
        )
    given = click.get_current_context().get_parameter_source("rounds")
    if not entry.refits and given is ParameterSource.COMMANDLINE and options["rounds"] > 1:
        note(
            f"--rounds is ignored: the learner {entry.name} makes the same of any counterexamples, "
            "so that there is one round"
        )


def with_defaults(options: Mapping[str, Any], plant: Plant) -> dict[str, Any]:
    """The options, with what the zoo advises and else the learner's defaults where they are silent.

    A note says what is taken from the zoo: the first policy, where the linearisation has no LQR
    policy, and the activation, where the learner takes it. Options that the learner does not use
    become None, but for a first policy, which no learner ignores.
    """
    from systems import zoo

    entry = LEARNERS[options["learner"]]
    known = zoo.entry(plant.source) if plant.text is None else None
    used = {*entry.options, *FIRST_POLICY}
    chosen = {k: v if k in used or k not in OPTIONS else None for k, v in options.items()}
    advised: list[str] = []
    if known is not None:
        if chosen["activation"] is None and known.activation in entry.activations:
            chosen["activation"] = known.activation
            advised.append(f"--activation {known.activation}")
        starts = "initial_policy" in entry.options
        if starts and known.initial_policy and not _given(chosen):
            chosen["initial_policy"] = known.initial_policy
            advised.append(f'--initial-policy "{known.initial_policy}"')
    if advised:
        note(f"{plant.system.name}: {' and '.join(advised)} taken from the zoo")
    return chosen | {k: v for k, v in entry.options.items() if chosen[k] is None}


def _given(options: Mapping[str, Any]) -> bool:
    return any(options[name] for name in FIRST_POLICY)


def learner_settings(options: Mapping[str, Any]) -> dict[str, object]:
    """The options about the learner (those of :func:`with_defaults`), as JSON data."""
    entry = LEARNERS[options["learner"]]
    kept = {
        option: options[option]
        for option, default in entry.options.items()
        if option not in entry.later or options[option] != default
    }
    return {"learner": entry.name, "seed": options["seed"], **kept}


def make_learner(options: Mapping[str, Any], plant: Plant) -> Learner:
    """The learner that the options (those of :func:`with_defaults`) describe.

    Raises InputError, also where it fits no such system: what is wrong is said here, before a
    folder is taken or a former run's files are overwritten.
    """
    entry = LEARNERS[options["learner"]]
    if options["initial_gain"] and options["initial_policy"]:
        raise InputError("give --initial-gain or --initial-policy, not both")
    if not entry.options and _given(options):
        raise InputError(f"the learner {entry.name} takes no initial policy; leave it out")
    if _given(options) and not plant.system.input_dimension:
        raise InputError(
            f"{plant.system.name} has no inputs, so that there is no policy to start from; leave "
            "--initial-gain and --initial-policy out"
        )
    activation = options["activation"]
    if activation is not None and activation not in entry.activations:
        raise InputError(
            f"the learner {entry.name} has no --activation {activation}; "
            f"use --activation {' or '.join(entry.activations)}"
        )
    if entry.episodic:
        return _actor_critic(entry, options, plant)
    settings = {option: options[option] for option in entry.options}
    if settings.get("initial_gain") is not None:
        settings["initial_gain"] = _gain(settings["initial_gain"])
    if settings.get("initial_policy") is not None:
        settings["initial_policy"] = _policy(settings["initial_policy"], plant.system)
    if entry.seeded:
        settings["seed"] = options["seed"]
    made = learner_class(entry)(**settings)
    made.check_for(plant.system)
    learner: Learner = made
    return learner


def _actor_critic(entry: LearnerEntry, options: Mapping[str, Any], plant: Plant) -> Learner:
    check_installed(entry)
    if _given(options):
        raise InputError(f"the learner {entry.name} takes no initial policy; leave it out")
    kind = learner_class(entry)
    made = kind(**settings_of(kind, options, plant))
    made.check_for(plant.system)
    learner: Learner = made
    return learner


def learner_class(entry: LearnerEntry) -> Any:
    """The class of a learner. Raises InputError where a library that it needs is missing."""
    module, _, name = entry.source.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        raise InputError(
            f"the learner {entry.name} needs {error.name}, which is not installed; "
            f"install it, or take another learner (--learner {_other(entry)})"
        ) from None


def _other(entry: LearnerEntry) -> str:
    return next(name for name in LEARNERS if name != entry.name)


@dataclass(frozen=True)
class Baseline:
    """The linear-quadratic regulator: it takes no points, and nothing would change if it did."""

    def check_for(self, system: ControlAffineSystem) -> None:
        """Nothing is cheaper than to solve it."""

    def fit(self, system: ControlAffineSystem, **_: object) -> Candidate:
        """V = (x − x*)ᵀP(x − x*) and k = u* − K(x − x*). Raises InputError where there are none."""
        from learners.lqr import lqr_candidate

        return lqr_candidate(system)


def _gain(text: str) -> Any:
    import numpy as np

    rows = [floats(row, "--initial-gain") for row in text.split(";")]
    if len({len(row) for row in rows}) != 1:
        raise InputError("--initial-gain: the rows have different lengths")
    return np.array(rows)


def _policy(text: str, system: ControlAffineSystem) -> Any:
    from systems import expression as ex
    from systems.parser import parse_expression

    names = {name: system.state[i] for i, name in enumerate(system.state_names)}
    parts = text.split(";")
    if len(parts) != system.input_dimension:
        raise InputError(
            f"--initial-policy: {len(parts)} formulas for {system.input_dimension} inputs"
        )
    return ex.stack([parse_expression(p, names, where="--initial-policy") for p in parts])
