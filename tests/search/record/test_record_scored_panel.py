"""The scored rows of panels: their form on record, and which rows two evaluations have in common."""

import numpy as np

from search.record.scored_panel import ScoredPanel, shared_panel_rows
from search.record.scored_series import ScoredSeries

DAY = 86_400_000_000_000


def one(seed: int, rows: int = 300, first: int = 12_000) -> ScoredSeries:
    values = 0.01 * np.random.default_rng(seed).standard_normal(rows)
    return ScoredSeries((first + np.arange(rows)) * DAY, values, True)


PANEL = ScoredPanel((one(1), one(2), one(3, 100, 12_200)), ("A", "B", "C"))


def test_a_panel_comes_back_from_the_record() -> None:
    back = ScoredPanel.unpacked(PANEL.packed())
    assert back.names == PANEL.names
    for mine, theirs in zip(back.series, PANEL.series, strict=True):
        np.testing.assert_array_equal(mine.times, theirs.times)
        np.testing.assert_allclose(mine.values, theirs.values, rtol=1e-6)


def test_one_series_is_on_record_as_it_was_before_there_were_panels() -> None:
    alone = ScoredPanel((one(1),), ("",))
    assert alone.packed() == one(1).packed()
    assert ScoredPanel.unpacked(one(1).packed()).names == ("",)


def test_a_panel_shares_all_rows_with_itself_under_any_names() -> None:
    for names in (("A", "B", "C"), ("X", "Y", "Z"), ("B", "C", "A")):
        found = shared_panel_rows(PANEL, ScoredPanel(PANEL.series, names))
        assert found is not None
        assert found.share == 1.0


def test_one_of_its_series_alone_shares_its_rows_of_the_panel() -> None:
    alone = ScoredPanel((one(2),), ("",))
    part, whole = shared_panel_rows(PANEL, alone), shared_panel_rows(alone, PANEL)
    assert part is not None
    assert whole is not None
    assert part.share == 300 / 700
    assert whole.share == 1.0


def test_other_series_share_nothing() -> None:
    other = ScoredPanel((one(7), one(8)), ("A", "B"))
    assert shared_panel_rows(PANEL, other) is None
