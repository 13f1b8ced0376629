"""The learners of ``--learner``: what each is called, which options it uses, where it is.

One table, :data:`LEARNERS`, says all that the command line knows of a learner. It is data: options
and help are made of it without importing one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

FIRST_POLICY: dict[str, object] = {"initial_gain": None, "initial_policy": None}
"""The options that say where learning starts; LQR of the linearisation where both are left out."""
SMOOTH = ("tanh", "sigmoid", "softplus", "sin")


@dataclass(frozen=True)
class LearnerEntry:
    """One learner of the command line.

    ``title`` and ``words``: what it is called in transcripts, and what it does. ``source``: where
    its class is, "module:class". ``options``: those it uses, by the names of its own settings, each
    with its value where it is left out; every other option is ignored, which a note tells.
    ``later``: options that came after folders of ``--out`` were written without them; they count
    among the settings of a run only where they differ from their default, so that an old folder is
    still found to be the same run. ``activations``: those it takes. ``seeded``: whether it takes a
    seed. ``refits``: whether counterexamples change what it finds; else ``run`` makes one round.
    ``episodic``: an actor-critic, which learns from episodes. It trains for minutes, so that the
    time limit of a run is for the proofs alone; it takes a system in discrete time, and samples any
    other as its task says; and its training can be kept in a file and taken up again
    (:mod:`cli.actor_critic`).
    """

    name: str
    title: str
    words: str
    source: str
    options: Mapping[str, object]
    later: tuple[str, ...] = ()
    activations: tuple[str, ...] = ()
    seeded: bool = True
    refits: bool = True
    episodic: bool = False


_ENTRIES = (
    LearnerEntry(
        "elm-pi",
        "ELM-PI",
        "policy iteration by least squares over a random hidden layer, the fastest",
        "learners.elm_pi:ElmPolicyIteration",
        {"neurons": 100, "activation": "tanh", "features": "adapted", "iterations": 10}
        | FIRST_POLICY,
        later=("iterations",),
        activations=("tanh", "relu"),
    ),
    LearnerEntry(
        "pinn-pi",
        "PINN-PI",
        "policy iteration with a network whose every weight is trained",
        "learners.pinn_pi:PinnPolicyIteration",
        {
            "neurons": 50,
            "layers": 1,
            "activation": "tanh",
            "features": "adapted",
            "optimizer": "levenberg-marquardt",
            "iterations": 10,
            "steps": None,
        }
        | FIRST_POLICY,
        activations=SMOOTH,
    ),
    LearnerEntry(
        "galerkin",
        "Galerkin",
        "policy iteration with a polynomial, by successive Galerkin approximation",
        "learners.galerkin:GalerkinPolicyIteration",
        {"order": 4, "iterations": 10} | FIRST_POLICY,
        seeded=False,
        refits=False,
    ),
    LearnerEntry(
        "zubov",
        "Zubov",
        "a Lyapunov function of a system without inputs, or of a policy that stays as it is",
        "learners.zubov:ZubovLearning",
        {"neurons": 100, "activation": "tanh", "iterations": 50} | FIRST_POLICY,
        activations=SMOOTH,
    ),
    LearnerEntry(
        "lqr",
        "LQR of the linearisation",
        "the linear-quadratic regulator, as a baseline",
        "cli.learner_options:Baseline",
        {},
        seeded=False,
        refits=False,
    ),
    LearnerEntry(
        "lac",
        "LAC",
        "Lyapunov actor-critic: a network that learns from episodes, for minutes",
        "learners.lac:LyapunovActorCritic",
        {"episodes": None, "hidden": None, "checkpoint": None},
        episodic=True,
    ),
    LearnerEntry(
        "dlac",
        "DLAC",
        "as lac, with a network of its own for every subsystem",
        "learners.dlac:DistributedActorCritic",
        {"episodes": None, "hidden": None, "partition": None, "checkpoint": None},
        episodic=True,
    ),
)

LEARNERS: Mapping[str, LearnerEntry] = {entry.name: entry for entry in _ENTRIES}
"""By name, the default first."""
OPTIONS = tuple(dict.fromkeys(option for entry in _ENTRIES for option in entry.options))
"""Every option that some learner uses."""
ACTIVATIONS = tuple(dict.fromkeys(kind for entry in _ENTRIES for kind in entry.activations))
"""Every activation that some learner takes."""


def flag(option: str) -> str:
    """--initial-gain, of the option initial_gain."""
    return f"--{option.replace('_', '-')}"


def users(option: str) -> list[str]:
    """The names of the learners that use an option."""
    return [entry.name for entry in _ENTRIES if option in entry.options]


def defaults_in_words(option: str) -> str:
    """What an option is where it is left out, for the help: "100 (elm-pi), 50 (pinn-pi)"."""
    learners: dict[object, list[str]] = {}
    for name in users(option):
        learners.setdefault(LEARNERS[name].options[option], []).append(name)
    return ", ".join(f"{value} ({', '.join(names)})" for value, names in learners.items())


def title(name: str) -> str:
    """What a learner is called in transcripts; its own name where it is none of the table."""
    entry = LEARNERS.get(name)
    return name if entry is None else entry.title
