"""Forecasts on new rows: the trainer's own, causal, and refused where the rows are unlike those of before."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tests.trainer.fit_fixtures import CEILING, DATA
from tests.trainer.inference.model_fixtures import PROVENANCE
from trainer.audit.audit import audit
from trainer.config import DataConfig, GuardConfig, TrialConfig
from trainer.data.source import Table, read_table
from trainer.data.windows import Dataset, prepare_last_fold
from trainer.errors import ColumnError, DataError, SourceError
from trainer.inference.model_folder import load_model, save_model
from trainer.inference.prediction import predict
from trainer.losses import MSE
from trainer.models.network import GRUForecaster
from trainer.rivals.baselines import baseline_losses
from trainer.rivals.skill import best_baseline
from trainer.training.loop import fit
from trainer.training.result import TrialResult

CONFIG = TrialConfig.model_validate(
    {
        "data": DATA,
        "models": {"gru": {"hidden_size": 8, "batch_size": 256, "learning_rate": 5e-3}},
        "training": {"epochs": 1},
    }
)
Frame = pd.DataFrame
Write = Callable[[Frame], str]
Change = Callable[[Frame], Frame]
Save = Callable[..., Path]


@pytest.fixture(scope="module")
def trained(whole_market: Dataset) -> TrialResult:
    naive = best_baseline(baseline_losses(whole_market, whole_market.validation, MSE))
    return fit(CONFIG, whole_market, baseline=naive, ceiling=CEILING, seed=0)


@pytest.fixture(scope="module")
def model(
    trained: TrialResult, whole_market: Dataset, prices: Table, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("models") / "model"
    assert trained.weights is not None
    save_model(folder, CONFIG, whole_market, prices, trained.weights, PROVENANCE)
    return folder


@pytest.fixture
def frame(prices: Table) -> Frame:
    """The S&P 500, a column Date and three of prices."""
    return prices.frame.rename_axis("Date").reset_index()


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(frame: Frame) -> str:
        frame.to_csv(tmp_path / "new.csv", index=False)
        return str(tmp_path / "new.csv")

    return write


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """An untrained model with these features, of the rows up to 2010, or to another year, of a table."""

    def save(
        frame: Frame,
        *features: dict[str, Any] | str,
        until: int = 2010,
        start: int = 1999,
        seq_len: int = DATA.seq_len,
        max_gap: str | None = None,
    ) -> Path:
        frame[frame["Date"] >= str(start)].to_csv(tmp_path / "old.csv", index=False)
        data = DataConfig.model_validate(
            {
                **DATA.model_dump(),
                "source": str(tmp_path / "old.csv"),
                "features": features,
                "seq_len": seq_len,
                "max_gap": max_gap,
                "split": {"train_until": f"{until}-12-31", "validation_until": "2014-12-31"},
            }
        )
        config = TrialConfig(data=data)
        table = read_table(data, folder=Path())
        torch.manual_seed(0)
        weights = GRUForecaster(len(features), config.models.gru).state_dict()
        save_model(tmp_path / "saved", config, prepare_last_fold(data, table), table, weights, PROVENANCE)
        return tmp_path / "saved"

    return save


def test_validation_rows_get_the_forecasts_that_the_trainer_made(
    model: Path, trained: TrialResult, whole_market: Dataset
) -> None:
    found = predict(model, DATA.sources[0])
    rows = np.isin(found.times.to_numpy(), whole_market.times[whole_market.validation])
    scaler, (standardised,) = whole_market.scaler, trained.forecasts
    own = standardised.astype(np.float64) * scaler.target_std + scaler.target_mean
    np.testing.assert_allclose(found.values[rows], own, rtol=0, atol=1e-6)
    assert np.std(own) > 0.01


def test_a_window_that_crosses_a_long_gap_gives_no_forecast(frame: Frame, save: Save, write: Write) -> None:
    free = predict(save(frame, "Close", seq_len=3), write(frame), allow_range=True)
    found = predict(save(frame, "Close", seq_len=3, max_gap="2d"), write(frame), allow_range=True)
    days = frame["Date"]
    late = (days.diff() > pd.Timedelta(days=2)).to_numpy()
    crossed = late | np.concatenate([[False], late[:-1]])  # the first and second row behind a weekend
    assert found.times.tolist() == days[~crossed].iloc[2:].tolist()
    # The weights are the same, and the moments of the training rows nearly so.
    assert np.corrcoef(found.values, free.values[np.isin(free.times, found.times)])[0, 1] > 0.999
    before = days[np.concatenate([late[1:], [True]])]  # a weekend, or the end, lies behind these rows
    assert found.times[found.target_times.isna()].tolist() == before[~crossed[before.index]].tolist()
    lost = int(crossed[2:].sum())
    assert found.warnings[-1] == (
        f"{lost} rows have no forecast: the window crosses a gap longer than data.max_gap 2d"
    )


def test_rows_that_are_all_far_apart_are_refused(frame: Frame, save: Save, write: Write) -> None:
    folder = save(frame, "Close", seq_len=3, max_gap="2d")
    with pytest.raises(DataError, match=r"has no 3 rows without a gap longer than data\.max_gap 2d"):
        predict(folder, write(frame.iloc[::5]), allow_range=True)


def test_every_row_with_a_full_window_is_forecast_the_newest_too(model: Path, prices: Table) -> None:
    found = predict(model, DATA.sources[0])
    warm_up = 5  # a return and then a mean of five rows of volatility: the mean is the longer one
    assert len(found.times) == len(prices.frame) - (warm_up - 1) - (DATA.seq_len - 1)
    assert found.times[-1] == prices.times[-1]
    assert found.target_times.isna().tolist() == [False] * (len(found.target_times) - 1) + [True]
    assert found.target_times[-2] == found.times[-1]
    assert found.horizon == 1
    assert np.isfinite(found.values).all()
    assert list(found.frame()) == ["time", "forecast", "of", "horizon", "split", "volatility", "annualised"]


def test_the_rows_that_the_model_has_not_seen_are_counted(model: Path, prices: Table) -> None:
    found = predict(model, DATA.sources[0])
    assert found.seen_until == "2014-12-30"
    assert found.unseen == int((prices.times > pd.Timestamp("2014-12-30")).sum())


@pytest.mark.parametrize("row", [700, 2000, 4997])
@pytest.mark.slow
def test_no_later_row_changes_a_forecast_by_a_bit(model: Path, frame: Frame, write: Write, row: int) -> None:
    whole = predict(model, write(frame))
    tampered = frame.copy()
    tampered.loc[row:, ["High", "Low", "Close"]] *= 1.01
    other, cut = predict(model, write(tampered)), predict(model, write(frame[:row]))
    assert cut.values.tobytes() == whole.values[: len(cut.values)].tobytes()
    assert cut.values.tobytes() == other.values[: len(cut.values)].tobytes()


@pytest.mark.slow
def test_columns_that_only_the_target_needs_may_be_missing(frame: Frame, save: Save, write: Write) -> None:
    folder = save(frame, {"name": "ret", "column": "Close", "transform": "log_return"})
    alone = predict(folder, write(frame[["Date", "Close"]]))
    assert alone.values.tobytes() == predict(folder, write(frame)).values.tobytes()


@pytest.mark.slow
def test_a_parquet_file_gives_the_same_forecasts(model: Path, frame: Frame, tmp_path: Path) -> None:
    frame.to_parquet(tmp_path / "new.parquet")
    found = predict(model, str(tmp_path / "new.parquet"))
    assert found.values.tobytes() == predict(model, DATA.sources[0]).values.tobytes()


def with_cell(value: str, column: str) -> Change:
    def change(frame: Frame) -> Frame:
        done = frame.astype({column: object})
        done.loc[100, column] = value
        return done

    return change


REFUSED: tuple[tuple[Change, type[Exception], str], ...] = (
    (lambda f: f.rename(columns={"High": "high"}), ColumnError, r"'High' is missing; did you mean 'high'\?"),
    (lambda f: f.drop(columns="Date"), ColumnError, r"does not fit the model in .*'Date' is missing"),
    (
        with_cell("n.v.", "Close"),
        ColumnError,
        r"line 102: column Close holds 'n\.v\.', which is not a number",
    ),
    (lambda f: f[::-1], DataError, r"line 3: time .* is not later than .* before it; sort the rows by time"),
    (lambda f: f[:11], DataError, r"has 11 rows; .* 4 to warm .* and 8 for .* window: give at least 12 rows"),
    (lambda f: f[::5], DataError, r"rows are 7 d apart, 1 d in training \(medians\)"),
)


def flat(frame: Frame) -> Frame:
    return frame.assign(High=frame["High"].where(frame.index != 100, frame["Low"]))


COSTS: tuple[tuple[Change, int, str], ...] = (
    (with_cell("", "Low"), 4 + DATA.seq_len, r"column Low is nan"),
    (with_cell("inf", "Close"), 1 + DATA.seq_len, r"column Close is inf"),
    (flat, 4 + DATA.seq_len, r"feature vol is -inf \(High [\d.]+, Low [\d.]+\)"),
)
"""A cell of one row made bad, how many forecasts that costs, and how the row is named. The features are a
return, the volatility of a row, and its mean over five rows."""


@pytest.mark.parametrize(("change", "cost", "cell"), COSTS)
def test_a_bad_cell_costs_only_the_forecasts_whose_windows_hold_it(
    model: Path, frame: Frame, write: Write, change: Change, cost: int, cell: str
) -> None:
    early = frame[:400]
    whole, found = predict(model, write(early)), predict(model, write(change(early)))
    kept = np.isin(whole.times, found.times)
    assert len(whole.times) - kept.sum() == cost
    np.testing.assert_allclose(found.values, whole.values[kept], rtol=0, atol=1e-6)
    (row,) = found.left_out
    assert row.time == "1999-05-27 00:00:00"
    assert re.fullmatch(rf".*new\.csv, line 102: {cell} at {row.time}", str(row))


def test_two_flat_bars_are_both_named_and_a_mean_of_them_is_not(
    model: Path, frame: Frame, write: Write
) -> None:
    twice = frame[:400].assign(High=frame["High"].where(~frame.index.isin([100, 102]), frame["Low"]))
    assert [row.row for row in predict(model, write(twice)).left_out] == [100, 102]


def test_the_unfinished_row_of_today_is_named_and_the_row_before_it_is_forecast_from(
    model: Path, frame: Frame, write: Write
) -> None:
    today = frame[:400].copy()
    today.loc[399, ["High", "Low", "Close"]] = np.nan
    found = predict(model, write(today), last=1)
    assert found.times.tolist() == [frame["Date"][398]]
    assert found.target_times.tolist() == [frame["Date"][399]]
    assert [row.cells for row in found.left_out] == [
        ("column Close is nan", "column High is nan", "column Low is nan")
    ]


def test_what_is_wrong_years_ago_costs_the_newest_forecast_nothing(
    model: Path, frame: Frame, write: Write
) -> None:
    newest = predict(model, write(frame), last=3)
    broken = frame.copy()
    # In seven units by turns, which is like nothing that the model was trained on.
    broken.loc[:2000, ["High", "Low", "Close"]] *= 100.0 ** (np.arange(2001)[:, None] % 7)
    broken.loc[3000, "Low"] = np.nan
    found = predict(model, write(broken), last=3)
    assert found.values.tobytes() == newest.values.tobytes()
    assert found.left_out == ()
    assert found.times.tolist() == frame["Date"][-3:].tolist()


def test_a_table_whose_windows_all_hold_a_bad_row_gives_no_forecast(
    model: Path, frame: Frame, write: Write
) -> None:
    found = predict(model, write(frame[:40].assign(Low=frame["Low"].where(frame.index % 6 != 5))))
    assert (len(found.times), len(found.values), len(found.left_out)) == (0, 0, 6)


def test_each_row_is_of_a_split_by_the_record_of_the_model(model: Path) -> None:
    found = predict(model, DATA.sources[0]).frame()
    ends = found.groupby("split")["time"].max().dt.strftime("%Y-%m-%d").to_dict()
    assert ends == {
        "train": "2010-12-30",
        "validation": "2014-12-30",
        "test": "2018-12-28",  # the last row with a target: the newest of the table has none
        "unseen": "2018-12-31",
    }


def test_a_forecast_of_log_volatility_is_also_given_as_volatility_of_a_row_and_of_a_year(
    model: Path,
) -> None:
    found = predict(model, DATA.sources[0], last=5)
    assert found.bars_per_year == 252
    assert found.volatility is not None
    assert found.annualised is not None
    np.testing.assert_allclose(np.log(found.volatility), found.values)
    np.testing.assert_allclose(found.annualised, found.volatility * np.sqrt(252))
    assert 0.05 < found.annualised[0] < 0.5


@pytest.mark.parametrize(("change", "error", "sentence"), REFUSED)
def test_a_table_that_cannot_be_forecast_is_one_sentence(
    model: Path, frame: Frame, write: Write, change: Change, error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence) as told:
        predict(model, write(change(frame)))
    assert "new.csv" in str(told.value)
    assert "\n" not in str(told.value)


def test_the_fewest_rows_that_fill_a_window_give_one_forecast(
    model: Path, frame: Frame, write: Write
) -> None:
    assert len(predict(model, write(frame[:12])).values) == 1


def test_a_file_that_is_not_there_is_one_sentence(model: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"--data .*new\.csv: there is no such file; name a CSV"):
        predict(model, str(tmp_path / "new.csv"))


VOL = {"name": "vol", "transform": "log_parkinson", "high": "High", "low": "Low"}
VOL22 = {"name": "vol22", "of": "vol", "transform": "rolling_mean", "window": 22}
RET = {"name": "ret", "column": "Close", "transform": "log_return"}


@pytest.mark.parametrize(("start", "until"), [(1999, 2003), (1999, 2006), (2003, 2006), (1999, 2010)])
def test_a_crash_and_years_of_drift_are_no_reason_to_refuse(
    frame: Frame, save: Save, write: Write, start: int, until: int
) -> None:
    folder = save(frame, RET, VOL, VOL22, start=start, until=until)
    found = predict(folder, write(frame[frame["Date"] > str(until + 1)]))
    assert any(text.startswith("vol22 lies outside its range in training in ") for text in found.warnings)


def test_another_index_is_forecast_as_its_returns_are_of_the_same_kind(model: Path) -> None:
    assert len(predict(model, "sample:nasdaq").values) > 4900


def test_prices_in_another_unit_do_not_matter_to_logarithms(model: Path, frame: Frame, write: Write) -> None:
    scaled = frame.assign(**{name: 100 * frame[name] for name in ("High", "Low", "Close")})
    found, original = predict(model, write(scaled)), predict(model, DATA.sources[0])
    np.testing.assert_allclose(found.values, original.values, atol=1e-5)


def units(frame: Frame, per: float) -> Frame:
    """Returns and Parkinson volatilities as columns of their own: fractions, percent (100), a year's (16)."""
    fraction = np.log(frame["High"] / frame["Low"]) / np.sqrt(4 * np.log(2))
    returns = np.log(frame["Close"]).diff()
    return frame.assign(r=per * returns, park=per * fraction, logpark=np.log(per * fraction))[1:]


@pytest.mark.parametrize("column", ["r", "park", "logpark"])
@pytest.mark.parametrize(("trained_per", "given_per"), [(1, 100), (100, 1)])
def test_percent_for_fractions_is_refused(
    frame: Frame, save: Save, write: Write, column: str, trained_per: float, given_per: float
) -> None:
    folder = save(units(frame, trained_per), column)
    rows = units(frame, given_per)
    assert predict(folder, write(units(frame, trained_per)[-400:])).unseen > 0
    for part in (rows, rows[-60:]):
        with pytest.raises(
            DataError, match=rf"{column} (lies outside|moves by) .* another unit.*--allow-range"
        ):
            predict(folder, write(part))


def test_a_level_that_has_left_all_that_was_seen_is_refused_unless_allowed(
    frame: Frame, save: Save, write: Write
) -> None:
    folder = save(frame, "Close")
    late = write(frame[frame["Date"] > "2016"])
    with pytest.raises(
        DataError, match=r"Close lies outside .* in 100% of 250 rows .* up to .*new\.csv, line"
    ):
        predict(folder, late)
    found = predict(folder, late, allow_range=True)
    assert len(found.values) > 700
    assert found.warnings[0].startswith("Close lies outside ")


def test_a_table_that_changes_its_unit_on_the_way_is_refused(frame: Frame, save: Save, write: Write) -> None:
    folder = save(units(frame, 1), "r")
    mixed = pd.concat([units(frame, 1)[:4500], units(frame, 100)[4500:]])
    with pytest.raises(DataError, match=r"r lies outside .* of 250 rows"):
        predict(folder, write(mixed))


def test_a_feature_that_stood_still_in_training_may_stand_still(
    frame: Frame, save: Save, write: Write
) -> None:
    flagged = frame.assign(crisis=(frame["Date"].dt.year == 2008).astype(float))
    folder = save(flagged, "crisis")
    assert predict(folder, write(flagged[-300:])).warnings == ()


RET = {"name": "ret", "column": "Close", "transform": "log_return"}
VOL = {"name": "vol", "transform": "log_parkinson", "high": "High", "low": "Low"}
STD = {"name": "std", "of": "ret", "transform": "rolling_std", "window": 22}
MADE: dict[str, tuple[tuple[dict[str, Any] | str, ...], int]] = {
    "raw": (("Close",), 0),
    "log_return": ((RET,), 1),
    "log_return over 5 rows": (({**RET, "window": 5},), 5),
    "abs_log_return": (({**RET, "transform": "abs_log_return", "window": 3},), 3),
    "log_parkinson": ((VOL,), 0),
    "rolling_mean": (({"name": "m", "column": "Close", "transform": "rolling_mean", "window": 7},), 6),
    "rolling_std": (({"name": "s", "column": "Close", "transform": "rolling_std", "window": 7},), 6),
    "lag": (({"name": "l", "column": "Close", "transform": "lag", "window": 9},), 9),
    "a deviation of returns": ((RET, STD), 22),
    "a lag of a deviation of returns": (
        (RET, STD, {"name": "l", "of": "std", "transform": "lag", "window": 5}),
        27,
    ),
    "a mean of a lag, beside a longer window": (
        (
            VOL,
            {"name": "l", "of": "vol", "transform": "lag", "window": 2},
            {"name": "m", "of": "l", "transform": "rolling_mean", "window": 4},
            {"name": "w", "of": "vol", "transform": "rolling_mean", "window": 12},
        ),
        11,
    ),
}
"""Features, and the rows before the first that has all of them."""


@pytest.mark.parametrize("seq_len", [1, 9])
@pytest.mark.parametrize("made", MADE)
def test_the_fewest_rows_are_named_at_once_whatever_the_table_has(
    save: Save, write: Write, frame: Frame, made: str, seq_len: int
) -> None:
    features, before = MADE[made]
    folder, needed = save(frame, *features, start=2009, seq_len=seq_len), before + seq_len
    assert len(predict(folder, write(frame[:needed]), allow_range=True).values) == 1
    for rows in {1, 2, needed // 2, needed - 1} & set(range(1, needed)):
        with pytest.raises(DataError, match=f"has {rows} rows; .* give at least {needed} rows$"):
            predict(folder, write(frame[:rows]), allow_range=True)


def test_a_column_without_a_number_is_named_and_no_number_of_rows(
    save: Save, write: Write, frame: Frame
) -> None:
    folder = save(frame, RET, start=2009)
    with pytest.raises(DataError, match=r"new\.csv: column Close holds no number, and the model .* needs it"):
        predict(folder, write(frame[:5].assign(Close=np.nan)))


@pytest.mark.slow
def test_what_check_warns_of_predict_refuses_and_the_other_way_round(
    save: Save, write: Write, frame: Frame, tmp_path: Path
) -> None:
    volume = np.exp(np.random.default_rng(0).normal(20, 0.3, len(frame)))
    dates = pd.to_datetime(frame["Date"])
    early = (dates < pd.Timestamp("2012")).to_numpy()
    tables = {
        "as it is": volume,
        "2,750 times smaller from 2012 on": np.where(early, volume, volume / 2750),
        "in thousands from 2012 on": np.where(early, volume, volume / 1000),
        "doubled from 2012 on": np.where(early, volume, volume * 2),
    }
    told = {}
    for name, values in tables.items():
        table = frame.assign(Volume=values)
        folder = save(table, "Volume", start=2005)
        config = load_model(folder)[0].data
        found = audit(config, GuardConfig(), read_table(config, folder=Path())).findings
        warned = [each for each in found if each.code == "unlike_training"]
        assert all(each.severity == "warning" and each.where == "Volume" for each in warned)
        told[name] = bool(warned)
        if warned:
            with pytest.raises(DataError, match=re.escape(warned[0].message.split(" up to ")[0])):
                predict(folder, config.sources[0])
        else:
            predict(folder, config.sources[0])
    assert told == {name: name not in ("as it is", "doubled from 2012 on") for name in tables}


def test_a_panel_is_forecast_series_by_series(
    model: Path, prices: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    cuts = slice(-400, None), slice(-700, -100)
    parts = [replace(prices, frame=prices.frame.iloc[cut]) for cut in cuts]
    stacked = replace(
        prices,
        frame=pd.concat([part.frame for part in parts]),
        positions=np.arange(1000),
        series_starts=np.array([0, 400]),
    )

    def of(table: Table) -> pd.DataFrame:
        monkeypatch.setattr("trainer.inference.prediction.read_table", lambda *_, **__: table)
        return predict(model, "sample:sp500").frame()

    expected = pd.concat([of(part) for part in parts], ignore_index=True)
    pd.testing.assert_frame_equal(of(stacked), expected)
    assert expected["of"].isna().sum() == 2 * DATA.target.horizon
