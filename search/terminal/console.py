"""Redraws in place on a terminal, with log lines above the drawing."""

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
    """Redraw what `draw` returns `per_second` times a second; if that is None, whenever `refresh` is called.

    At the end of the block, however it ends, the last drawing stays and the cursor is below it. Standard
    error is redirected only if it is a terminal; a file gets its lines directly.
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
