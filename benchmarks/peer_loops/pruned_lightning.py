"""Lightning with Optuna's pruning callback, as in Optuna's example, with its own logger and checkpoints."""

from collections.abc import Sequence
from typing import Any

import optuna
import torch
from lightning.pytorch import LightningModule, Trainer, seed_everything
from optuna_integration import PyTorchLightningPruningCallback
from torch import Tensor
from torch.nn.functional import mse_loss

from benchmarks.peer_loops import study
from benchmarks.peer_loops.dataloader import Loader, loaders
from benchmarks.peer_loops.model import Forecaster
from benchmarks.peer_loops.work import MAX_GRAD_NORM, Configuration, Work, command_line, read, tell


class Module(LightningModule):  # type: ignore[misc]  # untyped where Lightning is not installed
    """The model, its loss and its optimiser."""

    def __init__(self, n_features: int, configuration: Configuration) -> None:
        super().__init__()
        self.model = Forecaster(n_features, configuration.units)
        self.learning_rate = configuration.learning_rate
        self.losses: list[float] = []

    def training_step(self, batch: tuple[Tensor, Tensor], number: int) -> Tensor:
        """The loss of a batch."""
        windows, target = batch
        return mse_loss(self.model(windows), target)

    def validation_step(self, batch: tuple[Tensor, Tensor], number: int) -> None:
        """Log the loss; Lightning weighs batches by their size."""
        windows, target = batch
        self.log("val_loss", mse_loss(self.model(windows), target))

    def on_validation_end(self) -> None:
        """Keep the epoch's loss, of which Lightning remembers the last alone."""
        if not self.trainer.sanity_checking:
            self.losses.append(float(self.trainer.callback_metrics["val_loss"]))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(self.parameters(), lr=self.learning_rate)


def train(
    trial: optuna.Trial,
    configuration: Configuration,
    work: Work,
    training: Loader,
    validation: Loader,
    **trainer: Any,
) -> tuple[list[float], int]:
    """Validation losses of the epochs, and the steps made."""
    module = Module(training.dataset[0][0].shape[-1], configuration)
    fitted = Trainer(
        max_epochs=work.epochs,
        accelerator="cpu",
        gradient_clip_val=MAX_GRAD_NORM,
        callbacks=[PyTorchLightningPruningCallback(trial, monitor="val_loss")],
        enable_progress_bar=False,
        **trainer,
    )
    fitted.fit(module, training, validation)
    return module.losses, fitted.global_step


def main(arguments: Sequence[str] | None = None) -> None:
    """Search, and tell."""
    parser = command_line()
    parser.add_argument("--threads", type=int, help="threads of PyTorch; else as many as it takes")
    options = parser.parse_args(arguments)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    work, rows = read(options.folder)
    seed_everything(options.seed)
    training, validation = loaders(work, rows)
    tell(
        study.optimize(
            study.create(work, options.folder, options.seed),
            lambda trial, configuration: train(
                trial, configuration, work, training, validation, default_root_dir=options.folder
            ),
            len(work.configurations),
        )
    )


if __name__ == "__main__":
    main()
