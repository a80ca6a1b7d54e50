"""Gradient-boosted trees on the windows that the GRU sees."""

from collections.abc import Callable
from typing import Any

import numpy as np

from trainer.data.arrays import Floats
from trainer.data.panel import rows_until_gap, starts_among, uncopied
from trainer.data.windows import Dataset
from trainer.errors import RivalError
from trainer.losses import HuberLoss, Loss, mean_loss
from trainer.quantile_loss import PinballLoss
from trainer.rivals.flat_windows import flat_windows, latest_rows, window_columns
from trainer.rivals.forecaster import Forecaster, Predict
from trainer.rivals.ridge import PIECE_CELLS, in_pieces

INSTALL = "pip install lightgbm"
_MOST_ROUNDS = 500
_PATIENCE = 30
_HELD_OUT = 0.2
"""The number of trees is chosen on this share of the training times, the last ones."""
_OBJECTIVES = {"mse": "regression", "mae": "regression_l1", "huber": "huber", "pinball": "quantile"}
"""The losses that LightGBM has, and what it calls them; others are given to it as functions."""
_SETTINGS: dict[str, Any] = {
    "learning_rate": 0.05,
    "num_leaves": 15,
    "min_data_in_leaf": 40,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 1.0,
    "seed": 0,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}
"""Small trees with strong regularisation, because returns have little signal. Not tuned on any data."""


class Boosted(Forecaster):
    """Gradient-boosted trees on the flattened windows of all series: LightGBM (Ke et al. 2017).

    The number of trees is the best on the last fifth of the training times, `horizon` rows behind the others;
    then all training rows are fitted with as many. If the windows of several series would take more than
    200 MB, those of every k-th time are fitted. The same data give the same bits on the same machine.
    """

    name = "boosted"
    roles = frozenset({"rival"})
    pooled = True

    def fit(self, data: Dataset, loss: Loss) -> Predict:
        """For the loss. Raises RivalError if LightGBM, or a library that it needs, is not installed."""
        lightgbm = _imported()
        columns = window_columns(data)
        train = latest_rows(data, data.train, columns, most=PIECE_CELLS // columns)
        x = flat_windows(data, train)
        y = data.target[train].astype(np.float64)
        times, starts = data.times[train], starts_among(data.series_starts, train)
        moments = np.unique(times)
        cut = moments[int(len(moments) * (1 - _HELD_OUT))]
        first = uncopied(rows_until_gap(starts, times, cut, data.horizon))
        last = uncopied(np.flatnonzero(times >= cut))
        own = loss.name not in _OBJECTIVES
        settings = {
            **_SETTINGS,
            **({"objective": _objective(loss), "metric": "none"} if own else _known(loss)),
        }
        start = loss.best_constant(y) if own else 0.0  # with an objective of its own LightGBM starts from 0
        try:
            chosen = lightgbm.train(
                settings,
                lightgbm.Dataset(x[first], y[first] - start),
                num_boost_round=_MOST_ROUNDS,
                valid_sets=[lightgbm.Dataset(x[last], y[last] - start)],
                feval=_metric(loss) if own else None,
                callbacks=[lightgbm.early_stopping(_PATIENCE, verbose=False)],
            )
            rounds = max(1, chosen.best_iteration)
            whole = lightgbm.train(settings, lightgbm.Dataset(x, y - start), num_boost_round=rounds)
        except lightgbm.basic.LightGBMError as error:
            raise RivalError(f"LightGBM cannot be fitted: {error}") from None

        def predict(windows: Floats) -> Floats:
            return start + np.asarray(whole.predict(windows), dtype=np.float64)

        return lambda rows: in_pieces(predict, lambda part: flat_windows(data, part), rows)


def _known(loss: Loss) -> dict[str, Any]:
    """The objective of a loss that LightGBM has."""
    parameters: dict[str, Any] = {"objective": _OBJECTIVES[loss.name]}
    if isinstance(loss, HuberLoss):
        parameters["alpha"] = loss.delta
    if isinstance(loss, PinballLoss):
        parameters["alpha"] = loss.quantile
    return parameters


def _objective(loss: Loss) -> Callable[[Floats, Any], tuple[Floats, Floats]]:
    """Gradient and curvature of a loss that depends on the difference of forecast and target alone, so that
    both may be shifted by the same constant.
    """

    def derivatives(forecasts: Floats, rows: Any) -> tuple[Floats, Floats]:
        target = rows.get_label().astype(np.float64)
        return loss.gradient(forecasts, target), loss.curvature(forecasts, target)

    return derivatives


def _metric(loss: Loss) -> Callable[[Floats, Any], tuple[str, float, bool]]:
    def measured(forecasts: Floats, rows: Any) -> tuple[str, float, bool]:
        return loss.name, mean_loss(forecasts, rows.get_label().astype(np.float64), loss), False

    return measured


def _imported() -> Any:
    try:
        import lightgbm
    except ImportError:
        raise RivalError(f"LightGBM is not installed; install it: {INSTALL}") from None
    except OSError as error:  # its wheel needs OpenMP's library, which slim images lack
        raise RivalError(f"LightGBM cannot be loaded: {error}") from None
    return lightgbm
