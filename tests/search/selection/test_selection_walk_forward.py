"""What the rows of a walk-forward show, for panels too, and how they are packed."""

from pathlib import Path

import numpy as np
import pytest

from search.record.walk_forward_rows import WalkForwardRows, stitched
from search.selection.walk_forward_record import BlockResult, WalkForwardRecord, read_record
from storage.engine import open_store
from tests.search.selection.panel_studies import RETURNS, write_panel
from tests.search_fixtures import Ballast, WriteStudy


def rows(
    days: int, series: tuple[str, ...] = (), block: int = 0, seed: int = 0, better: float = 0.5
) -> WalkForwardRows:
    random = np.random.default_rng(seed)
    times = (
        np.datetime64("2011-01-03", "ns")
        + np.arange(days) * np.timedelta64(1, "D")
        + np.timedelta64(400 * block, "D")
    )
    n = max(1, len(series))
    numbers, every = np.repeat(np.arange(n), days), np.tile(times, n)
    target = random.normal(0, 1, days * n)
    naive = {"zero": np.zeros(days * n), "train_mean": np.full(days * n, 0.1)}
    forecast = better * target
    return WalkForwardRows(
        horizon=1,
        kind="return",
        seeds=3,
        times=every,
        target=target,
        forecast=forecast,
        loss=(forecast - target) ** 2,
        naive=naive,
        naive_losses={name: (each - target) ** 2 for name, each in naive.items()},
        rivals={"linear": 0.9 * target},
        rival_losses={"linear": (0.1 * target) ** 2},
        series=numbers,
        blocks=np.full(days * n, block),
        series_names=series,
    )


def record(*parts: WalkForwardRows, said: tuple[bool, ...] = (True, False)) -> WalkForwardRecord:
    def result(said_skill: bool) -> dict[str, object]:
        return {
            "trial": 1,
            "settings": {"models.gru.dropout": 0.1},
            "validation": {"value": 0.8, "skill": 0.02, "lower_bound": 0.01},
            "ceiling": 0.9,
            "said_skill": said_skill,
            "fallback": None,
            "seconds": {"trials": 1.0, "refits": 1.0},
        }

    blocks = tuple(
        BlockResult(f"x@{n}", "2011-01-01", "2011-12-31", result(each)) for n, each in enumerate(said)
    )
    return WalkForwardRecord("x", {"seeds": 3}, blocks, stitched(parts))


def test_rows_survive_being_packed_up_to_their_rounding() -> None:
    before = rows(30, ("A", "B"))
    after = WalkForwardRows.unpacked(before.packed())
    np.testing.assert_array_equal(after.times, before.times)
    np.testing.assert_array_equal(after.series, before.series)
    np.testing.assert_allclose(after.naive_losses["zero"], before.naive_losses["zero"], rtol=1e-6)
    assert (after.series_names, after.horizon, after.kind, after.offsets) == (("A", "B"), 1, "return", None)


def test_series_of_several_blocks_are_told_apart_by_name_and_stand_in_time_order() -> None:
    whole = stitched([rows(20, ("A", "C")), rows(20, ("B", "C"), block=1)])
    assert whole.series_names == ("A", "B", "C")
    assert [int((whole.series == number).sum()) for number in range(3)] == [20, 20, 40]
    assert (np.diff(whole.times[whole.series == 2].astype(np.int64)) > 0).all()
    assert set(whole.blocks[whole.series == 1]) == {1}


def test_a_rival_that_one_block_lacks_is_left_out_of_the_comparison() -> None:
    without = rows(20, block=1).chosen(np.arange(20))
    object.__setattr__(without, "rivals", {})
    object.__setattr__(without, "rival_losses", {})
    assert stitched([rows(20), without]).rival is None


def test_the_record_finds_skill_that_is_there_and_a_rival_that_is_better() -> None:
    found = record(rows(200), rows(200, block=1, seed=1))
    assert found.skill == pytest.approx(0.75, abs=0.001)
    assert found.conclusion.verdict == "holds"
    assert found.strongest_rival is not None
    assert found.strongest_rival.verdict == "no"
    assert [group.name for group in found.by_block()] == ["0", "1"]
    assert [group.name for group in found.by_year()] == ["2011", "2012"]


def test_losses_of_a_panel_are_averaged_by_date() -> None:
    found = record(rows(60, ("A", "B", "C")), rows(60, ("A", "B", "C"), block=1))
    assert len(found.losses) == 120
    assert "360 test rows at 120 times" in found.conclusion.reason


def test_validation_that_was_right_and_validation_that_was_wrong_are_counted() -> None:
    right, wrong = record(rows(60), rows(60, block=1, better=-1.0)).calibration()
    assert (right.said_skill, right.blocks, right.followed) == (True, 1, 1)
    assert (wrong.said_skill, wrong.blocks, wrong.followed) == (False, 1, 0)
    assert right.lower_bound == pytest.approx(0.01)


def test_too_few_rows_have_no_interval_and_no_verdict() -> None:
    found = record(rows(12), said=(True,))
    assert found.interval is None
    assert found.conclusion.verdict == "cannot tell"
    assert "12 times with rows, and an interval needs 20" in found.conclusion.reason


@pytest.mark.slow
def test_a_panel_walks_forward_with_its_series_and_dates(
    ballast: Ballast, write_study: WriteStudy, tmp_path: Path
) -> None:
    write_panel(tmp_path)
    study = write_study(**RETURNS)
    done = ballast("walk-forward", study, "--every", "3mo", "--seeds", 1, "--json")
    assert done.code in (0, 1), done.err
    store = open_store("sqlite:///ballast.db", create=False)
    found = read_record(store, "small")
    store.close()
    assert found.rows is not None
    assert found.rows.series_names == ("A", "B", "C", "D", "E", "F")
    assert len(found.losses) == len(np.unique(found.rows.times))
    assert done.json["rows"] == 6 * len(found.losses)
