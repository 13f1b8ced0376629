"""The report beside the certificate: Markdown that says what is proved, how, and what is not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from certify.result import StabilityResult
from certify.verdict import Proved, Refuted, Unknown
from proofs import report_record as record
from proofs import report_sections as sections
from proofs.report_words import text
from systems.errors import InputError
from systems.files import write_atomically

REPORT = "report.md"
MISSING = (
    "Pictures are left out because matplotlib is not installed; "
    "`pip install 'stableproof[report]'` brings it."
)


@dataclass(frozen=True)
class Picture:
    """A picture's file name, what it shows (for those who cannot see it), and its caption."""

    file: str
    alt: str
    caption: str


def write_report(
    directory: str | PathLike[str],
    result: StabilityResult,
    *,
    rounds: Sequence[Mapping[str, object]] = (),
    history: Sequence[Mapping[str, object] | float] | None = None,
    provenance: Mapping[str, object] | None = None,
    certificate: Mapping[str, object] | None = None,
    certificate_file: str = "certificate.json",
    commands: Sequence[str] = (),
    pictures: bool = True,
) -> Path:
    """Write ``report.md`` and its pictures into an existing folder; returns the report's path.

    It serves proved, refuted and unknown results. ``rounds`` is the table of the counterexample
    loop, one record for each round; ``history`` is the training history, a record or a residual
    for each iteration, and ``provenance`` how the candidate came about: both are taken from the
    candidate where they are left out. ``certificate`` is the document that lies beside the report
    as ``certificate_file``; ``commands`` are command lines that repeat the proof. Without
    matplotlib the report says so and has no pictures. Raises InputError where it cannot be written.
    """
    folder = Path(directory)
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; the report needs one to be written to")
    known = dict(result.problem.candidate.provenance if provenance is None else provenance)
    recorded = known.pop("history", None)
    steps = record.as_records(recorded if history is None else history)
    drawn, remark = _draw(folder, result, steps) if pictures else ({}, "")
    parts = [
        sections.headline(result),
        _shown(drawn, "region"),
        [remark, ""] if remark else [],
        sections.claim(result),
        sections.counterexample(result),
        sections.region(result),
        sections.conditions(result),
        _shown(drawn, "paving"),
        sections.constants(result),
        record.plant(result),
        _shown(drawn, "trajectories"),
        record.rounds(rounds),
        record.training(known, steps),
        _shown(drawn, "training"),
        record.trust(result),
        record.again(result, certificate, certificate_file, commands),
    ]
    path = folder / REPORT
    write_atomically(path, "\n".join(line for part in parts for line in part))
    return path


def _shown(drawn: Mapping[str, Picture], name: str) -> list[str]:
    if name not in drawn:
        return []
    picture = drawn[name]
    return [f"![{text(picture.alt)}]({picture.file})", "", f"*{picture.caption}*", ""]


def _draw(
    folder: Path, result: StabilityResult, steps: Sequence[Mapping[str, object]]
) -> tuple[dict[str, Picture], str]:
    """The pictures that there are, by name, and a remark where there are none."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return {}, MISSING
    from proofs import pictures
    from proofs.picture_data import Scene
    from proofs.picture_style import styled

    scene = Scene(result)
    series = record.residuals(steps)
    todo: list[tuple[str, Callable[[], bytes | None]]] = [
        ("region", lambda: pictures.region_picture(scene)),
        ("paving", lambda: pictures.paving_picture(scene)),
        ("trajectories", lambda: pictures.trajectory_picture(scene)),
        ("training", lambda: pictures.training_picture(series)),
    ]
    drawn = {}
    with styled():
        for name, draw in todo:
            image = draw()
            if image is not None:
                write_atomically(folder / f"{name}.png", image)
                drawn[name] = Picture(f"{name}.png", *_words(name, result))
    return drawn, ""


def _words(name: str, result: StabilityResult) -> tuple[str, str]:
    """Alt text and caption."""
    system, n = result.problem.system.name, result.problem.system.state_dimension
    match result.verdict:
        case Proved():
            outcome = "the proved region, bounded by V = c2"
        case Refuted():
            outcome = "the counterexample"
        case Unknown():
            outcome = "level sets of V; nothing is decided"
    where = {1: "V and its derivative over the state", 2: "phase portrait"}.get(
        n, "slices through the equilibrium, for pairs of states, with the vector field in them"
    )
    filled = result.paving is not None and len(result.paving.lower) > 0
    searched = "every box of the decrease search, coloured by why no point of it breaks the "
    fill = "Left: boxes on which V ≤ c2 is proved; their volume is the lower bound above. Right: "
    words = {
        "region": (
            f"{system}, closed loop: {where}, and {outcome}",
            f"{where[0].upper()}{where[1:]}, and {outcome}. Curves and arrows are "
            "drawn in ordinary floating point; they illustrate the proof and are no part of it.",
        ),
        "paving": (
            f"{system}: {'boxes that fill the region, and ' if filled else ''}the boxes of the "
            "decrease search coloured by the reason that closed them",
            f"{fill if filled else ''}{searched if filled else searched.capitalize()}condition.",
        ),
        "trajectories": (
            f"{system}: states over time, and V falling along the solutions on a logarithmic scale",
            "Simulated solutions, for illustration.",
        ),
        "training": (
            f"{system}: residuals of training by iteration, on a logarithmic scale",
            "Training history. The candidate is only a proposal: no figure of training enters the "
            "proof.",
        ),
    }
    return words[name]
