"""Draws in place on a terminal, and lets what is logged meanwhile appear above the drawing."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.live import Live


@contextmanager
def redraw_in_place(
    console: Console, draw: Callable[[], RenderableType], *, per_second: float | None = None
) -> Iterator[Live]:
    """Draw what `draw` returns, again and again, or where `per_second` is None whenever `refresh` is called.

    However the block is left, the last drawing stays and the cursor stands below it. Standard error is held
    back only if it is the same terminal: a file that it goes to gets its lines as ever.
    """
    before = sys.stderr
    live = Live(
        console=console,
        get_renderable=draw,
        auto_refresh=per_second is not None,
        refresh_per_second=per_second or 1,
        redirect_stderr=before.isatty(),
        vertical_overflow="crop",
    )
    with live:
        handlers = [
            handler
            for handler in logging.getLogger().handlers
            if isinstance(handler, logging.StreamHandler) and handler.stream is before
        ]
        try:
            for handler in handlers:
                handler.setStream(sys.stderr)
            yield live
        finally:
            for handler in handlers:
                handler.setStream(before)
