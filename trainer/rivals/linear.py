"""Ridge regression on the windows that the GRU sees."""

import numpy as np

from trainer.data.panel import starts_among
from trainer.data.windows import Dataset
from trainer.losses import Loss
from trainer.rivals.flat_windows import flat_windows, latest_rows, window_columns
from trainer.rivals.forecaster import Forecaster, Predict
from trainer.rivals.regressors import forward_steps
from trainer.rivals.ridge import fit_ridge, in_pieces


class Linear(Forecaster):
    """Ridge regression on the flattened windows; the penalty is chosen within the training rows.

    It is one regression for all series. If they have more than 200,000 training rows, those of every k-th
    time are fitted.
    """

    name = "linear"
    roles = frozenset({"rival"})
    pooled = True

    def fit(self, data: Dataset, loss: Loss) -> Predict:
        """Coefficients of the lowest penalised loss."""
        train = latest_rows(data, data.train, window_columns(data))
        target = data.target[train].astype(np.float64)
        steps = forward_steps(data.times[train], starts_among(data.series_starts, train), data.horizon)
        predict = fit_ridge(lambda rows: flat_windows(data, train[rows]), target, steps, loss)
        return lambda rows: in_pieces(predict, lambda part: flat_windows(data, part), rows)
