"""``--sample-time`` and what belongs to it: a continuous system, the input held over a period."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from cli.options import Positive, chained

if TYPE_CHECKING:
    from systems.sampled import Sampling

METHODS = ("rk4", "euler")
KEYS = ("sample_time", "sample_method", "substeps")

sampling = chained(
    click.option(
        "--sample-time",
        metavar="T",
        type=Positive(),
        help="Hold the input over periods of T, in the system's unit of time: the next state is a "
        "step of --sample-method. What is trained and proved is then in discrete time.",
    ),
    click.option(
        "--sample-method",
        type=click.Choice(METHODS),
        help="The step over a period, with --sample-time. Where left out: rk4.",
    ),
    click.option(
        "--substeps",
        type=click.IntRange(1, 100),
        help="So many steps of the method in a period, the input held; with --sample-time. Where "
        "left out: 1.",
    ),
)


def sampling_of(options: Mapping[str, Any]) -> Sampling | None:
    """What the options ask for; None without --sample-time. Raises InputError."""
    from systems.errors import InputError
    from systems.sampled import Sampling

    period = options.get("sample_time")
    if period is None:
        for key in KEYS[1:]:
            if options.get(key) is not None:
                raise InputError(f"{_flag(key)} is for a sampled system: give --sample-time too")
        return None
    return Sampling(period, options.get("sample_method") or "rk4", options.get("substeps") or 1)


def sampling_settings(sampling: Sampling | None) -> dict[str, object]:
    """As the settings of a run; nothing where nothing is sampled."""
    if sampling is None:
        return {}
    from systems.exact import exact_words

    values = (exact_words(sampling.period), sampling.method, sampling.substeps)
    return dict(zip(KEYS, values, strict=True))


def recorded_sampling(settings: Mapping[str, Any]) -> Sampling | None:
    """What :func:`sampling_settings` wrote. Raises InputError where that is damaged."""
    from systems.errors import InputError
    from systems.exact import exact
    from systems.sampled import Sampling

    period, method, substeps = (settings.get(key) for key in KEYS)
    if period is None:
        return None
    try:
        if not isinstance(period, str) or type(substeps) is not int or method not in METHODS:
            raise ValueError("a period, a method and a number of steps are wanted")
        return Sampling(exact(period), method, substeps)
    except ValueError as error:
        raise InputError(f"the record of the run is damaged: sample_time: {error}") from None


def sampling_hint(made_for: str, here: str) -> str:
    """What to do where a candidate was made for another sampling of this system."""
    if made_for.startswith(f"{here} sampled every "):
        return "; give --sample-time, --sample-method and --substeps as when it was made"
    return ""


def _flag(key: str) -> str:
    return f"--{key.replace('_', '-')}"
