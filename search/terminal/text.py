"""Prints text that may hold unprintable characters, such as names and values from files and stores."""

import sys

from trainer.text import printable_lines


def say(text: str, *, to_stderr: bool = False) -> None:
    """Print a text with its unprintable characters escaped, and flush at once."""
    print(printable_lines(text), file=sys.stderr if to_stderr else sys.stdout, flush=True)
