"""The report beside the certificate: what is proved, how, and what is not, for people.

The same words twice: ``report.md``, and ``report.html``, one page whose figures answer its reader.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from certify.result import StabilityResult
from certify.verdict import Proved, Refuted, Unknown
from proofs.report_claim import centre_word
from proofs.report_parts import Report
from proofs.report_words import text
from systems.errors import InputError
from systems.files import write_atomically

if TYPE_CHECKING:
    from proofs.picture_data import Scene

REPORT = "report.md"
PAGE = "report.html"
MISSING = (
    "{what} left out because {lacking} not installed; `pip install 'stableproof[report]'` brings "
    "{it}."
)


FIGURES = ("region", "paving", "trajectories", "training")


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
    counterexamples: Sequence[Mapping[str, object]] = (),
    history: Sequence[Mapping[str, object] | float] | None = None,
    provenance: Mapping[str, object] | None = None,
    certificate: Mapping[str, object] | None = None,
    certificate_file: str = "certificate.json",
    commands: Sequence[str] = (),
    repeat: str = "",
    pictures: bool = True,
    training_picture: bytes | None = None,
    beside: Mapping[str, object] | None = None,
) -> Path:
    """Write ``report.md``, its pictures and ``report.html`` into an existing folder.

    Returns the path of ``report.md``. It serves proved, refuted and unknown results. ``rounds`` is
    the table of the counterexample loop, one record for each round, and ``counterexamples`` one for
    each that was found (``round``, ``condition``, ``point``, ``values``); ``history`` is the
    training history, a record or a residual for each iteration, and ``provenance`` how the
    candidate came about: both are taken from the candidate where they are left out.
    ``certificate`` is the document that lies beside the report as ``certificate_file``;
    ``commands`` are command lines that check it, given in this folder, and ``repeat`` is the one
    that made it all, given elsewhere. ``training_picture`` is a PNG file that was drawn of the
    training while it went on; without it, its residuals are drawn. ``beside`` is the run's record,
    of which :mod:`proofs.report_beside` tells what stands beside the region. Without ``pictures``
    there is only the text; without matplotlib, or jinja2 and plotly, the report says what is left
    out. Raises InputError where it cannot be written.
    """
    folder = Path(directory)
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; the report needs one to be written to")
    report = Report(
        result, rounds, counterexamples, history, provenance, certificate, certificate_file,
        commands, repeat, training_picture, beside or {},
    )  # fmt: skip
    drawn, remarks = _draw(folder, report) if pictures else ({}, [])
    first, *others = report.parts()
    told = [*first.lines, *_shown(drawn, first.figures), *remarks]
    for part in others:
        told += [*part.lines, *_shown(drawn, part.figures)]
    path = folder / REPORT
    write_atomically(path, "\n".join(told))
    return path


def _shown(drawn: Mapping[str, Picture], names: Sequence[str]) -> list[str]:
    lines = []
    for picture in (drawn[n] for n in names if n in drawn):
        lines += [f"![{text(picture.alt)}]({picture.file})", "", f"*{picture.caption}*", ""]
    return lines


def _draw(folder: Path, report: Report) -> tuple[dict[str, Picture], list[str]]:
    """The pictures that there are, by name; the page; and remarks on what there is not."""
    from proofs.picture_data import Scene

    scene, remarks, drawn = Scene(report.result), [], {}
    if find_spec("matplotlib") is None:
        remarks += [MISSING.format(what="Pictures are", lacking="matplotlib is", it="it"), ""]
    else:
        drawn = _pictures(folder, report, scene)
    if find_spec("jinja2") is None or find_spec("plotly") is None:
        what = f"The page {PAGE} is"
        remarks += [MISSING.format(what=what, lacking="jinja2 or plotly is", it="both"), ""]
    else:
        from proofs.report_html import page

        files = {name: (folder / picture.file).read_bytes() for name, picture in drawn.items()}
        words = {name: _words(name, report) for name in FIGURES}
        write_atomically(folder / PAGE, page(report, scene, words, files))
    return drawn, remarks


def _pictures(folder: Path, report: Report, scene: Scene) -> dict[str, Picture]:
    from proofs import pictures
    from proofs.picture_style import styled
    from proofs.pictures import training_picture

    todo: list[tuple[str, Callable[[], bytes | None]]] = [
        ("region", lambda: pictures.region_picture(scene)),
        ("paving", lambda: pictures.paving_picture(scene)),
        ("trajectories", lambda: pictures.trajectory_picture(scene)),
        ("training", lambda: report.training_picture or training_picture(report.series)),
    ]
    drawn = {}
    with styled():
        for name, draw in todo:
            image = draw()
            if image is not None:
                write_atomically(folder / f"{name}.png", image)
                drawn[name] = Picture(f"{name}.png", *_words(name, report))
    return drawn


def _words(name: str, report: Report) -> tuple[str, str]:
    live = name == "training" and report.training_picture is not None
    return describe("training, while it went on" if live else name, report.result)


def _of_leaves(system: str, filled: bool, falls: bool) -> tuple[str, str]:
    """Of the leaves that fill a region, and those of a decrease search where there was one."""
    fill = "leaves on which V ≤ c2 is proved; their volume is the lower bound above."
    searched = (
        "every leaf of the decrease search, coloured by why no point of it breaks the condition."
    )
    if not falls:
        return f"{system}: leaves that fill the region", f"L{fill[1:]}"
    coloured = "the leaves of the decrease search coloured by the reason that closed them"
    if not filled:
        return f"{system}: {coloured}", searched.capitalize()
    return (
        f"{system}: leaves that fill the region, and {coloured}",
        f"Left: {fill} Right: {searched}",
    )


def describe(name: str, result: StabilityResult) -> tuple[str, str]:
    """Alt text and caption of a figure."""
    system, n = result.problem.system.name, result.problem.system.state_dimension
    match result.verdict:
        case Proved():
            outcome = "the proved region, bounded by V = c2"
        case Refuted():
            outcome = "the counterexample"
        case Unknown():
            outcome = "level sets of V; nothing is decided"
    where = {1: "V and its derivative over the state", 2: "phase portrait"}.get(
        n,
        f"slices through the {centre_word(result)}, for pairs of states, with the vector field "
        "in them",
    )
    filled = result.paving is not None and len(result.paving.lower) > 0
    words = {
        "region": (
            f"{system}, closed loop: {where}, and {outcome}",
            f"{where[0].upper()}{where[1:]}, and {outcome}. Curves and arrows are "
            "drawn in ordinary floating point; they illustrate the proof and are no part of it.",
        ),
        "paving": _of_leaves(system, filled, "decrease" in result.searches),
        "trajectories": (
            f"{system}: states over time, and V falling along the solutions on a logarithmic scale",
            "Simulated solutions, for illustration.",
        ),
        "training": (
            f"{system}: residuals of training by iteration, on a logarithmic scale",
            "Training history. The candidate is only a proposal: no figure of training enters the "
            "proof.",
        ),
        "training, while it went on": (
            f"{system}: loss and residual of training and the change of the policy, by iteration "
            "on logarithmic scales; V by iteration, with the counterexamples of all rounds",
            "Training: how loss, residual and policy changed, and how V did, from light (early) to "
            "dark (late), at levels common to all. The candidate is only a proposal: no figure of "
            "training enters the proof.",
        ),
    }
    return words[name]
