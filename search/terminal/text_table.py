"""Tables that fit the width of the terminal. Words and numbers are not cut, wide characters count as two
cells, and columns without room are named below the table. In a pipe, each row is one line.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from rich.cells import cell_len, chop_cells
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.text import Text

from trainer.text import printable

UNLIMITED_WIDTH = 1_000_000
"""The width of a pipe, in cells: rows are not folded, so that `grep` finds whole rows."""
_GAP = 2
_INDENT = 4
_LONGEST_WORD = 20
"""The widest word, in cells, that a folding column keeps whole; a longer one, such as a path, may be cut."""
_WIDEST_PADDING = 60
"""The width, in cells, up to which the columns of a pipe are aligned."""

TableCell = str | Text | tuple[Text, ...]
"""One text, or a list of texts that folds only between them. Texts are made printable."""
Span = tuple[str, str]
"""Text and its style."""
SpanLine = list[Span]


@dataclass(frozen=True)
class TableColumn:
    """A column. `right` aligns it to the right, for numbers; `folds` lets it fold and take the width left
    over.

    A cell wider than `most` cells is printed below its row instead.
    """

    name: str
    right: bool = False
    folds: bool = False
    most: int | None = None


@dataclass(frozen=True)
class TableRow:
    """The cells of a row, and the notes printed below it."""

    cells: Sequence[TableCell]
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class TextTable:
    """A table without lines. Columns come in order of importance: if they do not fit, the last ones are left
    out, and a line below names them, followed by `elsewhere`, which says where to find them.
    """

    columns: Sequence[TableColumn]
    rows: Sequence[TableRow]
    title: str = ""
    elsewhere: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the table in the width that is available."""
        if options.max_width >= UNLIMITED_WIDTH:
            yield from (Segment(f"{line}\n") for line in self.whole_lines())
            return
        styles = {style: console.get_style(style) for style in {"", *_styles(self)}}
        for line in _fitted(self, options.max_width):
            for text, style in line:
                yield Segment(text, styles[style] if style else None)
            yield Segment.line()

    def whole_lines(self) -> Iterator[str]:
        """A line per row, without colour and without folding; one long value does not pad all other rows."""
        names = [column.name for column in self.columns]
        cells = [[_joined(cell) for cell in row.cells] for row in self.rows]
        for texts, row in zip(cells, self.rows, strict=True):
            texts[-1] = "; ".join(part for part in (texts[-1], *map(printable, row.notes)) if part)
        widths = [min(max(map(_wide, column)), _WIDEST_PADDING) for column in zip(names, *cells, strict=True)]
        if self.title:
            yield self.title
        for texts in [names, *cells] if any(names) else cells:
            yield (" " * _GAP).join(map(_padded, texts, self.columns, widths)).rstrip()


def make_table(
    columns: Sequence[TableColumn], rows: Iterable[Sequence[TableCell]], title: str = "", elsewhere: str = ""
) -> TextTable:
    """A table whose rows have no notes."""
    return TextTable(columns, [TableRow(cells) for cells in rows], title, elsewhere)


def key_value_table(pairs: Iterable[tuple[str, TableCell]]) -> TextTable:
    """A table of a word and its value per row; the value folds."""
    return make_table((TableColumn(""), TableColumn("", folds=True)), pairs)


def columns_that_fit(needs: Sequence[int], width: int) -> int:
    """How many columns of these widths fit in `width` cells, counted from the left: at least one."""
    room = width + _GAP
    for n, need in enumerate(needs):
        room -= need + _GAP
        if room < 0:
            return max(n, 1)
    return len(needs)


def wrap_spans(pieces: Sequence[Span], width: int, between: str = " ") -> list[SpanLine]:
    """Put the pieces into lines of at most `width` cells; only a piece wider than a line is cut."""
    lines: list[SpanLine] = [[]]
    room = width
    for i, (text, style) in enumerate(pieces):
        last = i == len(pieces) - 1
        ended = text if last else text + between.rstrip()
        if lines[-1] and _wide(ended) + (gap := len(between) - len(between.rstrip())) <= room:
            lines[-1] += [(" " * gap, ""), (ended, style)]
            room -= gap + _wide(ended)
            continue
        chops = [ended] if _wide(ended) <= width else chop_cells(ended, max(width, 2))
        lines += [[(chop, style)] for chop in chops]
        room = width - _wide(chops[-1])
    return lines[1:] or [[]]


def _padded(text: str, column: TableColumn, width: int) -> str:
    blank = " " * (width - _wide(text))
    return blank + text if column.right else text + blank


def _fitted(drawn: TextTable, width: int) -> Iterator[SpanLine]:
    """The lines of the table in `width` cells: cells fold within their columns, notes come below their
    row."""
    heads = [[column.name] for column in drawn.columns]
    needs = [_need(drawn, i, heads[i]) for i in range(len(heads))]
    if sum(needs) + _GAP * (len(needs) - 1) > width:
        heads = [column.name.split("_") for column in drawn.columns]
        needs = [_need(drawn, i, heads[i]) for i in range(len(heads))]
    n = columns_that_fit(needs, width)
    columns, widths = drawn.columns[:n], _spread(drawn, needs[:n], width)
    if drawn.title:
        yield from wrap_spans([(word, "bold") for word in drawn.title.split()], width)
    for heading in zip_longest(*heads[:n], fillvalue=""):
        if any(heading):
            yield _beside([[(name, "bold")] for name in heading], columns, widths)
    for row in drawn.rows:
        folded = map(_folded, row.cells, columns, widths)
        for parts in zip_longest(*folded, fillvalue=[]):
            yield _beside(parts, columns, widths)
        for note in (*_wider(row, columns), *map(printable, row.notes)):
            yield from _below(note, width)
    if n < len(drawn.columns):
        left_out = ", ".join(column.name for column in drawn.columns[n:])
        message = f"no room here for {left_out}; {drawn.elsewhere}"
        yield from wrap_spans([(word, "dim") for word in message.split()], width)


def _need(drawn: TextTable, at: int, head: Sequence[str]) -> int:
    """The smallest width of a column, in cells."""
    column = drawn.columns[at]
    widths = [_wide(line) for line in head]
    for row in drawn.rows:
        if column.folds:
            longest = max((_wide(text) for text, _ in _pieces(row.cells[at])), default=0)
            widths.append(min(longest, _LONGEST_WORD))
        elif not _is_wider(row.cells[at], column):
            widths.append(_wide(_joined(row.cells[at])))
    return max(widths)


def _spread(drawn: TextTable, needs: Sequence[int], width: int) -> list[int]:
    """The widths of the columns, in cells. A folding column gets what is left over, up to its widest cell."""
    widths = [min(need, width) for need in needs]
    for i, column in enumerate(drawn.columns[: len(widths)]):
        if column.folds:
            left = width - sum(widths) - _GAP * (len(widths) - 1)
            widest = max((_wide(_joined(row.cells[i])) for row in drawn.rows), default=0)
            widths[i] += max(0, min(left, widest - widths[i]))
    return widths


def _folded(cell: TableCell, column: TableColumn, width: int) -> list[SpanLine]:
    if column.folds:
        return wrap_spans(_pieces(cell), width, ", " if isinstance(cell, tuple) else " ")
    if _is_wider(cell, column):
        return [[("↓", "dim")]]
    style = str(cell.style) if isinstance(cell, Text) else ""
    return [[(text, style)] for text in chop_cells(_joined(cell), max(width, 2))] or [[]]


def _wider(row: TableRow, columns: Sequence[TableColumn]) -> list[str]:
    """The cells wider than their columns allow, which go below the row."""
    return [
        _joined(cell) for cell, column in zip(row.cells, columns, strict=False) if _is_wider(cell, column)
    ]


def _is_wider(cell: TableCell, column: TableColumn) -> bool:
    return column.most is not None and _wide(_joined(cell)) > column.most


def _below(note: str, width: int) -> Iterator[SpanLine]:
    for line in wrap_spans([(word, "dim") for word in note.split()], max(width - _INDENT, 2)):
        yield [(" " * _INDENT, ""), *line]


def _beside(parts: Sequence[SpanLine], columns: Sequence[TableColumn], widths: Sequence[int]) -> SpanLine:
    """One line with each part in its column, without blanks at its end."""
    line: SpanLine = []
    gap = 0
    for part, column, width in zip(parts, columns, widths, strict=True):
        blank = max(0, width - sum(_wide(text) for text, _ in part))
        before = gap + (blank if column.right else 0)
        if part and any(text for text, _ in part):
            line += [(" " * before, ""), *part] if before else part
            gap = _GAP + (0 if column.right else blank)
        else:
            gap += width + _GAP
    return line


def _pieces(cell: TableCell) -> list[Span]:
    """The pieces that are not cut: the texts of a list, or the words of a text."""
    if isinstance(cell, tuple):
        return [(printable(text.plain), str(text.style)) for text in cell]
    style = str(cell.style) if isinstance(cell, Text) else ""
    return [(word, style) for word in _joined(cell).split()]


def _joined(cell: TableCell) -> str:
    if isinstance(cell, tuple):
        return printable(", ".join(text.plain for text in cell))
    return printable(cell.plain if isinstance(cell, Text) else cell)


def _styles(drawn: TextTable) -> Iterator[str]:
    yield from ("bold", "dim")
    for row in drawn.rows:
        for cell in row.cells:
            for text in cell if isinstance(cell, tuple) else (cell,):
                if isinstance(text, Text):
                    yield str(text.style)


def _wide(text: str) -> int:
    return len(text) if text.isascii() else cell_len(text)
