"""A proof around each published reference, with the trained decentralised controllers in the loop.

    python -m benchmarks.reactor_proofs [--controller KEY] [--seconds S] [--out FOLDER]

Set-point convergence (docs/decisions/0013), in continuous time and sampled every 0.005 h (one
Runge-Kutta step, inputs held): every start in the ellipsoid converges to one equilibrium, at a
proved rate and distance from the reference, and no input comes within a thousandth of its range of
a limit. Certificates go to FOLDER/certificates (benchmarks/results/reactor/), each rechecked by the
independent checker; the table goes to benchmarks/results/reactor_proofs.md. LQR's law of the same
reference stands beside, sampled, proved by the same method. About ten minutes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console

from benchmarks.reactor_controllers import FOLDER, policy_file
from benchmarks.report import RESULTS, Bar, Report, Row, conditions_of_measurement
from certify import Budget, Candidate, Claim, Proved, Requested, StabilityResult, prove_stability
from certify.ellipsoid import half_widths
from learners.lqr import lqr_candidate
from proofs.certificate import certificate_of, save_certificate
from proofs.checker import check_bytes
from systems import expression as ex
from systems import zoo
from systems.dynamics import ControlAffineSystem
from systems.sampled import sampled
from systems.words import state_names
from systems.zoo.reactor_task import reactor_task

REFERENCES = (1, 2, 3)
COLUMNS = (
    "closed loop", "reference", "time", "reach in T1, T2, T3 (K)", "reach in mass fractions",
    "rate", "offset (K)", "volume, by the ellipsoid", "boxes", "proof", "check",
)  # fmt: skip
NOTES = (
    "From `python -m benchmarks.reactor_proofs`; the theorem is set-point convergence, which "
    "docs/decisions/0013 explains.",
    "Reach: half the extent of the proved ellipsoid along each state, rounded down; of fractions, "
    "the smallest and the largest of the six.",
    "Rate: of √q between two solutions, 1/h in continuous time; sampled, it is alpha of a step. "
    "Offset: how far the equilibrium can be from the reference, the largest of the three "
    "temperatures.",
    "A certificate of each is in reactor/certificates; check: the independent checker on it.",
)


@dataclass(frozen=True)
class Loop:
    """One closed loop around one reference."""

    title: str
    key: str
    reference: int
    system: ControlAffineSystem
    control: ex.Expression

    @property
    def is_sampled(self) -> bool:
        return self.system.sampling is not None


@click.command(help=__doc__)
@click.option("--controller", "key", default="dlac-0", show_default=True,
              help="Whose policy, by its key in the evaluation.")  # fmt: skip
@click.option("--seconds", type=click.FloatRange(min=1.0), default=60.0, show_default=True,
              help="The time limit of a proof.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), default=FOLDER, show_default=False,
              help="Where policies are found, and certificates left.")  # fmt: skip
def main(key: str, seconds: float, out: Path) -> None:
    """Prove and write."""
    screen = Console(width=160, highlight=False, markup=False)
    conditions = conditions_of_measurement(
        f"python -m benchmarks.reactor_proofs --controller {key} --seconds {seconds:g}"
    )
    rows = []
    for loop in loops(key, out):
        row = prove(loop, seconds, out / "certificates")
        screen.print("  ".join(row.cells))
        rows.append(row)
    title = "The reactor-separator: a proof around each reference"
    report = Report("reactor_proofs", title, NOTES, COLUMNS, rows)
    report.write(RESULTS if out == FOLDER else out, conditions)


def loops(key: str, folder: Path) -> Iterator[Loop]:
    """The policy's and LQR's, for every reference, in continuous time and sampled."""
    from learners.actor_critic.policy import Policy

    path = policy_file(key, folder)
    if path is None or not path.exists():
        learner, _, trial = key.partition("-")
        raise click.ClickException(
            f"no policy {key}: python -m benchmarks.reactor_train {learner} --trial {trial or 0}"
        )
    policy = Policy.load(path)
    sampling = reactor_task(zoo.reactor_separator()).sampling
    assert sampling is not None
    for reference in REFERENCES:
        plant = zoo.reactor_separator(reference)
        for system in (plant, sampled(plant, sampling)):
            control = policy.expression(system, plant.equilibrium, plant.equilibrium_input)
            yield Loop(f"DLAC ({key})", key, reference, system, control)
        held = sampled(plant, sampling)
        law = lqr_candidate(held).control
        assert law is not None
        yield Loop("LQR", "lqr", reference, held, law)


def prove(loop: Loop, seconds: float, folder: Path) -> Row:
    """One row; the certificate is written where there is one."""
    system = loop.system
    distance = system.state - ex.constant(list(system.equilibrium))
    candidate = Candidate(system.state, ex.total(distance**2), loop.control, {"learner": loop.key})
    began = time.perf_counter()
    result = prove_stability(
        system,
        candidate,
        Requested(claim=Claim.SET_POINT_CONVERGENCE),
        budget=Budget(seconds),
    )
    took = time.perf_counter() - began
    when = "sampled" if loop.is_sampled else "continuous"
    head = [loop.title, f"sref{loop.reference}", when]
    bar = Bar.claim("proved, and valid for the checker", False)
    if not isinstance(result.verdict, Proved):
        cells = [*head, *["–"] * 6, f"{took:.0f} s", str(result.verdict)[:80]]
        return Row(cells, {"loop": loop.title, "verdict": str(result.verdict)}, (bar,))
    path = folder / f"{loop.key}-sref{loop.reference}-{when}.json"
    folder.mkdir(parents=True, exist_ok=True)
    save_certificate(certificate_of(result), path)
    outcome = check_bytes(path.read_bytes(), 1)
    found = _found(result)
    valid = outcome.status == "valid"
    cells = [*head, *_cells(found), f"{result.boxes:,}", f"{took:.0f} s", _checked(outcome)]
    data = {
        "loop": loop.title, "reference": loop.reference, "time": when, **found,
        "boxes": result.boxes, "prove_seconds": took, "check_seconds": outcome.seconds,
        "leaves": outcome.leaves, "status": outcome.status, "claim": outcome.claim_hash,
    }  # fmt: skip
    bar = Bar.claim("proved, and valid for the checker", valid)
    return Row(cells, data, (bar,) if loop.key != "lqr" else ())


def _found(result: StabilityResult) -> dict[str, object]:
    k, ellipsoid = result.constants, result.ellipsoid
    assert k is not None and ellipsoid is not None
    names = state_names(result.problem.system)
    reach, offset = (
        {n: float(d) for n, d in zip(names, half_widths(ellipsoid, level), strict=True)}
        for level in (k.c2, k.c1)
    )
    volume = None if result.volume is None else result.volume.at_least
    return {"reach": reach, "offset": offset, "rate": float(k.alpha or 0), "volume": volume}


def _cells(found: dict[str, object]) -> list[str]:
    reach, offset = found["reach"], found["offset"]
    assert isinstance(reach, dict) and isinstance(offset, dict)
    hot = [reach[n] for n in reach if n.startswith("T")]
    shares = [reach[n] for n in reach if n.startswith("x")]
    far = max(offset[n] for n in offset if n.startswith("T"))
    volume = found["volume"]
    return [
        ", ".join(f"{_down(v):.3g}" for v in hot),
        f"{_down(min(shares)):.2g} … {_down(max(shares)):.2g}",
        f"{found['rate']:.4g}",
        f"{far:.1e}",
        "–" if volume is None else f"{volume:.2e} K³",
    ]


def _down(value: float) -> float:
    """Two digits are read of it, and they should not be too large."""
    return value * 0.995


def _checked(outcome: object) -> str:
    status, leaves = getattr(outcome, "status", "?"), getattr(outcome, "leaves", 0)
    return f"{status}, {leaves:,} leaves, {getattr(outcome, 'seconds', 0.0):.1f} s"


if __name__ == "__main__":
    main()
