"""Text from elsewhere, made fit for a terminal: names and values of files and stores are anybody's."""

import sys

from trainer.text import printable_lines


def say(text: str, *, to_stderr: bool = False) -> None:
    """Print a text of ours that may quote somebody else's; it goes out at once."""
    print(printable_lines(text), file=sys.stderr if to_stderr else sys.stdout, flush=True)
