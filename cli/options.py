"""Options that several commands share, and the exact numbers among them."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any, TypeVar

import click

from cli.learners import ACTIVATIONS, LEARNERS, defaults_in_words

F = TypeVar("F", bound=Callable[..., Any])


class Positive(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.2 on
    """A positive number, exactly as written: 0.029 is 29/1000. Fractions such as 1/3 are fine."""

    name = "number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Fraction:
        from systems.exact import exact, nearest_float

        try:
            number = exact(value)
        except ValueError as error:
            self.fail(f"{error}; write a decimal such as 0.029", param, ctx)
        if number <= 0:
            self.fail(f"{value} is not positive", param, ctx)
        try:
            in_range = nearest_float(number) > 0.0
        except ValueError:
            in_range = False
        if not in_range:
            self.fail(f"{value} lies beyond the range of float64", param, ctx)
        return number


class Seconds(click.ParamType):  # type: ignore[type-arg]
    """A positive number of seconds, below a maximum; ``what`` it is, for messages."""

    name = "seconds"

    def __init__(self, what: str = "time limit", maximum: float = 1e9) -> None:
        self.what, self.maximum = what, maximum

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        try:
            number = float(value)
        except ValueError:
            self.fail(f"{value!r} is not a number of seconds", param, ctx)
        if not 0 < number < self.maximum:
            self.fail(
                f"{value} s is no {self.what}; give a positive number below {self.maximum:,.0f}",
                param,
                ctx,
            )
        return number


def chained(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    """Several decorators as one, in the order in which the help lists them."""

    def apply(function: F) -> F:
        for decorate in reversed(decorators):
            function = decorate(function)
        return function

    return apply


def of(option: str) -> str:
    """The end of an option's help: what it is where it is left out, and of which learners."""
    return f" Where left out: {defaults_in_words(option)}."


common = chained(
    click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else."),
    click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks and warnings."),
)

out = chained(
    click.option(
        "--out",
        type=click.Path(),
        help="The folder to write to; nothing is written anywhere else.",
    ),
    click.option("--force", is_flag=True, help="Overwrite the files of a former run in --out."),
)

constants = chained(
    click.option("--c1", type=Positive(), help="Lower level of the decrease."),
    click.option("--c2", type=Positive(), help="The level whose sublevel set is claimed."),
    click.option(
        "--mu", type=Positive(), help="V falls at least this fast (a step) between the levels."
    ),
    click.option(
        "--rate",
        "alpha",
        metavar="ALPHA",
        type=Positive(),
        help="The rate of exponential stability (V falls by alpha V, a step) or of set-point "
        "convergence.",
    ),
    click.option("--epsilon", type=Positive(), help="Radius of a ball that holds V <= c1."),
    click.option(
        "--claim",
        type=click.Choice(
            [
                "asymptotic-stability",
                "exponential-stability",
                "practical-stability",
                "local-stability",
                "set-point-convergence",
            ]
        ),
        default="asymptotic-stability",
        show_default=True,
        help="What is to be proved; practical stability says nothing about the equilibrium itself, "
        "local stability finds an ellipsoid, also in many dimensions; set-point convergence "
        "takes a set point that is no exact equilibrium.",
    ),
    click.option(
        "--time-limit",
        type=Seconds(),
        default="60",
        show_default=True,
        help="Seconds for proofs (of run: training included, but for that of lac and dlac).",
    ),
)

solvers = chained(
    click.option(
        "--backend",
        "backends",
        metavar="NAME",
        multiple=True,
        show_default="taylor",
        help="Who proves, as often as you like; of the time limit, our search takes half then, and "
        "the others share the rest. See the command backends.",
    ),
    click.option("--agree", is_flag=True, help="Proved only where every --backend proves it."),
)

training = chained(
    click.option(
        "--learner",
        type=click.Choice(list(LEARNERS)),
        default=next(iter(LEARNERS)),
        show_default=True,
        help=" ".join(f"{entry.name}: {entry.words}." for entry in LEARNERS.values()),
    ),
    click.option(
        "--neurons",
        type=click.IntRange(1, 100_000),
        help="In each hidden layer, at most." + of("neurons"),
    ),
    click.option("--layers", type=click.IntRange(1, 8), help="Hidden layers." + of("layers")),
    click.option(
        "--activation",
        type=click.Choice(ACTIVATIONS),
        help="Of the hidden layers; elm-pi takes tanh and relu, the others all but relu. "
        "Where left out: tanh, or what the zoo names for the system.",
    ),
    click.option(
        "--features",
        type=click.Choice(["adapted", "uniform"]),
        help="First hidden layer fitted to the system, or U[-1, 1] as in the paper."
        + of("features"),
    ),
    click.option(
        "--optimizer",
        type=click.Choice(["levenberg-marquardt", "lbfgs", "adam"]),
        help="Of the weights; adam is the paper's." + of("optimizer"),
    ),
    click.option(
        "--steps",
        type=click.IntRange(1, 10_000_000),
        help="Of the optimizer in each iteration of pinn-pi, at most. Where left out: 100 "
        "(levenberg-marquardt), 500 (lbfgs), 10000 (adam).",
    ),
    click.option(
        "--iterations",
        type=click.IntRange(1, 1000),
        help="Of policy iteration (of zubov: Newton steps), at most." + of("iterations"),
    ),
    click.option(
        "--order",
        type=click.IntRange(2, 8),
        help="The highest degree of the polynomial." + of("order"),
    ),
    click.option(
        "--episodes",
        type=click.IntRange(1, 10_000_000),
        help="Of lac and dlac: so many are learned from. Where left out: what suffices for the "
        "systems of the zoo.",
    ),
    click.option(
        "--hidden",
        metavar="N,N",
        help="Of lac and dlac: the actor's hidden layers, such as 32,32. Where left out: 32,32.",
    ),
    click.option(
        "--partition",
        metavar="X:U;X:U",
        help="Of dlac: which controller has which states and inputs, such as x1,x2:u1;x3:u2. Where "
        "left out: the zoo's, or one controller.",
    ),
    click.option(
        "--checkpoint",
        metavar="FILE",
        type=click.Path(),
        help="Of lac and dlac: go on from the training that a former train or run kept there.",
    ),
    click.option(
        "--initial-gain",
        metavar="K",
        help='Start from u = u* - K (x - x*); rows by ";", entries by ",". Where left out: LQR.',
    ),
    click.option(
        "--initial-policy",
        metavar="U",
        help='Start from formulas of the states, one an input, separated by ";".',
    ),
)

seed = click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    help="Of everything that is drawn at random.",
)
