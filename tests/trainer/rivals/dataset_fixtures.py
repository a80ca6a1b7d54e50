"""Datasets made of arrays, on which forecasts are known."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from trainer.data.scaler import Scaler
from trainer.data.target_history import TargetHistory
from trainer.data.windows import Dataset

Floats = npt.NDArray[np.float64]
MakeData = Callable[..., Dataset]


@pytest.fixture
def make_data() -> MakeData:
    """A dataset whose target at row t is the mean of `own` over the next `horizon` rows.

    The first 70 % of the rows are for training, the rest for validation; the target is standardised.
    """

    def make(
        own: Floats, features: Floats, *, horizon: int = 1, kind: Any = "volatility", **history: Any
    ) -> Dataset:
        rows = len(own) - horizon
        ahead = np.mean([own[k : k + rows] for k in range(1, horizon + 1)], axis=0)
        cut = int(0.7 * rows)
        fitting, held = np.arange(cut - horizon), np.arange(cut, rows)
        mean, std = float(ahead[fitting].mean()), float(ahead[fitting].std())
        names = tuple(f"x{i}" for i in range(features.shape[1]))
        known = {"returns": None, "slots": np.zeros(rows, np.int64), "per_day": 1, **history}
        return Dataset(
            features=features[:rows].astype(np.float32),
            target=((ahead - mean) / std).astype(np.float32),
            times=np.datetime64("2000-01-01", "ns") + np.arange(rows) * np.timedelta64(1, "D"),
            feature_names=names,
            seq_len=5,
            horizon=horizon,
            kind=kind,
            train=fitting[4:],
            validation=held,
            test=held,
            fitting=fitting,
            scaler=Scaler(np.zeros(len(names)), np.ones(len(names)), mean, std, 3.0, None),
            feature_clipped={},
            target_clipped=0.0,
            history=TargetHistory(own=own[:rows], **known),
            sha256="0" * 64,
        )

    return make
