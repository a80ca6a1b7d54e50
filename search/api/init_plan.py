"""Decides what a study of a table forecasts, from which features, and where its rows are split.

The recipe (features, models, training, space, method of the split) is that of the shipped study `RECIPE`; it
is read from that file and is written nowhere else.
"""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.api.init_facts import DAY_SECONDS, StudyPlan, TableFacts, recipe
from search.api.init_split import find_max_gap, with_split
from search.errors import RequestError
from trainer.data.reading.column_roles import Roles

if TYPE_CHECKING:
    from search.api.init_study import Ask
    from trainer.data.reading.content import SourceFile
    from trainer.data.source import Table

_MOST_LOW = 0.05
"""Share of rows that are not positive up to which a column counts as one of prices."""
_FLOOR = 1e-4
"""Least volatility of a bar whose high equals its low: one basis point."""


def plan_study(
    facts: TableFacts, target: str | None, horizon: int, folder: Path, file: "SourceFile", ask: "Ask"
) -> StudyPlan:
    """The study of a table; `folder` is where its file will lie, `target` what the user wants forecast, and
    `file` the first file of the table.

    Raises RequestError if the table does not have what was asked for or too few rows, and the errors of
    `read_table`.
    """
    if horizon < 1:
        raise RequestError(f"--horizon {horizon} is too small; a forecast is 1 row ahead or more")
    draft = _with_target(facts, target, horizon, ask)
    table, draft = _read(draft, folder, file)
    if table.series_names and facts.series is None and facts.layout is None:
        draft = replace(draft, facts=replace(facts, layout="files"))
    draft = _for_its_clock(_for_its_values(draft, table), table)
    counted = replace(draft, rows=len(table.frame), series=len(table.series_names), detected=table.detected)
    return with_split(counted, table)


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


def _read(draft: StudyPlan, folder: Path, file: "SourceFile") -> tuple["Table", StudyPlan]:
    """The columns that the study reads, and the plan with `drop_empty` if rows without numbers are there."""
    import numpy as np

    from trainer.data.source import read_table

    split = {"fractions": {"train": 0.5, "validation": 0.3}}
    table = read_table(draft.data(split), folder=folder, first=file)
    empty = np.isnan(table.frame.to_numpy(np.float64)).all(axis=1)
    if not empty.any() or empty.all():
        return table, draft
    draft = replace(draft, drop_empty=int(empty.sum()))
    return read_table(draft.data(split), folder=folder, first=file), draft


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
    if draft.facts.step >= 0.8 * DAY_SECONDS:
        return draft
    clock = {"name": "clock", "transform": "time_of_day"}
    longest = max(table.spans, key=lambda span: span.stop - span.start)
    seconds = table.times.asi8[longest] / 1e9
    gap = find_max_gap(seconds, draft.facts.step, draft.seq_len + draft.target["horizon"])
    return replace(
        draft,
        features=(*draft.features, clock),
        max_gap=gap,
    )


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
    """Changes in place of returns, which only positive prices have."""
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
        target={**changed.target, "transform": "difference"},
        drop_empty=draft.drop_empty,
    )
