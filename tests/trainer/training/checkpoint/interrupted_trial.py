"""A small trial on real data that is interrupted and resumed, and whose every bit is compared."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.market import SP500
from trainer.config import DataConfig, TrialConfig
from trainer.data.source import read_table
from trainer.data.windows import Dataset, prepare_last_fold
from trainer.rivals.skill import Baseline
from trainer.training.loop import fit
from trainer.training.result import Outcome, TrialResult

STEPS = 5
"""Updates of an epoch: 160 rows in batches of 32."""
EPOCHS = 6
KILLED_IN = 3
BASELINE = Baseline("made up", 1.0)


def market() -> Dataset:
    """A slice of the real series with one broken target, so that a step of every epoch is skipped."""
    config = DataConfig.model_validate({**SP500, "seq_len": 8})
    whole = prepare_last_fold(config, read_table(config, folder=Path()))
    target = whole.target.copy()
    target[whole.train[-100]] = math.nan
    return replace(whole, target=target, train=whole.train[-160:], validation=whole.validation[:96])


def settings(**changes: Any) -> TrialConfig:
    """Two layers and dropout, for every source of chance, and cuts that leave a rate to learn with."""
    gru = {"hidden_size": 8, "num_layers": 2, "dropout": 0.3, "learning_rate": 5e-3, "weight_decay": 0.01}
    return TrialConfig.model_validate(
        {
            "data": {**SP500, "seq_len": 8},
            "models": {"gru": {**gru, **changes.pop("gru", {})}},
            "training": {"epochs": EPOCHS, "patience": EPOCHS, **changes.pop("training", {})},
            "guard": {"lr_cut": 0.8, **changes},
        }
    )


def bits(result: TrialResult) -> dict[str, Any]:
    """All of a result but its times and where it came from; weights as bytes, other numbers by their repr."""
    weights = {name: weight.numpy().tobytes() for name, weight in (result.weights or {}).items()}
    epochs = tuple(replace(report, seconds=0.0) for report in result.epochs)
    same = replace(result, epochs=epochs, seconds=0.0, resumed_from=None, weights=None)
    return {**{name: repr(value) for name, value in vars(same).items()}, "weights": weights}


def trial(data: Dataset, path: Path | None = None, **how: Any) -> TrialResult:
    how = {"config": settings(), "seed": 3, "ceiling": 0.9, **how}
    return fit(how.pop("config"), data, baseline=BASELINE, checkpoint=path, **how)


def in_batch(number: int, do: Callable[[], bool]) -> Callable[[], bool]:
    """A `should_stop` that does something before batch `number` (0-based) of all that this `fit` trains; a
    restored epoch, before which it is asked too, counts as one batch.
    """
    asked = iter(range(number + 1))
    return lambda: next(asked, -1) == number and do()


def halted(data: Dataset, path: Path, **how: Any) -> TrialResult:
    """The trial, interrupted in the middle of epoch 3."""
    result = trial(data, path, should_stop=in_batch(KILLED_IN * STEPS + 2, lambda: True), **how)
    assert result.outcome is Outcome.INTERRUPTED
    return result
