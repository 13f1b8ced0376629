"""Figures 2 to 4, the pendulum: cost of every controller, level sets, V by iteration."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import requested_of
from benchmarks.reproduce_learners import NAMES, Controller
from benchmarks.reproduce_measure import (
    Limits,
    common_starts,
    cost_data,
    follow,
    is_proved,
    largest_region,
    number,
    proof_data,
    verdict_words,
)
from benchmarks.reproduce_paper import SOURCE
from benchmarks.reproduce_part import Part, Scale, find, is_measured, markdown_table, picture
from benchmarks.reproduce_printed import at_equilibrium, printed, printed_candidate
from benchmarks.reproduce_run import Data, Task, rounded
from benchmarks.reproduce_table3 import controller_of
from benchmarks.reproduce_table3 import tasks as table_3_tasks
from certify import Claim
from systems import zoo
from systems.evaluate import function

SIZES, PICTURED = (15, 50, 100), 1
"""Neurons of the panels of Figure 4, and the seed that is drawn."""
LEVEL_NEURONS = 100
ITERATIONS = 10
GRID = 81


def cost_tasks(scale: Scale) -> list[Task]:
    """Figure 2 is drawn from the pendulum's rows of Table 3."""
    return [t for t in table_3_tasks(scale) if t.key["system"] == "pendulum"]


def write_costs(rows: list[Data], out: Path) -> list[str]:
    """Figure 2."""
    shown = [r for r in rows if is_measured(r) and r["mean_cost_curve"]]
    if not shown:
        return ["", "Not run yet.", ""]
    return picture(out, "figure-2", _cost_figure(shown), COST_CAPTION)


def _cost_figure(rows: list[Data]) -> Any:
    from proofs import picture_style as style

    colours = {"galerkin": style.GREEN, "elm-pi": style.BLUE, "pinn-pi": style.ORANGE}
    best = min(r["mean_cost"] for r in rows)
    with style.styled():
        figure = style.new_figure(11.0, 3.8)
        left, right = figure.subplots(1, 2)
        for row in rows:
            learner = row["key"]["learner"]
            left.plot(row["times"], row["mean_cost_curve"], color=colours[learner], lw=1.4,
                      alpha=0.8, label=NAMES[learner])  # fmt: skip
        left.set(xlabel="time [s]", ylabel="mean accumulated cost", title="All controllers")
        left.set_ylim(bottom=0)
        left.grid(True)
        names = [controller_of(r).words for r in rows]
        excess = [max(r["mean_cost"] / best - 1.0, 1e-12) for r in rows]
        right.barh(names, excess, color=[colours[r["key"]["learner"]] for r in rows])
        right.set(xscale="log", xlabel="cost after 10 s above the best, relative")
        right.set_title("What the left panel cannot show")
        right.set_xlim(1e-12, max(1.0, 2 * max(excess)))
        right.invert_yaxis()
        right.grid(True, axis="x")
        style.legend_below(figure, left, 3)
    return figure


COST_CAPTION = (
    "**Figure 2.** The pendulum's accumulated cost, averaged over the common starts, under every "
    f"controller of Table 3; the best has no bar. The paper ({SOURCE}, appendix E.3) shows 50 "
    "trajectories from starts that it does not state: there, Galerkin of high order and ELM-PI of "
    "every size have the same cost and PINN-PI a similar one."
)


def level_tasks(scale: Scale) -> list[Task]:
    """One row: a candidate on a grid, its largest level inside the domain, its proof."""
    size = LEVEL_NEURONS
    key = {"system": "pendulum", **Controller("elm-pi", size).key, **scale.key, "grid": GRID}
    return [Task("figure-3", key, 3.0, partial(levels, size, scale.limits))]


def levels(size: int, limits: Limits) -> Data:
    """V on the grid, and along the boundary."""
    entry = zoo.entry("pendulum")
    system = entry.build()
    candidate = Controller("elm-pi", size).fit(entry, system, 0)
    low, high = system.domain.outer()
    axes = [np.linspace(a, b, GRID) for a, b in zip(low, high, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    side = np.linspace(-1.0, 1.0, 4001)
    ends = [np.stack([np.full_like(side, s), side], 1) for s in (-1.0, 1.0)]
    boundary = np.vstack([*ends, *(e[:, ::-1] for e in ends)]) * high
    value = function(candidate.on(system).value, system.state)
    return {
        "axes": rounded(axes),
        "value": rounded(value(points)[0][:, 0].reshape(GRID, GRID), 5),
        "least_on_boundary": float(value(boundary)[0].min()),
        **largest_region(system, candidate, limits),
    }


def write_levels(rows: list[Data], out: Path) -> list[str]:
    """Figure 3."""
    if not rows or not is_measured(rows[0]):
        return ["", "Not run yet.", ""]
    return picture(out, "figure-3", _level_figure(rows[0]), LEVEL_CAPTION)


def _level_figure(row: Data) -> Any:
    from fractions import Fraction

    from proofs import picture_style as style

    constants = row["proof"]["constants"] if is_proved(row["proof"]) else None
    with style.styled():
        figure = style.new_figure(6.4, 5.8)
        axes = figure.subplots()
        value, (x, y) = np.array(row["value"]).T, row["axes"]
        filled = axes.contourf(x, y, value, levels=16, cmap="Greys", alpha=0.55)
        figure.colorbar(filled, ax=axes, label="V", shrink=0.85)
        levels = [(row["least_on_boundary"], style.ORANGE, "-", "largest level inside the domain")]
        if constants is not None:
            c2, c1 = float(Fraction(constants["c2"])), float(Fraction(constants["c1"]))
            levels.append((c2, style.BLUE, (0, (4, 2)), "proved, c2"))
            levels.append((c1, style.GREEN, (0, (1, 1.5)), "c1"))
        for level, colour, dashes, name in levels:
            axes.contour(x, y, value, levels=[level], colors=[colour], linestyles=[dashes])
            axes.plot([], [], color=colour, ls=dashes, label=f"{name} = {level:.5g}")
        axes.set(xlabel=style.label("theta", "rad"), ylabel=style.label("omega", "rad/s"))
        axes.set_title(f"ELM-PI, m = {row['key']['size']}")
        style.legend_below(figure, axes, 2)
    return figure


LEVEL_CAPTION = (
    "**Figure 3.** The pendulum's V by ELM-PI with m = 100, the least value on the domain's "
    "boundary (sampled) as a level set, and the largest level proved: every start inside "
    f"converges. The paper ({SOURCE}, appendix E.3) shows that c2 = 0.029 is about the largest "
    "level of its V inside."
)


def iteration_tasks(scale: Scale) -> list[Task]:
    """Algorithm 1 as printed, small to large, and our learner with the same sizes."""
    out = []
    for size in SIZES[1:2] if scale.quick else SIZES:
        for what in ("as printed", "ours"):
            key = {"system": "pendulum", "size": size, "what": what, **scale.key}
            work = partial(iterations, size, what, scale)
            out.append(Task("figure-4", {**key, "seeds": 3, "pictured": PICTURED}, 3.0, work))
    return out


def iterations(size: int, what: str, scale: Scale) -> Data:
    """V(θ, 0) by iteration for one seed; where three seeds' controllers lead."""
    entry = zoo.entry("pendulum")
    system = entry.build()
    theta = np.linspace(-1.0, 1.0, GRID)
    line = np.column_stack([theta, np.zeros(GRID)])
    asked = requested_of(entry.verification, Claim.PRACTICAL_STABILITY)
    curves, seeds = [], []
    for seed in range(3):
        if what == "ours":
            candidate = Controller("elm-pi", size).fit(entry, system, seed)
        else:
            candidate = printed_candidate(system, printed(entry, system, size, seed))
        starts = common_starts(system, min(scale.starts, 10))
        simulated = cost_data(system, follow(system, candidate, starts))
        dropped = ("costs", "times", "mean_cost_curve", "cost_curves", "trajectories")
        seeds.append({
            **at_equilibrium(system, candidate),
            **{k: v for k, v in simulated.items() if k not in dropped},
            "proof": proof_data(system, candidate, asked, Limits(scale.limits.budget, 1)),
        })  # fmt: skip
        if seed == PICTURED and what == "as printed":
            steps = (printed(entry, system, size, seed, k) for k in range(1, ITERATIONS + 1))
            curves = [s.value(line) - s.value(np.zeros((1, 2))) for s in steps]
        elif seed == PICTURED:
            curves = [function(candidate.on(system).value, system.state)(line)[0][:, 0]]
    return {"theta": rounded(theta), "curves": rounded(curves), "seeds": seeds}


def write_iterations(rows: list[Data], out: Path) -> list[str]:
    """Figure 4 and what became of every seed."""
    shown = [r for r in rows if is_measured(r)]
    if not any(r["key"]["what"] == "as printed" for r in shown):
        return ["", "Not run yet.", ""]
    lines = [
        (r["key"]["what"], str(r["key"]["size"]), str(seed), f"{s['eigenvalue']:+.3f}",
         f"{s['input_at_equilibrium']:.1e}", f"{s['diverged']} of {s['starts']}",
         number(s["furthest_end"], ".1e"), verdict_words(s["proof"]))
        for r in shown for seed, s in enumerate(r["seeds"])
    ]  # fmt: skip
    return [
        *picture(out, "figure-4", _iteration_figure(shown), ITERATION_CAPTION),
        *markdown_table(ITERATION_COLUMNS, lines),
    ]


def _iteration_figure(rows: list[Data]) -> Any:
    from matplotlib import colormaps

    from proofs import picture_style as style

    sizes = sorted({r["key"]["size"] for r in rows})
    with style.styled():
        figure = style.new_figure(3.9 * len(sizes), 4.0)
        panels = figure.subplots(1, len(sizes), squeeze=False)[0]
        for axes, size in zip(panels, sizes, strict=True):
            printed_row = find(rows, size=size, what="as printed")
            ours = find(rows, size=size, what="ours")
            for i, curve in enumerate(printed_row["curves"] if printed_row else []):
                axes.plot(printed_row["theta"], curve, color=colormaps["viridis"](i / 10),
                          lw=1.4, label=f"iteration {i + 1}")  # fmt: skip
            if ours is not None:
                axes.plot(ours["theta"], ours["curves"][0], color=style.RED, ls=(0, (3, 2)),
                          lw=1.8, label="ours, at the end")  # fmt: skip
            axes.set(xlabel=style.label("theta", "rad"), ylabel="V(θ, 0) − V(0, 0)")
            axes.set_title(f"m = {size}")
            axes.grid(True)
        style.legend_below(figure, panels, 2 * len(sizes))
    return figure


ITERATION_COLUMNS = (
    "algorithm", "m", "seed", "largest real part at 0", "|k(0)|", "diverge",
    "furthest from 0 after 10 s", "the paper's conditions",
)  # fmt: skip
ITERATION_CAPTION = (
    "**Figure 4.** V(θ, 0) of the pendulum by iteration, Algorithm 1 as printed (seed "
    f"{PICTURED}). The paper ({SOURCE}, section 5) shows two sizes that both look converged after "
    "five iterations while the smaller one's controller does not stabilise. Here, too, m = 50 "
    "cannot be told from m = 100 by eye, and its controller does not bring the pendulum upright: "
    "k(0) is not 0, so the equilibrium is another, the trajectories end beside it, and a proof "
    "about it is refuted at once (centre: 0 is no equilibrium, or V(0) is not 0; of m = 100 as "
    "well, by less). An unstable linearisation is seen with fewer neurons only, where V does not "
    "settle either. Our learner, with the same m, anchors V and k at the equilibrium."
)

COSTS = Part("figure-2", "Figure 2: the pendulum's costs", cost_tasks, write_costs)
LEVELS = Part("figure-3", "Figure 3: level sets of the pendulum's V", level_tasks, write_levels)
ITERATIONS_PART = Part(
    "figure-4", "Figure 4: V by iteration, small and large", iteration_tasks, write_iterations
)
