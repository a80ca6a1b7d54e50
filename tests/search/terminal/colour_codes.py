"""What a terminal of 256 colours is sent for the colour of a verdict."""

from rich.color import Color, ColorSystem

from search.text import COLOURS
from storage.verdicts import Verdict


def colour_code(verdict: Verdict) -> str:
    """The escape sequence before a text in the colour of a verdict."""
    return f"\x1b[38;5;{Color.parse(COLOURS[verdict]).downgrade(ColorSystem.EIGHT_BIT).number}m"
