"""A loop as its users write it: Optuna, a DataLoader on a TensorDataset of windows, PyTorch's own threads."""

from collections.abc import Sequence

import optuna
import torch
from torch.nn.functional import mse_loss
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.peer_loops import study
from benchmarks.peer_loops.model import Forecaster
from benchmarks.peer_loops.work import (
    MAX_GRAD_NORM,
    VALIDATION_BATCH,
    Configuration,
    Positions,
    Rows,
    Work,
    command_line,
    read,
    tell,
)

Loader = DataLoader[tuple[torch.Tensor, ...]]


def loaders(work: Work, rows: Rows) -> tuple[Loader, Loader]:
    """Training windows in random order, and validation windows."""

    def dataset(positions: Positions) -> TensorDataset:
        windows = torch.from_numpy(rows.windows(positions, work.seq_len))
        return TensorDataset(windows, torch.from_numpy(rows.target[positions]))

    return (
        DataLoader(dataset(rows.train), batch_size=work.batch_size, shuffle=True),
        DataLoader(dataset(rows.validation), batch_size=VALIDATION_BATCH),
    )


def train(
    trial: optuna.Trial, configuration: Configuration, work: Work, training: Loader, validation: Loader
) -> tuple[list[float], int]:
    """Validation losses of the epochs, and the steps made."""
    model = Forecaster(training.dataset[0][0].shape[-1], configuration.units)
    optimizer = torch.optim.Adam(model.parameters(), lr=configuration.learning_rate)
    losses, steps = [], 0
    for epoch in range(work.epochs):
        model.train()
        for windows, target in training:
            optimizer.zero_grad()
            loss = mse_loss(model(windows), target)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), MAX_GRAD_NORM)
            optimizer.step()
            steps += 1
        losses.append(validate(model, validation))
        study.report(trial, losses[-1], epoch)
    return losses, steps


def validate(model: Forecaster, validation: Loader) -> float:
    """Mean squared error over all validation rows."""
    model.eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for windows, target in validation:
            total += mse_loss(model(windows), target, reduction="sum").item()
            count += len(target)
    return total / count


def main(arguments: Sequence[str] | None = None) -> None:
    """Search, and tell."""
    options = command_line().parse_args(arguments)
    work, rows = read(options.folder)
    torch.manual_seed(options.seed)
    training, validation = loaders(work, rows)
    tell(
        study.optimize(
            study.create(work, options.folder, options.seed),
            lambda trial, configuration: train(trial, configuration, work, training, validation),
            len(work.configurations),
        )
    )


if __name__ == "__main__":
    main()
