"""evaluation.md: the tables, and figures 3 to 8."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from benchmarks.reactor_report import (
    Found,
    compute_table,
    robustness_table,
    schedule_table,
    settling_table,
    trials_table,
)
from benchmarks.reactor_theorem import theorem_table
from benchmarks.reproduce_part import picture

HEAD = """# DLAC on the reactor-separator

Section 5.3 of Yao, Han and Yin's paper, on the plant as `systems.zoo` has it, with the baselines
that such a comparison needs. Made by `python -m benchmarks.reactor`.

- Plant: period 0.005 h, one Runge-Kutta step, inputs held and cut off at their limits; noise is
  held over a period too. No controller knows the noise.
- Starts: uniform in [0.8, 1.2]·s0, each state on its own; drawn again where fractions sum to more
  than 1. All rows have the same starts and the same noise. NMPC has the first few of them.
- Settled: within 1 K and 0.01 of the reference from then on. Three figures are for sref1, sref2 and
  sref3. Under σ_w2 no single trajectory can stay within 0.01 (the noise alone moves fractions by
  0.012), so there it is the mean of all trajectories that has to.
- Cost: squared deviations, fractions times two and temperatures over 20 K, summed over the states
  that the periods end in.
- Overshoot: how far any temperature goes past its reference, the median over the starts.
- Time of a step: processor time, the mean over the way from s0 to sref2.
- "Open loop, as published" holds the inputs that the paper's Table 2 prints, which are not the
  steady inputs of its references; "exact inputs" are.
- NMPC: CasADi and IPOPT, direct multiple shooting on the plant's own expression, the LQR's
  cost-to-go after the horizon, warm starts.
"""


def write_page(found: Found, conditions: Mapping[str, object]) -> None:
    """evaluation.md and its pictures; without matplotlib, the page says what is left out."""
    drawn = find_spec("matplotlib") is not None
    lines = [HEAD]
    lines += ["", "## Convergence", *trials_table(found)]
    lines += _convergence(found) if drawn else []
    lines += ["", "## Theorem 1, looked at on held-out trajectories", *theorem_table(found)]
    for noise, said in (("none", "without noise"), ("w1", "under σ_w1")):
        lines += ["", f"## Stability: random starts, {said}", *settling_table(found, noise)]
    lines += _band(found, "w1", 5) if drawn else []
    lines += ["", "## Robustness: σ_w2, a hundred times σ_w1", *robustness_table(found)]
    lines += _band(found, "w2", 6) if drawn else []
    lines += ["", "## Several references: sref1, sref2, sref3, 1.5 h each, from s0"]
    lines += schedule_table(found)
    for noise, number in (("w1", 7), ("w2", 8)):
        lines += _schedule(found, noise, number) if drawn else []
    lines += ["", "## Time of a step, one state at a time", *compute_table(found)]
    if not drawn:
        lines += ["", "Pictures are left out: `pip install 'stableproof[report]'` brings them."]
    lines += ["", "Last run: " + "; ".join(f"{k} {v}" for k, v in conditions.items()) + "."]
    found.folder.mkdir(parents=True, exist_ok=True)
    (found.folder / "evaluation.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _convergence(found: Found) -> list[str]:
    from benchmarks.reactor_figures import convergence, tracking_errors
    from proofs.picture_style import styled

    records = found.trials("dlac")
    if not records:
        return []
    with styled():
        return [
            *picture(
                found.folder, "figure-3", convergence(records),
                f"Figure 3, ours: mean and range over the trials of DLAC, {len(records)} of them.",
            ),
            *picture(
                found.folder, "figure-4", tracking_errors(records),
                "Figure 4, ours: the last tenth of episodes without noise, 11 references; mean "
                "and range of the trials.",
            ),
        ]  # fmt: skip


def _band(found: Found, noise: str, number: int) -> list[str]:
    from benchmarks.reactor_figures import bands
    from proofs.picture_style import styled

    row = found.measured("bands", found.chosen("dlac") or "", noise=noise)
    if row is None:
        return []
    count, reference = row["key"]["count"], row["key"]["reference"]
    with styled():
        figure = bands(row, f"DLAC from {count} random starts, noise {_sigma(noise)}")
        return picture(
            found.folder, f"figure-{number}", figure,
            f"Figure {number}, ours: reference {reference} of the set, drawn at random.",
        )  # fmt: skip


def _schedule(found: Found, noise: str, number: int) -> list[str]:
    from benchmarks.reactor_figures import schedule
    from proofs.picture_style import BLUE, GREEN, ORANGE, RED, styled

    wanted = (
        ("open loop", ORANGE, "open-loop"),
        ("three PI loops", GREEN, "pi"),
        ("NMPC, horizon 15", RED, "nmpc-15"),
        ("DLAC", BLUE, found.chosen("dlac") or ""),
    )
    rows = [
        (name, colour, row)
        for name, colour, key in wanted
        if (row := found.measured("schedule", key, noise=noise)) is not None
    ]
    if not rows:
        return []
    with styled():
        figure = schedule(rows, f"Three references one after the other, noise {_sigma(noise)}")
        return picture(
            found.folder, f"figure-{number}", figure,
            f"Figure {number}, ours: the first of the seeds.",
        )  # fmt: skip


def _sigma(noise: str) -> str:
    return rf"$\sigma_{{{noise}}}$"
