"""From a trained policy to a candidate, round by round of the loop.

A training takes minutes, a witness seconds. So what a counterexample changes depends on whose fault
it is. Where the frozen policy's trajectory from there converges to x*, V is to blame, and is fitted
anew with the point in it. Where it does not, no V can help: the training goes on from where it
stopped, with episodes that start there (:attr:`Wanted.starts`), for a share of its length.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from certify.candidate import Candidate
from learners.extra_points import checked_points
from learners.frozen_loop import FrozenLoop
from learners.witness_choice import Witness, choose_witness
from systems.dynamics import ControlAffineSystem
from systems.expression import Expression
from systems.threads import single_threaded_blas

Array = NDArray[np.float64]

SHARE = 0.25
"""Of the first training's length: how long it goes on where the policy is at fault."""
WEAK_POINTS = 12
NEAR = (0.02, 0.5)
"""Where x* itself is not stable: starts at this share of the domain's half-widths, from and to."""


@dataclass(frozen=True, eq=False)
class Wanted:
    """What a training is asked for: all of it, or to go on.

    ``former`` is the state that a former one left, None for a new one. Where it goes on, ``starts``
    (M, n) are all states so far from which a policy did not converge: they belong into the replay
    and among the starts of episodes, under a heavier Lyapunov constraint; and ``share`` says how
    long, of the length of a first training. ``time``: the how manieth time that is.
    """

    former: object | None = None
    starts: Array | None = None
    share: float = 1.0
    time: int = 0


@dataclass(frozen=True, eq=False)
class TrainedPolicy:
    """What a training hands over.

    ``control``: the mean action, an expression of the system's state, which no longer changes.
    ``critic`` makes the critic's V of it, anchored at x*, None where there is none. ``state`` is
    what the next round's training goes on from. ``provenance``: learner, seed, settings, figures.
    """

    control: Expression
    critic: Callable[[], Expression] | None
    state: object
    provenance: Mapping[str, object]


class Train(Protocol):
    """A training, of one learner on one system."""

    def __call__(self, wanted: Wanted, /) -> TrainedPolicy: ...


@dataclass
class Kept:
    """What one round leaves for the next. It belongs to a learner, but is no setting of it.

    ``file``: where a training's state is kept while it goes on, so that one that was interrupted
    is taken up again; ``start``: of a former training, to begin with. Both are up to whoever runs
    the learner, before :meth:`fit`.
    """

    file: Path | None = None
    start: Path | None = None
    policy: TrainedPolicy | None = None
    system: ControlAffineSystem | None = None
    starts: Array | None = None
    trainings: list[dict[str, object]] = field(default_factory=list)

    @property
    def resume(self) -> Path | None:
        """The file that a first training is taken up from, if any: its own rather than another."""
        return self.file if self.file is not None and self.file.exists() else self.start

    def of(self, system: ControlAffineSystem) -> TrainedPolicy | None:
        """The policy of a former round on this very system."""
        return self.policy if self.system is system else None


def propose(
    system: ControlAffineSystem,
    train: Train,
    kept: Kept,
    *,
    neurons: int = 100,
    seed: int = 0,
    extra_points: Array | None = None,
    extra_weights: Array | None = None,
) -> Candidate:
    """A candidate: the policy, trained, or trained further, or as it was; and a V for it.

    Without ``extra_points`` a training begins anew. With them, it is the next round, and ``kept``
    has what the last one left; after an interruption it does not, and the first training is made,
    or found in its file, again. The provenance holds ``witness`` (which V, and what was tried), and
    ``trainings``: what was trained, why, and how long that took. Raises InputError where the
    training does, or points do not fit.
    """
    began = time.perf_counter()
    extra = checked_points(system, extra_points, extra_weights)
    policy = policy_of_round(system, train, kept, extra[0], seed)
    solving = time.perf_counter()
    with single_threaded_blas():
        loop = FrozenLoop(system, policy.control)
        found = choose_witness(loop, critic=policy.critic, neurons=neurons, seed=seed, extra=extra)
    return _candidate(system, policy, found, kept, solving, began)


def policy_of_round(
    system: ControlAffineSystem, train: Train, kept: Kept, points: Array, seed: int
) -> TrainedPolicy:
    """The policy of this round: trained anew without ``points`` (M, n), counterexamples; with them
    that of the last round, trained further where it is at fault. ``kept`` is up to date then."""
    policy = kept.of(system) if len(points) else None
    if policy is None:
        kept.trainings, kept.starts = [], None
        policy = _trained(train, Wanted(), kept, "")
    if len(points):
        starts, words = weak_starts(FrozenLoop(system, policy.control), points, seed)
        if len(starts):
            before = [] if kept.starts is None else [kept.starts]
            kept.starts = np.unique(np.vstack([*before, starts]), axis=0)
            wanted = Wanted(policy.state, kept.starts, SHARE, len(kept.trainings))
            policy = _trained(train, wanted, kept, words)
    kept.policy, kept.system = policy, system
    return policy


def _trained(train: Train, wanted: Wanted, kept: Kept, why: str) -> TrainedPolicy:
    started = time.perf_counter()
    policy = train(wanted)
    kept.trainings.append(
        {"why": why, "share": wanted.share, "seconds": time.perf_counter() - started}
    )
    return policy


def weak_starts(loop: FrozenLoop, points: Array, seed: int) -> tuple[Array, str]:
    """Those of the points (M, n) from which the policy does not converge, the policy's own fault,
    and that in words.

    Where x* itself is not stable, states near it.
    """
    if not loop.is_stable:
        return _near(loop, seed), f"does not stabilise the equilibrium: {loop.instability()}"
    starts = points[~loop.converges(points)]
    return starts, f"does not converge from {len(starts)} of {len(points)} points"


def weak_points(system: ControlAffineSystem, candidate: Candidate, seed: int) -> Array:
    """States (M, n) that show a policy's fault where a proof has no counterexample to show: near
    x* where that is not stable, else none."""
    loop = FrozenLoop(system, candidate.on(system).control)
    return np.empty((0, len(loop.scale))) if loop.is_stable else _near(loop, seed)


def _near(loop: FrozenLoop, seed: int) -> Array:
    generator = np.random.default_rng([seed, 47])
    low, high = loop.ends
    away = low + (high - low) * generator.random((WEAK_POINTS, len(loop.scale))) - loop.x_star
    shares = generator.uniform(*NEAR, (WEAK_POINTS, 1))
    out: Array = loop.x_star + shares * away
    return out


def _candidate(
    system: ControlAffineSystem,
    policy: TrainedPolicy,
    found: Witness,
    kept: Kept,
    solving: float,
    began: float,
) -> Candidate:
    before = policy.provenance.get("warnings")
    warnings = [*(before if isinstance(before, list) else []), *found.warnings()]
    if not found.stable:
        warnings.append(f"{system.name}: {found.tried[-1]['words']}; more episodes may help")
    provenance: dict[str, object] = {
        **policy.provenance,
        "warnings": warnings,
        "trainings": [dict(t) for t in kept.trainings],
        "witness": {
            "name": found.name,
            "sampled_share": found.share,
            "attracted_share": found.attracted,
            "tried": list(found.tried),
            "seconds": time.perf_counter() - solving,
        },
        "seconds": time.perf_counter() - began,
    }
    return Candidate(system.state, found.value, policy.control, provenance)
