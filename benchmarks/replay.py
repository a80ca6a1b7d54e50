"""Can a run be replayed? Every suggestion is drawn again from what its sampler had seen, and compared.

Run it with `python -m benchmarks.replay` (about six minutes on two cores; `--trials 200 --gp-trials 200`
for more, `--samplers tpe,grid`, `--store postgresql`, `--conditional`). Workers are the product's own
processes and train real, tiny GRUs for two epochs, with the median pruner, a queued trial and one that is
queued in part. Some are killed with SIGKILL: in the middle of an epoch, of a draw, between a draw and its
record, between record and Optuna. Whoever was killed is replaced. It exits with 1 where a suggestion differs.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.chaos_faults import moments
from benchmarks.chaos_faults.faulty_worker import Moment
from benchmarks.chaos_faults.study import Scene, set_scene
from benchmarks.chaos_faults.workers import LOOK_S, ChaosWorkers, crew_of, require_before, require_end
from benchmarks.postgres import PostgresServer
from search.sampling.optuna_storage import direct_storage
from search.sampling.seen_trials import SAMPLER_SAW
from search.study.replay import Replay, replay_study
from storage.engine import open_store

SAMPLERS = ("tpe", "random", "qmc", "grid", "cmaes", "gp")
LEARN = ("tpe", "cmaes", "gp")
LR, DROPOUT, SIZE = "models.gru.learning_rate", "models.gru.dropout", "models.gru.hidden_size"
SPACE: dict[str, Any] = {
    SIZE: {"choices": [3, 4, 5]},
    LR: {"low": 1e-4, "high": 1e-2, "log": True},
    DROPOUT: {"low": 0.0, "high": 0.4},
}
GRID: dict[str, Any] = {
    SIZE: {"choices": [3, 4, 5]},
    LR: {"choices": [float(f"{rate:.3g}") for rate in np.geomspace(1e-4, 1e-2, 14)]},
    DROPOUT: {"choices": [0.0, 0.1, 0.2, 0.3, 0.4]},
}
"""210 points."""
QUEUE: list[dict[str, Any]] = [{SIZE: 4, LR: 1e-3, DROPOUT: 0.1}, {SIZE: 5}]
DEATHS: tuple[Moment, ...] = (*moments.ASK[1:5], *moments.TRAINING[:1], *moments.ENDING[:4])
_STUDY_S = 1800.0
_ROW = "{:<8} {:>13} {:>7} {:>6} {:>6} {:>9} {:>10} {:>11} {:>9} {:>12} {:>9}"


@dataclass
class Result:
    """What came of the studies of one sampler."""

    trials: int = 0
    kills: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    whys: Counter[str] = field(default_factory=Counter)
    differing: list[str] = field(default_factory=list)
    bytes_seen: int = 0
    run_s: float = 0.0
    replay_s: float = 0.0

    def add(self, found: Replay) -> None:
        """Count the answers of one study."""
        self.trials += len(found.trials)
        self.answers.update(trial.answer for trial in found.trials)
        self.whys.update(trial.why for trial in found.trials if trial.answer == "cannot tell")
        self.differing += found.exceptions()[0]


def main(arguments: Sequence[str]) -> int:
    """Run the bench and print its table; 1 where a suggestion differs."""
    parser = argparse.ArgumentParser(prog="benchmarks.replay", description=__doc__)
    parser.add_argument("--trials", type=int, default=60, help="of each study")
    parser.add_argument("--gp-trials", type=int, default=30, help="of each study of gp, which draws slowly")
    parser.add_argument("--studies", type=int, default=3, help="of each sampler")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--kills", type=int, default=8, help="in each study")
    parser.add_argument("--samplers", default=",".join(SAMPLERS))
    parser.add_argument("--store", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--conditional", action="store_true", help="search dropout with two sizes alone")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    asked = parser.parse_args(arguments)
    unknown = set(asked.samplers.split(",")) - {*SAMPLERS}
    if unknown:
        sys.exit(f"there is no sampler {min(unknown)!r}; there are: {', '.join(SAMPLERS)}")
    print(
        _ROW.format(
            *("sampler", "trials", "workers", "killed", "same", "different", "not asked", "cannot tell"),
            *("bytes", "run s/trial", "replay s"),
        )
    )
    wrong = False
    server = PostgresServer() if asked.store == "postgresql" else nullcontext()
    with server as running:
        for sampler in asked.samplers.split(","):
            result = bench(asked, sampler, running)
            show(asked, sampler, result)
            wrong |= bool(result.answers["different"])
    return 1 if wrong else 0


def bench(asked: argparse.Namespace, sampler: str, server: PostgresServer | None) -> Result:
    """Run the studies of one sampler, strike them and replay them."""
    result, random = Result(), np.random.default_rng(asked.seed)
    for number in range(asked.studies):
        with tempfile.TemporaryDirectory(prefix="ballast-replay-") as folder:
            place = Path(folder) / f"replay_{sampler}_{number}"
            place.mkdir()
            scene = _scene(asked, place, sampler, number, server)
            began = time.monotonic()
            result.kills += run(scene, asked.workers, asked.kills, random)
            result.run_s += time.monotonic() - began
            began = time.monotonic()
            store = open_store(scene.url)
            result.add(replay_study(store, scene.name))
            result.replay_s += time.monotonic() - began
            for trial in direct_storage(store).get_all_trials(1, deepcopy=False):
                result.bytes_seen += len(json.dumps(trial.system_attrs.get(SAMPLER_SAW, "")))
            store.close()
    return result


def _scene(
    asked: argparse.Namespace, folder: Path, sampler: str, seed: int, server: PostgresServer | None
) -> Scene:
    space = dict(GRID if sampler == "grid" else SPACE)
    if asked.conditional:
        space[DROPOUT] = {**space[DROPOUT], "when": {SIZE: [4, 5]}}
    startup = {"startup_trials": 8} if sampler in LEARN else {}
    return set_scene(
        folder,
        server,
        wanted=asked.gp_trials if sampler == "gp" else asked.trials,
        space=space,
        sampler=sampler,
        epochs=2,
        seed=seed,
        pruner="median",
        enqueue=QUEUE,
        **startup,
    )


def run(scene: Scene, workers: int, kills: int, random: np.random.Generator) -> int:
    """Let the study run to its end; returns how many workers were killed on the way."""
    killed, deadline = 0, time.monotonic() + _STUDY_S
    with ChaosWorkers(scene, crew_of(scene)) as crew:
        deaths = [_death(number, random) for number in range(kills)]
        for _ in range(workers):
            crew.hire(dies=deaths.pop() if deaths else None)
        while crew.members:
            for member in crew.ended():
                if require_end(member, scene) != 0:
                    killed += 1
                    crew.hire(dies=deaths.pop() if deaths else None)
            require_before(deadline, scene)
            time.sleep(LOOK_S)
    return killed


def _death(number: int, random: np.random.Generator) -> Moment:
    """A moment, each in turn, after some trials of the worker; moments of training come often in a trial."""
    moment = DEATHS[number % len(DEATHS)]
    return replace(moment, nth=moment.nth * int(random.integers(1, 6)))


def show(asked: argparse.Namespace, sampler: str, result: Result) -> None:
    """One line of the table, and one for each thing that is to be explained."""
    wanted = asked.gp_trials if sampler == "gp" else asked.trials
    print(
        _ROW.format(
            sampler,
            f"{result.trials} ({asked.studies}×{wanted})",
            asked.workers,
            result.kills,
            *(result.answers[answer] for answer in ("same", "different", "not asked", "cannot tell")),
            f"{result.bytes_seen / result.trials:.0f}",
            f"{result.run_s / result.trials:.2f}",
            f"{result.replay_s:.1f}",
        ),
        flush=True,
    )
    for why, count in result.whys.items():
        print(f"    cannot tell: {count}: {why}", flush=True)
    for sentence in result.differing[:5]:
        print(f"    {sentence}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
