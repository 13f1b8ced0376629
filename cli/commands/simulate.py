"""``stableproof simulate``: the closed loop from given or random starts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.options import Positive, Seconds, common, out, seed
from cli.output import say, say_json
from cli.sampling import sampling
from cli.transcript import row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cli.inputs import Plant
    from systems.simulate import Simulation

    Array = NDArray[np.float64]


REASON = "a simulation proves nothing"


@click.command("simulate")
@click.argument("system")
@click.argument("candidate", type=click.Path())
@click.option(
    "--start", "starts", multiple=True, metavar="X", help='A start, such as "0.1,-0.2"; repeatable.'
)
@click.option(
    "--random",
    "count",
    type=click.IntRange(1, 10_000),
    default=5,
    show_default=True,
    help="So many starts in the domain, where no --start is given.",
)
@click.option("--level", type=Positive(), help="Random starts with V(x) <= LEVEL only.")
@click.option(
    "--horizon",
    type=Seconds("horizon", 1e6),
    show_default="10, or 100 steps in discrete time",
    help="How long; for a discrete system, how many steps.",
)
@click.option(
    "--disturbance", metavar="W", help='Constant disturbances, such as "0.1,0"; else the centre.'
)
@click.option("--samples", type=click.IntRange(2, 100_000), default=201, show_default=True)
@click.option("--picture", is_flag=True, help="Also write DIR/trajectories.png.")
@sampling
@seed
@out
@common
def command(system: str, candidate: str, as_json: bool, **options: Any) -> int:
    """Simulate SYSTEM under the controller of CANDIDATE, a file or a run's folder.

    Prints where each start leads and what it costs; with --out, writes DIR/trajectories.csv.
    A simulation proves nothing.
    """
    from cli.inputs import load_candidate_for, load_plant
    from cli.outcome import nothing_decided
    from systems.errors import InputError
    from systems.simulate import simulate

    if options["picture"] and options["out"] is None:
        raise InputError("--picture needs --out, the folder to write to")
    plant = load_plant(system, options)
    proposal = load_candidate_for(plant, candidate)
    loop = proposal.closed_loop(plant.system)
    values = _value_of(plant, proposal)
    points = _starts(plant, values, options)
    if options["horizon"] is None:
        options["horizon"] = 100.0 if plant.system.time == "discrete" else 10.0
    found = simulate(
        loop,
        points,
        options["horizon"],
        samples=options["samples"],
        disturbance=_disturbance(plant, options["disturbance"]),
    )
    rows = _rows(found, values)
    record = nothing_decided(REASON, system=plant.system.name, trajectories=rows, files=[])
    files = []
    if options["out"] is not None:
        files = _write(plant, found, candidate, options)
        record["files"] = files
    if as_json:
        say_json(record)
    else:
        _tell(rows)
        for name in files:
            say(f"written     {name}")
    return 0


def _value_of(plant: Plant, candidate: Any) -> Any:
    from systems.evaluate import function

    compiled = function(candidate.on(plant.system).value, plant.system.state)
    return lambda x: compiled(x)[0][:, 0]


def _starts(plant: Plant, values: Any, options: dict[str, Any]) -> Array:
    import numpy as np

    from cli.inputs import floats
    from systems.errors import InputError

    if options["starts"]:
        rows = [floats(text, "--start") for text in options["starts"]]
        n = plant.system.state_dimension
        if any(len(r) != n for r in rows):
            raise InputError(f"--start: {plant.system.name} has {n} states; give {n} numbers")
        return np.array(rows)
    generator = np.random.default_rng(options["seed"])
    count, level = options["count"], options["level"]
    if level is None:
        return plant.system.domain.sample(count, generator)
    chosen = np.empty((0, plant.system.state_dimension))
    for _ in range(200):
        x = plant.system.domain.sample(max(count, 1000), generator)
        chosen = np.concatenate([chosen, x[values(x) <= float(level)]])
        if len(chosen) >= count:
            return chosen[:count]
    raise InputError(f"--level: hardly a point of the domain has V <= {float(level):g}")


def _disturbance(plant: Plant, given: str | None) -> list[float] | None:
    from cli.inputs import floats
    from systems.errors import InputError
    from systems.words import disturbance_names

    if given is None:
        return None
    s = plant.system
    if s.disturbance_range is None:
        raise InputError(f"--disturbance: {s.name} has no disturbances; leave it out")
    values = floats(given, "--disturbance")
    if len(values) != s.disturbance_dimension:
        names = ", ".join(disturbance_names(s))
        raise InputError(f"--disturbance: give a number for each of {names}, {len(values)} given")
    return values


def _rows(found: Simulation, values: Any) -> list[dict[str, Any]]:
    import numpy as np

    out = []
    for i in range(len(found.states)):
        path = found.states[i]
        last = path[np.isfinite(path).all(axis=1)][-1]
        out.append(
            {
                "start": path[0].tolist(),
                "end": last.tolist(),
                "V_start": float(values(path[:1])[0]),
                "V_end": float(values(last[None])[0]),
                "cost": float(found.total_costs[i]),
                "time": float(found.end_times[i]),
                "completed": bool(found.completed[i]),
            }
        )
    return out


def _tell(rows: list[dict[str, Any]]) -> None:
    cells: list[tuple[str, ...]] = [("start", "end", "V(start)", "V(end)", "cost", "time")]
    for r in rows:
        time = f"{r['time']:g}" if r["completed"] else f"{r['time']:.4g} (left or stuck)"
        numbers = [f"{r[k]:.4g}" for k in ("V_start", "V_end", "cost")]
        cells.append((_point(r["start"]), _point(r["end"]), *numbers, time))
    widths = [max(len(c[k]) for c in cells) for k in range(6)]
    for c in cells:
        say("  ".join(f"{text:<{w}}" for text, w in zip(c, widths, strict=True)).rstrip())


def _point(x: list[float]) -> str:
    return "(" + ", ".join(f"{v:.4g}" for v in x) + ")"


def _write(plant: Plant, found: Simulation, candidate: str, options: dict[str, Any]) -> list[str]:
    import hashlib

    from cli.outcome import nothing_decided
    from cli.run_folder import RunFolder
    from systems.files import write_atomically

    file = Path(candidate) / "candidate.json" if Path(candidate).is_dir() else Path(candidate)
    settings = {
        **plant.settings(),
        "candidate_sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        **{k: options[k] for k in ("starts", "count", "horizon", "samples", "picture", "seed")},
        "level": None if options["level"] is None else str(options["level"]),
        "disturbance": options["disturbance"],
    }
    folder = RunFolder.open(
        options["out"], "simulate", settings, force=options["force"], system=plant.text
    )
    text = _csv(plant, found)
    files = [folder.write("trajectories.csv", lambda p: write_atomically(p, text))]
    if options["picture"]:
        image = _picture(plant, found)
        files.append(folder.write("trajectories.png", lambda p: write_atomically(p, image)))
    names = [p.name for p in files]
    record = nothing_decided(REASON, system=plant.system.name, files=names)
    lines = [row("written", str(p)) for p in files]
    folder.save(status="finished", outcome={**record, "transcript": lines})
    return [str(p) for p in files]


def _csv(plant: Plant, found: Simulation) -> str:
    s = plant.system
    time_name = "step" if s.time == "discrete" else "time"
    lines = [",".join(["trajectory", time_name, *s.state_names, *s.input_names, "cost"])]
    for i in range(len(found.states)):
        for t, time in enumerate(found.times):
            values = [time, *found.states[i, t], *found.inputs[i, t], found.costs[i, t]]
            lines.append(",".join([str(i), *(f"{float(v)!r}" for v in values)]))
    return "\n".join(lines) + "\n"


_DRAWN = {"continuous": "default", "discrete": "steps-post"}


def _picture(plant: Plant, found: Simulation) -> bytes:
    import io

    from systems.errors import InputError

    try:
        import matplotlib
    except ImportError:
        raise InputError("--picture needs matplotlib: pip install 'stableproof[report]'") from None
    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    s = plant.system
    names = [*s.state_names, *s.input_names]
    units = [*s.state_units, *s.input_units] or [""] * len(names)
    figure = Figure(figsize=(7.0, 1.8 * len(names)), layout="constrained")
    axes = figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
    n = s.state_dimension
    for j, axis in enumerate(axes):
        series = found.states[:, :, j] if j < n else found.inputs[:, :, j - n]
        axis.plot(found.times, series.T, linewidth=1.0, drawstyle=_DRAWN[s.time])
        axis.set_ylabel(f"{names[j]} [{units[j]}]" if units[j] else names[j])
    axes[-1].set_xlabel("step" if s.time == "discrete" else "time")
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=120)
    return picture.getvalue()
