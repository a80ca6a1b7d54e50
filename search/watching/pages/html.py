"""Writes blocks as one self-contained HTML page, which opens offline, can be sent by mail, and prints.

Text may come from anybody: all of it is escaped. A content security policy allows two scripts, by their
hashes, and loads nothing from elsewhere.
"""

import json
import re
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from html import escape
from itertools import chain, count
from typing import Any

from search.text import COLOURS, one_line, short_value
from search.watching.blocks import Block, CodeBlock, Heading, Link, Paragraph, Plot, TableBlock
from search.watching.pages.html_assets import SCRIPT, STYLE, VERDICT_SHAPES
from storage.verdicts import Verdict
from trainer.text import printable

_NUMBER = re.compile(r"[-+]?\d[\d.]*(?:e[-+]?\d+)?(?: (?:s|min|h)\b.*)?|–|nan|[-+]?inf")
_LONG = 40
"""Cells with more characters are prose, which may wrap; shorter ones stay in one line."""


def to_html(title: str, blocks: Sequence[Block]) -> str:
    """Return the page, with a table of contents of its sections (headings of level 2)."""
    scripts = _scripts(blocks)
    allowed = " ".join(map(_hashed, scripts)) or "'none'"
    policy = f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:"
    return "".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            '<meta name="color-scheme" content="light dark">\n',
            f"<title>{_text(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n",
            _body(blocks),
            "</main>\n",
            *(f"<script>{text}</script>\n" for text in scripts),
            "</body>\n</html>\n",
        ]
    )


def _scripts(blocks: Sequence[Block]) -> list[str]:
    """Return Plotly and the script that draws the figures, or nothing for a page without figures."""
    if not any(isinstance(block, Plot) for block in blocks):
        return []
    from plotly.offline import get_plotlyjs

    return [get_plotlyjs(), SCRIPT]


def _hashed(script: str) -> str:
    """Return the hash of a script in the form of a content security policy."""
    return f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'"


def _body(blocks: Sequence[Block]) -> str:
    """Return the blocks, with the table of contents before the first section."""
    ids = _ids([block.text for block in blocks if isinstance(block, Heading)])
    parts, section, contents = [], "", []
    for block in blocks:
        if isinstance(block, Heading):
            section, anchor = one_line(block.text), ids.pop(0)
            parts.append(f'<h{block.level} id="{anchor}">{escape(section)}</h{block.level}>\n')
            if block.level == 2:
                contents.append((len(parts) - 1, anchor, section))
        else:
            parts.append(_block(block, section))
    if contents:
        parts.insert(contents[0][0], _contents([(anchor, text) for _, anchor, text in contents]))
    return "".join(parts)


def _ids(headings: Sequence[str]) -> list[str]:
    """Return an id of letters, digits and dashes for each heading; repeated ones get a number."""
    ids: list[str] = []
    for text in headings:
        slug = re.sub(r"[^a-z0-9]+", "-", text.lower().replace("'", "")).strip("-") or "part"
        numbered = (f"{slug}-{n}" for n in count(2))
        ids.append(next(candidate for candidate in chain([slug], numbered) if candidate not in ids))
    return ids


def _contents(sections: Sequence[tuple[str, str]]) -> str:
    links = "".join(f'<li><a href="#{anchor}">{escape(text)}</a></li>' for anchor, text in sections)
    return f'<nav aria-label="Contents"><ul>{links}</ul></nav>\n'


def _block(block: Paragraph | TableBlock | CodeBlock | Plot, section: str) -> str:
    match block:
        case Paragraph(text, strong):
            kind = ' class="strong"' if strong else ""
            return f"<p{kind}>{_text(text)}</p>\n"
        case TableBlock():
            return _table(block, section)
        case CodeBlock(text):
            return f"<pre><code>{escape(chr(10).join(map(printable, text.splitlines())))}</code></pre>\n"
        case Plot():
            return _plot(block)


def _table(table: TableBlock, section: str) -> str:
    """Return a table in its own box, which scrolls if the page is narrower than the table."""
    classes = [_class_of(list(map(short_value, column))) for column in zip(*table.rows, strict=True)]
    classes = classes or [""] * len(table.columns)
    head = "".join(
        f'<th scope="col"{kind}>{_text(name)}</th>' for name, kind in zip(table.columns, classes, strict=True)
    )
    rows = "".join(
        "<tr>"
        + "".join(f"<td{kind}>{_cell(value)}</td>" for value, kind in zip(row, classes, strict=True))
        + "</tr>\n"
        for row in table.rows
    )
    label = escape(one_line(f"{section}: {', '.join(filter(None, table.columns))}"))
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{label}"><table>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n"
    )


def _class_of(column: Sequence[str]) -> str:
    """Return the class of a column: n for numbers, w for short words that never wrap, t for prose."""
    if all(map(_NUMBER.fullmatch, column)):
        return ' class="n"'
    if max(map(len, column)) > _LONG:
        return ' class="t"'
    return ' class="w"'


def _cell(value: Any) -> str:
    text = escape(short_value(value))
    if isinstance(value, Link):
        return f'<a href="{escape(value.address)}">{text}</a>'
    if not isinstance(value, Verdict):
        return text
    return f'<span class="verdict">{_symbol(value)}{text}</span>'


def _symbol(verdict: Verdict) -> str:
    """Return the shape that the verdict has in figures, in its colour."""
    colour, (path, is_open) = COLOURS[verdict], VERDICT_SHAPES[verdict]
    paint = f'fill="none" stroke="{colour}" stroke-width="2"' if is_open else f'fill="{colour}"'
    return f'<svg viewBox="0 0 12 12" aria-hidden="true"><path d="{path}" {paint}/></svg>'


def _plot(plot: Plot) -> str:
    """Return the figure as JSON, which the script draws; without `<`, no text in it can end the element."""
    figure = json.dumps(plot.figure, allow_nan=False).replace("<", "\\u003c")
    label = f"{_text(plot.title)}: {_text(plot.about)}"
    return (
        f'<figure id="figure-{escape(plot.id)}"><div class="plot" role="img" aria-label="{label}"></div>\n'
        f"<figcaption>{_text(plot.about)}</figcaption>\n"
        f'<script type="application/json">{figure}</script></figure>\n'
    )


def _text(text: str) -> str:
    return escape(one_line(text))
