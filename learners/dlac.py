"""DLAC: distributed Lyapunov actor-critic, Algorithm 1 of Yao, Han and Yin (2024).

ν controllers learn to hold one plant, each from its own states, its own reference, its own input
and its own cost. In a round of training

1. every controller draws its batch (the same samples), improves its critic (9) and works out mⁱ
   (12), how far its energy L falls short of falling by α₃ c;
2. they send their mⁱ, one number a sample, and receive m⁻ⁱ, the sum of the others' (13);
3. every controller adjusts its temperature e^β (17a) and its price e^λ (17b) by E[m⁻ⁱ + mⁱ] ≤ 0
   (14), and then its actor (16).

That is all they exchange (:mod:`learners.dlac_channel` counts it); in operation they exchange
nothing. A partition of one block is a centralised learner.

Where the paper is silent, or its hyperparameters do not train (``published()`` has them):

* the policy sees its scaled error and its scaled reference; its mean is anchored, so that a
  reference is a steady state of the closed loop, whatever the weights are: the steady input of each
  reference is known from the open-loop simulation that the references come from;
* environments explore with deviations from small to large, instead of with the policy's own, which
  is soon too small for the critics to see what an input does in a single period;
* squared errors of a critic count relative to what it learns, which falls by four decades on the
  way; relative to L itself instead, what the reactor's policies cost was some per cent more;
* twin critics with the larger value, and a target that follows a thousand times as fast;
* a batch of episodes runs at once, and the critics learn while these run;
* rows of the buffers are samples of one time, and all controllers draw the same rows;
* log π of (16) and (17a) is taken at s′, of the action that Q(s′, f(s′, ε)) has.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from learners.actor_critic.running import one_thread, require_torch
from learners.dlac_candidate import propose_quadratic
from learners.dlac_partition import partition_of, partition_text
from learners.dlac_settings import Hyperparameters
from learners.policy_rounds import Kept, TrainedPolicy, Wanted, propose, weak_points
from learners.witness_choice import MOST_STATES
from systems.dynamics import ControlAffineSystem
from systems.errors import InputError
from systems.task import Task

if TYPE_CHECKING:
    from certify.candidate import Candidate
    from learners.actor_critic.record import Progress
    from learners.dlac_training import TrainedControllers

Array = NDArray[np.float64]


@dataclass(frozen=True)
class DistributedActorCritic(Hyperparameters):
    """Settings of the learner; :meth:`train` runs it on a task, :meth:`fit` on a system.

    ``partition``: which controller has what, such as "theta,omega:u"; by default the task's, else
    one block. ``steps`` of the plant are taken in all, ``environments`` at once; after ``warm_up``
    periods, ``rounds`` of updates follow on every ``interval`` periods. The policy is evaluated
    ``evaluations`` times on the way.
    """

    partition: str | None = None
    seed: int = 0
    steps: int = 4_000_000
    environments: int = 100
    warm_up: int = 500
    interval: int = 10
    rounds: int = 1
    evaluations: int = 20
    _kept: Kept = field(default_factory=Kept, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("steps", "environments", "warm_up", "interval", "rounds", "evaluations"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, not {getattr(self, name)}")

    @classmethod
    def published(cls, **changes: Any) -> DistributedActorCritic:
        """Table 3 of the paper, with the reference concatenated to the state and nothing anchored.

        50 episodes of 500 steps at a time are followed by 1,000 rounds, from the 400th episode on.
        """
        printed: dict[str, Any] = {
            "batch": 256, "buffer": 4000, "discount": 0.95, "decrease": 0.5, "critics": 1,
            "learning_rate": 1e-4, "final_learning_rate": 1e-4, "multiplier_rate": 1e-4,
            "target_rate": 5e-6, "entropy": -1.0, "final_entropy": -1.0, "exploration": None,
            "anchored": False, "linear": False, "relative": None, "least_price": 1e-6,
            "steps": 4_000_000, "environments": 50, "warm_up": 4000, "interval": 500,
            "rounds": 1000,
        }  # fmt: skip
        return cls(**(printed | changes))

    def train(
        self,
        task: Task,
        *,
        progress: Progress | None = None,
        checkpoint: Path | None = None,
        resume: bool | Path = False,
    ) -> TrainedControllers:
        """Run Algorithm 1. With ``checkpoint``, the training is written there at every evaluation;
        with ``resume`` it goes on from there, or from another such file, to the same result bit for
        bit.

        Raises InputError for a partition or a task that does not fit, or a checkpoint of something
        else.
        """
        require_torch("DLAC")
        from learners.dlac_training import Training

        file = checkpoint if resume is True else resume or None
        if resume is True and file is None:
            raise InputError("give the checkpoint to resume from")
        with one_thread():
            training = Training(self, self.task_with_partition(task), progress)
            if file is not None:
                training.load(file)
            return training.run(checkpoint)

    def fit(
        self,
        system: ControlAffineSystem,
        *,
        extra_points: Array | None = None,
        extra_weights: Array | None = None,
        progress: Progress | None = None,
    ) -> Candidate:
        """Train on a system, sampled as its task says; the candidate has the controllers' stacked
        mean actions at the system's own set point, and a V for them.

        With ``extra_points`` (M, n), counterexamples, the last training goes on from there where
        its policy was at fault, else V is chosen anew (:mod:`learners.policy_rounds`). The
        provenance holds settings, the record of the training (``history``), warnings, and what
        passed between the controllers. Raises InputError for a system, a partition or points that
        do not fit.
        """
        task, kept = self._task_of(system), self._kept
        found = kept.resume or False
        from learners.dlac_training import Training

        def train(wanted: Wanted) -> TrainedPolicy:
            training = wanted.former
            if not isinstance(training, Training):
                trained = self.train(task, progress=progress, checkpoint=kept.file, resume=found)
            else:
                with one_thread():
                    training.go_on(wanted.share, wanted.starts)
                    trained = training.run()
            control = trained.policy.expression(
                system, system.equilibrium, system.equilibrium_input
            )
            return TrainedPolicy(control, None, trained.training, self._provenance(trained))

        make = propose_quadratic if system.state_dimension > MOST_STATES else propose
        return make(
            system, train, self._kept, seed=self.seed,
            extra_points=extra_points, extra_weights=extra_weights,
        )  # fmt: skip

    def keep_in(self, file: Path | None, start: Path | None = None) -> None:
        """Where :meth:`fit` keeps a first training while it goes on, and takes it up again;
        ``start`` is the file of another one, to begin with."""
        self._kept.file, self._kept.start = file, start

    def weak_points(self, system: ControlAffineSystem, candidate: Candidate, seed: int) -> Array:
        """States (M, n) to go on from where a proof failed without showing any."""
        return weak_points(system, candidate, seed)

    def check_for(self, system: ControlAffineSystem) -> None:
        """Raises InputError where :meth:`fit` could not begin. Nothing is trained."""
        self._task_of(system)

    def _task_of(self, system: ControlAffineSystem) -> Task:
        """What there is to learn about the system, checked."""
        from learners.actor_critic.view import reference_arrays, view_of
        from learners.environments import task_for

        require_torch("DLAC")
        task = self.task_with_partition(task_for(system))
        inputs = reference_arrays(task)[1]
        for subsystem in task.partition:
            view_of(task, subsystem).before_squash(inputs)
        return task

    def _provenance(self, trained: TrainedControllers) -> dict[str, object]:
        return {
            "learner": "dlac",
            "seed": self.seed,
            "settings": self.settings(),
            "partition": partition_text(trained.task.partition, trained.task.system),
            "history": trained.record.rows,
            "warnings": trained.record.warnings,
            "traffic": asdict(trained.traffic),
            "solve_seconds": trained.seconds,
        }

    def settings(self) -> dict[str, object]:
        """What the result depends on, plain JSON data."""
        return {f.name: getattr(self, f.name) for f in fields(self) if not f.name.startswith("_")}

    def task_with_partition(self, task: Task) -> Task:
        """The task with the partition in it. With several blocks the cost is the tracking cost: a
        running cost shows every controller the whole state."""
        partition = partition_of(task, self.partition)
        cost = task.cost if len(partition) == 1 else "tracking"
        return replace(task, partition=partition, cost=cost)

    def hyperparameters(self) -> Hyperparameters:
        """Those of a single controller."""
        return Hyperparameters(**{f.name: getattr(self, f.name) for f in fields(Hyperparameters)})
