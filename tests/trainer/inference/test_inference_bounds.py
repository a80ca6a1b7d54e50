"""The bounds of forecasts on new rows follow the errors that a table shows, and nothing after a row."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.trainer.inference.panel_model import TABLES, rows_of, saved
from trainer.inference.error_sizes import rows_behind
from trainer.inference.forecast_intervals import ForecastIntervals, Margins, RecentMargins
from trainer.inference.forecasts import Forecasts
from trainer.inference.prediction import predict, read_model

USUAL, RECENT = Margins(rows=999, at_80=0.01, at_95=0.02), Margins(rows=999, at_80=1.5, at_95=3.0)
INTERVALS = ForecastIntervals(
    source="training", smallest_scale=None, pooled=USUAL, recent=RecentMargins(pooled=RECENT)
)
HORIZON = 3
BEHIND = rows_behind(HORIZON)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return saved(tmp_path, "pooled", intervals=INTERVALS)[0]


def widths(found: Forecasts) -> pd.DataFrame:
    frame = found.frame()
    frame["width"] = frame["upper_80"] - frame["forecast"]
    return frame.pivot(index="time", columns="name", values="width")


def test_bounds_are_as_wide_as_the_errors_that_are_known_at_a_row(folder: Path, tmp_path: Path) -> None:
    found = widths(predict(folder, rows_of("ABCD", tmp_path / "new.csv"), allow_range=True))
    rows = predict(folder, str(tmp_path / "new.csv"), allow_range=True).frame()
    forecasts = rows[rows["name"] == "B"].set_index("time")["forecast"]
    days = TABLES[1].frame.index  # some of them have no forecast: too few series to rank
    target = np.log(TABLES[1].frame["close"]).diff().abs().rolling(HORIZON).mean().shift(-HORIZON)
    errors = (target - forecasts.reindex(days)).abs().to_numpy()
    numbers = np.flatnonzero(days.isin(forecasts.index))
    for row in numbers[[BEHIND // 2 + 60, 300, -1]]:
        back = np.arange(row - HORIZON, max(row - HORIZON - BEHIND, -1), -1)
        weights = 0.97 ** (100 / BEHIND * np.arange(len(back)))
        known = np.isfinite(errors[back])
        expected = 1.5 * np.average(errors[back][known], weights=weights[known])
        assert found["B"].loc[days[row]] == pytest.approx(expected)
    np.testing.assert_allclose(found["B"].loc[days[numbers[: BEHIND // 2]]], 0.01)


def test_the_newest_row_has_the_same_bounds_alone_as_among_all(folder: Path, tmp_path: Path) -> None:
    path = rows_of("ABCD", tmp_path / "new.csv")
    every, last = (predict(folder, path, allow_range=True, last=n).frame() for n in (None, 2))
    merged = last.merge(every, on=["name", "time"], suffixes=("", "_all"))
    assert len(merged) == len(last) == 8
    for name in ("lower_80", "upper_80", "lower_95", "upper_95"):
        np.testing.assert_allclose(merged[name], merged[f"{name}_all"], rtol=1e-12)
    assert (merged["upper_80"] - merged["forecast"] != 0.01).all()


def test_later_rows_do_not_change_the_bounds(folder: Path, tmp_path: Path) -> None:
    every = widths(predict(folder, rows_of("ABCD", tmp_path / "new.csv"), allow_range=True))
    path = rows_of("ABCD", tmp_path / "new.csv", dict.fromkeys("ABCD", 500))
    cut = widths(predict(folder, path, allow_range=True))
    np.testing.assert_allclose(cut.to_numpy(), every.reindex(cut.index)[cut.columns].where(cut.notna()))


def test_one_series_of_a_relative_target_has_bounds_of_the_usual_width(tmp_path: Path) -> None:
    relative = {"relative": "cross_section", "kind": "other"}
    folder, _ = saved(tmp_path, "pooled", intervals=INTERVALS, ranked=False, target=relative)
    alone = predict(folder, rows_of("A", tmp_path / "new.csv"), allow_range=True)
    assert alone.error_sizes is None
    np.testing.assert_allclose(widths(alone)["A"], 0.01)
    together = predict(folder, rows_of("ABCD", tmp_path / "new.csv"), allow_range=True)
    assert together.error_sizes is not None
    assert np.isfinite(together.error_sizes).mean() > 0.5


def test_bounds_follow_errors_of_targets_that_are_clipped_as_in_training(tmp_path: Path) -> None:
    returns = {"of": None, "column": "close", "transform": "log_return", "kind": "return", "window": None}
    folder, data = saved(tmp_path, "pooled", intervals=INTERVALS, target={**returns, "horizon": 1})
    bound = read_model(folder).description.target.clip
    assert bound is not None
    assert bound == data.scaler.target_clip
    path = Path(rows_of("ABCD", tmp_path / "new.csv"))
    frame = pd.read_csv(path)
    last = frame["name"].eq("B") & frame["date"].ge(frame[frame["name"].eq("B")]["date"].iloc[-20])
    frame.loc[last, "close"] *= 100  # a split that nobody entered
    frame.to_csv(path, index=False)
    found = predict(folder, str(path), allow_range=True)
    assert found.error_sizes is not None
    assert np.nanmax(found.error_sizes) < 2 * bound


def test_a_folder_of_format_3_has_bounds_of_one_width_as_before(tmp_path: Path) -> None:
    before = INTERVALS.model_copy(update={"recent": None})
    folder, _ = saved(tmp_path, "pooled", intervals=before)
    path = folder / "model.json"
    content = json.loads(path.read_text())
    assert content["format"] == 4
    assert content["intervals"] == {
        "pooled": {"rows": 999, "at_80": 0.01, "at_95": 0.02},
        "by_series": {},
        "source": "training",
        "smallest_scale": None,
    }
    path.write_text(json.dumps(content | {"format": 3}))
    found = predict(folder, rows_of("ABCD", tmp_path / "new.csv"), allow_range=True)
    np.testing.assert_allclose(widths(found).stack().dropna(), 0.01)
