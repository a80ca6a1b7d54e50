"""Series that are held back whole are in no split but their own."""

from typing import Any

import numpy as np
import pytest

from tests.trainer.panel_fixtures import SPLITS, config_of, one, panel_of, with_names
from trainer.config import DataConfig
from trainer.data.unseen_series import unseen_series
from trainer.data.windows import Dataset, prepare_all_rows, prepare_folds, prepare_refit
from trainer.errors import SplitError

PANEL = with_names(panel_of(*(one(seed, "2000-01-03", 640) for seed in range(4))))
NAMES = [f"S{number}" for number in range(50)]


def config_with(unseen: Any, split: dict[str, Any] = SPLITS["holdout"]) -> DataConfig:
    return config_of({**split, "unseen_series": unseen})


def series_of(data: Dataset, rows: Any) -> set[str]:
    return {data.series_of(int(row)) for row in rows}


@pytest.mark.parametrize("split", SPLITS)
def test_a_series_that_is_held_back_is_in_no_other_part(split: str) -> None:
    config = config_with(["B"], SPLITS[split])
    for data in (*prepare_folds(config, PANEL), prepare_refit(config, PANEL)):
        for rows in (data.train, data.validation, data.test, data.fitting):
            assert "B" not in series_of(data, rows)
        assert series_of(data, data.unseen) == {"B"}
        assert set(data.times[data.unseen]) <= set(data.times[data.times >= data.times[data.test].min()])
        assert series_of(data, data.test) == {"A", "C", "D"}


def test_the_other_series_are_prepared_as_if_it_were_not_there() -> None:
    held_back = prepare_folds(config_with(["B"]), PANEL)[-1]
    without = prepare_folds(
        config_of(), with_names(panel_of(*(one(s, "2000-01-03", 640) for s in (0, 2, 3))))
    )[-1]
    np.testing.assert_array_equal(held_back.features[held_back.train], without.features[without.train])
    np.testing.assert_array_equal(held_back.target[held_back.test], without.target[without.test])


def test_a_model_that_goes_live_is_trained_on_every_series() -> None:
    data = prepare_all_rows(config_with(["B"]), PANEL)
    assert series_of(data, data.train) == {"A", "B", "C", "D"}


def test_a_share_is_chosen_by_name_alone_and_keeps_its_choice_when_a_series_is_added() -> None:
    def chosen(names: list[str]) -> set[str]:
        return {names[number] for number in unseen_series(config_with(0.2), "made.csv", names)}

    assert len(chosen(NAMES)) == 10
    assert chosen(NAMES[::-1]) == chosen(NAMES)
    assert len(chosen([*NAMES, "NEW"]) & chosen(NAMES)) >= 9
    assert len(chosen(NAMES[:2])) == 1


@pytest.mark.parametrize(
    ("unseen", "names", "message"),
    [
        (0.2, (), "unseen_series holds back whole series, and made.csv has one"),
        (["C", "E"], "ABCD", "made.csv has no series 'E'"),
        (["*"], "ABCD", "holds back all 4 series"),
    ],
)
def test_what_cannot_be_held_back_is_refused(unseen: Any, names: Any, message: str) -> None:
    with pytest.raises(SplitError, match=message):
        unseen_series(config_with(unseen), "made.csv", list(names))
