"""The settings of a trial's data."""

from collections.abc import Callable, Mapping
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from trainer.config.columns import BAR_COLUMNS, CALENDAR, DerivedColumn, Feature, Target
from trainer.config.section import Names, Section, is_default
from trainer.config.source import CsvConfig
from trainer.config.split import Split, checked_date, end_of_date, has_offset, start_of_date
from trainer.durations import duration_seconds


def _expand_raw_columns(value: object) -> object:
    """Expands `[a, b]` to raw columns named a and b."""
    if not isinstance(value, list | tuple):
        return value
    return tuple({"name": v, "column": v} if isinstance(v, str) else v for v in value)


def _expand_pairs(features: tuple[Feature, ...]) -> tuple[Feature, ...]:
    """Expands a feature of the calendar to its sine and cosine."""
    return tuple(column for feature in features for column in feature.columns_of_pair)


class DataConfig(Section):
    """The source of the rows, and the features, target and splits that are computed from them."""

    source: Annotated[Names, Field(min_length=1)]
    """A CSV (also .gz or .zip), Parquet or Arrow file, a sample such as `sample:sp500`, a pattern such as
    `prices/*.csv`, an address such as https://host/prices.csv or s3://bucket/prices.parquet, or a list of
    these."""
    time: Annotated[Names, Field(min_length=1)]
    """The column of times; or a list of two, those of dates and of times of day."""
    timezone: str | None = Field(default=None, exclude_if=is_default)
    """The zone of times that have no offset from UTC, such as America/New_York, in which dates are read and
    shown. null: that of the offsets, else UTC."""
    csv: CsvConfig = Field(default=CsvConfig(), exclude_if=lambda value: value == CsvConfig())
    series: Names | None = Field(default=None, exclude_if=is_default)
    """The column that names the series of each row, such as Ticker. With layout: wide, the series to read, by
    name or pattern; null: all."""
    layout: Literal["long", "wide", "files"] | None = Field(default=None, exclude_if=is_default)
    """How the source holds several series. long: `series` names a column; wide: each has columns of its own;
    files: each has a file of its own, which names it. null: long if `series` is given, files if several
    files cover the same time, else one series."""
    sort: bool = Field(default=False, exclude_if=is_default)
    """true: the rows are sorted by time, for files with the newest row first."""
    where: Mapping[str, str | int | float | bool] = Field(default={}, exclude_if=is_default)
    """The rows to read, by the value of a column, such as {Symbol: GOOG}; empty: all."""
    drop_empty: bool = Field(default=False, exclude_if=is_default)
    """true: rows without a number in any of the columns that are read are left out, such as holidays."""
    since: str | None = Field(default=None, exclude_if=is_default)
    """The first day of the rows that are read, such as 2000-01-01; null: the first of the table."""
    until: str | None = Field(default=None, exclude_if=is_default)
    """The last day of the rows that are read. No target reaches beyond it, and no test rows are needed. null:
    the last of the table."""
    max_gap: str | None = Field(default=None, exclude_if=is_default)
    """The longest time between two neighbouring rows that a window or a target may cross, such as 4d, 2h or
    30min: nights, weekends, lunch breaks. null: any. Features still look back across a gap."""
    calendar: str | None = Field(default=None, exclude_if=is_default)
    """The exchange whose sessions the audit compares the rows with, such as XNYS, by its name in the package
    exchange-calendars; null: none."""
    features: Annotated[
        tuple[Feature, ...],
        BeforeValidator(
            _expand_raw_columns,
            json_schema_input_type=Annotated[tuple[Feature | str, ...], Field(min_length=1)],
        ),
        AfterValidator(_expand_pairs),
        Field(min_length=1),
    ]
    """The inputs of the model, in order; the text NAME is short for the raw column NAME, and in a study file
    f* for all raw columns whose names match."""
    target: Target
    seq_len: Annotated[int, Field(ge=1)] = 22
    """Rows of the window of one forecast."""
    feature_clip: Annotated[float, Field(gt=0)] = 3.0
    """Bound of the standardised features, in training standard deviations."""
    scale: Literal["pooled", "series"] = Field(default="pooled", exclude_if=lambda value: value == "pooled")
    """What standardises features and target: the moments of the training rows of all series together, or of
    each series' own."""
    weights: str = Field(default="none", exclude_if=lambda value: value == "none")
    """How much each training row counts in the training loss. none: all count the same; equal_per_time: all
    dates count the same, however many series have a row at them; else the column that holds the weights."""
    split: Split

    @model_validator(mode="after")
    def _features_refer_backwards(self) -> Self:
        seen: set[str] = set()
        self._require_numbers("the target", self.target)
        for feature in self.features:
            self._require_numbers(f"feature {feature.name!r}", feature)
            if feature.name in seen:
                raise ValueError(f"two features are called {feature.name!r}")
            if feature.of is not None and feature.of not in seen:
                raise ValueError(
                    f"feature {feature.name!r} is of {feature.of!r}, which is not a feature above it"
                )
            seen.add(feature.name)
        if self.target.of is not None and self.target.of not in seen:
            raise ValueError(f"the target is of {self.target.of!r}, which is not a feature")
        if self.target.of in self._of_the_calendar():
            raise ValueError(f"the target is of {self.target.of!r}, which is known ahead")
        return self

    @model_validator(mode="after")
    def _layout_fits_series(self) -> Self:
        if self.layout == "long" and self.series is None:
            raise ValueError("layout: long needs series, the column that names the series of each row")
        if self.layout == "files" and self.series is not None:
            raise ValueError("with layout: files the files name the series; remove series")
        if self.layout in (None, "long") and self.series is not None and not isinstance(self.series, str):
            raise ValueError("series is one column; a list of series belongs to layout: wide")
        if self.series_column in {*self.time_columns, *self.where}:
            raise ValueError(
                f"series {self.series_column!r} is a column of times or of where; name another column"
            )
        return self

    @model_validator(mode="after")
    def _weights_are_numbers(self) -> Self:
        column = self.weight_column
        if column is not None and column in {*self.time_columns, *self.where, self.series_column}:
            raise ValueError(
                f"weights {column!r} is a column of times, of series or of where; name one of numbers"
            )
        return self

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                ZoneInfo(value)
            except (ValueError, OSError, KeyError):
                raise ValueError(f"{value!r} is no time zone; write it as America/New_York or UTC") from None
        return value

    @field_validator("since", "until")
    @classmethod
    def _is_a_date(cls, value: str | None) -> str | None:
        return value if value is None else checked_date(value)

    @model_validator(mode="after")
    def _since_is_before_until(self) -> Self:
        if self.since is None or self.until is None:
            return self
        if has_offset(self.since) != has_offset(self.until):
            raise ValueError("give since and until both with an offset from UTC, or neither")
        if start_of_date(self.since) >= end_of_date(self.until):
            raise ValueError(f"since {self.since} is not before until {self.until}")
        return self

    @field_validator("max_gap", mode="before")
    @classmethod
    def _is_a_duration(cls, value: object) -> object:
        if value is not None:
            duration_seconds(value)
        return value

    @property
    def max_gap_seconds(self) -> float | None:
        """`max_gap` in seconds."""
        return None if self.max_gap is None else duration_seconds(self.max_gap)

    @property
    def time_columns(self) -> tuple[str, ...]:
        """The columns of times, one or several."""
        return (self.time,) if isinstance(self.time, str) else self.time

    @property
    def series_column(self) -> str | None:
        """The column that names the series of each row; None if there is none."""
        return self.series if isinstance(self.series, str) and self.layout in (None, "long") else None

    @property
    def weight_column(self) -> str | None:
        """The column that holds the weights of the training rows; None if there is none."""
        return None if self.weights in ("none", "equal_per_time") else self.weights

    @property
    def sources(self) -> tuple[str, ...]:
        """The files, patterns or samples of the source, one or several."""
        return (self.source,) if isinstance(self.source, str) else self.source

    @property
    def target_is_log_of(self) -> Literal["volatility", "variance"] | None:
        """What the target is the logarithm of, or a mean or an earlier value of one; None if of neither."""
        logarithm = self._without_means(self.target)
        if logarithm.transform in BAR_COLUMNS:
            return "volatility"
        if logarithm.transform == "log":
            inside = self._without_means(self._features[logarithm.of]) if logarithm.of else None
            if inside is not None and inside.transform in ("rolling_std", "ewm_std", "abs_log_return"):
                return "volatility"
            if inside is not None and inside.transform == "realized_variance":
                return "variance"
        return self.target.log_of

    @property
    def _features(self) -> Mapping[str, DerivedColumn]:
        return {feature.name: feature for feature in self.features}

    def _without_means(self, series: DerivedColumn) -> DerivedColumn:
        """What `series` is computed from by means and lags alone."""
        while series.of is not None and series.transform in ("raw", "lag", "rolling_mean", "ewm_mean"):
            series = self._features[series.of]
        return series

    @property
    def shown_source(self) -> str:
        """The source in messages: its name, or the names of its files."""
        return ", ".join(self.sources)

    def _require_numbers(self, who: str, series: DerivedColumn) -> None:
        for name in series.columns:
            if name in self.time_columns:
                raise ValueError(
                    f"{who} reads {name!r}, the column of times, which holds no numbers; name another column"
                )

    @property
    def texts_compared(self) -> tuple[Feature, ...]:
        """The features that compare a column of texts, or the names of the series, with a value."""
        return tuple(feature for feature in self.features if feature.transform == "equals")

    @property
    def leading(self) -> tuple[str, ...]:
        """Features that may lead the target: those with `may_lead`, those of the calendar, and those computed
        from them."""
        return self._made_from(lambda feature: feature.may_lead or feature.transform in CALENDAR)

    def _of_the_calendar(self) -> tuple[str, ...]:
        return self._made_from(lambda feature: feature.transform in CALENDAR)

    def _made_from(self, chosen: Callable[[Feature], bool]) -> tuple[str, ...]:
        """The chosen features, and those computed from them."""
        names: list[str] = []
        for feature in self.features:
            if chosen(feature) or feature.of in names:
                names.append(feature.name)
        return tuple(names)
