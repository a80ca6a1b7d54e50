"""Forecasts of two panels aligned by time and series."""

import numpy as np
import pytest

from search.errors import RequestError
from search.record.common_rows import TrialForecasts, common_rows
from search.record.validation_rows import ValidationRows
from trainer.losses import MSE

DAYS = np.arange("2020-01-01", "2020-02-10", dtype="datetime64[D]").astype("datetime64[ns]")


def of_panel(
    name: str, series: tuple[str, ...], days: slice, std: float, error: float, level: float = 0.0
) -> TrialForecasts:
    """A trial that misses each target of each series by `error`, in the target's own unit.

    The target of a series at a day is the day's number, times the place of its name in the alphabet.
    """
    rows = np.arange(len(DAYS))[days]
    own = np.concatenate([rows * (ord(each) - 64.0) + level for each in series])
    target = (own - 3.0) / std
    return TrialForecasts(
        name,
        ValidationRows(
            times=np.tile(DAYS[days], len(series)),
            folds=np.zeros(len(own), np.int64),
            target=target,
            baselines={"zero": np.zeros(len(own))},
            unit_mean=np.full(len(own), 3.0),
            unit_std=np.full(len(own), std),
            baseline="zero",
            horizon=1,
            kind="return",
            loss=MSE,
            series=np.repeat(np.arange(len(series)), len(rows)),
            series_names=series,
        ),
        (target + error / std)[None],
    )


def test_rows_are_paired_by_time_and_series_in_one_unit() -> None:
    a = of_panel("a:0", ("A", "B", "C"), slice(0, 30), std=2.0, error=1.0)
    b = of_panel("b:0", ("B", "C", "D"), slice(10, 40), std=5.0, error=3.0)
    found = common_rows(a, b)
    assert (len(found.moments.number), len(found.moments.times)) == (40, 20)  # B and C on 20 days
    assert found.moments.times[0] == DAYS[10]
    np.testing.assert_allclose(found.losses[0], 1.0 / 2.0**2)
    np.testing.assert_allclose(found.losses[1], 3.0**2 / 2.0**2)


def test_other_series_other_days_and_other_targets_are_refused_with_what_differs() -> None:
    a = of_panel("a:0", ("A", "B"), slice(0, 30), std=2.0, error=1.0)
    for other in (("C",), slice(0, 30)), (("A",), slice(30, 40)):
        with pytest.raises(
            RequestError, match=r"no common validation rows: 2020-01-01 to 2020-01-30 of 2 series; "
        ):
            common_rows(a, of_panel("b:0", *other, std=2.0, error=1.0))
    with pytest.raises(
        RequestError, match=r"different targets: at 2020-01-01T00:00:00 of A they are 0 and 1 \(60 of 60"
    ):
        common_rows(a, of_panel("b:0", ("A", "B"), slice(0, 30), std=2.0, error=1.0, level=1.0))
