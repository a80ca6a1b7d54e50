"""How many rows a statistic needs, and when the answer says that they are few."""

import pytest

from search.selection.statistics.stationary_bootstrap import few_rows_note, min_interval_rows


@pytest.mark.parametrize(("horizon", "rows"), [(1, 20), (5, 20), (6, 24), (21, 84), (63, 252)])
def test_an_interval_needs_four_horizons_and_never_less_than_twenty_rows(horizon: int, rows: int) -> None:
    assert min_interval_rows(horizon) == rows


def test_few_independent_rows_are_named() -> None:
    assert few_rows_note(80, 20) == " (few independent rows: n/h = 4)"
    assert few_rows_note(400, 20) == ""
    assert few_rows_note(20, 1) == ""
