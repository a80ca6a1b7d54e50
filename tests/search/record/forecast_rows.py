"""Made-up forecasts on record."""

from typing import TYPE_CHECKING, Any

import numpy as np

from search.record.scored_forecasts import ScoredForecasts

if TYPE_CHECKING:
    pass


def rows(n: int = 300, **more: Any) -> ScoredForecasts:
    random = np.random.default_rng(0)
    target, forecast = random.normal(size=(2, n))
    known: dict[str, Any] = {"split": "test", "trial": 3, "seeds": 5, "horizon": 2, "kind": "return"}
    known |= {"baseline_name": "zero", "rival_name": "linear", "baseline": np.zeros(n), "rival": forecast / 2}
    known |= {"times": np.datetime64("2020-01-01", "ns") + np.arange(n) * np.timedelta64(1, "D")}
    known |= {"target": target, "forecast": forecast, "loss": (target - forecast) ** 2}
    known |= {"baseline_loss": target**2, "rival_loss": (target - forecast / 2) ** 2}
    known |= {"offsets": np.full(n, -18_000), "bounds": {"lower_80": forecast - 1, "upper_80": forecast + 1}}
    return ScoredForecasts(**(known | more))
