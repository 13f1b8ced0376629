"""``stableproof import``: networks trained elsewhere become a candidate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.options import chained, common, out
from cli.output import note, say, say_json
from cli.sampling import KEYS, sampling
from cli.transcript import row

if TYPE_CHECKING:
    from certify.candidate import Candidate
    from systems.dynamics import ControlAffineSystem

ACTIVATIONS = ("tanh", "sigmoid", "relu", "softplus", "sin", "identity")


def _network_options(name: str, what: str) -> Any:
    return chained(
        click.option(
            f"--{name}",
            type=click.Path(),
            required=name == "value",
            help=f"{what}: .onnx, .npz or .safetensors.",
        ),
        click.option(f"--{name}-output", help=f"Which output of the ONNX graph is {what}."),
        click.option(f"--{name}-prefix", default="", help="Of the names in the state dict."),
        click.option(
            f"--{name}-activation",
            type=click.Choice(ACTIVATIONS),
            default="tanh",
            show_default=True,
            help="Between the layers of a state dict.",
        ),
        click.option(
            f"--{name}-output-activation",
            type=click.Choice(ACTIVATIONS),
            default="identity",
            show_default=True,
            help="After the last layer of a state dict.",
        ),
    )


@click.command("import")
@click.argument("system")
@_network_options("value", "V")
@_network_options("control", "k")
@click.option(
    "--as-is", is_flag=True, help="Do not shift V and k so that V(x*) = 0 and k(x*) = u*."
)
@click.option("--saturate", is_flag=True, help="Cut the control off at the input limits.")
@sampling
@out
@common
def command(system: str, as_json: bool, **options: Any) -> int:
    """Make a candidate for SYSTEM of networks trained elsewhere; certify takes it.

    V and k are ONNX graphs, or state dicts (layers NAME.weight, NAME.bias) of multilayer
    perceptrons. Weights are taken exactly. With --out, writes DIR/candidate.json.
    """
    from cli.inputs import load_plant
    from cli.networks import network_candidate, network_files
    from cli.outcome import nothing_decided

    plant = load_plant(system, options)
    candidate = network_candidate(plant, options)
    sources = network_files(options)
    note_offsets(plant.system, candidate)
    lines = [row("imported", ", ".join(f"{k} of {v}" for k, v in sources.items()))]
    record = nothing_decided(
        "imported only; certify proves it or refutes it",
        system=plant.system.name,
        candidate=None,
    )
    if options["out"] is not None:
        from certify.candidate_file import save_candidate
        from cli.run_folder import RunFolder

        settings = {**plant.settings(), **_settings(options)}
        folder = RunFolder.open(
            options["out"], "import", settings, force=options["force"], system=plant.text
        )
        name = plant.system.name
        path = folder.write("candidate.json", lambda p: save_candidate(candidate, p, name))
        record["candidate"] = str(path)
        lines.append(row("candidate", str(path)))
        folder.save(status="finished", outcome={**record, "transcript": lines})
    if as_json:
        say_json(record)
    else:
        for line in lines:
            say(line)
    return 0


def note_offsets(system: ControlAffineSystem, candidate: Candidate) -> None:
    """Tell which values at the equilibrium are not what a proof needs, and how to mend that."""
    import numpy as np

    from systems.evaluate import function

    x_star = np.array([[float(v) for v in system.equilibrium]])
    on = candidate.on(system)
    wanted = [("V(x*)", on.value, [0.0])]
    if on.control is not None:
        wanted.append(("k(x*)", on.control, [float(v) for v in system.equilibrium_input]))
    for name, expression, target in wanted:
        (values,) = function(expression, system.state)(x_star)
        found = values[0].tolist()
        if found != target:
            note(
                f"{name} = {_tuple(found)}, not {_tuple(target)}: certify will refuse this; "
                "without --as-is it is shifted"
            )


def _tuple(values: list[float]) -> str:
    words = ", ".join(f"{v:.6g}" for v in values)
    return words if len(values) == 1 else f"({words})"


def _settings(options: dict[str, Any]) -> dict[str, object]:
    """Every option, and the networks by content."""
    import hashlib

    settings = {k: v for k, v in options.items() if k not in ("out", "force", *KEYS)}
    for which in ("value", "control"):
        path = settings.pop(which)
        if path is not None:
            settings[f"{which}_sha256"] = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    return settings
