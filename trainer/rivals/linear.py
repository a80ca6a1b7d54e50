"""Ridge regression on the windows that the GRU sees."""

import numpy as np

from trainer.data.panel import starts_among
from trainer.data.windows import Dataset
from trainer.losses import Loss
from trainer.rivals.flat_windows import flat_windows, training_windows
from trainer.rivals.forecaster import Forecaster, Predict
from trainer.rivals.regressors import forward_steps
from trainer.rivals.ridge import fit_ridge


class Linear(Forecaster):
    """Ridge regression on the flattened windows; the penalty is chosen within the training rows."""

    name = "linear"
    roles = frozenset({"rival"})
    pooled = True

    def fit(self, data: Dataset, loss: Loss) -> Predict:
        """Least squares, whatever the loss."""
        train, windows = training_windows(data)
        target = data.target[train].astype(np.float64)
        starts = starts_among(data.series_starts, train)
        predict = fit_ridge(windows, target, forward_steps(data.times[train], starts, data.horizon))
        return lambda rows: predict(flat_windows(data, rows))
