"""Columns that are computed from a table: features and the target."""

import operator
from collections.abc import Mapping
from math import sqrt
from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    model_validator,
)

from trainer.config.section import Section

TransformName = Literal[
    "raw",
    "lag",
    "log",
    "log1p",
    "difference",
    "pct_change",
    "log_return",
    "abs_log_return",
    "rolling_mean",
    "rolling_std",
    "zscore",
    "ewm_mean",
    "ewm_std",
    "log_parkinson",
    "garman_klass",
    "rogers_satchell",
    "realized_variance",
    "time_of_day",
    "day_of_week",
    "month",
    "cross_rank",
    "cross_zscore",
    "cross_demean",
    "equals",
    "one_hot",
]


TargetKind = Literal["return", "volatility", "other"]


RETURN_CLIP = 0.1
"""Default clip of one-row returns: ±10 %; longer returns are clipped at this times the root of their rows."""


CHANGES: frozenset[str] = frozenset({"difference", "pct_change", "log_return", "abs_log_return"})
"""Transforms that compare a row with the one `window` rows before, by default 1."""


BAR_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "log_parkinson": ("high", "low"),
    "garman_klass": ("open", "high", "low", "close"),
    "rogers_satchell": ("open", "high", "low", "close"),
}
"""Transforms that estimate the volatility of one bar, and the keys that name its columns."""


CALENDAR: frozenset[str] = frozenset({"time_of_day", "day_of_week", "month"})
"""Transforms of the time of a row alone, which is known ahead; each makes a sine and a cosine."""


CROSS_SECTION: frozenset[str] = frozenset({"cross_rank", "cross_zscore", "cross_demean"})
"""Transforms that compare a series of a panel with the others at one time."""


OF_TEXTS: frozenset[str] = frozenset({"equals", "one_hot"})
"""Transforms of a column of texts, such as the sector, or of the names of the series. In a study file
`one_hot` stands for an `equals` of each value."""


_WINDOWED: frozenset[str] = frozenset({"rolling_mean", "rolling_std", "zscore", "ewm_mean", "ewm_std", "lag"})


_SPREADS: frozenset[str] = frozenset({"rolling_std", "zscore", "ewm_std"})


MIN_SERIES = 3
"""Fewest series of a cross-section unless `min_series` says otherwise: of two, each mirrors the other."""


class DerivedColumn(Section):
    """A causal series that is computed from columns of the table, from another feature or from the times.

    `column` names a column, `of` another feature; `open`, `high`, `low` and `close` name those of a bar.
    docs/data.md lists the transforms and the keys that each takes.
    """

    transform: TransformName = "raw"
    """What is computed from the column or feature; raw: nothing."""
    column: str | None = None
    """The column of the table that is read."""
    of: str | None = None
    """A feature above this one that is read instead of a column."""
    open: str | None = Field(default=None, exclude_if=lambda value: value is None)
    """The column of each bar's first price, for garman_klass and rogers_satchell."""
    high: str | None = None
    """The column of each bar's highest price, for log_parkinson, garman_klass and rogers_satchell."""
    low: str | None = None
    """The column of each bar's lowest price, for log_parkinson, garman_klass and rogers_satchell."""
    close: str | None = Field(default=None, exclude_if=lambda value: value is None)
    """The column of each bar's last price, for garman_klass and rogers_satchell."""
    floor: Annotated[float, Field(gt=0)] | None = Field(default=None, exclude_if=lambda value: value is None)
    """The least volatility of a bar, for those three, such as 0.0001 for one basis point; null: none, and a
    bar without a range has no logarithm."""
    window: Annotated[int, Field(ge=1)] | None = None
    """A number of rows: that rolling_* and zscore look over, that lag goes back, that a change extends over
    (1); for ewm_* the span."""
    min_series: Annotated[int, Field(ge=2)] | None = Field(
        default=None, exclude_if=lambda value: value is None
    )
    """For cross_*: the fewest series that a moment may have; with fewer the cell is missing. null: 3."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the table's columns that are read directly."""
        named = (self.column, self.open, self.high, self.low, self.close)
        return tuple(name for name in named if name is not None)

    @property
    def is_indicator(self) -> bool:
        """Whether it is 1 or 0, and so needs no scale."""
        return self.transform == "equals"

    @property
    def fewest_series(self) -> int:
        """The fewest series at one moment that cross_* compare."""
        return self.min_series or MIN_SERIES

    @model_validator(mode="after")
    def _inputs_match_transform(self) -> Self:
        if self.min_series is not None and self.transform not in CROSS_SECTION and not self._is_relative():
            raise ValueError(
                f"min_series belongs to {', '.join(sorted(CROSS_SECTION))}, not to {self.transform}"
            )
        needed = BAR_COLUMNS.get(self.transform)
        if needed is None:
            self._takes_one_input()
        elif self.column or self.of or self.window or set(needed) != set(self._bar_keys()):
            listed = f"{', '.join(needed[:-1])} and {needed[-1]}"
            raise ValueError(f"{self.transform} takes {listed}, and nothing else but a floor")
        return self

    def _is_relative(self) -> bool:
        return getattr(self, "relative", None) is not None

    def _bar_keys(self) -> list[str]:
        return [key for key in ("open", "high", "low", "close") if getattr(self, key) is not None]

    def _takes_one_input(self) -> None:
        if self._bar_keys() or self.floor is not None:
            keys = " and ".join(self._bar_keys() or ["floor"])
            verb = "belong" if " and " in keys else "belongs"
            raise ValueError(f"{keys} {verb} to {', '.join(BAR_COLUMNS)}, not to {self.transform}")
        if self.transform in OF_TEXTS:
            if self.of is not None or self.window is not None:
                raise ValueError(
                    f"{self.transform} takes a column of texts, or nothing for the series' names"
                )
            return
        if self.transform in CALENDAR:
            if self.column is not None or self.of is not None or self.window is not None:
                raise ValueError(
                    f"{self.transform} is computed from the times; it takes no column, of or window"
                )
            return
        if (self.column is None) == (self.of is None):
            raise ValueError(f"{self.transform} takes either column or of")
        if self.transform in _WINDOWED and self.window is None:
            raise ValueError(f"{self.transform} needs window, a number of rows")
        if self.window is not None and self.transform not in _WINDOWED | CHANGES:
            raise ValueError(f"{self.transform} takes no window")
        if self.transform in _SPREADS and self.window == 1:
            raise ValueError(f"{self.transform} needs a window of at least 2 rows")


class Feature(DerivedColumn):
    """One input of the model, known at the time of its row."""

    name: str
    """Unique among the features; `of` of a feature below may name it."""
    may_lead: Annotated[bool, Field(exclude_if=operator.not_)] = False
    """Whether the feature may honestly lead the target. False is left out of a dump, so that records made
    before this key existed compare equal."""
    value: str | None = Field(default=None, exclude_if=lambda value: value is None)
    """For equals: the text that the column is compared with, or the name of the series."""
    part: Literal["sin", "cos"] | None = Field(default=None, exclude_if=lambda value: value is None)
    """Which of the two columns of time_of_day, day_of_week and month it is; null: both, called NAME_sin and
    NAME_cos."""

    @model_validator(mode="after")
    def _part_of_a_pair(self) -> Self:
        if self.part is not None and self.transform not in CALENDAR:
            raise ValueError(f"part belongs to {', '.join(sorted(CALENDAR))}, not to {self.transform}")
        return self

    @model_validator(mode="after")
    def _value_of_an_equation(self) -> Self:
        if (self.transform == "equals") != (self.value is not None):
            raise ValueError("equals needs value, the text to compare with, and no other transform takes it")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the table's columns that are read directly; of `equals`, of the column that it makes."""
        return (f"{self.column or 'series'}={self.value}",) if self.is_indicator else super().columns

    @property
    def columns_of_pair(self) -> tuple["Feature", ...]:
        """Its sine and its cosine, if it is both; else the feature itself."""
        if self.transform not in CALENDAR or self.part is not None:
            return (self,)
        return tuple(
            self.model_copy(update={"name": f"{self.name}_{part}", "part": part}) for part in ("sin", "cos")
        )


class Target(DerivedColumn):
    """What is forecast: a series that is shifted by `horizon`, or a column that is already shifted."""

    kind: TargetKind
    """What the values are; the audit, the ceiling of believable skill and the rivals depend on it."""
    horizon: Annotated[int, Field(ge=1)] = 1
    """How many rows ahead the target lies."""
    relative: Literal["cross_section"] | None = Field(default=None, exclude_if=lambda value: value is None)
    """cross_section: the mean over all series of the panel at the same time is subtracted. null: nothing."""
    already_shifted: bool | None = Field(default=None, exclude_if=lambda value: value is None)
    """Only for a raw column. true: row t holds the value of row t + horizon; false: that of row t, and it is
    shifted like any other target. null means true, for files from before this key existed; a new study must
    say which. null is left out of a dump, so that older digests stay valid.
    """
    log_of: Literal["volatility", "variance"] | None = Field(
        default=None, exclude_if=lambda value: value is None
    )
    """What the target is the logarithm of, if its transform does not say: a column that holds logarithms, or
    the log of a column. `training.loss: qlike` needs it. null: what the transform says, else of neither."""
    clip: Annotated[float, Field(gt=0)] | None = None
    """Bound of the unscaled target, in its own unit. null: no bound; for returns, 0.1 times the square root
    of the rows that they extend over."""
    clip_follows_spread: bool | None = Field(default=None, exclude_if=lambda value: value is None)
    """true: `clip` is raised to six robust standard deviations of the training target, if these are larger.
    null: true for returns whose `clip` is not given, else false.
    """

    @model_validator(mode="before")
    @classmethod
    def _returns_are_clipped(cls, values: object) -> object:
        if not isinstance(values, dict) or values.get("kind") != "return" or values.get("clip") is not None:
            return values
        if values.get("transform") == "difference":  # in the unit of the prices, for which no bound is known
            return values
        clip = return_clip(values.get("transform", "raw"), values.get("window"), values.get("horizon", 1))
        if values.get("clip_follows_spread") is None:
            values = {**values, "clip_follows_spread": True}
        return {**values, "clip": clip}

    @model_validator(mode="after")
    def _is_a_number(self) -> Self:
        if self.transform in OF_TEXTS:
            raise ValueError(f"{self.transform} says what a row is, which is no forecast; forecast a number")
        return self

    @model_validator(mode="after")
    def _logarithm_of_a_volatility(self) -> Self:
        if self.log_of is not None and self.kind != "volatility":
            raise ValueError(f"log_of belongs to kind: volatility, not to {self.kind}")
        return self

    @model_validator(mode="after")
    def _is_not_known_ahead(self) -> Self:
        if self.transform in CALENDAR:
            raise ValueError(f"{self.transform} is known ahead; forecast something that is not")
        return self

    @model_validator(mode="after")
    def _spread_widens_a_clip(self) -> Self:
        if self.clip_follows_spread and self.clip is None:
            raise ValueError("clip_follows_spread has no effect without clip; give clip or remove it")
        return self


def return_clip(transform: object, window: object, horizon: object, one_row: float = RETURN_CLIP) -> float:
    """Bound of a return, given that of one row: it grows with the root of the rows, like the spread.

    A change extends over its `window` rows, whatever its horizon; any other series of returns counts as
    extending over the horizon. A value that is not a number of rows counts as one row; validation reports it.
    """
    rows = (window or 1) if transform in CHANGES else horizon
    return round(one_row * sqrt(rows), 6) if isinstance(rows, int) and rows >= 1 else one_row
