"""Divides a plot into panels of equal size, one for each searched setting, in one column or in two."""

from dataclasses import dataclass
from functools import cached_property

FRAME = 72
"""Pixels of the title above the panels."""
GAP = 46
"""Pixels of a panel's ticks and name, below it."""
BOTTOM = 8
_ONE_COLUMN = 3
"""Up to so many panels are in one column; more are in two columns, so that the plot fits a screen."""


@dataclass(frozen=True)
class Panel:
    """The position of a panel as shares of the plot; its ticks and its name are below it."""

    column: int
    pixels: float
    """Its height."""
    up: list[float]
    across: list[float]


@dataclass(frozen=True)
class PanelGrid:
    """`count` panels of at least `panel` pixels with their ticks and names, and at least `least` in all."""

    count: int
    panel: int
    least: int = 450
    between: float = 0.12
    """Share of the width between two columns: on a phone 35 pixels, enough for two halves of tick labels."""

    @property
    def columns(self) -> int:
        """One or two."""
        return 1 if self.count <= _ONE_COLUMN else 2

    @property
    def rows(self) -> int:
        """At least one."""
        return max(1, -(-self.count // self.columns))

    @cached_property
    def height(self) -> int:
        """Pixels of the whole plot."""
        return max(self.least, FRAME + self.rows * self.panel)

    def place(self, number: int) -> Panel:
        """The position of a panel, numbered from 0: row by row."""
        row, column = number // self.columns, number % self.columns
        inner = self.height - FRAME - BOTTOM
        top = 1 - row / self.rows
        width = (1 - self.between * (self.columns - 1)) / self.columns
        left = column * (width + self.between)
        return Panel(
            column=column,
            pixels=inner / self.rows - GAP,
            up=[round(top - 1 / self.rows + GAP / inner, 4), round(top - 0.01, 4)],
            across=[round(left, 4), round(left + width, 4)],
        )
