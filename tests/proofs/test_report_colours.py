"""The page's colours can be told from their grounds: WCAG 2, computed from the style sheet."""

from __future__ import annotations

import re
from importlib import resources

import pytest

TEXT, GRAPHICS = 4.5, 3.0
"""Contrast wanted of text, and of lines and controls (level AA)."""


def style() -> str:
    return (resources.files("proofs") / "templates" / "report.css.j2").read_text(encoding="utf-8")


def block(sheet: str, selector: str) -> dict[str, str]:
    """The variables that a rule sets."""
    found = re.search(re.escape(selector) + r"\s*\{([^}]*)\}", sheet)
    assert found is not None, selector
    return dict(re.findall(r"--([a-z-]+):\s*(#[0-9a-f]{6})", found[1]))


def schemes() -> dict[str, dict[str, str]]:
    """Every combination of light or dark with a verdict."""
    sheet = style()
    light, _, rest = sheet.partition("@media (prefers-color-scheme: dark)")
    dark = rest.partition("@media (max-width")[0]
    out = {}
    for name, part in (("light", light), ("dark", dark)):
        base = block(light, ":root") | block(part, ":root")
        for verdict in ("proved", "refuted", "unknown"):
            more = {} if verdict == "proved" else block(part, f":root.{verdict}")
            out[f"{name}, {verdict}"] = base | more
    return out


def luminance(colour: str) -> float:
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(a: str, b: str) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_the_measure_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.478, abs=1e-3)


@pytest.mark.parametrize("scheme", schemes())
def test_text_can_be_read(scheme: str) -> None:
    colours = schemes()[scheme]
    for ink in ("ink", "soft", "accent"):
        for ground in ("paper", "wash", "panel", "plot"):
            assert contrast(colours[ink], colours[ground]) >= TEXT, (ink, ground)


@pytest.mark.parametrize("scheme", schemes())
def test_lines_and_controls_can_be_seen(scheme: str) -> None:
    colours = schemes()[scheme]
    for line in ("blue", "red", "green", "purple", "orange", "accent", "axis"):
        assert contrast(colours[line], colours["plot"]) >= GRAPHICS, line
    assert contrast(colours["axis"], colours["paper"]) >= GRAPHICS


def test_there_are_six_schemes_and_they_differ() -> None:
    assert len({tuple(sorted(c.items())) for c in schemes().values()}) == 6
