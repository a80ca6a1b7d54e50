"""Prints text that may hold unprintable characters, such as names and values from files and stores."""

import sys

from trainer.text import printable_lines


def say(text: str, *, to_stderr: bool = False) -> None:
    """Print a text with its unprintable characters escaped, and flush at once."""
    print(printable_lines(text), file=sys.stderr if to_stderr else sys.stdout, flush=True)


def p_value_text(value: float) -> str:
    """`0.012`, or `< 0.001`."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
