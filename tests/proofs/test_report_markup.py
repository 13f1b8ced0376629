"""The report's Markdown as HTML: the same words, and nothing that a name could smuggle in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup, escape

from proofs.report_html_markup import blocks, inline, slug
from proofs.report_html_math import math_html
from proofs.report_words import folded, table, text
from proofs.statement import one_line


@given(st.text())
def test_escaped_text_comes_out_as_it_was(words: str) -> None:
    assert inline(text(words)) == escape(one_line(words))


@given(st.text(alphabet="\\`*_{}[]<>#|$~&ab \n"))
def test_no_markup_of_the_text_is_markup_of_the_page(words: str) -> None:
    for made in (inline(words), blocks(words.split("\n")), math_html(words)):
        known = ("code", "strong", "em", "span", "sub", "sup", "i", "p", "pre", "ul", "li", "h1",
                 "h2", "h3", "h4", "table", "thead", "tbody", "tr", "th", "td")  # fmt: skip
        for piece in str(made).split("<")[1:]:
            assert piece.lstrip("/").split(">")[0].split(" ")[0] in known


@given(st.lists(st.lists(st.text(), min_size=2, max_size=2), min_size=1, max_size=4))
def test_a_table_keeps_its_cells(rows: list[list[str]]) -> None:
    made = str(blocks(table(["left", "right"], [[text(c) for c in row] for row in rows])))
    assert made.count("<tr") == len(rows) + 1 and made.count("<td") == len(rows)
    for first, second in rows:
        assert f'<th scope="row" role="rowheader">{escape(one_line(first).strip())}</th>' in made
        assert f">{escape(one_line(second).strip())}</td>" in made


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("plain & simple", "<p>plain &amp; simple</p>"),
        ("**bold** and *leaning*", "<p><strong>bold</strong> and <em>leaning</em></p>"),
        ("`a<b`", "<p><code>a&lt;b</code></p>"),
        ("## Two words", '<h2 id="two-words">Two words</h2>'),
        ("- one\n- two", "<ul>\n<li>one</li>\n<li>two</li>\n</ul>"),
        ("```\nx < 1\n```", '<pre tabindex="0"><code>x &lt; 1</code></pre>'),
        ("    f' = g\n    g' = f", '<pre tabindex="0"><code>f&#39; = g\ng&#39; = f</code></pre>'),
        ("one\nparagraph", "<p>one paragraph</p>"),
        ("a\\*b", "<p>a*b</p>"),
        ("x\\* = 0 and y\\*", "<p>x* = 0 and y*</p>"),
    ],
)
def test_each_form(source: str, wanted: str) -> None:
    assert str(blocks(source.split("\n"))).strip() == wanted


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        (r"\dot V(x) = \nabla V(x) \cdot F(x) \le -\mu", "V̇(x) = ∇V(x) · F(x) ≤ −μ"),
        (r"\{x \in D : V(x) \le c_2\}", "{x ∈ D : V(x) ≤ c2}"),
        (r"a = \min(c_1, \text{core})", "a = min(c1, core)"),
        (r"x^+ = F(x, w)", "x+ = F(x, w)"),
        (r"x^+ = \varphi(x, k(x))", "x+ = φ(x, k(x))"),
        (r"DF(x)^T P\,DF(x) - (1 - \alpha)\,P", "DF(x)TP\u2009DF(x) − (1 − α)\u2009P"),
        (r"|x - x^*| < \varepsilon", "|x − x∗| < ε"),
    ],
)
def test_formulas_read_as_they_should(formula: str, words: str) -> None:
    assert " ".join(Markup(math_html(formula)).striptags().split()) == " ".join(words.split())


def test_indices_and_exponents_are_set_as_such() -> None:
    assert "<i>c</i><sub>2</sub>" in math_html("c_2")
    assert "<i>x</i><sup>∗</sup>" in math_html("x^*")
    assert "<sub><i>q</i></sub>" in math_html("c_q")


def test_an_unknown_command_stands_there_by_its_name() -> None:
    assert math_html(r"\unheardof x").striptags() == "unheardofx"


def test_anchors_are_plain() -> None:
    assert slug("What is excluded, and what is trusted") == "what-is-excluded-and-what-is-trusted"
    assert slug("ẋ < 0") == "0" and slug("…") == "section"


def test_a_folded_table_opens_and_its_summary_is_text() -> None:
    lines = folded("a <b>", table(["a", "b"], [["1", "2"]] * 9))
    html = str(blocks([*lines, "after"]))
    assert html.startswith("<details>\n<summary>a &lt;b&gt;</summary>\n<table")
    assert html.endswith("</table>\n</details>\n<p>after</p>\n")
    assert "<details" not in blocks([text("<details>"), "<summary>x</summary>"])
