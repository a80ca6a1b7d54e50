"""Writes blocks as GitHub-flavoured Markdown, for optuna-dashboard and for `ballast report --format md`.

Text may come from anybody. optuna-dashboard reads notes with react-markdown and remark-gfm, and with
rehype-raw if its `allow_unsafe` is on: for none of them does text become markup.
"""

import re
from collections.abc import Sequence

from search.text import one_line, short_value
from search.watching.blocks import Block, CodeBlock, Heading, Paragraph, Plot, TableBlock
from trainer.text import printable

_AUTOLINK = re.compile(r"[^\s|\\`]*(?:://|www\.|@)[^\s|\\`]*", re.IGNORECASE)
"""Text that remark-gfm turns into a link. It undoes escapes before it looks for links, so only code is
safe."""

_MARKUP = re.compile(r"[\\|`*\[\]<>&$~#]|(?<![^\W_])_|_(?![^\W_])")
"""Underscores between letters or digits are not markup, and are frequent in keys."""

_ENTITIES = {"\\": "&#92;", "|": "&#124;", "`": "&#96;"}
"""Parsers disagree on whether a cell ends at a `|` after two backslashes, and on a backtick next to code."""

_BLOCK_START = re.compile(r"^(?:[-+=]|\d+(?=[.)]))")
"""Characters that begin a list or underline a heading at the start of a line."""


def to_markdown(blocks: Sequence[Block]) -> str:
    """Return the blocks as Markdown that ends with a line break. A figure becomes a line that names it."""
    return "\n\n".join(filter(None, map(_block, blocks))) + "\n"


def _block(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {_escaped(one_line(text))}"
        case Paragraph(text, strong):
            return _paragraph(one_line(text), strong)
        case TableBlock(columns, rows):
            return _table(columns, rows)
        case CodeBlock(text):
            return _fenced("\n".join(map(printable, text.splitlines())))
        case Plot(title=title, about=about):
            return _paragraph(f"Figure “{one_line(title)}”, in the HTML report: {one_line(about)}", False)


def _paragraph(text: str, strong: bool) -> str:
    if strong and text:
        return f"**{_escaped(text)}**"
    return _BLOCK_START.sub(_not_a_block, _escaped(text))


def _not_a_block(start: re.Match[str]) -> str:
    mark = start[0]
    return f"{mark}\\" if mark.isdecimal() else f"\\{mark}"


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [_row(columns), "|" + "-|" * len(columns), *map(_row, rows)]
    return "\n".join(lines)


def _row(cells: Sequence[object]) -> str:
    return "|" + "|".join(_cell(short_value(value)) for value in cells) + "|"


def _cell(text: str) -> str:
    """Return a cell; spaces at its ends, which a table would drop, become entities."""
    inner = text.strip(" ")
    before = len(text) - len(text.lstrip(" ")) if inner else 0
    after = len(text) - len(inner) - before
    return "&#32;" * before + _escaped(inner) + "&#32;" * after


def _escaped(text: str) -> str:
    """Escape one line of plain text so that it is shown unchanged; what would become a link is shown as
    code.
    """
    parts, end = [], 0
    for link in _AUTOLINK.finditer(text):
        parts += [_without_markup(text[end : link.start()]), f"`{link[0]}`"]
        end = link.end()
    return "".join([*parts, _without_markup(text[end:])])


def _without_markup(text: str) -> str:
    return _MARKUP.sub(lambda mark: _ENTITIES.get(mark[0], f"\\{mark[0]}"), text)


def _fenced(text: str) -> str:
    """Return a code block whose fence is longer than any run of backticks in it."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}\n{text}\n{fence}"
