"""The figures of forecasts show the rows on record and no more: numbers by hand, gaps, marks, thinning."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from search.config.layers import Layer, Override, Setting
from search.record.scored_forecasts import ScoredForecasts
from search.selection.statistics.interval import skill_interval
from search.watching.blocks import Plot
from search.watching.plots.figures import PLOT_IDS
from search.watching.plots.forecast_figures import FORECAST_PLOT_IDS, FORECAST_PLOTS
from search.watching.plots.row_parts import MOST_POINTS, thin_rows
from search.watching.view import StudyView
from tests.search.record.forecast_rows import rows
from tests.search.watching.plots.view_fixtures import a_view

DAYS = np.datetime64("2018-06-01", "ns") + np.arange(900) * np.timedelta64(1, "D")


def days(n: int = 900, **more: Any) -> ScoredForecasts:
    """Test rows of one series on successive days."""
    return rows(n, **({"times": DAYS[:n], "horizon": 1, "offsets": None, "bounds": {}} | more))


def validated(n: int = 400, **more: Any) -> ScoredForecasts:
    """The validation rows before them."""
    before = DAYS[0] - np.arange(n, 0, -1) * np.timedelta64(1, "D")
    return days(n, split="validation", seeds=1, times=before, **more)


def view_of(*scored: ScoredForecasts, **settings: Any) -> StudyView:
    known = {"data.target.transform": "log_return"} | settings
    on_record = [Setting(k, (Override(Layer.STUDY, "study.yaml:1", v, v, ""),)) for k, v in known.items()]
    return replace(a_view(), scored=scored, settings=on_record)


def drawn(view: StudyView) -> dict[str, Plot]:
    """All figures; each is plain JSON without NaN, and plotly knows all of it."""
    found = [plot for draw in FORECAST_PLOTS if (plot := draw(view)) is not None]
    for plot in found:
        assert json.loads(json.dumps(plot.figure, allow_nan=False)) == plot.figure
        go.Figure(dict(plot.figure))
    assert [plot.id for plot in found] == [name for name in PLOT_IDS if name in {p.id for p in found}]
    return {plot.id: plot for plot in found}


def trace(plot: Plot, name: str, place: int = 0) -> dict[str, Any]:
    return dict([each for each in plot.figure["data"] if each["name"] == name][place])


def points(trace: dict[str, Any]) -> list[Any]:
    return [value for value in trace["y"] if value is not None]


def test_a_study_without_forecasts_on_record_has_none_of_these_figures() -> None:
    assert drawn(view_of()) == {}
    assert PLOT_IDS[: len(FORECAST_PLOT_IDS)] == FORECAST_PLOT_IDS


def test_too_few_rows_are_no_figure_rather_than_a_wrong_one() -> None:
    assert drawn(view_of(days(19))) == {}
    assert set(drawn(view_of(days(30, horizon=8)))) == {"forecasts", "skill-by-year"}
    assert set(drawn(view_of(days(49)))) == {"forecasts", "loss-difference", "skill-by-year"}


def test_forecast_and_actual_are_those_of_each_row() -> None:
    found = days()
    plot = drawn(view_of(found))["forecasts"]
    assert trace(plot, "forecast, test")["y"] == pytest.approx(found.forecast, rel=1e-4)
    assert trace(plot, "actual")["y"] == pytest.approx(found.target, rel=1e-4)
    assert trace(plot, "forecast, test")["x"][:2] == ["2018-06-01", "2018-06-02"]
    assert plot.figure["layout"]["xaxis"]["range"] == ["2019-11-17", "2020-11-16"]
    assert "test rows, trial 3, mean of 5 seeds" in plot.about
    assert "validation" not in plot.about


def test_bounds_are_an_area_around_the_forecast() -> None:
    found = days(100, bounds={f"{side}_{level}": np.full(100, (1 if side == "upper" else -1) * level / 10)
                              for side in ("lower", "upper") for level in (80, 95)})  # fmt: skip
    plot = drawn(view_of(found))["forecasts"]
    band = trace(plot, "80 % interval, test")
    assert band["y"] == [8.0] * 100 + [-8.0] * 100 + [None]
    assert band["x"][:100] == band["x"][100:200][::-1]


def test_validation_and_test_are_told_apart_by_dash_and_mark_and_caption() -> None:
    plots = drawn(view_of(validated(), days()))
    assert set(plots) == {"forecasts", "loss-difference", "skill-by-year", "residuals", "sign-strategy"}
    for name in ("forecasts", "loss-difference"):
        (line,) = plots[name].figure["layout"]["shapes"]
        assert line["x0"] == line["x1"] == "2018-06-01"
        assert plots[name].figure["layout"]["annotations"][0]["text"] == "test →"
        assert "validation rows (searched, so optimistic), trial 3; test rows" in plots[name].about
    dashes = [trace(plots["forecasts"], f"forecast, {s}")["line"]["dash"] for s in ("validation", "test")]
    assert dashes == ["dot", "solid"]
    for name in ("residuals", "sign-strategy"):
        assert "Drawn from: test rows" in plots[name].about
        assert "validation rows" not in plots[name].about


def test_without_a_verification_every_caption_says_that_the_rows_were_searched() -> None:
    for plot in drawn(view_of(validated())).values():
        assert "validation rows (searched, so optimistic), trial 3" in plot.about
        assert "shapes" not in plot.figure["layout"]


def test_no_line_crosses_the_gap_between_two_folds() -> None:
    times = np.concatenate([DAYS[:200], DAYS[400:600]])
    found = days(400, times=times, folds=np.repeat([0, 1], 200), split="validation", seeds=1)
    plots = drawn(view_of(found))
    for name, line in (
        ("forecasts", "forecast, validation"),
        ("loss-difference", "validation, against zero"),
        ("sign-strategy", "sign, after costs"),
    ):
        one = trace(plots[name], line)
        assert one["y"].index(None) == 200
        assert one["x"][199:202:2] == ["2018-12-17", "2019-07-06"]
        assert len(points(one)) == 400
    band = trace(plots["loss-difference"], "luck, 95 %")
    assert band["y"].count(None) == 2  # two areas


@pytest.mark.parametrize("zone", ["America/New_York", None])
def test_minutes_are_on_the_clock_of_their_source_and_no_line_crosses_a_night(zone: str | None) -> None:
    minutes = np.arange(390) * np.timedelta64(1, "m")
    opens = [
        np.datetime64(day, "ns") for day in ("2024-03-08T14:30", "2024-03-11T13:30")
    ]  # the clock changes
    times = np.concatenate([each + minutes for each in opens])
    offsets = np.repeat([-18_000, -14_400], 390)
    found = days(780, times=times, offsets=offsets)
    plots = drawn(view_of(found, **{"data.timezone": zone}))
    line = trace(plots["forecasts"], "forecast, test")
    assert line["x"][0] == "2024-03-08 09:30:00"
    assert line["y"].index(None) == 390
    assert line["x"][391] == "2024-03-11 09:30:00"
    assert plots["skill-by-year"].figure["data"][0]["x"] == ["2024 test"]
    assert trace(plots["loss-difference"], "test, against zero")["y"].count(None) == 0


def test_a_year_is_that_of_the_sources_clock() -> None:
    hours = np.datetime64("2020-12-31T23:00", "ns") + np.arange(48) * np.timedelta64(1, "h")
    tokyo = days(48, times=hours, offsets=np.full(48, 32_400))
    (first, *_) = drawn(view_of(tokyo))["skill-by-year"].figure["data"]
    assert first["x"] == ["2021 test"]


def test_the_loss_difference_ends_at_the_skill_over_each_reference() -> None:
    found = days()
    plot = drawn(view_of(found))["loss-difference"]
    for name, theirs in (("zero", found.baseline_loss), ("linear", found.rival_loss)):
        assert theirs is not None
        y = points(trace(plot, f"test, against {name}"))
        assert y[-1] == pytest.approx(1 - found.loss.sum() / theirs.sum(), rel=1e-4)
        assert y[9] == pytest.approx((theirs - found.loss)[:10].sum() / theirs.sum(), rel=1e-4)
    assert trace(plot, "test, against linear")["yaxis"] == "y2"


def test_without_a_rival_there_is_one_part() -> None:
    plot = drawn(view_of(days(rival=None, rival_loss=None, rival_name=None)))["loss-difference"]
    assert "yaxis2" not in plot.figure["layout"]
    assert {each["name"] for each in plot.figure["data"]} == {"luck, 95 %", "test, against zero"}


def test_a_rival_that_is_the_best_naive_forecast_is_drawn_once() -> None:
    found = days()
    same = replace(found, rival_name="zero", rival=found.baseline, rival_loss=found.baseline_loss)
    plots = drawn(view_of(same))
    assert {each["name"] for each in plots["loss-difference"].figure["data"]} == {
        "luck, 95 %",
        "test, against zero",
    }
    assert {each["name"] for each in plots["skill-by-year"].figure["data"]} == {"test, over zero"}


def test_skill_by_year_and_by_volatility_is_that_of_their_rows() -> None:
    found = days()
    plot = drawn(view_of(found))["skill-by-year"]
    years = pd.DatetimeIndex(found.times).year
    by_year, _, by_regime, _ = plot.figure["data"]
    assert by_year["x"] == ["2018 test", "2019 test", "2020 test"]
    own = years == 2019
    assert by_year["y"][1] == pytest.approx(
        1 - found.loss[own].sum() / found.baseline_loss[own].sum(), rel=1e-4
    )
    assert by_year["customdata"] == [sum(years == year) for year in (2018, 2019, 2020)]
    known = np.array(
        [np.nan] * 22 + [np.sqrt(np.mean(found.target[i - 22 : i] ** 2)) for i in range(22, 900)]
    )
    low = known <= np.nanquantile(known, 1 / 3)
    assert by_regime["x"] == ["low test", "middle test", "high test"]
    assert by_regime["y"][0] == pytest.approx(
        1 - found.loss[low].sum() / found.baseline_loss[low].sum(), rel=1e-4
    )
    wide = replace(found, horizon=5)
    reach = drawn(view_of(wide))["skill-by-year"].figure["data"][0]["error_y"]["array"][1]
    interval = skill_interval(found.loss[own], found.baseline_loss[own], horizon=5)
    assert 2 * reach == pytest.approx(interval.high - interval.low, rel=1e-4)


def test_residuals_are_drawn_with_their_distribution_and_autocorrelation() -> None:
    found = days()
    errors = found.target - found.forecast
    plot = drawn(view_of(found))["residuals"]
    over_time, bars, normal, correlations, upper, _ = plot.figure["data"]
    assert over_time["y"] == pytest.approx(errors, rel=1e-4)
    assert sum(bars["y"]) == 900
    width = bars["x"][1] - bars["x"][0]
    assert max(normal["y"]) == pytest.approx(900 * width / (errors.std() * np.sqrt(2 * np.pi)), rel=1e-2)
    gaps = errors - errors.mean()
    lag = (gaps[3:] * gaps[:-3]).mean() / gaps.var()
    assert correlations["y"][2] == pytest.approx(lag, rel=1e-4)
    assert upper["y"][0] == pytest.approx(1.96 / np.sqrt(899), rel=1e-3)


def test_the_sign_strategy_sums_simple_returns() -> None:
    found = days(300)
    plot = drawn(view_of(found))["sign-strategy"]
    returns = np.expm1(found.target)
    assert points(trace(plot, "buy and hold")) == pytest.approx(returns.cumsum(), rel=1e-4)
    gross = np.sign(found.forecast) * returns
    assert points(trace(plot, "sign, before costs")) == pytest.approx(gross.cumsum(), rel=1e-4)
    changes = np.abs(np.diff(np.sign(found.forecast), prepend=0))
    net = gross - 0.001 * changes
    assert points(trace(plot, "sign, after costs")) == pytest.approx(net.cumsum(), rel=1e-4)
    raw = drawn(view_of(found, **{"data.target.transform": "raw"}))["sign-strategy"]
    assert points(trace(raw, "buy and hold"))[-1] == pytest.approx(found.target.sum(), rel=1e-4)


@pytest.mark.parametrize("more", [{"kind": "volatility"}, {"kind": "other"}])
def test_only_returns_have_a_strategy(more: dict[str, Any]) -> None:
    assert "sign-strategy" not in drawn(view_of(days(**more)))


def test_differences_in_the_unit_of_prices_have_no_strategy() -> None:
    assert "sign-strategy" not in drawn(view_of(days(), **{"data.target.transform": "difference"}))


def panel(count: int = 12, dates: int = 200) -> ScoredForecasts:
    n = count * dates
    names = tuple(f"<S{number}>" for number in range(count))
    series = np.repeat(np.arange(count), dates)
    return days(n, times=np.tile(DAYS[:dates], count), series=series, series_names=names)


def test_of_a_panel_a_menu_shows_some_series_from_the_best_to_the_worst() -> None:
    found = panel()
    plot = drawn(view_of(found))["forecasts"]
    skills = [1 - found.loss[own].sum() / found.baseline_loss[own].sum()
              for own in (found.series_numbers == number for number in range(12))]  # fmt: skip
    order = np.argsort(skills)[::-1]
    (menu,) = plot.figure["layout"]["updatemenus"]
    labels = [button["label"] for button in menu["buttons"]]
    assert len(labels) == 8
    assert (labels[0], labels[-1]) == (f"&lt;S{order[0]}&gt;", f"&lt;S{order[-1]}&gt;")
    shown = [each for each in plot.figure["data"] if each.get("visible", True)]
    assert shown[-1]["y"] == pytest.approx(found.forecast[found.series_numbers == order[0]], rel=1e-4)
    visible = menu["buttons"][3]["args"][0]["visible"]
    assert len(visible) == len(plot.figure["data"])
    assert sum(visible) == len(shown)
    assert "<S" not in json.dumps(plot.figure).replace("<span", "")


def test_of_a_panel_other_figures_have_one_value_for_each_date() -> None:
    found = panel()
    plots = drawn(view_of(found))
    assert set(plots) == {"forecasts", "loss-difference", "skill-by-year", "residuals", "long-short"}
    by_date = (found.baseline_loss - found.loss).reshape(12, 200).sum(axis=0)
    assert points(trace(plots["loss-difference"], "test, against zero")) == pytest.approx(
        by_date.cumsum() / found.baseline_loss.sum(), rel=1e-4
    )
    assert plots["skill-by-year"].figure["data"][0]["customdata"] == [200]
    means = (found.target - found.forecast).reshape(12, 200).mean(axis=0)
    assert plots["residuals"].figure["data"][0]["y"] == pytest.approx(means, rel=1e-4)
    assert "mean over its series" in plots["loss-difference"].about
    returns = np.expm1(found.target).reshape(12, 200)
    assert points(trace(plots["long-short"], "all series, held")) == pytest.approx(
        returns.mean(axis=0).cumsum(), rel=1e-4
    )
    first = returns[np.argsort(found.forecast.reshape(12, 200)[:, 0]), 0]  # a fifth of 12 are two
    assert points(trace(plots["long-short"], "long-short, before costs"))[0] == pytest.approx(
        first[-2:].mean() - first[:2].mean(), rel=1e-4
    )


def test_a_relative_target_has_no_mean_of_all_series_to_hold() -> None:
    plot = drawn(view_of(panel(), **{"data.target.relative": "cross_section"}))["long-short"]
    assert [each["name"] for each in plot.figure["data"]] == [
        "long-short, after costs",
        "long-short, before costs",
    ]


def test_a_panel_of_four_series_has_no_long_short_figure() -> None:
    assert "long-short" not in drawn(view_of(panel(count=4)))


@pytest.mark.slow
def test_two_hundred_thousand_rows_stay_below_a_megabyte_and_keep_their_extremes() -> None:
    minutes = np.datetime64("2022-01-03T09:00", "ns") + np.arange(200_000) * np.timedelta64(5, "m")
    found = days(200_000, times=minutes)
    plots = drawn(view_of(found))
    assert sum(len(json.dumps(plot.figure)) for plot in plots.values()) < 1_000_000
    line = trace(plots["forecasts"], "actual")
    assert max(points(line)) == pytest.approx(found.target.max(), rel=1e-4)
    assert min(points(line)) == pytest.approx(found.target.min(), rel=1e-4)
    assert "are drawn, in each stretch the lowest and the highest" in plots["forecasts"].about
    ended = points(trace(plots["loss-difference"], "test, against zero"))[-1]
    assert ended == pytest.approx(1 - found.loss.sum() / found.baseline_loss.sum(), rel=1e-4)


def test_thinned_rows_are_the_extremes_of_each_stretch_with_both_ends() -> None:
    values = np.random.default_rng(0).normal(size=(2, 100_000))
    kept = thin_rows(list(values))
    assert len(kept) <= MOST_POINTS + 2
    assert {0, 99_999, values[0].argmax(), values[1].argmin()} <= {*kept.tolist()}
    assert (np.diff(kept) > 0).all()
    assert len(thin_rows([np.arange(10.0)])) == 10
