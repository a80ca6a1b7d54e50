"""Decides what a study of a table forecasts, from which features, and where its rows are split.

The recipe (features, models, training, space, method of the split) is that of the shipped study `RECIPE`; it
is read from that file and is written nowhere else.
"""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from search.config.files.shipped import CONFIGS
from search.errors import RequestError
from trainer.config import CsvConfig, DataConfig, GuardConfig, Split
from trainer.data.reading.column_roles import Roles, find_roles
from trainer.rivals.skill import LARGEST_RETURN_CEILING

if TYPE_CHECKING:
    import numpy as np

    from search.api.init_study import Ask
    from trainer.data.arrays import Floats
    from trainer.data.features import FeaturesAndTarget
    from trainer.data.source import Table

RECIPE = "sp500-volatility"
"""The shipped study whose settings are recommended."""
TRAIN_SHARE, LATE_TRAIN_SHARE, HELD_SHARE = 0.3, 0.5, 0.8
"""Shares of the rows up to the end of train and of validation: the recipe's, and for short tables a longer
train."""
_SHORT = 500
"""Rows that the first fold should train on; with fewer it begins later."""
_FOLDS = (5, 4, 3, 2)
_LEAST_BLOCK = 50
"""Rows of a block; the loss of fewer is mostly noise."""
_DAY = 86_400
_MOST_LOW = 0.05
"""Share of rows that are not positive up to which a column counts as one of prices."""
_GAPS = ((2, "2h"), (20, "20h"), (96, "4d"))
"""Hours of a lunch break, a night, and a long weekend."""
_KEPT = 0.8
"""Share of the rows that should keep a whole window between gaps."""
_MAX_SKILL = 0.5
"""Nothing is known about a column of values; half of the loss of a naive forecast is much for any."""
_FLOOR = 1e-4
"""Least volatility of a bar whose high equals its low: one basis point."""


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
    """What follows the names of the columns in a wide table, as in `Close AAPL`."""

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
        return next((name for name, (low, high) in known.items() if low <= self.step / _DAY <= high), "bar")

    @property
    def spacing(self) -> str:
        """How far two rows are apart, such as `a row every 15 minutes`."""
        if self.bar == "day":
            return "a row each day, or each day of trading"
        if self.bar != "bar":
            return f"a row each {self.bar}"
        for unit, size in (("days", _DAY), ("hours", 3600), ("minutes", 60), ("seconds", 1)):
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
    def max_skill(self) -> float | None:
        """Skill that is believed at most, where the kind of the target does not say it."""
        if self.target["kind"] != "other":
            return None
        return LARGEST_RETURN_CEILING if self.kind == "change" else _MAX_SKILL

    @property
    def sentence(self) -> str:
        """What the study is, in one sentence."""
        return (
            f"a study of {self.forecast}, from {self.rows} rows of {self.facts.source}, {self.span[0]} to "
            f"{self.span[1]}, {self.facts.spacing}"
        )

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
                "where": dict(facts.where),
                "drop_empty": self.drop_empty > 0,
                "features": self.features,
                "target": self.target,
                "seq_len": self.seq_len,
                "split": dict(split),
                "max_gap": self.max_gap,
            }
        )


def recipe() -> dict[str, Any]:
    """The study file of the recipe, as plain data."""
    loaded: dict[str, Any] = yaml.safe_load(recipe_text())
    return loaded


def recipe_text() -> str:
    """The study file of the recipe, as it ships."""
    return (CONFIGS / "studies" / f"{RECIPE}.yaml").read_text(encoding="utf-8")


def plan_study(facts: TableFacts, target: str | None, horizon: int, folder: Path, ask: "Ask") -> StudyPlan:
    """The study of a table; `folder` is where its file will lie, and `target` what the user wants forecast.

    Raises RequestError if the table does not have what was asked for or too few rows, and the errors of
    `read_table`.
    """
    if horizon < 1:
        raise RequestError(f"--horizon {horizon} is too small; a forecast is 1 row ahead or more")
    draft = _with_target(facts, target, horizon, ask)
    table, draft = _read(draft, folder)
    draft = _for_its_clock(_for_its_values(draft, table), table)
    return _with_split(replace(draft, rows=len(table.frame), detected=table.detected), table)


def _with_target(facts: TableFacts, target: str | None, horizon: int, ask: "Ask") -> StudyPlan:
    roles = facts.roles
    if target == "volatility" and not roles.has_range:
        raise RequestError(
            "--target volatility needs a column of highest and one of lowest prices, and there are "
            f"{', '.join(facts.numbers[:8])}; give --target return"
        )
    if roles.has_range and target in (None, "volatility"):
        return _volatility(facts, roles, horizon)
    column = target if target in facts.numbers else roles.price or _only_column(facts, target, ask)
    if target not in (None, "return", "volatility", column):
        raise RequestError(
            f"--target {target} is not known; give return, volatility, or a column of numbers: "
            f"{', '.join(facts.numbers[:8])}"
        )
    reason = "there is no high and low, so that volatility cannot be read from a single row"
    return _return(facts, column, horizon, reason if target is None else "as --target asks for")


def _only_column(facts: TableFacts, target: str | None, ask: "Ask") -> str:
    from search.api.init_study import Question

    if len(facts.numbers) == 1 or (target not in (None, "return") and facts.numbers):
        return facts.numbers[0]
    told = ", ".join(facts.numbers[:8]) + (", …" if len(facts.numbers) > 8 else "")
    question = Question(
        f"{facts.source} has {len(facts.numbers)} columns of numbers and none is named as a price: {told}",
        "Which one is forecast?",
        f"--target {shlex.quote(facts.numbers[0])}",
        facts.numbers,
    )
    return ask(question)


def _volatility(facts: TableFacts, roles: Roles, horizon: int) -> StudyPlan:
    """The recipe itself, with the columns of this table."""
    section = recipe()["data"]
    renamed = {"Close": roles.price, "High": roles.high, "Low": roles.low}
    features = [_renamed(feature, renamed) for feature in section["features"]]
    if roles.price is None:
        features = _without(features, lambda feature: feature.get("column") is None and "column" in feature)
    return StudyPlan(
        facts=facts,
        kind="volatility",
        column=roles.price or str(roles.high),
        features=tuple(features),
        target={**_renamed(section["target"], renamed), "horizon": horizon},
        reason="there are high and low, and volatility can be forecast where returns hardly can",
        seq_len=section["seq_len"],
    )


def _return(facts: TableFacts, column: str, horizon: int, reason: str) -> StudyPlan:
    """Returns, from the recipe's features of the price, and of the range if there is one."""
    section, roles = recipe()["data"], facts.roles
    has_bar = roles.has_range and column == roles.price
    renamed = {"Close": column, "High": roles.high, "Low": roles.low}
    features = [_renamed(feature, renamed) for feature in section["features"]]
    if not has_bar:
        features = _without(features, lambda feature: "high" in feature)
        features.append({"name": "std22", "of": "ret", "transform": "rolling_std", "window": 22})
    return StudyPlan(
        facts=facts,
        kind="return",
        column=column,
        features=tuple(features),
        target={"column": column, "transform": "log_return", "kind": "return", "horizon": horizon},
        reason=reason,
        seq_len=section["seq_len"],
    )


def _renamed(series: Mapping[str, Any], names: Mapping[str, str | None]) -> dict[str, Any]:
    keys = ("column", "high", "low")
    return {key: names.get(value, value) if key in keys else value for key, value in series.items()}


def _without(
    features: Sequence[dict[str, Any]], is_left_out: Callable[[dict[str, Any]], bool]
) -> list[dict[str, Any]]:
    """The features without some, and without those that are computed from them."""
    out: set[str] = set()
    for feature in features:
        if is_left_out(feature) or feature.get("of") in out:
            out.add(feature["name"])
    return [feature for feature in features if feature["name"] not in out]


def _read(draft: StudyPlan, folder: Path) -> tuple["Table", StudyPlan]:
    """The columns that the study reads, and the plan with `drop_empty` if rows without numbers are there."""
    import numpy as np

    from trainer.data.source import read_table

    table = read_table(draft.data({"fractions": {"train": 0.5, "validation": 0.3}}), folder=folder)
    empty = np.isnan(table.frame.to_numpy(np.float64)).all(axis=1)
    if not empty.any() or empty.all():
        return table, draft
    draft = replace(draft, drop_empty=int(empty.sum()))
    return read_table(draft.data({"fractions": {"train": 0.5, "validation": 0.3}}), folder=folder), draft


def _for_its_values(draft: StudyPlan, table: "Table") -> StudyPlan:
    """The plan for prices that are not positive, and for bars without a range."""
    import numpy as np

    frame = table.frame
    low = int((frame.to_numpy(np.float64) <= 0).any(axis=1).sum())
    if draft.kind == "return" and low > _MOST_LOW * len(frame):
        return _value(draft)
    if low:
        return _change(draft, low)
    if draft.kind != "volatility":
        return draft
    high, lowest = (frame[draft.target[key]].to_numpy(np.float64) for key in ("high", "low"))
    flat = int((high == lowest).sum())
    if flat:
        floored = [
            {**feature, "floor": _FLOOR} if feature["transform"] == "log_parkinson" else feature
            for feature in draft.features
        ]
        return replace(draft, features=tuple(floored), target={**draft.target, "floor": _FLOOR})
    return draft


def _for_its_clock(draft: StudyPlan, table: "Table") -> StudyPlan:
    """The plan for bars of less than a day: its time of day, and gaps that no window crosses."""
    if draft.facts.step >= 0.8 * _DAY:
        return draft
    clock = {"name": "clock", "transform": "time_of_day"}
    gap = find_max_gap(table.times.asi8 / 1e9, draft.facts.step, draft.seq_len + draft.target["horizon"])
    return replace(
        draft,
        features=(*draft.features, clock),
        max_gap=gap,
    )


def find_max_gap(seconds: "Floats", step: float, rows: int) -> str | None:
    """The shortest gap that leaves most rows a window of `rows` rows without a longer one.

    `seconds` (T,) are the ascending times. None if no gap is longer than three steps, or all are too short.
    """
    import numpy as np

    steps = np.diff(seconds)
    for gap, text in ((3 * step, _duration(3 * step)), *((each * 3600, text) for each, text in _GAPS)):
        ends = np.flatnonzero(steps > gap)
        if gap < 3 * step:
            continue
        if not len(ends):
            return text if gap > 3 * step else None
        runs = np.diff(np.concatenate([[-1], ends, [len(seconds) - 1]]))
        if np.maximum(runs - rows + 1, 0).sum() >= _KEPT * len(seconds):
            return text
    return None


def _duration(seconds: float) -> str:
    unit, size = next((each for each in (("h", 3600), ("min", 60)) if seconds % each[1] == 0), ("s", 1))
    return f"{seconds / size:g}{unit}"


def _value(draft: StudyPlan) -> StudyPlan:
    """The values themselves, of a column that is no price: a spread, a rate of growth, a log volatility."""
    column, horizon = draft.column, draft.target["horizon"]
    means = [
        {"name": f"mean{window}", "of": "value", "transform": "rolling_mean", "window": window}
        for window in (5, 22)
    ]
    return replace(
        draft,
        kind="value",
        features=({"name": "value", "column": column}, *means),
        target={"column": column, "kind": "other", "already_shifted": False, "horizon": horizon},
        reason="many values are not positive, so that they are no prices and have no returns",
    )


def _change(draft: StudyPlan, low: int) -> StudyPlan:
    """Changes in place of returns, which only positive prices have. Their kind is `other`, as bounds for
    returns are in shares of a price.
    """
    column = draft.column
    rows = "1 row holds a value that is" if low == 1 else f"{low} rows hold values that are"
    reason = f"{rows} not positive, so that there are changes and no returns"
    changed = _return(draft.facts, column, draft.target["horizon"], reason)
    features = _without(changed.features, lambda feature: "high" in feature)
    for feature in features:
        if feature["transform"] == "log_return":
            feature["transform"] = "difference"
    features = [each for each in features if each["transform"] != "abs_log_return"]
    return replace(
        changed,
        kind="change",
        features=tuple(features),
        target={**changed.target, "transform": "difference", "kind": "other"},
        drop_empty=draft.drop_empty,
    )


def _with_split(draft: StudyPlan, table: "Table") -> StudyPlan:
    """The plan with the dates of its split, as many blocks as the rows allow, and what an audit refuses."""
    import numpy as np

    from trainer.audit.check_broken_values import broken_value_findings
    from trainer.audit.check_series import constant_findings, target_findings
    from trainer.audit.check_table import table_findings
    from trainer.data.features import build_features
    from trainer.data.split import MIN_HELD_OUT, MIN_TRAIN, cut_folds, short_splits

    config = draft.data({"fractions": {"train": 0.5, "validation": 0.3}})
    built = build_features(config, table)
    for split in _splits(draft, table, built) if len(built.rows) > MIN_TRAIN else ():
        config = config.model_copy(update={"split": Split.model_validate(split)})
        folds = cut_folds(config, table.times, built, table.offsets)
        if not any(short_splits(fold) for fold in folds):
            seen = np.concatenate([folds[-1].fitting, folds[-1].validation])
            found = [
                *table_findings(config, table),
                *broken_value_findings(config, table, built),
                *constant_findings(config, table, built, folds),
                *target_findings(config, GuardConfig(), built, seen),
            ]
            refusals = tuple(each.message for each in found if each.severity == "error")
            return replace(draft, split=split, span=_span(table), refusals=refusals)
    least = built.first + draft.seq_len + MIN_TRAIN + 2 * MIN_HELD_OUT + 3 * draft.target["horizon"]
    raise RequestError(
        f"{draft.facts.source} has {len(table.frame)} rows, too few for a split: a study of it needs about "
        f"{least}, {built.first} of them to fill the windows of its features; take a longer series"
    )


def _span(table: "Table") -> tuple[str, str]:
    return table.when(0)[:10], table.when(len(table.frame) - 1)[:10]


def _splits(draft: StudyPlan, table: "Table", built: "FeaturesAndTarget") -> Sequence[dict[str, Any]]:
    """Splits of the rows, the best first: the recipe's blocks, fewer blocks, one block."""
    rows: np.ndarray[Any, Any] = built.rows
    train = TRAIN_SHARE if TRAIN_SHARE * len(rows) >= _SHORT else LATE_TRAIN_SHARE
    last = [int(rows[int(share * len(rows)) - 1]) for share in (train, HELD_SHARE)]
    first, second = (_date(draft, table, row) for row in last)
    if first >= second:
        return ()
    dates = {"train_until": first, "validation_until": second}
    return [
        *(
            {"method": "walk_forward", **dates, "folds": folds}
            for folds in _FOLDS
            if (last[1] - last[0]) / folds >= _LEAST_BLOCK
        ),
        {"method": "holdout", **dates},
    ]


def _date(draft: StudyPlan, table: "Table", row: int) -> str:
    """The day of a row on the clock of the source; its time of day too if the table covers days only."""
    days = (table.times[-1] - table.times[0]).days
    shown = table.when(row)
    return shown[:10] if days > 60 or draft.facts.step >= 0.8 * _DAY else shown[:19]
