"""The rows that `verify` keeps: packed beside the series of its evaluation, and read back."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from search.record import scored_forecasts
from search.record.scored_forecasts import ScoredForecasts, validated_forecasts
from search.record.scored_panel import ScoredPanel
from search.record.scored_series import ScoredSeries
from search.record.validation_rows import forecasts, validation_rows
from storage.errors import StoreError
from tests.search.record.forecast_rows import rows

if TYPE_CHECKING:
    from tests.search_fixtures import Launch, WriteStudy


def series() -> ScoredPanel:
    return ScoredPanel((ScoredSeries(np.arange(50) * 10**9, np.arange(50.0), True),), ("",))


def assert_same(found: ScoredForecasts, kept: ScoredForecasts) -> None:
    """Every field, up to the rounding of float32."""
    for name, value in vars(kept).items():
        read = getattr(found, name)
        if name == "bounds":
            assert read.keys() == value.keys()
            for bound in value:
                np.testing.assert_allclose(read[bound], value[bound], rtol=1e-6)
        elif isinstance(value, np.ndarray) and value.dtype.kind == "f":
            np.testing.assert_allclose(read, value, rtol=1e-6)
        elif isinstance(value, np.ndarray):
            np.testing.assert_array_equal(read, value)
        else:
            assert read == value


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"rival": None, "rival_loss": None, "rival_name": None, "bounds": {}, "offsets": None},
        {"series": np.repeat([0, 1], 150), "series_names": ("A", "B")},
    ],
    ids=["one series", "without rival and bounds", "a panel"],
)
def test_the_rows_come_back_from_the_bytes_of_the_series_which_an_older_reader_still_reads(
    more: dict[str, Any],
) -> None:
    kept = rows(**more)
    packed = kept.packed_with(series().packed())
    found = ScoredForecasts.unpacked(packed)
    assert found is not None
    assert_same(found, kept)
    assert ScoredPanel.unpacked(packed).names == series().names
    np.testing.assert_array_equal(ScoredPanel.unpacked(packed).times, series().times)


def test_a_series_alone_holds_no_rows() -> None:
    assert ScoredForecasts.unpacked(series().packed()) is None


def test_bytes_that_are_damaged_say_so() -> None:
    packed = rows().packed_with(series().packed())
    with pytest.raises(StoreError, match="the test rows of a verification on record"):
        ScoredForecasts.unpacked(packed[: len(packed) // 2])


def test_of_too_many_rows_the_latest_times_are_kept_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scored_forecasts, "MOST_ROWS", 101)
    days = np.datetime64("2020-01-01", "ns") + np.arange(100) * np.timedelta64(1, "D")
    panel = rows(times=np.tile(days, 3), series=np.repeat([0, 1, 2], 100), series_names=("A", "B", "C"))
    found = ScoredForecasts.unpacked(panel.packed_with(series().packed()))
    assert found is not None
    assert len(found.times) == 99  # 33 dates of three series
    assert found.left_out == 201
    assert found.times.min() == days[67]
    np.testing.assert_allclose(found.target, panel.target[np.tile(np.arange(100) >= 67, 3)], rtol=1e-6)


def test_rows_take_a_bounded_place() -> None:
    packed = rows(10_000).packed_with(series().packed())
    assert len(packed) < 40 * 10_000


def test_statistics_have_one_value_for_each_date_of_a_panel() -> None:
    days = np.datetime64("2020-01-01", "ns") + np.arange(100) * np.timedelta64(1, "D")
    panel = rows(times=np.tile(days, 3), series=np.repeat([0, 1, 2], 100), series_names=("A", "B", "C"))
    assert panel.is_panel
    np.testing.assert_allclose(
        panel.moments.means(panel.loss), panel.loss.reshape(3, 100).mean(axis=0), rtol=1e-12
    )
    np.testing.assert_array_equal(panel.times[panel.first_rows], days)
    alone = panel.chosen(panel.series_numbers == 1)
    assert not alone.is_panel
    np.testing.assert_array_equal(alone.target, panel.target[100:200])
    assert replace(rows(), series=None).series_numbers.tolist() == [0] * 300


@pytest.mark.parametrize("method", ["holdout", "walk_forward"])
def test_the_validation_rows_of_a_trial_are_those_of_the_record_in_the_targets_own_unit(
    write_study: "WriteStudy", launch: "Launch", method: str
) -> None:
    split = {"method": method} | ({"folds": 3} if method == "walk_forward" else {})
    done = launch(write_study(data={"split": split}), "study.trials=1")
    kept, told = validation_rows(done.store, "small"), forecasts(done.store, "small")[0]
    found = validated_forecasts(done.store, "small", 0)
    assert kept is not None
    assert found is not None
    assert (found.split, found.seeds, found.baseline_name) == ("validation", 1, kept.baseline)
    order = np.argsort(kept.times, kind="stable")
    np.testing.assert_array_equal(found.times, kept.times[order])
    np.testing.assert_array_equal(found.folds, kept.folds[order])
    np.testing.assert_allclose(found.forecast, (told * kept.unit_std + kept.unit_mean)[order])
    np.testing.assert_allclose(found.loss, np.square(told - kept.target)[order])
    rival = kept.rivals[kept.strongest_rival or ""]
    assert found.rival_loss is not None
    np.testing.assert_allclose(found.rival_loss, np.square(rival - kept.target)[order])
    assert len(np.unique(kept.folds)) == (1 if method == "holdout" else 3)
