"""Report pages of every kind for tests, each written once; and a reader of HTML."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache
from html.parser import HTMLParser

from certify import Claim, Requested, StabilityResult
from certify.origin import centre_point
from proofs.certificate import certificate_of
from proofs.picture_data import Scene
from proofs.report import FIGURES, describe
from proofs.report_html import page
from proofs.report_parts import Report
from systems import zoo
from tests.proofs import kinds, results

HISTORY = [{"hjb_residual_max": 0.1 / 4**k, "unknowns": 25} for k in range(5)]
ROUNDS = [
    {"round": 1, "neurons": 50, "verdict": "refuted", "counterexamples": 1},
    {"round": 2, "neurons": 100, "verdict": "proved", "counterexamples": 0},
]
FOUND = [
    {"round": 1, "condition": "decrease", "point": [0.25, -0.125], "values": {"V": [0.5, 0.5]}}
]
HOSTILE = "</script><script>document.title='broken'</script><b>&amp;"


@cache
def fixed() -> StabilityResult:
    """A proof whose constants are given, so that its pictures do not change with the prover."""
    asked = Requested(Fraction(1, 100), Fraction(1, 40), Fraction(1, 10**4))
    return results.of(zoo.pendulum(), asked)


@cache
def hostile() -> StabilityResult:
    system = replace(
        zoo.pendulum(),
        name=HOSTILE,
        state_names=("<img src=x onerror=alert(1)>", "ω\u2028"),
        state_units=("<i>", "&lt;"),
        description=HOSTILE,
    )
    return results.of(system)


KINDS: dict[str, Callable[[], StabilityResult]] = {
    "two states": fixed,
    "one state": lambda: results.proved("synthetic-1"),
    "three states": lambda: results.proved("lorenz"),
    "part of the domain": results.proved_on_a_part,
    "refuted": results.refuted_decrease,
    "unknown": results.unknown,
    "discrete": lambda: kinds.proved(Claim.EXPONENTIAL_STABILITY, "discrete", "product", True),
    "disturbed": lambda: kinds.proved(Claim.PRACTICAL_STABILITY, "continuous", "sum", True),
    "hostile": hostile,
}


@cache
def report(kind: str) -> Report:
    result = KINDS[kind]()
    document = None if result.theorem is None else certificate_of(result)
    found = FOUND if kind == "two states" else []
    return Report(
        result, ROUNDS, found, HISTORY, certificate=document, commands=("stableproof check",)
    )


@cache
def scene(kind: str) -> Scene:
    return Scene(report(kind).result)


@cache
def html(kind: str) -> str:
    """The page; its static images are a stand-in, since drawing them is another test's matter."""
    told = report(kind)
    words = {name: describe(name, told.result) for name in FIGURES}
    return page(told, scene(kind), words, {name: PIXEL for name in FIGURES})


PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)
"""A PNG file of one pixel."""


def centre(kind: str) -> list[float]:
    found: list[float] = centre_point(KINDS[kind]().problem)[0].tolist()
    return found


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    text: str = ""


@dataclass
class Document(HTMLParser):
    """The elements of a page in order, each with the text directly in it; ends are checked."""

    elements: list[Element] = field(default_factory=list)
    mistakes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._open: list[Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.elements.append(element)
        if tag not in ("meta", "link", "img", "input", "br"):
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop().tag != tag:
            self.mistakes.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data: str) -> None:
        for element in self._open:
            if element.tag not in ("html", "head", "body"):
                element.text += data

    def all(self, *tags: str) -> list[Element]:
        return [e for e in self.elements if e.tag in tags]


@cache
def parsed(kind: str) -> Document:
    document = Document()
    document.feed(html(kind))
    document.close()
    return document
