"""The Optuna study of the loops that are written by hand: on SQLite, with the configurations enqueued."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import optuna

from benchmarks.peer_loops.work import Configuration, Trained, Work

Train = Callable[[optuna.Trial, Configuration], tuple[Sequence[float], int]]
"""Trains a trial: the validation loss of each epoch, and the optimiser steps made."""

_NAME = "peers"


def create(work: Work, folder: Path, seed: int) -> optuna.Study:
    """A new study in `folder`. What prunes is asked after each epoch and always says no."""
    study = optuna.create_study(
        study_name=_NAME,
        storage=_storage(folder, seed),
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.NopPruner(),
    )
    for each in work.configurations:
        study.enqueue_trial({"units": each.units, "learning_rate": each.learning_rate})
    return study


def join(folder: Path, seed: int) -> optuna.Study:
    """The study that another process has created."""
    return optuna.load_study(
        study_name=_NAME, storage=_storage(folder, seed), pruner=optuna.pruners.NopPruner()
    )


def optimize(study: optuna.Study, train: Train, trials: int) -> list[Trained]:
    """Run so many trials."""
    done = []

    def objective(trial: optuna.Trial) -> float:
        began = time.time()
        configuration = Configuration(
            units=int(trial.suggest_categorical("units", [16, 32, 64])),
            learning_rate=trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True),
        )
        losses, steps = train(trial, configuration)
        told = (configuration.units, configuration.learning_rate, tuple(losses), steps)
        done.append(Trained(*told, pid=os.getpid(), began=began, ended=time.time()))
        return min(losses)

    study.optimize(objective, n_trials=trials)
    return done


def report(trial: optuna.Trial, loss: float, epoch: int) -> None:
    """Tell the pruner, and heed it."""
    trial.report(loss, epoch)
    if trial.should_prune():
        raise optuna.TrialPruned


def _storage(folder: Path, seed: int) -> str:
    return f"sqlite:///{folder}/optuna-{seed}.db"
