"""Ballast, as the real command: its study file, and what its record tells of the trials."""

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.peer_loops.work import Trained, Work, read

_NAME = "peers"


def command(folder: Path, seed: int, *options: str) -> list[str]:
    """Write the study file; the command line that runs it on a new store in `folder`."""
    work, _ = read(folder)
    file = folder / f"study-{seed}.yaml"
    file.write_text(json.dumps(study(work, seed)))
    return [sys.executable, "-m", "search.cli", "run", str(file), "--store", _url(folder, seed), *options]


def study(work: Work, seed: int) -> dict[str, Any]:
    """The study: what is searched is enqueued, nothing is pruned, and weights begin as in the other loops."""
    return {
        "study": {
            "name": _NAME,
            "trials": len(work.configurations),
            "seed": seed,
            "pruner": "none",
            "enqueue": [
                {"models.gru.hidden_size": each.units, "models.gru.learning_rate": each.learning_rate}
                for each in work.configurations
            ],
        },
        "data": work.data,
        "models": {"gru": {"batch_size": work.batch_size, "init": "torch"}},
        "training": {"epochs": work.epochs, "patience": work.epochs},
        "space": {
            "models.gru.hidden_size": {"choices": [16, 32, 64]},
            "models.gru.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
        },
    }


def trained(folder: Path, seed: int) -> list[Trained]:
    """The trials of the record. Raises RuntimeError where one was not trained to its end."""
    from storage import query
    from storage.engine import open_store

    store = open_store(_url(folder, seed))
    try:
        trials = query.trials(store, _NAME)
        epochs = {trial.number: query.epochs(store, _NAME, trial.number) for trial in trials}
    finally:
        store.close()
    for trial in trials:
        if trial.verdict != "accepted" or trial.source_trial is not None:
            raise RuntimeError(f"trial {trial.number} of Ballast is {trial.verdict}: {trial.message}")
    return [
        Trained(
            units=trial.params["models.gru.hidden_size"],
            learning_rate=trial.params["models.gru.learning_rate"],
            losses=tuple(epoch.validation_loss for epoch in epochs[trial.number]),
            steps=sum(epoch.steps for epoch in epochs[trial.number]),
            pid=int(trial.worker.split(":")[1]),
            began=trial.started_at.timestamp(),
            ended=trial.finished_at.timestamp(),
        )
        for trial in trials
        if trial.finished_at is not None
    ]


def _url(folder: Path, seed: int) -> str:
    return f"sqlite:///{folder}/ballast-{seed}.db"
