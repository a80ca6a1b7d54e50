"""The settings of one trial: the single definition of each setting, its type, unit and default.

Limits here are logical, such as a positive size. The safe ranges, which limit what is stable, are data
(`configs/safe_ranges.yaml`) and belong to `search`.
"""

import operator
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from datetime import time as clock
from math import comb, sqrt
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from trainer.durations import duration_seconds
from trainer.losses import MSE, Loss

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
]
TargetKind = Literal["return", "volatility", "other"]
SplitMethod = Literal["holdout", "walk_forward", "cpcv"]
InitName = Literal["gains", "torch"]
ScheduleName = Literal["constant", "cosine"]
KernelName = Literal["auto", "torch", "fused"]

MOST_FOLDS = 100
"""Most folds of a trial; each trains a model. 10 groups with 2 held out, as in López de Prado (2018), make
45."""
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

_WINDOWED: frozenset[str] = frozenset({"rolling_mean", "rolling_std", "zscore", "ewm_mean", "ewm_std", "lag"})
_SPREADS: frozenset[str] = frozenset({"rolling_std", "zscore", "ewm_std"})


class Section(BaseModel):
    """A frozen, strict group of settings: unknown keys and wrong types are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


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

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the table's columns that are read directly."""
        named = (self.column, self.open, self.high, self.low, self.close)
        return tuple(name for name in named if name is not None)

    @model_validator(mode="after")
    def _inputs_match_transform(self) -> Self:
        needed = BAR_COLUMNS.get(self.transform)
        if needed is None:
            self._takes_one_input()
        elif self.column or self.of or self.window or set(needed) != set(self._bar_keys()):
            listed = f"{', '.join(needed[:-1])} and {needed[-1]}"
            raise ValueError(f"{self.transform} takes {listed}, and nothing else but a floor")
        return self

    def _bar_keys(self) -> list[str]:
        return [key for key in ("open", "high", "low", "close") if getattr(self, key) is not None]

    def _takes_one_input(self) -> None:
        if self._bar_keys() or self.floor is not None:
            keys = " and ".join(self._bar_keys() or ["floor"])
            verb = "belong" if " and " in keys else "belongs"
            raise ValueError(f"{keys} {verb} to {', '.join(BAR_COLUMNS)}, not to {self.transform}")
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
    part: Literal["sin", "cos"] | None = Field(default=None, exclude_if=lambda value: value is None)
    """Which of the two columns of time_of_day, day_of_week and month it is; null: both, called NAME_sin and
    NAME_cos."""

    @model_validator(mode="after")
    def _part_of_a_pair(self) -> Self:
        if self.part is not None and self.transform not in CALENDAR:
            raise ValueError(f"part belongs to {', '.join(sorted(CALENDAR))}, not to {self.transform}")
        return self

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
    already_shifted: bool | None = Field(default=None, exclude_if=lambda value: value is None)
    """Only for a raw column. true: row t holds the value of row t + horizon; false: that of row t, and it is
    shifted like any other target. null means true, for files from before this key existed; a new study must
    say which. null is left out of a dump, so that older digests stay valid.
    """
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
        clip = return_clip(values.get("transform", "raw"), values.get("window"), values.get("horizon", 1))
        if values.get("clip_follows_spread") is None:
            values = {**values, "clip_follows_spread": True}
        return {**values, "clip": clip}

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


class Fractions(Section):
    """Shares of the usable rows, in time order; the rest is the test split."""

    train: Annotated[float, Field(gt=0, lt=1)]
    validation: Annotated[float, Field(gt=0, lt=1)]

    @model_validator(mode="after")
    def _something_is_left_for_testing(self) -> Self:
        if self.train + self.validation >= 1:
            total = self.train + self.validation
            raise ValueError(f"train + validation is {total:g}; it must stay below 1 to leave test rows")
        return self


def end_of_date(written: str) -> datetime:
    """The end of the day of an ISO date, or the time that it gives.

    A time with an offset is converted to UTC; any other is naive. Raises ValueError if it is not a date, and
    OverflowError for a time outside the years 1 to 9999 of UTC.
    """
    moment = datetime.fromisoformat(written)
    if moment.tzinfo is not None:
        return moment.astimezone(UTC).replace(tzinfo=None)
    try:
        return datetime.combine(date.fromisoformat(written), clock.max)
    except ValueError:  # it gives a time of day
        return moment


def _has_offset(written: str) -> bool:
    return datetime.fromisoformat(written).tzinfo is not None


class Split(Section):
    """Train, validation and test by time: two dates, or two fractions; `embargo` in rows.

    In every method the rows after `validation_until` are test. `holdout` trains up to `train_until` and
    validates on the rest. `walk_forward` cuts that rest into `folds` blocks; the model of each is trained on
    the rows before it: all of them (`expanding`), or as many as the first fold has (`rolling`). `cpcv`,
    combinatorial purged cross-validation, cuts train and validation together into
    `groups` blocks and holds out every choice of `held_out` of them: López de Prado (2018), "Advances in
    Financial Machine Learning", chapter 12.
    """

    method: SplitMethod = "holdout"
    """What is held out of the rows before the test: one block, blocks in time order, or any of them."""
    train_until: str | None = None
    """The last day of the training rows, such as 2010-12-31; under walk_forward those of the first fold."""
    validation_until: str | None = None
    """The last day of the validation rows; the rows behind it are the test, which no search touches."""
    fractions: Fractions | None = None
    """Shares of the rows, in place of the two dates."""
    embargo: Annotated[int, Field(ge=0)] = 0
    """Rows left out between training rows and held-out rows, besides the horizon."""
    folds: Annotated[int, Field(ge=2)] = 5
    """Blocks of the validation rows, for `walk_forward`."""
    window: Literal["expanding", "rolling"] = "expanding"
    """Rows that a fold of `walk_forward` trains on: all before it, or as many as the first fold."""
    groups: Annotated[int, Field(ge=3)] = 6
    """Blocks of the rows before the test, for `cpcv`."""
    held_out: Annotated[int, Field(ge=1)] = 2
    """Blocks that each fold of `cpcv` validates on."""

    @field_validator("train_until", "validation_until")
    @classmethod
    def _is_a_date(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                end_of_date(value)
            except ValueError:
                raise ValueError(f"{value!r} is not a date; write it as 2010-12-31") from None
            except OverflowError:
                raise ValueError(
                    f"{value!r} lies outside the years 1 to 9999 of UTC; write it as 2010-12-31"
                ) from None
        return value

    @model_validator(mode="after")
    def _dates_or_fractions(self) -> Self:
        if self.fractions is not None:
            if self.train_until is not None or self.validation_until is not None:
                raise ValueError("give train_until and validation_until, or fractions, not both")
        elif self.method == "cpcv":
            self._require_one_date()
        elif self.train_until is None or self.validation_until is None:
            raise ValueError("give both train_until and validation_until, or fractions")
        elif _has_offset(self.train_until) != _has_offset(self.validation_until):
            raise ValueError("give train_until and validation_until both with an offset from UTC, or neither")
        elif end_of_date(self.train_until) >= end_of_date(self.validation_until):
            raise ValueError(
                f"train_until {self.train_until} is not before validation_until {self.validation_until}"
            )
        return self

    def _require_one_date(self) -> None:
        if self.validation_until is None:
            raise ValueError("cpcv needs validation_until, behind which the test rows lie, or fractions")
        if self.train_until is not None:
            raise ValueError(
                "train_until has no effect under cpcv, which trains and validates on every block up to "
                "validation_until; remove it"
            )

    @model_validator(mode="after")
    def _blocks_are_left_to_train_on(self) -> Self:
        if self.method == "cpcv" and self.held_out >= self.groups:
            raise ValueError(
                f"held_out is {self.held_out} of {self.groups} groups; it must be less, to leave blocks to "
                "train on"
            )
        if self.method == "cpcv" and (folds := comb(self.groups, self.held_out)) > MOST_FOLDS:
            raise ValueError(
                f"{self.held_out} held out of {self.groups} groups makes {folds} folds, each a model that "
                f"every trial trains; at most {MOST_FOLDS} are taken, lower groups or held_out"
            )
        return self


def _as_tuple(value: object) -> object:
    """A list of YAML as the tuple that a frozen setting holds."""
    return tuple(value) if isinstance(value, list) else value


def _is_default(value: object) -> bool:
    """Whether a later setting has the value that its absence means: null, false or nothing in it."""
    return not value


Names = Annotated[str | tuple[str, ...], BeforeValidator(_as_tuple, json_schema_input_type=str | list[str])]
"""One name, or a list of them."""


def move_source(source: Any, moved: Callable[[str], str]) -> Any:
    """A `data.source` with every path changed by `moved`; names of samples stay."""
    if isinstance(source, str):
        return source if source.startswith("sample:") else moved(source)
    return type(source)(move_source(each, moved) for each in source)


def is_pattern(source: str) -> bool:
    """Whether a source is a pattern of file names, such as `prices/*.csv`."""
    return any(mark in source for mark in "*?[")


class CsvConfig(Section):
    """How a text table is written. What is null is detected, and `ballast check` shows it as detected."""

    separator: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    """The character between two cells, such as ";" or a tab."""
    decimal: Literal[".", ","] | None = None
    """The decimal mark of the numbers."""
    thousands: Literal["", ",", ".", " ", "'"] | None = None
    """The mark between groups of three digits; "" means that there is none."""
    encoding: str | None = None
    """The encoding of the bytes, such as utf-8, utf-16 or cp1252."""
    header: Annotated[int, Field(ge=0, le=10)] | bool | None = None
    """How many lines the header has; false means 0 and true 1. The names stand in its last line."""
    columns: (
        Annotated[
            tuple[str, ...], BeforeValidator(_as_tuple, json_schema_input_type=list[str]), Field(min_length=1)
        ]
        | None
    ) = None
    """The names of the columns, in order, for a file without a header or in place of its names."""
    skip: Annotated[int, Field(ge=0, le=1000)] | None = None
    """How many lines stand above the header."""
    date_format: str | None = None
    """The form of the times, such as "%d.%m.%Y %H:%M", in the codes of strptime."""
    day_first: bool | None = None
    """Whether 1/2/2024 is the first of February."""

    @field_validator("date_format")
    @classmethod
    def _is_a_form_of_dates(cls, value: str | None) -> str | None:
        if value is not None:
            codes = set(re.findall("%(.)", value))
            if not codes or not codes <= set("YymdbBaAjHIMSfpzZ%"):
                raise ValueError(f"{value!r} is no form of dates; write it as %d.%m.%Y %H:%M")
            if ("p" in codes) != ("I" in codes):
                raise ValueError(f"{value!r} has %p or %I without the other; write it as %m/%d/%Y %I:%M %p")
        return value


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
    """A CSV (also .gz or .zip), Parquet or Arrow file, `sample:sp500|nasdaq|wti`, a pattern such as
    `prices/*.csv`, or a list of these."""
    time: Annotated[Names, Field(min_length=1)]
    """The column of times; or a list of two, those of dates and of times of day."""
    timezone: str | None = Field(default=None, exclude_if=_is_default)
    """The zone of times that have no offset from UTC, such as America/New_York, in which dates are read and
    shown. null: that of the offsets, else UTC."""
    csv: CsvConfig = Field(default=CsvConfig(), exclude_if=lambda value: value == CsvConfig())
    sort: bool = Field(default=False, exclude_if=_is_default)
    """true: the rows are sorted by time, for files with the newest row first."""
    where: Mapping[str, str | int | float | bool] = Field(default={}, exclude_if=_is_default)
    """The rows to read, by the value of a column, such as {Symbol: GOOG}; empty: all."""
    drop_empty: bool = Field(default=False, exclude_if=_is_default)
    """true: rows without a number in any of the columns that are read are left out, such as holidays."""
    max_gap: str | None = Field(default=None, exclude_if=_is_default)
    """The longest time between two neighbouring rows that a window or a target may cross, such as 4d, 2h or
    30min: nights, weekends, lunch breaks. null: any. Features still look back across a gap."""
    calendar: str | None = Field(default=None, exclude_if=_is_default)
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

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                ZoneInfo(value)
            except (ValueError, OSError, KeyError):
                raise ValueError(f"{value!r} is no time zone; write it as America/New_York or UTC") from None
        return value

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
    def sources(self) -> tuple[str, ...]:
        """The files, patterns or samples of the source, one or several."""
        return (self.source,) if isinstance(self.source, str) else self.source

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


class GRUConfig(Section):
    """Shape, initialisation and optimiser of the GRU."""

    learning_rate: Annotated[float, Field(gt=0)] = 1e-4
    batch_size: Annotated[int, Field(ge=1)] = 32
    hidden_size: Annotated[int, Field(ge=1)] = 32
    num_layers: Annotated[int, Field(ge=1)] = 1
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Between the layers and on the last hidden state, so that it also has an effect with one layer."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Decoupled (AdamW)."""
    init: InitName = "gains"
    """`gains`: Xavier and orthogonal with the three gains below, biases zero; `torch`: PyTorch's own."""
    input_gain: Annotated[float, Field(gt=0)] = 0.01
    hidden_gain: Annotated[float, Field(gt=0)] = 0.01
    head_gain: Annotated[float, Field(gt=0)] = 0.001


class ModelsConfig(Section):
    """The models that can be trained; today one."""

    gru: GRUConfig = GRUConfig()


class TrainingConfig(Section):
    """How long to train, and how."""

    epochs: Annotated[int, Field(ge=1)] = 15
    patience: Annotated[int, Field(ge=1)] = 4
    """Epochs without a better validation loss before training ends."""
    schedule: ScheduleName = "constant"
    """The learning rate over `epochs`. `constant`: unchanged, and the best epoch counts. `cosine`: falls to 0
    along half a cosine, and the last epoch counts, whatever `patience`.
    """
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    """The L2 norm of all gradients together is clipped to this."""
    max_seconds: Annotated[float, Field(gt=0)] | None = None
    """Time limit of one trial; null: none. Time before a resumption counts."""
    mixed_precision: Literal[False] = False
    """Training is always in float32; the safe ranges clamp anything else to false."""
    device: str = "cpu"
    kernel: KernelName = "auto"
    """What computes the steps: `torch`, PyTorch's GRU, or `fused`, our compiled one, only on the CPU; they
    differ in rounding. `auto`: fused on the CPU, else torch."""


class GuardConfig(Section):
    """Thresholds of the guard; docs/guard.md gives their reasons."""

    max_bad_steps: Annotated[int, Field(ge=1)] = 3
    """Consecutive bad steps that end the trial, or rewind it."""
    rewinds: Annotated[int, Field(ge=0)] = 1
    """How often bad steps return to the last good epoch, with half its learning rate, before they end the
    trial."""
    output_limit: Annotated[float, Field(gt=0)] = 10.0
    """Largest |output|, in units of the standardised target; a step above it is an explosion."""
    loss_limit: Annotated[float, Field(gt=0)] = 100.0
    lr_cut: Annotated[float, Field(gt=0, lt=1)] = 0.1
    lr_min: Annotated[float, Field(gt=0)] = 1e-8
    frozen_lr_ratio: Annotated[float, Field(gt=0, lt=1)] = 1e-3
    """If the learning rate falls below this share of its initial value, the trial has stopped learning."""
    min_movement: Annotated[float, Field(ge=0)] = 1e-3
    """Smallest relative L2 distance from the initial weights, over all epochs, of a model that has learnt
    anything."""
    loss_floor: Annotated[float, Field(ge=0)] = 1e-8
    max_skill: Annotated[float, Field(gt=0, le=1)] | None = None
    """Ceiling of believable skill; null: derived from the kind of target. Required for kind `other`."""
    target_max_floor: Annotated[float, Field(ge=0)] = 1e-3
    target_std_floor: Annotated[float, Field(ge=0)] = 1e-4


class TrialConfig(Section):
    """Everything that determines one trial, except its seed."""

    data: DataConfig
    models: ModelsConfig = ModelsConfig()
    training: TrainingConfig = TrainingConfig()
    guard: GuardConfig = GuardConfig()

    @property
    def loss(self) -> Loss:
        """What the trial minimises and is judged by."""
        return MSE
