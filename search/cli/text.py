"""Text from elsewhere, made fit for a terminal: names and values of files and stores are anybody's."""

import sys

from trainer.text import printable_lines

LONGEST = 1_000
"""Characters of a line: more is no sentence that a person reads."""


def shortened(line: str) -> str:
    """A line of bounded length: of a flood its beginning, which says where, and its end, with the way out."""
    return line if len(line) <= LONGEST else f"{line[:600]} … {line[-300:]}"


def say(text: str, *, to_stderr: bool = False) -> None:
    """Print a text of ours that may quote somebody else's; it goes out at once."""
    print(printable_lines(text), file=sys.stderr if to_stderr else sys.stdout, flush=True)
