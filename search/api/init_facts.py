"""What is known about a table, and all that a study file of it says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import yaml

from search.config.files.shipped import CONFIGS
from trainer.config import CsvConfig, DataConfig
from trainer.data.reading.column_roles import Roles, find_roles

RECIPE = "sp500-volatility"
"""The shipped study whose settings are recommended."""
MANY_ROWS, RECIPE_OF_MANY = 50_000, "us-stocks-volatility"
"""From so many rows on, the model, training and space are those of a study with larger batches and fewer
epochs: with those of RECIPE a trial takes many minutes."""


DAY_SECONDS = 86_400


_MAX_SKILL = 0.5
"""Nothing is known about a column of values; half of the loss of a naive forecast is much for any."""


@dataclass(frozen=True)
class TableFacts:
    """What is known about the table. `step` is the median of the seconds between two rows."""

    source: str
    name: str
    time: tuple[str, ...]
    numbers: tuple[str, ...]
    csv: CsvConfig
    timezone: str | None
    where: Mapping[str, str]
    sort: bool
    step: float
    ticker: str = ""
    """What follows the names of the columns of one series in a wide table, as in `Close AAPL`."""
    series: str | None = None
    """The column that names the series of each row; None if there is none."""
    layout: Literal["wide", "files"] | None = None
    """How several series are held without such a column."""

    @property
    def time_value(self) -> str | list[str]:
        """`data.time`: the column of times, or those of dates and of times of day."""
        return self.time[0] if len(self.time) == 1 else list(self.time)

    @property
    def roles(self) -> Roles:
        """The columns of the bars."""
        return find_roles(self.numbers, self.ticker)

    @property
    def bar(self) -> str:
        """What one row is: a day, a week, a month, or a bar of less than a day."""
        known = {"day": (0.8, 1.5), "week": (6, 8), "month": (27, 32), "quarter": (88, 93)}
        return next(
            (name for name, (low, high) in known.items() if low <= self.step / DAY_SECONDS <= high), "bar"
        )

    @property
    def spacing(self) -> str:
        """How far two rows are apart, such as `a row every 15 minutes`."""
        if self.bar == "day":
            return "a row each day, or each day of trading"
        if self.bar != "bar":
            return f"a row each {self.bar}"
        for unit, size in (("days", DAY_SECONDS), ("hours", 3600), ("minutes", 60), ("seconds", 1)):
            if self.step >= size:
                count = round(self.step / size, 2)
                return f"a row each {unit[:-1]}" if count == 1 else f"a row every {count:g} {unit}"
        return f"a row every {self.step:g} seconds"


@dataclass(frozen=True)
class StudyPlan:
    """All that a study file of a table says, with the reasons that only the table gives."""

    facts: TableFacts
    kind: str
    """volatility, return, change or value: what is forecast."""
    column: str
    """The column of the prices or values."""
    features: tuple[dict[str, Any], ...]
    target: dict[str, Any]
    reason: str
    """Why this is the target."""
    seq_len: int
    split: dict[str, Any] = field(default_factory=dict)
    drop_empty: int = 0
    max_gap: str | None = None
    rows: int = 0
    series: int = 0
    """The number of series; 0 for one without a name."""
    span: tuple[str, str] = ("", "")
    detected: Mapping[str, Any] = field(default_factory=dict)
    refusals: tuple[str, ...] = ()

    @property
    def forecast(self) -> str:
        """What is forecast, in words: `the volatility of the next day`."""
        horizon, bar = self.target["horizon"], self.facts.bar
        when = f"the next {bar}" if horizon == 1 else f"{horizon} {bar}s ahead"
        of = "volatility" if self.kind == "volatility" else f"{self.kind} of {self.column}"
        return f"the {of} of {when}" if horizon == 1 else f"the {of} {when}"

    @property
    def has_many_rows(self) -> bool:
        """Whether there are so many rows that fewer epochs, of larger batches, and fewer blocks do."""
        return self.rows >= MANY_ROWS

    @property
    def recipe(self) -> str:
        """The shipped study whose model, training and space are recommended."""
        return RECIPE_OF_MANY if self.has_many_rows else RECIPE

    @property
    def max_skill(self) -> float | None:
        """Skill that is believed at most, where the kind of the target does not say it."""
        return _MAX_SKILL if self.target["kind"] == "other" else None

    @property
    def sentence(self) -> str:
        """What the study is, in one sentence."""
        return (
            f"a study of {self.forecast}, from {self.counted} of {self.facts.source}, {self.span[0]} to "
            f"{self.span[1]}, {self.facts.spacing}"
        )

    @property
    def counted(self) -> str:
        """`8000 rows`, or `8000 rows, 4 series,`."""
        return f"{self.rows} rows, {self.series} series," if self.series else f"{self.rows} rows"

    def data(self, split: Mapping[str, Any]) -> DataConfig:
        """The data section with a split."""
        facts = self.facts
        return DataConfig.model_validate(
            {
                "source": facts.source,
                "time": facts.time_value,
                "timezone": facts.timezone,
                "csv": facts.csv,
                "sort": facts.sort,
                "series": facts.series,
                "layout": facts.layout,
                "where": dict(facts.where),
                "drop_empty": self.drop_empty > 0,
                "features": self.features,
                "target": self.target,
                "seq_len": self.seq_len,
                "split": dict(split),
                "max_gap": self.max_gap,
            }
        )


def recipe(name: str = RECIPE) -> dict[str, Any]:
    """The study file of a recipe, as plain data."""
    loaded: dict[str, Any] = yaml.safe_load(recipe_text(name))
    return loaded


def recipe_text(name: str) -> str:
    """The study file of a recipe, as it ships."""
    return (CONFIGS / "studies" / f"{name}.yaml").read_text(encoding="utf-8")
