"""The report as one page that needs nothing else: text, figures that answer, and their program."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from certify.result import StabilityResult
from certify.verdict import Proved
from proofs.figures import figure_data
from proofs.report_html_markup import blocks, inline, slug
from proofs.report_parts import Part, Report, outcome_word
from proofs.report_sections import leaves_of
from proofs.report_words import approximate, coordinates, rounded_down, seconds
from proofs.statement import one_line
from systems.units import in_powers

if TYPE_CHECKING:
    from proofs.picture_data import Scene

CAPTIONS = {
    "region": "Drag to zoom, double-click to go back; an entry of the legend hides what it names.",
    "paving": "Point at a leaf, or tap it, to read its sides, why it is closed and its margin; "
    "with the keyboard, focus the figure and use the arrow keys.",
    "trajectories": "Simulated solutions, for illustration, and V along them.",
    "training": "Training history. The candidate is only a proposal: no figure of training enters "
    "the proof.",
}
SLICED = (
    " Choose the two axes, and where the slice lies in the other coordinates; the figure of the "
    "leaves shows the same slice."
)


@dataclass(frozen=True)
class Shown:
    """A figure of the page, and the static image for print and for readers without scripts.

    ``image_always``: it shows more than the figure does, and stands below it.
    """

    name: str
    alt: str
    caption: str
    image: str
    image_caption: str
    image_always: bool = False


@dataclass(frozen=True)
class Section:
    """A part of the page: the anchor and title of its first heading, its text and figures."""

    id: str
    title: str
    html: Markup
    figures: list[Shown]


def page(
    report: Report, scene: Scene, words: Mapping[str, tuple[str, str]], images: Mapping[str, bytes]
) -> str:
    """The whole document.

    ``images`` are PNG files by figure; ``words`` tell of each what it shows, and its caption.
    """
    result, parts = report.result, report.parts()
    data = figure_data(scene, report.pavings, report.points, report.series)
    there = _figures(data)
    live = {"training"} & set(images) if report.training_picture is not None else set()
    shown = {
        name: Shown(
            name, alt, _caption(name, data), _base64(images.get(name)), caption, name in live
        )
        for name, (alt, caption) in words.items()
        if name in there
    }
    headline, others = parts[0], [p for p in parts[1:] if p.lines]
    return _environment().get_template("report.html.j2").render(
        **_head(result, headline),
        verdict=outcome_word(result),
        hero=shown.get("region"),
        parts=_sections(others, shown),
        data=htmlsafe_json_dumps(data, allow_nan=False, separators=(",", ":")),
        plotly=plotly_script(),
        version=_version(),
    )  # fmt: skip


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("proofs", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _head(result: StabilityResult, headline: Part) -> dict[str, Any]:
    """The top of the page: verdict, claim, the sentence that matters, and the key figures."""
    title, *lines = (line for line in headline.lines if line)
    system = one_line(result.problem.system.name)
    claim = inline(title.removeprefix("# ")).striptags().rpartition(": ")[2]
    badge = {"proved": "Proved:", "refuted": "Refuted:", "unknown": "Not decided:"}
    return {
        "system": system,
        "badge": badge[outcome_word(result)].rstrip(":"),
        "claim": claim,
        "lede": blocks(lines[:1]),
        "key": _key_figures(result),
        "found": _found(result),
    }


def _key_figures(result: StabilityResult) -> list[tuple[str, str, str]]:
    """Name, value and unit of what one looks for first."""
    out: list[tuple[str, str, str]] = []
    if isinstance(result.verdict, Proved) and result.constants is not None:
        out.append(("region V ≤ c2", approximate(result.constants.c2), ""))
    shown, system = result.plain_volume, result.problem.system
    if shown is not None:
        units = " · ".join(in_powers(one_line(u) for u in system.state_units))
        out.append(("volume, rigorous", f"≥ {rounded_down(shown.at_least)}", units))
        share = 100 * shown.at_least / float(system.domain.volume)
        out.append(("of the domain, at least", f"{rounded_down(share, 3)} %", ""))
    if result.theorem is not None:
        out.append(("leaves, the evidence", f"{leaves_of(result):,}", ""))
    out.append(("search", seconds(result.seconds), f"{result.boxes:,} boxes examined"))
    return out


def _found(result: StabilityResult) -> dict[str, object] | None:
    """The counterexample, for the top of the page."""
    found = result.counterexample
    if found is None:
        return None
    search, why = result.searches.get(found.condition), ""
    if search is not None:
        names = search.condition.outputs
        values = " and ".join(
            f"{name} = {0.5 * (low + high):.6g}"
            for name, (low, high) in zip(names, found.outputs, strict=False)
        )
        hence = " and ".join(c.words(names) for c in search.condition.violation)
        why = (
            f"The claim: {search.condition.claim}. The fact, shown in rigorous arithmetic: "
            f"{values}, so that {hence}."
        )
    where = zip(coordinates(result.problem.system), found.point, strict=False)
    return {
        "condition": found.condition,
        "point": [one_line(f"{name} = {v!r} {unit}") for (name, unit), v in where],
        "why": why,
    }


def _figures(data: Mapping[str, object]) -> set[str]:
    """The figures for which there is something to draw."""
    wanted = {"pavings": "paving", "paths": "trajectories", "training": "training"}
    return {"region", *(name for key, name in wanted.items() if data[key])}


def _caption(name: str, data: Mapping[str, object]) -> str:
    states = data["states"]
    sliced = isinstance(states, list) and len(states) > 2
    return CAPTIONS[name] + (SLICED if name == "region" and sliced else "")


def _base64(image: bytes | None) -> str:
    return "" if image is None else base64.b64encode(image).decode("ascii")


def _sections(parts: list[Part], shown: Mapping[str, Shown]) -> list[Section]:
    out = []
    for part in parts:
        figures = [shown[name] for name in part.figures if name in shown]
        heading = next((line for line in part.lines if line.startswith("## ")), "")
        title = inline(heading[3:]).striptags()
        out.append(Section(slug(title) if title else "", title, blocks(part.lines), figures))
    return out


@cache
def plotly_script() -> Markup:
    """Plotly's own script, which the page carries along."""
    file = resources.files("plotly") / "package_data" / "plotly.min.js"
    source = file.read_text(encoding="utf-8")
    # Nothing in it may end the element that it stands in.
    return Markup(re.sub(r"<(?=/script|!--)", r"\\x3c", source, flags=re.IGNORECASE))


def _version() -> str:
    from proofs.certificate import versions

    return versions()["stableproof"]
