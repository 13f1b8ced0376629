"""``stableproof region``: how large a proved region is, beside the simulated one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.errors import CODES, StoppedByUserError
from cli.options import Seconds, common, constants, out, seed
from cli.output import note, say, say_json
from cli.sampling import KEYS, sampling
from cli.transcript import box_words, decimal, row

if TYPE_CHECKING:
    from certify.budget import Clock
    from certify.outer_estimate import Estimate, OuterEstimate
    from certify.region_volume import RegionVolume
    from certify.result import StabilityResult
    from cli.inputs import Plant

CERTIFICATE = "certificate.json"
PICTURE = "region.png"
FOR_VOLUME, FOR_PROOF, FOR_SIMULATION = 0.25, 0.5, 0.7
"""Shares of the time that is left."""

HOW = {
    "ellipsoid": "an ellipsoid, as V is a quadratic form",
    "inner ellipsoid": "an ellipsoid inside it",
    "paving": "boxes inside it",
}


@click.command("region")
@click.argument("target", metavar="RUN|SYSTEM", type=click.Path())
@click.argument("candidate", type=click.Path(), required=False)
@constants
@click.option(
    "--samples",
    type=click.IntRange(100, 1_000_000),
    default=4000,
    show_default=True,
    help="So many solutions are simulated, more or less.",
)
@click.option(
    "--horizon",
    type=Seconds("horizon", 1e6),
    show_default="by the slowest mode",
    help="How long each at most; in discrete time, how many steps.",
)
@click.option("--picture", is_flag=True, help="Also write DIR/region.png.")
@sampling
@seed
@out
@common
@click.pass_context
def command(
    context: click.Context, /, target: str, candidate: str | None, as_json: bool, **options: Any
) -> int:
    """Tell how large a proved region is, and how far the simulated region lies above it.

    RUN is the folder of a run, or a certificate; it is not checked again. SYSTEM CANDIDATE is
    proved first, as certify does, with the same constants and exit codes. The volume is a rigorous
    lower bound; the simulation is an estimate and proves nothing.
    """
    from certify.budget import Budget
    from certify.verdict import Proved
    from cli.progress import ProgressBars
    from systems.errors import InputError

    if options["picture"] and options["out"] is None:
        raise InputError("--picture needs --out, the folder to write to")
    if options["out"] is not None and not options["picture"]:
        raise InputError("--out is for --picture, which is missing; nothing else is written")
    clock = Budget(options["time_limit"]).started()
    try:
        with ProgressBars() as bars:
            if candidate is None:
                plant, result = None, _recorded(context, target)
            else:
                plant, result = _proved(target, candidate, options, clock, bars)
            if not isinstance(result.verdict, Proved):
                return _nothing_proved(result, as_json)
            volume, found = _measured(result, options, clock, bars)
        written = _picture(context, plant, result, found, options, clock)
    except KeyboardInterrupt:
        raise StoppedByUserError("interrupted: nothing was decided") from None
    record = _record(result, volume, found, candidate is None)
    record["files"] = written
    if as_json:
        say_json(record)
    else:
        for line in _lines(result, volume, found, candidate is None):
            say(line)
        for name in written:
            say(row("written", name))
    return 0


def _recorded(context: click.Context, target: str) -> StabilityResult:
    """What the certificate of a run states."""
    from proofs.certificate import load_certificate
    from proofs.report_source import result_of_certificate
    from systems.errors import InputError

    for name in ("c1", "c2", "mu", "alpha", "epsilon", "claim", *KEYS):
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            option = {"alpha": "rate"}.get(name, name).replace("_", "-")
            what = "the sampling is that" if name in KEYS else "the constants are those"
            raise InputError(
                f"--{option}: {what} of {target}; leave it out, or give SYSTEM and CANDIDATE"
            )
    path = Path(target)
    if not path.exists():
        raise InputError(
            f"there is no {target}; give the folder of a run, or a SYSTEM and its CANDIDATE"
        )
    file = path / CERTIFICATE if path.is_dir() else path
    if not file.exists():
        raise InputError(f"{target} holds no {CERTIFICATE}: nothing was proved there")
    return result_of_certificate(load_certificate(file))


def _proved(
    target: str, candidate: str, options: dict[str, Any], clock: Clock, bars: Any
) -> tuple[Plant, StabilityResult]:
    """What can be proved of a candidate."""
    from certify import Budget, prove_stability
    from cli.inputs import load_candidate_for, load_plant, requested, with_claim
    from cli.warm_up import warm_up

    plant = load_plant(target, options)
    options = with_claim(options, plant)
    asked = requested(options, plant)
    proposal = load_candidate_for(plant, candidate)
    warm_up()
    result = prove_stability(
        plant.system,
        proposal,
        asked,
        budget=Budget(FOR_PROOF * clock.remaining.seconds),
        on_progress=bars.proving,
        seed=options["seed"],
    )
    return plant, result


def _nothing_proved(result: StabilityResult, as_json: bool) -> int:
    from cli.outcome import outcome, word
    from cli.transcript import verdict_row

    if as_json:
        say_json(outcome(result, result.verdict, counterexamples=[]))
    else:
        say(verdict_row(result, result.verdict))
    return CODES[word(result.verdict)]


def _measured(
    result: StabilityResult, options: dict[str, Any], clock: Clock, bars: Any
) -> tuple[RegionVolume | None, OuterEstimate]:
    from certify import Budget
    from certify.outer_estimate import outer_estimate
    from certify.region_volume import region_volume

    assert result.constants is not None
    c2 = result.constants.c2
    volume = region_volume(
        result.problem,
        c2,
        paving=result.paving,
        budget=Budget(FOR_VOLUME * clock.remaining.seconds),
        seed=options["seed"],
    )
    found = outer_estimate(
        result.problem,
        c2,
        samples=options["samples"],
        seed=options["seed"],
        horizon=options["horizon"],
        budget=Budget(clock.remaining.seconds * (FOR_SIMULATION if options["picture"] else 1.0)),
        on_count=lambda done, of: bars.counting("simulating", "starts", done, of),
    )
    if not found.complete:
        note(f"the time limit ended the simulations; {found.samples} of them count")
    return volume, found


def _picture(
    context: click.Context,
    plant: Plant | None,
    result: StabilityResult,
    found: OuterEstimate,
    options: dict[str, Any],
    clock: Clock,
) -> list[str]:
    if not options["picture"]:
        return []
    from cli.outcome import nothing_decided
    from cli.progress import waiting
    from cli.region_picture import RegionPicture
    from cli.run_folder import RunFolder
    from systems.files import write_atomically

    assert result.constants is not None
    c2 = result.constants.c2
    drawing = RegionPicture(
        result.problem, c2, found.horizon, lambda: clock.exhausted(0) is not None
    )
    settings = {
        **({} if plant is None else plant.settings()),
        "target": context.params["target"],
        "candidate": context.params["candidate"],
        "c2": str(c2),
        "seed": options["seed"],
    }
    with waiting("picture"):
        image = drawing.png()
    folder = RunFolder.open(options["out"], "region", settings, force=options["force"])
    path = folder.write(PICTURE, lambda target: write_atomically(target, image))
    record = nothing_decided("a picture", system=result.problem.system.name, files=[PICTURE])
    lines = [row("written", str(path))]
    folder.save(status="finished", outcome={**record, "transcript": lines})
    return [str(path)]


def _record(
    result: StabilityResult, volume: RegionVolume | None, found: OuterEstimate, recorded: bool
) -> dict[str, Any]:
    from dataclasses import asdict

    from cli.outcome import outcome

    if recorded:
        result = replace(result, searches={})
    record = outcome(result, result.verdict, counterexamples=[])
    if recorded:
        record["reason"] = "as the certificate states; it was not checked again"
        record["conditions"] = []
    at_least = 0.0 if volume is None else volume.at_least
    whole = result.problem.system.domain
    simulated = asdict(found)
    for name, estimate in (("staying", found.staying), ("converging", found.converging)):
        share, least = estimate.proved_share(at_least)
        simulated[name] |= {"certified_share": share, "certified_share_at_least": least}
    record["certified"] = None if volume is None else {
        "at_least": at_least, "how": volume.how, "share_of_domain": volume.share_of(whole),
        "unit": _unit(result),
    }  # fmt: skip
    record["simulated"] = {"proved": False, **simulated}
    return record


def _lines(
    result: StabilityResult, volume: RegionVolume | None, found: OuterEstimate, recorded: bool
) -> list[str]:
    from systems.units import in_powers

    assert result.constants is not None
    system, c2 = result.problem.system, decimal(result.constants.c2)
    stated = "recorded; check proves it again" if recorded else ""
    lines = [
        row("system", f"{system.name}, {system.state_dimension} states", stated),
        row("claim", f"{result.requested.claim.value} of every start with V(x) <= {c2}", "proved"),
    ]
    if result.problem.domain != system.domain:
        lines.append(row("box", f"x in {box_words(result.problem.domain)}"))
    whole = float(system.domain.volume)
    shown = " * ".join(in_powers(system.state_units))
    unit = f" {shown}" if shown else ""
    if volume is None:
        lines.append(row("certified", "no volume could be shown in the time there was"))
    else:
        text = (
            f"volume >= {_down(volume.at_least)}{unit}, {_percent(volume.share_of(system.domain))}"
        )
        lines += [row("certified", f"{text} of the domain", HOW[volume.how])]
    for estimate, words in (
        (found.staying, "converge inside the domain"),
        (found.converging, "converge"),
    ):
        ends = f"(95 %: {estimate.low:.4g} to {estimate.high:.4g})"
        share = f"{_percent(estimate.volume / whole)} of the domain"
        lines.append(row("simulated", f"{estimate.volume:.4g} {ends} {words}", share))
        if estimate.beyond > 0:
            text = f"farther out no start did so: there at most {estimate.beyond:.2g} (95 %)"
            lines.append(row("", text))
    lines.append(
        row(
            "",
            f"{found.samples:,} solutions, {found.undecided:,} undecided",
            f"{found.seconds:.2f} s",
        )
    )
    return [*lines, _conclusion(volume, found.staying)]


def _conclusion(volume: RegionVolume | None, staying: Estimate) -> str:
    """The certified volume beside the simulated one."""
    simulated = f"simulated, not proved: {staying.volume:.4g}"
    if volume is None:
        return f"certified: no volume; {simulated}"
    _, least = staying.proved_share(volume.at_least)
    return (
        f"certified >= {_down(volume.at_least)}; {simulated}: at least {_percent(least)} of what "
        "converges inside the domain is proved"
    )


def _down(value: float) -> str:
    """A lower bound stays one when it is printed."""
    from fractions import Fraction

    return decimal(Fraction(value), 4)


def _percent(share: float) -> str:
    return f"{_down(100.0 * share)} %"


def _unit(result: StabilityResult) -> str:
    """The unit of a volume, as a certificate spells it; "1" where the states have none."""
    return " * ".join(u for u in result.problem.system.state_units if u) or "1"
