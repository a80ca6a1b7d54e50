"""The work that every competitor does: the same rows, the same configurations, told in the same words.

A folder holds it, so that a competitor reads the rows without a line of Ballast: `rows.npz` with the features
(T, F), standardised and clipped, the standardised target (T,) and the positions of the training and the
validation rows in them, and `work.json` with the rest. The window of row t is
`features[t - seq_len + 1 : t + 1]`.
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.market import SP500

Floats = npt.NDArray[np.float32]
Positions = npt.NDArray[np.int64]

DATA: Mapping[str, Any] = {
    **SP500,
    "features": (
        *SP500["features"],
        {"name": "vol22", "of": "vol", "transform": "rolling_mean", "window": 22},
        {"name": "size", "column": "Close", "transform": "abs_log_return"},
    ),
    "seq_len": 30,
}
"""Tomorrow's volatility of the S&P 500 from five features of the last thirty days."""
UNITS = (64, 32, 16)
"""The largest first, so that of two workers none waits long for the other at the end."""
LEARNING_RATES = (5e-4, 1e-3, 2e-3, 4e-3)
MAX_GRAD_NORM = 1.0
VALIDATION_BATCH = 256
"""Windows per forward pass of a validation, where a competitor has no habit of its own."""


@dataclass(frozen=True)
class Configuration:
    """What is searched."""

    units: int
    learning_rate: float


@dataclass(frozen=True)
class Work:
    """What a competitor is to do."""

    configurations: tuple[Configuration, ...]
    epochs: int
    batch_size: int
    seq_len: int
    data: Mapping[str, Any]
    """The data section, for Ballast alone, which prepares the rows by itself."""


@dataclass(frozen=True)
class Rows:
    """The rows, as the folder has them."""

    features: Floats
    target: Floats
    train: Positions
    validation: Positions

    def windows(self, rows: Positions, seq_len: int) -> Floats:
        """Windows that end at `rows`, copied out: (rows, seq_len, F)."""
        every = np.lib.stride_tricks.sliding_window_view(self.features, seq_len, axis=0)
        return np.ascontiguousarray(every[rows - (seq_len - 1)].transpose(0, 2, 1))


@dataclass(frozen=True)
class Trained:
    """What a competitor tells of one trial; moments are seconds since 1970, of the machine's one clock."""

    units: int
    learning_rate: float
    losses: tuple[float, ...]
    """Validation loss of each epoch: mean squared error of the standardised target."""
    steps: int
    pid: int
    began: float
    ended: float


FULL = Work(
    configurations=tuple(Configuration(units, rate) for rate in LEARNING_RATES for units in UNITS),
    epochs=3,
    batch_size=32,
    seq_len=int(DATA["seq_len"]),
    data=DATA,
)


def steps_per_epoch(work: Work, rows: Rows) -> int:
    """Optimiser steps of an epoch; the last batch is short."""
    return -(-len(rows.train) // work.batch_size)


def write(work: Work, folder: Path) -> None:
    """Prepare the rows, and put them and the work into `folder`."""
    from trainer.config import DataConfig
    from trainer.data.source import read_table
    from trainer.data.windows import prepare_last_fold

    config = DataConfig.model_validate(dict(work.data))
    data = prepare_last_fold(config, read_table(config, folder=folder))
    np.savez(
        folder / "rows.npz",
        features=data.features,
        target=data.target,
        train=data.train,
        validation=data.validation,
    )
    (folder / "work.json").write_text(json.dumps(asdict(work)))


def read(folder: Path) -> tuple[Work, Rows]:
    """What `write` has put there."""
    found = json.loads((folder / "work.json").read_text())
    configurations = tuple(Configuration(**each) for each in found.pop("configurations"))
    with np.load(folder / "rows.npz") as arrays:
        rows = Rows(**{name: arrays[name] for name in arrays.files})
    return Work(configurations=configurations, **found), rows


def command_line() -> argparse.ArgumentParser:
    """What every competitor is told: the folder with the work, and the seed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    return parser


def tell(trained: list[Trained]) -> None:
    """The last line that a competitor prints."""
    print(json.dumps([asdict(each) for each in trained]), flush=True)


def heard(printed: str) -> list[Trained]:
    """What a competitor told, out of all that it printed. Raises ValueError where the last line is none."""
    told = json.loads(printed.strip().splitlines()[-1])
    return [Trained(**{**each, "losses": tuple(each["losses"])}) for each in told]
