"""Ray Tune with OptunaSearch and two actors, each of which trains with the expert's loop."""

import os
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import ray
import torch
from ray import tune
from ray.tune.search.optuna import OptunaSearch

from benchmarks.peer_loops.expert import resident, train
from benchmarks.peer_loops.work import Configuration, Trained, command_line, read, tell

_ACTORS = 2


def trainable(config: dict[str, Any]) -> None:
    """One trial, in an actor: reports each epoch, and with the last one what is told of the trial."""
    began = time.time()
    work, rows = read(Path(config["folder"]))
    configuration = Configuration(config["units"], config["learning_rate"])
    torch.set_num_threads(1)
    torch.manual_seed(config["seed"])
    losses: list[float] = []

    def on_epoch(loss: float, epoch: int) -> None:
        losses.append(loss)
        if epoch < work.epochs - 1:
            tune.report({"loss": loss})

    _, steps = train(configuration, work, resident(work, rows), on_epoch)
    moments = {"pid": os.getpid(), "began": began, "ended": time.time()}
    tune.report({"loss": losses[-1], "losses": losses, "steps": steps, **moments})


def main(arguments: Sequence[str] | None = None) -> None:
    """Search, and tell."""
    parser = command_line()
    parser.add_argument("--reuse", action="store_true", help="actors go on to the next trial")
    options = parser.parse_args(arguments)
    work, _ = read(options.folder)
    ray.init(num_cpus=_ACTORS)
    tuner = tune.Tuner(
        trainable,
        param_space={
            "units": tune.choice([16, 32, 64]),
            "learning_rate": tune.loguniform(1e-4, 1e-2),
            "folder": str(options.folder),
            "seed": options.seed,
        },
        tune_config=tune.TuneConfig(
            metric="loss",
            mode="min",
            search_alg=OptunaSearch(
                points_to_evaluate=[asdict(each) for each in work.configurations], seed=options.seed
            ),
            num_samples=len(work.configurations),
            reuse_actors=options.reuse,
        ),
        run_config=tune.RunConfig(storage_path=str(options.folder / "ray"), verbose=0),
    )
    results = [each.metrics for each in tuner.fit()]
    tell(
        [
            Trained(
                units=found["config"]["units"],
                learning_rate=found["config"]["learning_rate"],
                losses=tuple(found["losses"]),
                steps=found["steps"],
                pid=found["pid"],
                began=found["began"],
                ended=found["ended"],
            )
            for found in results
        ]
    )


if __name__ == "__main__":
    main()
