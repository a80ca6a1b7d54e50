"""A study of a panel scores every trial on the same rows, and its facts tell what they are worth."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from search.config.resolve import resolve
from search.data.study_data import load_study_data
from search.errors import RequestError
from search.record.effective_rows import recorded_effective_rows, recorded_noise_floor
from trainer.rivals.skill import noise_floor

if TYPE_CHECKING:
    from tests.search_fixtures import WriteStudy

SPLIT = {"train_until": "2001-12-31", "validation_until": "2002-06-28", "fractions": None}
SEARCHED = {"data.seq_len": {"choices": [3, 20]}}


def written(write_study: "WriteStudy", folder: Path, first: int, **changes: Any) -> Path:
    """A study of two series, of which the second begins at row `first`, and the first on 2001-01-01."""
    days, parts = pd.bdate_range("2001-01-01", periods=500), []
    for number, begin in enumerate((0, first)):
        moves = 0.01 * np.random.default_rng(number).standard_normal(500 - begin)
        frame = pd.DataFrame(
            {"Date": days[begin:], "Ticker": "AB"[number], "Close": 50 * np.exp(moves.cumsum())}
        )
        parts.append(frame)
    pd.concat(parts).to_csv(folder / "panel.csv", index=False)
    features = [{"name": "size", "column": "Close", "transform": "abs_log_return"}]
    target = {"of": "size", "transform": "rolling_mean", "window": 1, "kind": "volatility"}
    data = {"source": "panel.csv", "series": "Ticker", "features": features, "target": target, "split": SPLIT}
    return write_study(data=data, **changes)


def test_a_searched_window_is_refused_if_a_late_series_would_have_other_validation_rows(
    write_study: "WriteStudy", tmp_path: Path
) -> None:
    late = written(write_study, tmp_path, 300, space=SEARCHED)
    said = r"data\.seq_len is searched, and series B begins so late that .* fix it with --set data\.seq_len=3"
    with pytest.raises(RequestError, match=said):
        load_study_data(resolve(late))


def test_a_searched_window_is_accepted_if_no_validation_row_depends_on_it(
    write_study: "WriteStudy", tmp_path: Path
) -> None:
    early = written(write_study, tmp_path, 100, space=SEARCHED)
    assert len(load_study_data(resolve(early)).base) == 1


def test_the_facts_tell_what_the_validation_rows_are_worth(write_study: "WriteStudy", tmp_path: Path) -> None:
    data = load_study_data(resolve(written(write_study, tmp_path, 100)))
    facts = data.facts()
    worth = recorded_effective_rows(facts)
    assert worth is not None
    assert (worth.series, worth.rows) == (2, facts["rows"]["validation"])
    assert worth.times < worth.uncorrelated <= worth.rows
    assert recorded_noise_floor(facts, 7) == noise_floor(7, worth.uncorrelated, 1)
    alone = {key: value for key, value in facts.items() if key != "effective_rows"}
    assert recorded_noise_floor(alone, 7) == noise_floor(7, worth.rows, 1)
