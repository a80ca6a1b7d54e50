"""Text from elsewhere, made fit for a terminal: names and values of files and stores are anybody's."""

LONGEST = 1_000
"""Characters of a line: more is no sentence that a person reads."""


def shortened(line: str) -> str:
    """A line of bounded length: of a flood its beginning, which says where, and its end, with the way out."""
    return line if len(line) <= LONGEST else f"{line[:600]} … {line[-300:]}"
