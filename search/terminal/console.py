"""Redraws in place on a terminal, with log lines above the drawing."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.cells import cell_len, set_cell_size
from rich.console import Console, RenderableType
from rich.live import Live


class _GuardLinesOfOneRow(logging.Formatter):
    """Cuts what the guard logs to the width of the terminal; the whole text is on record."""

    def __init__(self, whole: logging.Formatter | None, console: Console) -> None:
        super().__init__()
        self._whole, self._console = whole or logging.Formatter(), console

    def format(self, record: logging.LogRecord) -> str:
        line, width = self._whole.format(record), self._console.width
        if record.name != "ballast.trainer" or record.levelno > logging.INFO or cell_len(line) <= width:
            return line
        return f"{set_cell_size(line, width - 1)}…"


@contextmanager
def redraw_in_place(
    console: Console,
    draw: Callable[[], RenderableType],
    *,
    per_second: float | None = None,
    transient: bool = False,
) -> Iterator[Live]:
    """Redraw what `draw` returns `per_second` times a second; if that is None, whenever `refresh` is called.

    At the end of the block, however it ends, the last drawing stays and the cursor is below it; a `transient`
    drawing is removed. Standard error is redirected only if it is a terminal; a file gets its lines directly.
    """
    before = sys.stderr
    live = Live(
        console=console,
        get_renderable=draw,
        auto_refresh=per_second is not None,
        refresh_per_second=per_second or 1,
        redirect_stderr=before.isatty(),
        vertical_overflow="crop",
        transient=transient,
    )
    with live:
        handlers = [
            handler
            for handler in logging.getLogger().handlers
            if isinstance(handler, logging.StreamHandler) and handler.stream is before
        ]
        formatters = [handler.formatter for handler in handlers]
        try:
            for handler in handlers:
                handler.setStream(sys.stderr)
                handler.setFormatter(_GuardLinesOfOneRow(handler.formatter, console))
            yield live
        finally:
            for handler, formatter in zip(handlers, formatters, strict=True):
                handler.setStream(before)
                handler.setFormatter(formatter)
