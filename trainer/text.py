"""Makes text from files, stores and columns fit to be shown: escaped, so that it cannot control the
terminal, and of bounded length.
"""

import difflib
import logging
from collections.abc import Sequence


def printable(text: str) -> str:
    """The text with all characters escaped that are not printable and could move the cursor or hide text.

    These are control characters (ESC, C1, line breaks), marks of direction or without width, all blanks
    except the space, and code points without a character.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def printable_lines(text: str) -> str:
    """`printable` for a text of several lines; the line breaks stay."""
    return text if text.isprintable() else "\n".join(map(printable, text.split("\n")))


def shortened(text: str, most: int) -> str:
    """The text in at most `most` characters; `…` is the last one of a text that was cut."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def names_of(names: Sequence[str], most: int = 8) -> str:
    """`AAPL, MSFT and 12 more`: at most `most` of the names."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


def place_in_training(epoch: int, step: int | None) -> str:
    """`epoch 3, step 41`; `epoch 3` for what was found at its end (no step)."""
    return f"epoch {epoch}" if step is None else f"epoch {epoch}, step {step}"


class PlainFormatter(logging.Formatter):
    """Formats log lines so that no text moves the cursor and no message looks like two."""

    def format(self, record: logging.LogRecord) -> str:
        """The record and its traceback, escaped."""
        return printable_lines(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """The message, with all lines after the first indented."""
        return super().formatMessage(record).replace("\n", "\n  ")


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """`; did you mean 'Close'?` for the most similar known name; empty if none is similar."""
    by_fold = {entry.strip().casefold(): entry for entry in known}
    close = difflib.get_close_matches(name.strip().casefold(), by_fold, n=1)
    return f"; did you mean {by_fold[close[0]]!r}?" if close else ""
