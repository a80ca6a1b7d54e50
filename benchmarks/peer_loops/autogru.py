"""NeuralForecast's AutoGRU on its Optuna backend, with the same shape of model and the same points to try.

It forecasts the next value of its own series, so that volatility is the series here and the other four
features are history beside it: five inputs, the same windows, the same values to forecast.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import optuna
import pandas as pd
from neuralforecast import NeuralForecast
from neuralforecast.auto import AutoGRU
from neuralforecast.losses.pytorch import MSE
from pytorch_lightning.callbacks import Callback

from benchmarks.peer_loops.work import (
    MAX_GRAD_NORM,
    Rows,
    Trained,
    Work,
    command_line,
    read,
    steps_per_epoch,
    tell,
)

_VOLATILITY = 1
"""Which feature the series itself stands for."""


class TimingCallback(Callback):  # type: ignore[misc]  # untyped where NeuralForecast is not installed
    """Keeps the loss of every validation, of which AutoGRU hands on the last alone."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.steps = 0

    def __deepcopy__(self, memo: object) -> "TimingCallback":
        return self  # AutoGRU copies its configuration; what is seen must come here all the same

    def on_validation_end(self, trainer: Any, module: Any) -> None:
        """Note it, but for Lightning's trial run and the last training, which validates nothing."""
        if not trainer.sanity_checking and module.val_size > 0:
            self.losses.append(float(module.valid_trajectories[-1][1]))
            self.steps = trainer.global_step


@dataclass
class LossCurve:
    """The trials so far: one begins when its configuration is asked for, and ends with Optuna's callback."""

    work: Work
    names: Sequence[str]
    steps: int
    """Of an epoch."""
    seed: int
    done: list[Trained] = field(default_factory=list)
    _watch: TimingCallback = field(default_factory=TimingCallback)
    _began: float = 0.0

    def configuration(self, trial: Any) -> dict[str, Any]:
        """What the model is made with."""
        self._watch, self._began = TimingCallback(), time.time()
        return {
            "encoder_hidden_size": trial.suggest_categorical("units", self.searched["units"]),
            "learning_rate": trial.suggest_categorical("learning_rate", self.searched["learning_rate"]),
            "encoder_n_layers": 1,
            "decoder_layers": 1,  # a linear head
            "input_size": self.work.seq_len,
            "hist_exog_list": list(self.names),
            "scaler_type": "identity",  # the rows are standardised
            "max_steps": self.work.epochs * self.steps,
            "val_check_steps": self.steps,
            "windows_batch_size": self.work.batch_size,
            "random_seed": 100 * self.seed + len(self.done),
            "gradient_clip_val": MAX_GRAD_NORM,
            "accelerator": "cpu",
            "enable_progress_bar": False,
            "callbacks": [self._watch],
        }

    @property
    def searched(self) -> dict[str, list[Any]]:
        """The points of the grid."""
        every = self.work.configurations
        return {
            "units": list(dict.fromkeys(each.units for each in every)),
            "learning_rate": list(dict.fromkeys(each.learning_rate for each in every)),
        }

    def ended(self, trial: optuna.trial.FrozenTrial) -> None:
        """Note a trial."""
        told = (trial.params["units"], trial.params["learning_rate"], tuple(self._watch.losses))
        moments = (os.getpid(), self._began, time.time())
        self.done.append(Trained(*told, self._watch.steps, *moments))


def frame(rows: Rows, names: Sequence[str]) -> pd.DataFrame:
    """The series up to the last value to be validated: what row t forecasts stands at t + 1."""
    last = int(rows.validation[-1]) + 1
    others = np.delete(rows.features[1 : last + 1], _VOLATILITY, axis=1)
    return pd.DataFrame(
        {
            "unique_id": "sp500",
            "ds": np.arange(1, last + 1),
            "y": rows.target[:last],
            **{name: others[:, at] for at, name in enumerate(names)},
        }
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Search, and tell."""
    options = command_line().parse_args(arguments)
    work, rows = read(options.folder)
    names = [f"x{at}" for at in range(rows.features.shape[1] - 1)]
    course = LossCurve(work, names, steps_per_epoch(work, rows), options.seed)
    auto = AutoGRU(
        h=1,
        loss=MSE(),
        config=lambda trial: course.configuration(trial),  # a method would be copied, and the course with it
        search_alg=optuna.samplers.GridSampler(course.searched, seed=options.seed),
        num_samples=len(work.configurations),
        backend="optuna",
        callbacks=[lambda study, trial: course.ended(trial)],
    )
    NeuralForecast(models=[auto], freq=1).fit(frame(rows, names), val_size=len(rows.validation))
    tell(course.done)


if __name__ == "__main__":
    main()
