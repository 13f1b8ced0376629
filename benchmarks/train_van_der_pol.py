"""Train the deep benchmark: V 2-40-40-1 and a controller 2-10-10-1 for Van der Pol with |u| ≤ 1.

    python -m benchmarks.train_van_der_pol [--seed S] [--steps N] [--rounds R] [--out FILE]

1. The controller k(x) = tanh(M(x) − M(0)) imitates a saturated damping.
2. V(x) = N(x) − N(0) − ∇N(0)·x, N = sigmoid of a tanh network, is fitted to the closed loop's
   cost-to-go and to its derivative along trajectories (:mod:`benchmarks.van_der_pol_targets`).
3. The prover tries the largest level it can; where it stops, points return with weight, and
   training goes on. The candidate with the largest proved volume is kept.

Sizes, input limit and box are those of "Two-Stage Training …" (arXiv 2506.01356), Tables 1 and 3.
Needs the extra "train" (torch).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.deep_network import deep_candidate
from benchmarks.deep_training import (
    VALUE_SIZES,
    as_network,
    closed_loop_field,
    initial_layers,
    sample,
    train_controller,
    train_value,
)
from benchmarks.van_der_pol_targets import (
    COST,
    HALF_WIDTHS,
    TEACHER,
    joined,
    least_face_cost,
    targets,
)
from certify import (
    Budget,
    Candidate,
    Proved,
    Refuted,
    StabilityResult,
    Unknown,
    prove_stability,
    search,
)
from certify.candidate_file import save_candidate
from certify.levels import lowest_violation
from certify.stability import StabilityProblem
from systems import zoo
from systems.dynamics import ControlAffineSystem

Array = NDArray[np.float64]
SYSTEM = "van-der-pol"
OUT = Path(__file__).parent / "candidates" / "van_der_pol_deep.json"
PROOF_SECONDS = 60.0
NEIGHBOURS = 200
"""Points drawn around each that the prover returns."""


@dataclass(frozen=True, eq=False)
class Round:
    """One candidate and what could be proved of it; ``missed`` (M, 2) are points to learn from."""

    candidate: Candidate
    result: StabilityResult
    missed: Array

    @property
    def volume(self) -> float:
        """Of the proved region; 0 where nothing is proved."""
        paving = self.result.paving
        proved = isinstance(self.result.verdict, Proved)
        return paving.volume if proved and paving is not None else 0.0

    @property
    def words(self) -> str:
        verdict = self.result.verdict
        constants = self.result.constants
        if isinstance(verdict, Unknown):
            return f"unknown: {verdict.reason}"
        if isinstance(verdict, Refuted) or constants is None:
            return "refuted"
        return (
            f"proved for {float(constants.c1):.4g} ≤ V ≤ {float(constants.c2):.4g}, "
            f"volume {self.volume:.1f}, {self.result.boxes} boxes"
        )


def judge(system: ControlAffineSystem, candidate: Candidate) -> Round:
    """The largest level the prover can show, and a point that keeps it from a larger one."""
    result = prove_stability(system, candidate, budget=Budget(PROOF_SECONDS))
    if result.counterexample is not None:
        return Round(candidate, result, np.array([result.counterexample.point]))
    contained, constants = result.searches.get("containment"), result.constants
    if contained is None or constants is None:
        return Round(candidate, result, np.empty((0, 2)))
    problem = result.problem
    # The decrease at the level that the faces would allow, if that is not what was proved.
    reach = max(lowest_face_level(problem), constants.c2)
    if reach <= constants.c2 * Fraction(101, 100):
        return Round(candidate, result, np.empty((0, 2)))
    bottom = min(constants.c1, constants.core or constants.c1)
    found = search(problem.decrease(bottom, reach, constants.mu), Budget(PROOF_SECONDS)).verdict
    points = [found.counterexample.point] if isinstance(found, Refuted) else []
    return Round(candidate, result, np.array(points).reshape(-1, 2))


def lowest_face_level(problem: StabilityProblem) -> Fraction:
    """About the least V on the faces of the box."""
    lowest = lowest_violation(problem.containment(Fraction(10**6)), 0)
    return Fraction(0) if lowest is None else Fraction(lowest)


def train(torch: Any, seed: int, steps: int, rounds: int, say: Callable[[str], None]) -> Round:
    """Train, prove, learn from what was missed; the round with the largest proved volume."""
    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    system = zoo.system(SYSTEM)
    controller = train_controller(torch, 3000)
    face_cost = least_face_cost(controller)
    data = targets(sample(generator, 20_000), controller, face_cost)
    weights = np.ones(len(data.points))
    layers = initial_layers(torch, VALUE_SIZES, (0.8, 0.5))
    best: Round | None = None
    for number in range(1, rounds + 1):
        field = closed_loop_field(data.points, controller)
        length, rate = (steps, 5e-3) if number == 1 else (steps // 2, 2e-3)
        loss = train_value(torch, layers, data, weights, field, length, rate)
        provenance = {
            "learner": "benchmarks.train_van_der_pol", "seed": seed, "torch": torch.__version__,
            "steps": steps, "round": number, "loss": loss,
            "teacher": TEACHER.tolist(), "cost": COST.tolist(),
        }  # fmt: skip
        candidate = deep_candidate(system, as_network(layers), controller, provenance)
        found = judge(system, candidate)
        say(f"round {number}: loss {loss:.3g}; {found.words}; {len(found.missed)} points missed")
        if best is None or found.volume > best.volume:
            best = found
        if not len(found.missed):
            break
        near = np.repeat(found.missed, NEIGHBOURS, axis=0)
        near = near + 0.02 * HALF_WIDTHS * generator.normal(size=near.shape)
        more = targets(np.clip(near, -HALF_WIDTHS, HALF_WIDTHS), controller, face_cost)
        data = joined(data, more)
        weights = np.append(weights, np.full(len(near), 0.1 * len(weights) / len(near)))
    assert best is not None
    return best


def with_constants(found: Round) -> Candidate:
    """The candidate, its provenance telling what was proved of it."""
    constants = found.result.constants
    assert constants is not None
    proved = {
        name: None if value is None else str(value)
        for name, value in (
            ("c1", constants.c1), ("c2", constants.c2), ("mu", constants.mu),
            ("epsilon", constants.epsilon),
        )
    }  # fmt: skip
    provenance = {**found.candidate.provenance, "proved": proved, "volume": found.volume}
    return replace(found.candidate, provenance=provenance)


@click.command(help=__doc__)
@click.option("--seed", default=0, show_default=True)
@click.option("--steps", default=8000, show_default=True, help="Steps of Adam for V.")
@click.option("--rounds", default=4, show_default=True, help="Proofs to learn from, at most.")
@click.option("--out", type=click.Path(path_type=Path), default=OUT, show_default=False)
def main(seed: int, steps: int, rounds: int, out: Path) -> None:
    """Train, prove, save."""
    try:
        import torch
    except ModuleNotFoundError:
        raise click.ClickException("this needs torch: pip install 'stableproof[train]'") from None
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    console = Console()
    began = time.perf_counter()
    found = train(torch, seed, steps, rounds, console.print)
    if not found.volume:
        raise click.ClickException("nothing could be proved; more steps or another seed may help")
    out.parent.mkdir(parents=True, exist_ok=True)
    save_candidate(with_constants(found), out, SYSTEM)
    console.print(f"{out}: volume {found.volume:.1f}, {time.perf_counter() - began:.0f} s in all")


if __name__ == "__main__":
    main()
