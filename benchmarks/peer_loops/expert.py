"""An expert's loop: resident tensors, indexed windows, one thread, fused Adam, nothing read back in an epoch.

With `--workers 2` two such processes share the study, as an expert starts them by hand.
"""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import optuna
import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from benchmarks.peer_loops import study
from benchmarks.peer_loops.model import Forecaster
from benchmarks.peer_loops.work import (
    MAX_GRAD_NORM,
    Configuration,
    Rows,
    Trained,
    Work,
    command_line,
    read,
    tell,
)


@dataclass(frozen=True)
class Resident:
    """Windows (rows, seq_len, features) and targets (rows,), in memory once for all trials."""

    train: Tensor
    train_target: Tensor
    validation: Tensor
    validation_target: Tensor


def resident(work: Work, rows: Rows) -> Resident:
    """The rows as tensors."""
    return Resident(
        train=torch.from_numpy(rows.windows(rows.train, work.seq_len)),
        train_target=torch.from_numpy(rows.target[rows.train]),
        validation=torch.from_numpy(rows.windows(rows.validation, work.seq_len)),
        validation_target=torch.from_numpy(rows.target[rows.validation]),
    )


def train(
    configuration: Configuration, work: Work, data: Resident, on_epoch: Callable[[float, int], None]
) -> tuple[list[float], int]:
    """Validation losses of the epochs, each handed to `on_epoch` with its number, and the steps made."""
    model = Forecaster(data.train.shape[-1], configuration.units)
    parameters = list(model.parameters())
    optimizer = torch.optim.Adam(parameters, lr=configuration.learning_rate, fused=True)
    losses, steps = [], 0
    for epoch in range(work.epochs):
        for rows in torch.split(torch.randperm(len(data.train)), work.batch_size):
            loss = mse_loss(model(data.train[rows]), data.train_target[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(parameters, MAX_GRAD_NORM)
            optimizer.step()
            steps += 1
        with torch.no_grad():
            losses.append(float(mse_loss(model(data.validation), data.validation_target)))
        on_epoch(losses[-1], epoch)
    return losses, steps


def run(joined: optuna.Study, work: Work, rows: Rows, trials: int, seed: int) -> list[Trained]:
    """So many trials of a study, in this process."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    data = resident(work, rows)

    def trained(trial: optuna.Trial, configuration: Configuration) -> tuple[list[float], int]:
        return train(configuration, work, data, lambda loss, epoch: study.report(trial, loss, epoch))

    return study.optimize(joined, trained, trials)


def run_beside(folder: Path, seed: int, worker: int, trials: int) -> list[Trained]:
    """What one of several processes does."""
    return run(study.join(folder, seed), *read(folder), trials, seed=1000 * worker + seed)


def main(arguments: Sequence[str] | None = None) -> None:
    """Search, and tell."""
    parser = command_line()
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args(arguments)
    work, rows = read(options.folder)
    created = study.create(work, options.folder, options.seed)
    trials, workers = len(work.configurations), options.workers
    if workers == 1:
        tell(run(created, work, rows, trials, options.seed))
        return
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        shares = [(trials + worker) // workers for worker in range(workers)]
        sides = [
            pool.submit(run_beside, options.folder, options.seed, worker, share)
            for worker, share in enumerate(shares)
        ]
        tell([each for side in sides for each in side.result()])


if __name__ == "__main__":
    main()
