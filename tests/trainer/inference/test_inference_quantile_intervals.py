"""Bounds from quantiles hold as often as they say, and are wide where the model expects large errors."""

import numpy as np
import pytest
from pydantic import ValidationError

from trainer.inference.quantile_intervals import (
    QuantileForecasts,
    QuantileMargins,
    ends_of_levels,
    measure_quantile_margins,
)
from trainer.quantile_loss import QUANTILES

LEVELS = (80, 90, 95)


def drawn(rows: int, seed: int, wrong: float) -> tuple[QuantileForecasts, np.ndarray]:
    """Quantiles that are too narrow, and targets whose spread differs from row to row."""
    random = np.random.default_rng(seed)
    spread = random.uniform(0.5, 3, rows)
    at = np.array([-1.96, -1.2816, 0, 1.2816, 1.96])
    return QuantileForecasts(wrong * spread[:, None] * at, QUANTILES), spread * random.standard_normal(rows)


@pytest.mark.parametrize("wrong", [0.6, 1.0, 1.5])
def test_the_offset_makes_wrong_quantiles_hold(wrong: float) -> None:
    found, target = drawn(20_000, 0, wrong)
    margins = measure_quantile_margins(found, target, np.zeros(20_000, int), (), LEVELS, 250)
    assert set(margins.pooled) == {80, 95}
    assert (margins.pooled[80] < -0.1) == (wrong > 1)
    new, later = drawn(20_000, 1, wrong)
    for level in (80, 95):
        low, high = margins.bounds(new.values, (), level)
        assert np.mean((low <= later) & (later <= high)) == pytest.approx(level / 100, abs=0.01)


def test_a_series_with_enough_rows_has_offsets_of_its_own() -> None:
    found, target = drawn(1000, 0, 1.0)
    series = np.repeat([0, 1], [700, 300])
    target = np.where(series == 1, 5 * target, target)
    margins = measure_quantile_margins(found, target, series, ("a", "b"), LEVELS, 300)
    assert set(margins.by_series) == {"a", "b"}
    assert margins.by_series["b"][80] > margins.by_series["a"][80]
    low, _ = margins.bounds(found.values[:2], ("a", "new"), 80)
    offsets = [margins.by_series["a"][80], margins.pooled[80]]
    np.testing.assert_allclose(found.values[:2, 1] - low, offsets)


def test_a_level_needs_both_of_its_quantiles() -> None:
    assert ends_of_levels((0.05, 0.1, 0.5, 0.9), LEVELS) == {80: (1, 3)}
    with pytest.raises(ValidationError, match="a level has no two quantiles"):
        QuantileMargins(quantiles=(0.1, 0.5), pooled={80: 1.0}, by_series={})
