"""A model of a panel forecasts every series from a table of all of them."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tests.trainer.inference.panel_model import rows_of, saved, write
from trainer.errors import DataError
from trainer.inference.gru_forward import forecast_rows
from trainer.inference.model_folder import load_model
from trainer.inference.prediction import predict


@pytest.mark.parametrize("scale", ["pooled", "series"])
def test_new_rows_are_scaled_as_those_of_their_series_were_in_training(tmp_path: Path, scale: str) -> None:
    folder, data = saved(tmp_path, scale)
    write(tmp_path / "rows.csv")
    _, networks = load_model(folder)
    mean, std = data.scaler.target_moments(data.series_numbers[data.test])
    expected = forecast_rows(networks, data.features, data.seq_len, data.test) * std + mean
    found = predict(folder, str(tmp_path / "rows.csv"))
    by_row = dict(zip(zip(found.series, found.times.to_numpy(), strict=True), found.values, strict=True))
    rows = [(data.series_of(row), data.times[row]) for row in data.test.tolist()]
    np.testing.assert_allclose([by_row[row] for row in rows], expected, rtol=1e-6)


def test_a_series_that_the_model_never_saw_is_refused_by_name_unless_it_is_allowed(tmp_path: Path) -> None:
    folder, _ = saved(tmp_path, "series")
    new = rows_of("ABCDXY", tmp_path / "new.csv")
    with pytest.raises(DataError, match=r"trained on 4 series, and not on X, Y; .*--allow-unseen"):
        predict(folder, new)
    found = predict(folder, new, allow_unseen=True, last=2)
    assert Counter(found.series) == dict.fromkeys("ABCDXY", 2)
    assert found.new == ("X", "Y")
    assert "not trained on X, Y; the moments of all trained series are used" in " ".join(found.warnings)
    splits = dict(zip(found.series, found.splits, strict=True))
    assert (splits["A"], splits["X"]) == ("unseen", "unseen")
    early = predict(folder, new, allow_unseen=True)
    assert {split for name, split in zip(early.series, early.splits, strict=True) if name == "X"} == {
        "unseen"
    }
    assert "train" in early.splits


def test_a_new_series_is_scaled_by_the_pooled_moments(tmp_path: Path) -> None:
    folder, _ = saved(tmp_path, "pooled")
    found = predict(folder, rows_of("ABCDX", tmp_path / "new.csv"), allow_unseen=True)
    of = {name: found.values[np.array(found.series) == name] for name in "AX"}
    np.testing.assert_array_equal(of["A"], of["X"])


def test_a_table_that_lacks_trained_series_is_told_if_features_compare_them(tmp_path: Path) -> None:
    folder, _ = saved(tmp_path, "pooled")
    told = " ".join(predict(folder, rows_of("ABCX", tmp_path / "new.csv"), allow_unseen=True).warnings)
    assert "the table lacks 1 of the 4 trained series (D), and features compare" in told


def test_a_series_with_too_few_rows_has_no_forecast_and_is_named(tmp_path: Path) -> None:
    folder, _ = saved(tmp_path, "pooled")
    found = predict(folder, rows_of("ABCDX", tmp_path / "new.csv", {"B": 9}), allow_unseen=True)
    assert found.none == ("B",)
    assert set(found.series) == set("ACDX")
    assert "no row can be forecast of B" in " ".join(found.warnings)


def test_a_year_of_bars_counts_each_time_once(tmp_path: Path) -> None:
    folder, data = saved(tmp_path, "pooled")
    used = np.concatenate([data.train, data.validation])
    moments = load_model(folder)[0].rows.moments
    assert moments is not None
    assert len(np.unique(data.times[used])) < moments < len(used) / 3
