"""A table of any shape becomes a study that passes `check`; what it leaves open is asked or refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from search.api.check_study import check_study
from search.api.init_facts import MANY_ROWS, RECIPE, RECIPE_OF_MANY, recipe
from search.api.init_split import find_max_gap
from search.api.init_study import InitOptions, InitResult, Question, init_study
from search.api.study_options import StudyOptions
from search.errors import RequestError
from tests.search.api.init_tables import SHAPES, bars, write_table
from trainer.data.source import read_table
from trainer.errors import ColumnError, SourceError


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BALLAST_STORE", raising=False)


def made(name: str, content: str | bytes, **options: Any) -> tuple[InitResult, dict[str, Any]]:
    """The answer of `init`, and the study that it wrote."""
    found = init_study(InitOptions(str(write_table(name, content)), **options))
    return found, yaml.safe_load(found.path.read_text())


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_a_study_of_every_shape_passes_check(shape: str) -> None:
    name, content, options = SHAPES[shape]
    found, study = made(name, content(), **options)
    assert found.refusals == ()
    assert study["data"]["target"]["kind"] == (
        "return" if shape in ("FRED", "Investing.com", "Tokyo") else "volatility"
    )
    checked = check_study(StudyOptions(found.path))
    assert checked.refusals == ()
    table = read_table(checked.resolved.trial_config.data, folder=Path())
    assert table.when(0)[:4] in ("2020", "2024")  # never 1970
    assert table.times.is_monotonic_increasing
    assert study.keys() >= {"models", "training", "space"}


def text(rows: int = 400, **columns: Any) -> str:
    return str(bars(rows).assign(**columns).to_csv())


def test_the_recipe_is_read_from_the_shipped_study() -> None:
    found, study = made("prices.csv", text(2600))
    for section in ("models", "training", "space"):
        assert study[section] == recipe()[section]
    assert study["data"]["features"] == recipe()["data"]["features"]
    assert study["data"]["split"]["method"] == recipe()["data"]["split"]["method"]
    assert study["data"]["split"]["folds"] == 5
    assert f"# sample:{RECIPE}. What" in found.path.read_text()


def test_a_table_of_many_rows_gets_larger_batches_fewer_epochs_and_two_blocks() -> None:
    found, study = made("prices.csv", text(MANY_ROWS))
    for section in ("models", "training", "space"):
        assert study[section] == recipe(RECIPE_OF_MANY)[section]
    assert study["data"]["split"]["folds"] == 2
    assert study["data"]["features"] == recipe()["data"]["features"]
    assert f"# sample:{RECIPE_OF_MANY}. What" in found.path.read_text()


def test_the_settings_that_a_table_needs_are_there_and_no_others() -> None:
    assert made("plain.csv", text())[1]["data"].keys() == {
        *("source", "time", "features", "target", "seq_len", "split")
    }
    newest_first = bars()[::-1].to_csv()
    assert made("newest.csv", newest_first)[1]["data"]["sort"] is True
    name, content, options = SHAPES["FRED"]
    assert made(name, content(), **options)[1]["data"]["drop_empty"] is True
    name, content, options = SHAPES["long"]
    assert made(name, content(), **options)[1]["data"]["where"] == {"Symbol": "AAA"}
    name, content, options = SHAPES["yfinance of two tickers"]
    assert made(name, content(), **options)[1]["data"]["target"]["high"] == "High BBB"
    name, content, options = SHAPES["MetaTrader"]
    data = made(name, content(), **options)[1]["data"]
    assert (data["time"], data["timezone"]) == (["DATE", "TIME"], "Europe/Athens")


def test_the_split_is_by_dates_and_short_tables_have_fewer_blocks() -> None:
    data = made("long.csv", text(2600))[1]["data"]
    assert data["split"]["train_until"] < data["split"]["validation_until"]
    assert made("short.csv", text(160))[1]["data"]["split"]["method"] == "holdout"
    with pytest.raises(RequestError, match=r"tiny\.csv has 90 rows, too few for a split: .* needs about 125"):
        made("tiny.csv", text(90))


def test_a_target_is_chosen_by_its_name() -> None:
    assert made("a.csv", text(), target="return")[1]["data"]["target"]["transform"] == "log_return"
    assert made("b.csv", text(), target="Volume", horizon=5)[1]["data"]["target"]["horizon"] == 5
    with pytest.raises(RequestError, match="--target x is not known; give return, volatility, or a column"):
        made("c.csv", text(), target="x")
    with pytest.raises(RequestError, match="--target volatility needs a column of highest"):
        made("d.csv", bars()[["Close"]].to_csv(), target="volatility")


def test_values_that_are_no_prices_are_forecast_as_they_are() -> None:
    frame = bars()[["Close"]].rename(columns={"Close": "spread"})
    frame["spread"] = np.log(frame["spread"]).diff().fillna(0.0)
    found, study = made("spread.csv", frame.to_csv())
    assert study["data"]["target"] == {
        "column": "spread", "kind": "other", "already_shifted": False, "horizon": 1
    }  # fmt: skip
    assert check_study(StudyOptions(found.path)).ok


def test_one_negative_price_makes_a_study_of_changes_and_a_flat_bar_has_a_floor() -> None:
    frame = bars()
    frame.iloc[200, :4] = [-30.0, -29.0, -40.0, -37.6]
    found, study = made("oil.csv", frame.to_csv())
    target = study["data"]["target"]
    assert (target["transform"], target["kind"]) == ("difference", "return")
    assert "guard" not in study  # changes have the usual ceiling of returns
    checked = check_study(StudyOptions(found.path))
    assert checked.ok
    assert checked.resolved.trial_config.data.target.clip is None
    frame = bars()
    frame.loc[frame.index[50], "High"] = frame["Low"].iloc[50]
    found, study = made("flat.csv", frame.to_csv())
    assert study["data"]["target"]["floor"] == 1e-4
    assert check_study(StudyOptions(found.path)).ok


def test_a_time_with_the_name_of_a_zone_is_told_with_the_option_to_give() -> None:
    frame = bars()
    frame.index = pd.DatetimeIndex(frame.index).strftime("%Y-%m-%d 16:00 EST")
    frame.index.name = "Date"
    told = r"16:00 EST' in Date ends in 'EST'.*give --timezone America/New_York$"
    with pytest.raises(ColumnError, match=told):
        made("est.csv", frame.to_csv())


def test_a_day_without_numbers_at_the_end_is_left_out() -> None:
    unfinished = text() + "2021-07-14,100.0,,,,5\n"
    found, study = made("today.csv", unfinished)
    assert study["data"]["drop_empty"] is True
    assert check_study(StudyOptions(found.path)).ok


def test_a_table_of_bars_within_the_day_knows_the_clock() -> None:
    name, content, options = SHAPES["Dukascopy"]
    data = made(name, content(), **options)[1]["data"]
    assert data["features"][-1]["transform"] == "time_of_day"
    assert "timezone" not in data  # the name of the column says that it is UTC


def test_gaps_that_no_window_crosses_are_found() -> None:
    hour = 3600.0
    week = np.concatenate([np.arange(120.0) * hour + 168 * hour * number for number in range(20)])
    assert find_max_gap(week, hour, 11) == "3h"  # weekends of a market that is open day and night
    days = np.concatenate([np.arange(7.0) * hour + 24 * hour * number for number in range(60)])
    assert find_max_gap(days, hour, 11) == "20h"  # seven bars are no window: it crosses nights
    assert find_max_gap(np.arange(900.0) * 60, 60.0, 11) is None
    minutes = np.concatenate([np.arange(390.0) * 60 + 24 * hour * number for number in range(9)])
    assert find_max_gap(minutes, 60.0, 11) == "3min"


def test_bars_of_a_market_that_closes_have_a_max_gap() -> None:
    frame = bars(24 * 60, step="h")
    frame = frame[pd.DatetimeIndex(frame.index).day_of_week < 5]
    found, study = made("fx.csv", frame.rename_axis("Gmt time").to_csv())
    assert study["data"]["max_gap"] == "3h"
    assert check_study(StudyOptions(found.path)).ok


def ambiguous_days() -> str:
    """Dates whose first two numbers may both be the day: 1/1/2010 to 11/12/2012."""
    days = [f"{d}/{m}/{y}" for y in range(2010, 2013) for m in range(1, 13) for d in range(1, 12)]
    return str(bars(len(days)).set_axis(days, axis=0).rename_axis("Date").to_csv())


OPEN: dict[str, tuple[Callable[[], str | bytes], str, dict[str, Any]]] = {
    "--day-first or --month-first": (
        ambiguous_days,
        "and no row tells",
        {"day_first": True},
    ),
    "--timezone ZONE": (
        lambda: bars(step="h").to_csv(),
        "do not say of which zone they are",
        {"timezone": "America/New_York"},
    ),
    "--target A": (
        lambda: bars()[["Open", "Close"]].set_axis(["A", "B"], axis=1).to_csv(),
        "none is named as a price: A, B",
        {"target": "B"},
    ),
    "--decimal '.' or --decimal ','": (
        lambda: bars()[["Close"]].map(lambda price: f"1,{int(price):03d}").to_csv(),
        r"may be 1\d\d\d or 1\.\d\d\d",
        {"decimal": ","},
    ),
}  # fmt: skip


@pytest.mark.parametrize("option", OPEN)
def test_what_a_table_leaves_open_is_refused_with_the_option_and_taken_from_it(option: str) -> None:
    content, known, answer = OPEN[option]
    with pytest.raises(RequestError, match=known) as caught:
        made("open.csv", content())
    assert f"give {option}" in str(caught.value)
    assert not Path("open.yaml").exists()
    assert made("open.csv", content(), **answer)[0].path == Path("open.yaml")


def test_a_question_is_asked_where_somebody_answers() -> None:
    asked: list[Question] = []

    def ask(question: Question) -> str:
        asked.append(question)
        return "B"

    path = write_table("open.csv", OPEN["--target A"][0]())
    found = init_study(InitOptions(str(path)), ask)
    assert yaml.safe_load(found.path.read_text())["data"]["target"]["column"] == "B"
    assert asked[0].choices == ("A", "B")


@pytest.mark.parametrize(
    ("shape", "expected"),
    [("long", {"series": "Symbol"}), ("yfinance of two tickers", {"layout": "wide"})],
)
def test_a_table_of_several_series_makes_a_study_of_all_unless_one_is_named(
    shape: str, expected: dict[str, str]
) -> None:
    name, content, one = SHAPES[shape]
    found, study = made(name, content())
    assert {key: study["data"].get(key) for key in expected} == expected
    assert "rows, 2 series, of" in found.sentence
    assert check_study(StudyOptions(found.path)).ok
    alone = made(f"one-{name}", content(), **one)[1]["data"]
    assert not {"series", "layout"} & alone.keys()


def test_a_long_table_by_series_needs_no_sorting_and_its_split_is_by_time() -> None:
    late = bars(900)[300:].assign(Symbol="AAA")
    by_series = pd.concat([late, bars(900).assign(Symbol="BBB")])
    study = made("by.csv", by_series.to_csv())[1]["data"]
    assert "sort" not in study
    days = bars(900).index
    assert days[0] < pd.Timestamp(study["split"]["train_until"]) < days[600]
    assert pd.Timestamp(study["split"]["validation_until"]) < days[800]
    backwards = made("back.csv", by_series[::-1].to_csv())[1]["data"]
    assert backwards["sort"] is True


def test_files_of_one_time_are_a_series_each() -> None:
    for name in ("AAA", "BBB"):
        write_table(f"{name}.csv", bars().to_csv())
    found = init_study(InitOptions("[AB]*.csv", Path("both.yaml")))
    assert yaml.safe_load(found.path.read_text())["data"]["layout"] == "files"
    assert check_study(StudyOptions(found.path)).ok


REFUSED: dict[str, tuple[str | bytes, type[Exception], str]] = {
    "empty.csv": ("", SourceError, "'empty.csv' is empty"),
    "binary.csv": (bytes(range(128, 256)) * 9, SourceError, r"is not UTF-8; .*--csv encoding=VALUE"),
    "header.csv": ("Date,Close\n", SourceError, "holds no rows below its header"),
    "one.csv": ("x\n" + "\n".join(map(str, range(300))), RequestError, "has no column of times among x"),
    "dates.csv": (bars()[[]].to_csv(), RequestError, "has no column of numbers among Date"),
    "texts.csv": ("a,b\n" + "x,y\n" * 300, RequestError, "has no column of times among a, b; .*--time"),
    "same.csv": ("Date,Close\n" + "2024-01-01,5\n" * 300, RequestError, "all rows have the same time"),
    "bare.csv": (bars()[["Open", "Close"]].to_csv(header=False), SourceError, "no header.*--csv columns="),
    "cell.csv": (
        bars()[["Close"]].to_csv().replace("03-02,", "03-02,x"),
        ColumnError,
        r"line 45: column Close holds 'x",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_table_of_a_series_is_refused_in_one_sentence(name: str) -> None:
    content, error, said = REFUSED[name]
    with pytest.raises(error, match=said) as caught:
        made(name, content)
    assert "\n" not in str(caught.value)
    assert not Path(name).with_suffix(".yaml").exists()


def test_an_existing_file_stays_unless_forced() -> None:
    Path("prices.yaml").write_text("mine")
    with pytest.raises(RequestError, match=r"prices\.yaml exists; .*--output FILE, or .*--force"):
        made("prices.csv", text())
    assert Path("prices.yaml").read_text() == "mine"
    assert made("prices.csv", text(), force=True)[1]["study"]["name"] == "prices"


def test_a_missing_file_is_told_with_one_of_a_similar_name() -> None:
    write_table("prices.csv", text())
    with pytest.raises(RequestError, match=r"price\.csv does not exist; did you mean 'prices\.csv'"):
        init_study(InitOptions("price.csv"))


def test_the_source_is_relative_to_the_study_file() -> None:
    Path("data").mkdir()
    Path("studies").mkdir()
    path = write_table("data/^GSPC.csv", text())
    found = init_study(InitOptions(str(path), output=Path("studies/a.yaml")))
    study = yaml.safe_load(found.path.read_text())
    assert (study["data"]["source"], study["study"]["name"]) == ("../data/^GSPC.csv", "GSPC")
    assert check_study(StudyOptions(found.path)).ok


def test_rows_that_must_be_corrected_are_told_and_the_file_is_written() -> None:
    repeated = text() + bars().iloc[-1:].to_csv(header=False)
    found, _ = made("repeated.csv", repeated)
    assert "occurs before in the table" in found.refusals[0]
