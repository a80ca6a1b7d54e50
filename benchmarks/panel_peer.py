"""Part (b) of `benchmarks.panel`: NeuralForecast's AutoGRU on the rows of part (a)."""

import subprocess
import time
from pathlib import Path

import numpy as np

from benchmarks.panel_stocks import GRU, Options, Scored
from trainer.data.arrays import Floats, Rows
from trainer.data.panel import rows_since_start
from trainer.losses import MSE

PEER = "AutoGRU"
ROOT = Path(__file__).parents[1]


def add_peer(python: str, scored: Scored, options: Options) -> None:
    """Add the losses of AutoGRU on the stocks in training to `scored`; NaN on those that were held back."""
    series = np.unique(scored.series_of(scored.data.fitting))
    write_panel(scored, series, options)
    began = time.perf_counter()
    subprocess.run(
        [python, "-m", "benchmarks.peer_loops.autogru_panel", str(options.folder)], check=True, cwd=ROOT
    )
    scored.seconds[PEER] = time.perf_counter() - began
    scored.losses[PEER] = told_losses(scored, series, options)


def write_panel(scored: Scored, series: np.ndarray, options: Options) -> None:
    """The prepared rows of the series that are trained on, with the budget: as many steps as a trial of the
    last fold has.
    """
    data, model = scored.data, scored.chosen.trial.config
    starts: list[int] = []
    rows: list[Rows] = []
    for number, (start, one) in enumerate(data.each_series()):
        if number in series:
            starts.append(sum(map(len, rows)))
            rows.append(np.arange(start, start + len(one.target)))
    kept = np.concatenate(rows)
    until = np.datetime64(model.data.split.train_until) + 1
    held = int((data.times[data.fitting] >= until).sum()) // len(series)
    test = int((~scored.unseen).sum()) // len(series)
    batch = model.models.gru.batch_size
    steps = model.training.epochs * (len(data.train) - held * len(series)) // batch
    np.savez(
        options.folder / "panel.npz",
        starts=starts,
        features=data.features[kept],
        target=data.target[kept],
        seq_len=data.seq_len,
        horizon=data.horizon,
        validation=held,
        test=test,
        steps=steps,
        batch_size=batch,
        trials=options.trials,
    )


def told_losses(scored: Scored, series: np.ndarray, options: Options) -> Floats:
    """The losses (rows,) of what AutoGRU told, NaN where it told nothing."""
    data, told = scored.data, np.load(options.folder / "told.npz")
    number = rows_since_start(data.series_starts, len(data.target))[data.test]
    forecasts = {
        (int(series[one]), int(row)): float(value)
        for one, row, value in zip(told["series"], told["row"], told["forecast"], strict=True)
    }
    asked = zip(scored.series.tolist(), number.tolist(), strict=True)
    values = np.array([forecasts.get(each, np.nan) for each in asked])
    losses: Floats = MSE.value(values, data.target[data.test].astype(np.float64))
    return losses


def speed(scored: Scored, options: Options) -> str:
    """Trials per hour of both, searches and last trainings included."""
    rates = {name: 3600 * options.trials / scored.seconds[name] for name in (GRU, PEER)}
    told = ", ".join(f"{name} {rate:.0f}" for name, rate in rates.items())
    return f"trials per hour: {told}, ratio {rates[GRU] / rates[PEER]:.1f} (goal 10)"
