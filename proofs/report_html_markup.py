"""The report's Markdown as HTML, so that both say the same words.

Only what the sections of the report use: headings, paragraphs, lists, tables, code, pictures,
emphasis, formulas. Whatever else stands there is text and comes out escaped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from markupsafe import Markup, escape

from proofs.report_html_math import math_html

_INLINE = re.compile(
    r"\\(?P<plain>[\\`*_{}\[\]<>#|$~])"
    r"|`(?P<code>[^`]+)`"
    r"|\$(?P<math>(?:\\.|[^$\\])+)\$"
    r"|\*\*(?P<strong>(?:\\.|[^*\\])+)\*\*"
    r"|(?<!\*)\*(?P<em>(?:\\.|[^*\\])+)\*(?!\*)"
)
_CELL = re.compile(r"(?:\\.|\$(?:\\.|[^$\\])+\$|`[^`]*`|[^|\\])+")


def inline(source: str) -> Markup:
    """One line of Markdown as HTML."""
    out, last = Markup(), 0
    for match in _INLINE.finditer(source):
        out += escape(source[last : match.start()])
        last = match.end()
        kind = match.lastgroup
        inner = match[str(kind)]
        if kind == "plain":
            out += escape(inner)
        elif kind == "code":
            out += Markup("<code>{}</code>").format(inner)
        elif kind == "math":
            out += math_html(inner)
        else:
            out += Markup("<{0}>{1}</{0}>").format(Markup(kind), inline(inner))
    return out + escape(source[last:])


def blocks(lines: Iterable[str]) -> Markup:
    """Lines of Markdown as HTML."""
    pending = [*lines, ""]
    out = Markup()
    while pending:
        line = pending[0]
        if not line.strip():
            pending.pop(0)
            continue
        for applies, read in _READERS:
            if applies(line):
                out += read(pending)
                break
    return out


def _heading(pending: list[str]) -> Markup:
    line = pending.pop(0)
    level = len(line) - len(line.lstrip("#"))
    words = line[level:].strip()
    return Markup('<h{0} id="{1}">{2}</h{0}>\n').format(level, slug(words), inline(words))


def slug(words: str) -> str:
    """A heading's words as an identifier."""
    return "-".join(re.findall(r"[a-z0-9]+", words.lower())) or "section"


def _fence(pending: list[str]) -> Markup:
    pending.pop(0)
    body = []
    while pending and not pending[0].startswith("```"):
        body.append(pending.pop(0))
    if pending:
        pending.pop(0)
    return Markup('<pre tabindex="0"><code>{}</code></pre>\n').format("\n".join(body))


def _indented(pending: list[str]) -> Markup:
    body = _while(pending, lambda line: line.startswith("    "))
    return Markup('<pre tabindex="0"><code>{}</code></pre>\n').format(
        "\n".join(line[4:] for line in body)
    )


def _items(pending: list[str]) -> Markup:
    rows = _while(pending, lambda line: line.startswith("- "))
    items = Markup("\n").join(Markup("<li>{}</li>").format(inline(r[2:])) for r in rows)
    return Markup("<ul>\n{}\n</ul>\n").format(items)


def _table(pending: list[str]) -> Markup:
    lines = _while(pending, lambda line: line.startswith("|"))
    head, *rows = (_cells(line) for line in [lines[0], *lines[2:]])  # the second is a rule
    return table([inline(h) for h in head], [[inline(c) for c in row] for row in rows])


def table(head: Sequence[Markup], rows: Sequence[Sequence[Markup]]) -> Markup:
    """A table with a header; each cell knows its column's name for narrow screens.

    The roles are said once more because a table that is set as blocks loses them.
    """
    top = Markup("").join(
        Markup('<th scope="col" role="columnheader">{}</th>').format(h) for h in head
    )
    body = Markup("\n").join(
        Markup('<tr role="row">{}</tr>').format(
            Markup("").join(_cell(k, c, head) for k, c in enumerate(row))
        )
        for row in rows
    )
    return Markup(
        '<table role="table">\n<thead role="rowgroup"><tr role="row">{}</tr></thead>\n'
        '<tbody role="rowgroup">\n{}\n</tbody></table>\n'
    ).format(top, body)


def _cell(index: int, content: Markup, head: Sequence[Markup]) -> Markup:
    if index == 0:
        return Markup('<th scope="row" role="rowheader">{}</th>').format(content)
    label = head[index].striptags() if index < len(head) else ""
    return Markup('<td role="cell" data-label="{}">{}</td>').format(label, content)


def _cells(line: str) -> list[str]:
    """The cells of a table's row; a bar that is escaped, or in a formula, does not end one."""
    inner = line.strip().removeprefix("|").removesuffix("|")
    return [c.strip() for c in _CELL.findall(inner)]


def _paragraph(pending: list[str]) -> Markup:
    body = _while(pending, lambda line: bool(line.strip()))
    return Markup("<p>{}</p>\n").format(inline(" ".join(body)))


def _while(pending: list[str], applies: Callable[[str], bool]) -> list[str]:
    """The lines from here on, at least one, for as long as they are of one kind."""
    taken = [pending.pop(0)]
    while pending and applies(pending[0]):
        taken.append(pending.pop(0))
    return taken


_SUMMARY = re.compile(r"<summary>(.*)</summary>")


def _details(pending: list[str]) -> Markup:
    """What :func:`proofs.report_words.folded` wrote; a name in the report cannot begin so."""
    pending.pop(0)
    match = _SUMMARY.fullmatch(pending[0])
    summary = inline(match[1]) if match is not None else Markup("")
    if match is not None:
        pending.pop(0)
    inner = []
    while pending and pending[0] != "</details>":
        inner.append(pending.pop(0))
    if pending:
        pending.pop(0)
    return Markup("<details>\n<summary>{}</summary>\n{}</details>\n").format(summary, blocks(inner))


_READERS: tuple[tuple[Callable[[str], bool], Callable[[list[str]], Markup]], ...] = (
    (lambda line: re.match(r"#{1,4} ", line) is not None, _heading),
    (lambda line: line.startswith("```"), _fence),
    (lambda line: line.startswith("    "), _indented),
    (lambda line: line.startswith("- "), _items),
    (lambda line: line.startswith("| "), _table),
    (lambda line: line == "<details>", _details),
    (lambda line: True, _paragraph),
)
