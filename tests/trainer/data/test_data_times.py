"""Times on the clock of their source."""

import numpy as np
import pandas as pd
import pytest

from trainer.data.times import on_clock

MOMENTS = pd.DatetimeIndex(["2024-01-02 21:00", "2024-07-02 20:00", None])
SECONDS = 3600


def test_times_without_offsets_stay_as_they_are() -> None:
    assert on_clock(MOMENTS, None).equals(MOMENTS)


@pytest.mark.parametrize(
    ("hours", "first"), [(9, "2024-01-03 06:00:00+09:00"), (5.5, "2024-01-03 02:30:00+05:30")]
)
def test_one_offset_makes_one_zone(hours: float, first: str) -> None:
    shown = on_clock(MOMENTS, np.full(3, int(hours * SECONDS)))
    assert str(shown[0]) == first
    assert isinstance(shown, pd.DatetimeIndex)
    assert pd.isna(shown[2])


def test_a_zone_that_is_known_changes_its_offset() -> None:
    shown = on_clock(MOMENTS, np.array([-5, -4, 0]) * SECONDS, "America/New_York")
    assert [str(time) for time in shown[:2]] == ["2024-01-02 16:00:00-05:00", "2024-07-02 16:00:00-04:00"]


def test_offsets_that_vary_leave_the_times_in_utc_unless_the_zone_is_known() -> None:
    shown = on_clock(MOMENTS, np.array([-5, -4, 0]) * SECONDS)
    assert shown.equals(MOMENTS.tz_localize("UTC"))
