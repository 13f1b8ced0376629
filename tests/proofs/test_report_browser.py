"""The page in a browser: it loads in silence, answers hovering and slicing, and looks as it did."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.proofs import chromium, pages

pytestmark = pytest.mark.skipif(
    chromium.executable() is None,
    reason="no Chromium is installed, which these tests drive (Debian: apt install chromium)",
)
READY = "document.documentElement?.dataset.ready === 'true'"
REFERENCE = Path(__file__).parent / "references" / "region_pendulum.json"
CELLS = 24
"""The picture is compared on a grid of CELLS × CELLS averages, which no font decides."""

SHAPES = {"desktop": (1280, 900, False), "phone": (390, 844, True), "small": (320, 640, True)}
LOADED = [(kind, shape) for kind in pages.KINDS for shape in ("desktop", "phone")]
LOADED += [("hostile", "small"), ("three states", "small")]
SETTLED = (
    "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame("
    "() => setTimeout(done, 150))))"
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    out = {}
    for number, kind in enumerate(pages.KINDS):
        out[kind] = folder / f"{number}.html"
        out[kind].write_text(pages.html(kind), encoding="utf-8")
    return out


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chromium.Browser]:
    with chromium.browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def browser(opened: chromium.Browser) -> Iterator[chromium.Browser]:
    """A wide window; whatever a test does, the page has nothing to complain of."""
    opened.messages.clear()
    opened.size(1280, 900)
    yield opened
    assert opened.messages == []


def show(browser: chromium.Browser, file: Path) -> None:
    browser.open(file, READY)


def choose(browser: chromium.Browser, figure: str, control: str, value: str) -> None:
    """Set one of the controls of a figure as a reader would, and wait for the next frame."""
    selector = json.dumps(f'#{figure}-controls [data-control="{control}"]')
    browser.value(
        f"(() => {{ const c = document.querySelector({selector}); c.value = {json.dumps(value)};"
        " c.dispatchEvent(new Event(c.type === 'range' ? 'input' : 'change')); })()"
    )
    browser.value(SETTLED)


def plot_of(browser: chromium.Browser, figure: str) -> tuple[float, float, float, float]:
    """Left, top, width and height of the area inside a figure's axes, in the window."""
    browser.value(f"document.getElementById('{figure}').scrollIntoView("
                  "{block: 'center', behavior: 'instant'})")  # fmt: skip
    browser.value(SETTLED)
    left, top, width, height = browser.value(
        f"(() => {{ const b = document.querySelector('#{figure} .nsewdrag')"
        ".getBoundingClientRect(); return [b.left, b.top, b.width, b.height]; })()"
    )
    return left, top, width, height


def picture_of(browser: chromium.Browser, figure: str) -> NDArray[np.float64]:
    """What is drawn inside a figure's axes, as CELLS × CELLS × 3 averages."""
    from PIL import Image

    left, top, width, height = plot_of(browser, figure)
    shot = Image.open(io.BytesIO(browser.screenshot())).convert("RGB")
    box = (round(left) + 2, round(top) + 2, round(left + width) - 2, round(top + height) - 2)
    small = shot.crop(box).resize((CELLS, CELLS), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float64)


@pytest.mark.parametrize(("kind", "shape"), LOADED)
def test_a_page_loads_in_silence_and_fits(
    browser: chromium.Browser, files: dict[str, Path], kind: str, shape: str
) -> None:
    width, height, phone = SHAPES[shape]
    browser.size(width, height, phone=phone)
    show(browser, files[kind])
    assert browser.value("document.documentElement.scrollWidth") <= width
    drawn = browser.value("document.querySelectorAll('.plot').length")
    assert drawn == browser.value("document.querySelectorAll('.plot[data-drawn] .main-svg').length"
                                  " / 3")  # fmt: skip
    assert drawn >= 4
    assert browser.value("document.title").split(":")[0] in ("Proved", "Refuted", "Not decided")
    if kind == "hostile":
        assert browser.value("document.title").endswith(pages.HOSTILE)
    if shape == "desktop":
        check_program(browser, kind)


def check_program(browser: chromium.Browser, kind: str) -> None:
    """The page computes what the prover does: V, its change and F at random points."""
    scene = pages.scene(kind)
    low, high = scene.domain
    n = scene.dimension
    points = low + np.random.default_rng(1).random((300, n)) * (high - low)
    rest = pages.centre(kind)[n:]
    columns = [*points.T.tolist(), *([w] * len(points) for w in rest)]
    found = browser.value(
        f"(() => {{ const s = window.stableproof, p = s.data.program; return s.evaluate(p, "
        f"{json.dumps(columns)}.map((c) => Float64Array.from(c)), [p.value, p.change, p.field])"
        ".map((v) => Array.from(v)); })()"
    )
    wanted = scene.V(points), scene.rate(points), scene.field(points).T.ravel()
    for values, exact in zip(found, wanted, strict=True):
        np.testing.assert_allclose(values, exact, rtol=1e-9, atol=1e-11)


def test_hovering_a_box_tells_which_it_is(
    browser: chromium.Browser, files: dict[str, Path]
) -> None:
    show(browser, files["three states"])
    left, top, width, height = plot_of(browser, "paving")
    told = set()
    for across, up in ((0.1, 0.1), (0.52, 0.48), (0.3, 0.72), (0.9, 0.2)):
        browser.move(left + across * width, top + up * height)
        browser.value(SETTLED)
        state = browser.value(BOX_STATE)
        assert state["b"] >= 0 and not state["hidden"]
        x0, x1, y0, y1 = state["mark"]
        assert x0 - 1 <= left + across * width <= x1 + 1
        assert y0 - 1 <= top + up * height <= y1 + 1
        words, lower, upper = state["words"], state["lower"], state["upper"]
        for end in (*lower, *upper):
            assert f"{end:.4g}".replace("-", "−") in words
        assert state["reason"] in words and "margin" in words
        assert words == state["readout"]
        told.add(words)
    assert len(told) == 4
    browser.move(2, 2)
    browser.value(SETTLED)
    assert browser.value("document.querySelector('#paving + .box-mark').hidden")


BOX_STATE = """(() => {
  const s = window.stableproof, p = s.pavings[s.chosen.paving];
  const e = document.getElementById("paving");
  const mark = document.querySelector(".box-mark"), m = mark.getBoundingClientRect();
  const f = e._fullLayout, g = e.getBoundingClientRect();
  const at = [f.xaxis.p2d((m.left + m.right) / 2 - g.left - f._size.l),
              f.yaxis.p2d((m.top + m.bottom) / 2 - g.top - f._size.t)];
  const b = s.boxAt(p, at), ends = (a) => Array.from(a.subarray(b * p.width, (b + 1) * p.width));
  return { b, hidden: mark.hidden, mark: [m.left, m.right, m.top, m.bottom],
    lower: ends(p.lower), upper: ends(p.upper), reason: p.reasons[p.kind[b]],
    words: Array.from(document.querySelectorAll(".box-note span"), (l) => l.textContent).join("; "),
    readout: document.getElementById("paving-readout").textContent };
})()"""


def test_boxes_can_be_read_from_the_keyboard(
    browser: chromium.Browser, files: dict[str, Path]
) -> None:
    show(browser, files["two states"])
    plot_of(browser, "paving")
    browser.value("document.getElementById('paving').focus()")
    seen = set()
    for key in ("ArrowLeft", *["ArrowUp"] * 8, *["ArrowRight"] * 12):
        browser.key(key)
        seen.add(browser.value("document.getElementById('paving-readout').textContent"))
    assert len(seen) >= 2 and all("θ ∈ [" in words for words in seen)


def test_a_finger_shows_a_box_too(browser: chromium.Browser, files: dict[str, Path]) -> None:
    browser.size(390, 844, phone=True)
    show(browser, files["three states"])
    left, top, width, height = plot_of(browser, "paving")
    place = [{"x": left + 0.4 * width, "y": top + 0.4 * height}]
    browser.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=place)
    browser.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
    browser.value(SETTLED)
    assert not browser.value("document.querySelector('.box-note').hidden")
    right = browser.value("document.querySelector('.box-note').getBoundingClientRect().right")
    assert right <= 390


def test_slicing_changes_both_figures(browser: chromium.Browser, files: dict[str, Path]) -> None:
    show(browser, files["three states"])
    region, paving = picture_of(browser, "region"), picture_of(browser, "paving")
    boxes = browser.value("document.getElementById('paving').dataset.boxes")
    choose(browser, "region", "at-2", "150")
    assert browser.value("window.stableproof.state.at[2]") == pytest.approx(0.5)
    assert np.abs(picture_of(browser, "region") - region).max() > 10
    assert np.abs(picture_of(browser, "paving") - paving).max() > 10
    assert browser.value("document.getElementById('paving').dataset.boxes") != boxes
    value = "document.querySelector('#paving-controls [data-control=\"at-2\"]').value"
    assert browser.value(value) == "150"
    browser.value("document.querySelector('#region-controls button').click()")
    browser.value(SETTLED)
    assert np.abs(picture_of(browser, "region") - region).max() < 1


def test_other_axes_can_be_chosen(browser: chromium.Browser, files: dict[str, Path]) -> None:
    show(browser, files["three states"])
    region = picture_of(browser, "region")
    choose(browser, "region", "j", "2")
    title = "document.querySelector('#region .ytitle').textContent"
    assert browser.value(title) == "x₃"
    assert np.abs(picture_of(browser, "region") - region).max() > 10
    choose(browser, "region", "i", "2")  # taken: the two change places
    assert [browser.value("window.stableproof.state." + k) for k in "ij"] == [2, 0]


def test_the_region_can_be_seen_from_the_side(
    browser: chromium.Browser, files: dict[str, Path]
) -> None:
    show(browser, files["three states"])
    choose(browser, "region", "view", "projection")
    names = "document.getElementById('region').data.map((t) => t.name)"
    assert "shadow of the leaves inside V ≤ c2" in browser.value(names)
    assert "vector field in the slice" not in browser.value(names)
    choose(browser, "region", "view", "slice")
    assert "vector field in the slice" in browser.value(names)


def test_colours_tell_reason_or_margin(browser: chromium.Browser, files: dict[str, Path]) -> None:
    show(browser, files["three states"])
    names = "document.getElementById('paving').data.map((t) => t.name)"
    assert {"V > c2".replace(">", "&gt;"), "V̇ ≤ −μ"} <= set(browser.value(names))
    choose(browser, "paving", "by", "margin")
    shown = browser.value(names)
    assert any("%" in name for name in shown) and "V̇ ≤ −μ" not in shown
    choose(browser, "paving", "paving", "0")
    assert "leaves have no margin" in browser.value(
        "document.querySelector('#paving-controls .note').textContent"
    )


def test_a_disturbance_moves_the_vector_field(
    browser: chromium.Browser, files: dict[str, Path]
) -> None:
    show(browser, files["disturbed"])
    field = (
        "document.getElementById('region').data.find((t) => t.name === 'vector field').x"
        ".filter((v) => v !== null).reduce((a, b) => a + b)"
    )
    before = browser.value(field)
    choose(browser, "region", "at-2", "200")
    assert abs(browser.value(field) - before) > 1e-6
    names = browser.value("document.getElementById('region').data.map((t) => t.name)")
    assert "unsafe: corner" in names


def test_steps_are_drawn_in_discrete_time(
    browser: chromium.Browser, files: dict[str, Path]
) -> None:
    show(browser, files["discrete"])
    names = browser.value("document.getElementById('region').data.map((t) => t.name)")
    assert "steps" in names and "vector field" not in names
    assert browser.value("document.querySelector('#trajectories .xtitle').textContent") == "step"


def test_print_and_browsers_without_scripts_get_pictures(
    browser: chromium.Browser, files: dict[str, Path]
) -> None:
    visible = (
        "Array.from(document.querySelectorAll('img.static'), (e) => e.offsetHeight > 0)"
        ".concat(Array.from(document.querySelectorAll('.frame'), (e) => e.offsetHeight === 0))"
    )
    show(browser, files["two states"])
    assert not any(browser.value(visible))
    browser.call("Emulation.setEmulatedMedia", media="print")
    assert all(browser.value(visible))
    assert browser.printed().startswith(b"%PDF")
    browser.call("Emulation.setEmulatedMedia", media="")
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(files["two states"])
        assert all(browser.value(visible))
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)


def test_dark_is_dark(browser: chromium.Browser, files: dict[str, Path]) -> None:
    show(browser, files["two states"])
    light = picture_of(browser, "region").mean()
    browser.size(1280, 900, dark=True)
    show(browser, files["two states"])
    assert light > 180 and picture_of(browser, "region").mean() < 90


def compare(picture: NDArray[np.float64], reference: Any) -> tuple[float, float]:
    """The mean and the largest difference of two pictures, of 255."""
    difference = np.abs(picture - np.array(reference, dtype=np.float64))
    return float(difference.mean()), float(difference.max())


def test_the_region_looks_as_it_did(browser: chromium.Browser, files: dict[str, Path]) -> None:
    """Against a picture that a person looked at; to renew it, delete it and run this test."""
    show(browser, files["two states"])
    picture = picture_of(browser, "region")
    if not REFERENCE.exists():
        REFERENCE.parent.mkdir(exist_ok=True)
        REFERENCE.write_text(json.dumps(picture.round().astype(int).tolist()) + "\n")
        pytest.fail(f"{REFERENCE} was written; look at the page, and commit it")
    reference = json.loads(REFERENCE.read_text())
    mean, most = compare(picture, reference)
    assert mean < 4 and most < 60, (mean, most)
    # The comparison is no formality: the same figure of another window is another picture.
    choose(browser, "region", "window", "whole")
    mean, _ = compare(picture_of(browser, "region"), reference)
    assert mean > 8
