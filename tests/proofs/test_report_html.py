"""The report as a page: what it says, that nothing in it can break out, and that it asks nobody."""

from __future__ import annotations

import base64
import json
import re
from itertools import pairwise

import numpy as np
import pytest

from proofs.report_html import plotly_script
from tests.proofs import pages

LINKING = ("src", "href", "action", "srcset", "poster", "data", "formaction", "background")
MEGABYTES = 8


def data_of(kind: str) -> dict[str, object]:
    """What the figures are drawn from."""
    [script] = [e for e in pages.parsed(kind).all("script") if "json" in str(e.attributes)]
    loaded = json.loads(script.text, parse_constant=lambda c: pytest.fail(f"{c} is no JSON"))
    assert isinstance(loaded, dict)
    return loaded


@pytest.mark.parametrize("kind", pages.KINDS)
def test_a_page_is_whole_and_of_reasonable_size(kind: str) -> None:
    document = pages.parsed(kind)
    assert document.mistakes == []
    assert len(pages.html(kind).encode()) < MEGABYTES * 10**6
    assert [e.attributes["lang"] for e in document.all("html")] == ["en"]
    identifiers = [e.attributes["id"] for e in document.elements if "id" in e.attributes]
    assert len(identifiers) == len(set(identifiers))


@pytest.mark.parametrize("kind", pages.KINDS)
def test_a_page_says_what_the_markdown_says(kind: str) -> None:
    """Every word of every part, but for the headline, which is set in its own way."""
    shown = " ".join(e.text for e in pages.parsed(kind).all("section"))
    squeezed = re.sub(r"\W", "", shown)
    for part in pages.report(kind).parts()[1:]:
        for line in part.lines:
            words = re.sub(r"\$[^$]*\$|[\\`*|#]|^- ", " ", line)
            for word in re.findall(r"[\w.,/]+", words):
                assert re.sub(r"\W", "", word) in squeezed, (word, line)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("two states", "Proved asymptotic stability"),
        ("discrete", "Proved exponential stability"),
        ("disturbed", "Proved practical stability"),
        ("refuted", "Refuted asymptotic stability"),
        ("unknown", "Not decided asymptotic stability"),
    ],
)
def test_the_verdict_is_the_first_thing_said(kind: str, said: str) -> None:
    [headline] = pages.parsed(kind).all("h1")
    assert " ".join(headline.text.split()) == said
    [root] = pages.parsed(kind).all("html")
    word = {"Not": "unknown"}.get(said.split()[0], said.split()[0].lower())
    assert word in root.attributes["class"].split()


def test_a_counterexample_stands_before_everything_else() -> None:
    result = pages.KINDS["refuted"]()
    assert result.counterexample is not None
    page = pages.html("refuted")
    head = page[: page.index("<main")]
    for value in result.counterexample.point:
        assert repr(value) in head
    assert "so that V ≥ 0.01 and V ≤ 0.025 and dV/dt &gt; -10" in head
    titles = [e.text for e in pages.parsed("refuted").all("h2")]
    assert titles[0] == "The counterexample"
    assert "counterexample" not in pages.html("three states").partition("<main")[0]


def test_constants_volume_hashes_and_commands_are_told() -> None:
    told = pages.report("two states")
    text = " ".join(e.text for e in pages.parsed("two states").all("section"))
    assert told.certificate is not None and told.result.paving is not None
    hashes = told.certificate["sha256"]
    assert isinstance(hashes, dict) and all(digest in text for digest in hashes.values())
    for exact in ("1/100", "1/40", "1/10000", "rad/s", "unit of V / time", "stableproof check"):
        assert exact in text
    least = re.search(r"at least ([0-9.]+) rad · rad/s", text)
    assert least is not None
    assert 0.99 * told.result.paving.volume < float(least[1]) <= told.result.paving.volume
    assert "tolerances none" in " ".join(text.replace("\n", " ").split()).replace(
        "tolerancesnone", "tolerances none"
    )


@pytest.mark.parametrize("kind", pages.KINDS)
def test_a_page_asks_nothing_of_the_network(kind: str) -> None:
    document = pages.parsed(kind)
    for element in document.elements:
        for name, value in element.attributes.items():
            if name in LINKING:
                assert value.startswith(("#", "data:")), (element.tag, name, value[:60])
            assert not name.startswith("on"), (element.tag, name)
    [style] = document.all("style")
    assert "@import" not in style.text and "url(" not in style.text and "//" not in style.text
    scripts = [e.text for e in document.all("script")]
    ours = [s for s in scripts if s != str(plotly_script())]
    assert len(ours) == len(scripts) - 1
    assert not any(re.search(r"https?://|fetch\(|XMLHttpRequest|import\(", s) for s in ours[:-2])
    assert not re.search(r"https?://|fetch\(|XMLHttpRequest|import\(", ours[-1])
    [policy] = [e for e in document.all("meta") if "Content-Security" in str(e.attributes)]
    assert policy.attributes["content"].startswith("default-src 'none';")


def test_hostile_names_stay_text() -> None:
    document = pages.parsed("hostile")
    ordinary = pages.parsed("two states")
    for tag in ("script", "img", "b", "i"):
        count = len([e for e in document.all(tag) if "onerror" in e.attributes])
        assert count == 0
    assert len(document.all("script")) == len(ordinary.all("script"))
    assert len(document.all("img")) == len(ordinary.all("img"))
    assert document.all("title")[0].text.endswith(pages.HOSTILE)
    assert any(pages.HOSTILE in e.text for e in document.all("b"))
    data = data_of("hostile")
    states = data["states"]
    assert isinstance(states, list)
    assert [s["name"] for s in states] == ["<img src=x onerror=alert(1)>", "ω"]


@pytest.mark.parametrize("kind", pages.KINDS)
def test_a_page_can_be_heard(kind: str) -> None:
    """Headings step down one at a time; pictures, figures, tables and controls have names."""
    document = pages.parsed(kind)
    levels = [int(e.tag[1]) for e in document.all("h1", "h2", "h3", "h4")]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))
    known = {e.attributes.get("id") for e in document.elements}
    for figure in document.all("figure"):
        assert figure.attributes["aria-labelledby"] in known
    shown = [e for e in document.elements if e.attributes.get("role") == "img"]
    assert len(shown) >= 3
    name = pages.KINDS[kind]().problem.system.name
    for element in shown:
        alt = element.attributes["aria-label"]
        assert alt.startswith(name) and len(alt) > len(name) + 20
    for image in document.all("img"):
        assert len(image.attributes["alt"]) > 30
    for table in document.all("table"):
        assert table.attributes["role"] == "table"
    assert all(e.attributes.get("scope") in ("col", "row") for e in document.all("th"))
    cells = document.all("td")
    assert cells and all(e.attributes["data-label"] for e in cells)
    links = [e.attributes["href"] for e in document.all("a")]
    assert links and all(href[1:] in known for href in links)


def test_the_figures_are_those_of_the_result() -> None:
    told, data = pages.report("three states"), data_of("three states")
    pavings = data["pavings"]
    assert isinstance(pavings, list)
    assert [p["name"] for p in pavings][:2] == ["volume", "decrease"]
    for shown, paved in zip(pavings[1:], told.pavings, strict=True):
        lower = np.frombuffer(base64.b64decode(shown["lower"]), dtype="<f4").reshape(-1, 3)
        margin = np.frombuffer(base64.b64decode(shown["margin"]), dtype="<f4")
        kind = np.frombuffer(base64.b64decode(shown["kind"]), dtype="<u1")
        np.testing.assert_allclose(lower, paved.lower, rtol=1e-6)
        np.testing.assert_allclose(margin, paved.margin, rtol=1e-6)
        assert (kind == paved.kind).all() and shown["leaves"] == paved.leaves
    projections = data["projections"]
    assert isinstance(projections, dict) and set(projections) == {"0,1", "0,2", "1,2"}
    assert data["near"] != data["domain"] or told.result.paving is not None


def test_a_projection_is_the_shadow_of_the_boxes() -> None:
    """Cell by cell, against a direct count."""
    from proofs.figures import RASTER, near_window

    scene = pages.scene("three states")
    paving = scene.result.paving
    assert paving is not None
    low, high = near_window(scene)
    projections = data_of("three states")["projections"]
    assert isinstance(projections, dict)
    for (i, j), key in (((0, 1), "0,1"), ((1, 2), "1,2")):
        bits = np.unpackbits(np.frombuffer(base64.b64decode(projections[key]), dtype=np.uint8))
        shadow = bits.reshape(RASTER, RASTER).astype(bool)
        assert 0 < shadow.sum() < shadow.size
        at = (np.arange(RASTER) + 0.5) / RASTER
        x, y = low[i] + at * (high[i] - low[i]), low[j] + at * (high[j] - low[j])
        in_x = (paving.lower[:, i, None] <= x) & (x <= paving.upper[:, i, None])
        in_y = (paving.lower[:, j, None] <= y) & (y <= paving.upper[:, j, None])
        wanted = (in_y.T.astype(int) @ in_x.astype(int)) > 0
        assert (shadow == wanted).mean() > 0.999  # but for rounding at the very edge of a cell


@pytest.mark.parametrize("kind", pages.KINDS)
def test_what_there_is_nothing_of_has_no_figure(kind: str) -> None:
    told = pages.report(kind)
    figures = {e.attributes["id"] for e in pages.parsed(kind).all("div") if "id" in e.attributes}
    assert "region" in figures and "training" in figures
    assert ("paving" in figures) == bool(told.pavings or told.result.paving)
    assert told.pavings or told.result.theorem is None
