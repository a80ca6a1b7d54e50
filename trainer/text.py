"""Text from files, stores and columns, which are anybody's, made fit for a terminal."""

import logging


def printable(text: str) -> str:
    """The text with what is not printable, which could move the cursor or hide text, escaped.

    That is every control character (ESC, those of C1, line breaks), every mark of direction or of no width,
    every blank but the common one, and what is no character.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def printable_lines(text: str) -> str:
    """The same for a text of several lines, which stay lines."""
    return text if text.isprintable() else "\n".join(map(printable, text.split("\n")))


class PlainFormatter(logging.Formatter):
    """Lines of a log in which nothing moves the cursor, and in which no message passes for two."""

    def format(self, record: logging.LogRecord) -> str:
        """The record, with its traceback, as text."""
        return printable_lines(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Its lines but the first are indented."""
        return super().formatMessage(record).replace("\n", "\n  ")
