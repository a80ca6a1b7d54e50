"""A seeded study tries the same configurations whether or not its workers were killed, and however many."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.chaos_faults.faulty_worker import Moment
from benchmarks.chaos_faults.study import Scene, opened, set_scene
from benchmarks.chaos_faults.workers import ChaosWorkers, crew_of
from storage import query
from storage.verdicts import CONCLUSIVE

pytestmark = pytest.mark.slow

WANTED = 6
DEATHS = (
    (
        Moment("in the middle of an epoch", "trainer.training.train_fold:_train_step", nth=30),
        Moment("a trial is created, nothing is drawn", "search.sampling.ask:make_sampler"),
    ),
    (
        Moment("one of two parameters is drawn", "search.sampling.ask:suggest_value", "after"),
        Moment("all is drawn, nothing is on record", "search.study.backend:begin_trial"),
    ),
    (Moment("before the verdict is on record", "search.record.row_mapping:finish_trial"),),
)
"""The workers that are killed one after the other, in each study: a configuration is tried three times."""

GRID: dict[str, Any] = {
    "models.gru.learning_rate": {"choices": [1e-4, 1e-3, 1e-2]},
    "models.gru.dropout": {"choices": [0.0, 0.2]},
}


def tried(folder: Path, sampler: str, workers: int, deaths: tuple[Moment, ...]) -> list[Any]:
    """What the study came to: configuration, seed and value of each conclusive trial, in any order."""
    folder.mkdir()
    scene = set_scene(folder, None, wanted=WANTED, sampler=sampler, space=GRID if sampler == "grid" else None)
    with ChaosWorkers(scene, crew_of(scene)) as crew:
        for moment in deaths:
            crew.hire(dies=moment)
            _until_it_is_dead(crew)
        for _ in range(workers):
            crew.hire()
        crew.finish()
    return _ended(scene)


def _until_it_is_dead(crew: ChaosWorkers) -> None:
    (victim,) = crew.members
    victim.process.join()
    assert victim.process.exitcode == -9, "it was killed at its moment"
    crew.members.clear()


def _ended(scene: Scene) -> list[Any]:
    with opened(scene) as study:
        rows = query.trials(study.store, study.name)
    return sorted(
        (sorted(row.params.items()), row.seed, row.value) for row in rows if row.verdict in CONCLUSIVE
    )


@pytest.mark.parametrize("sampler", ["random", "grid", "qmc"])
def test_killed_workers_and_a_second_one_change_no_configuration(tmp_path: Path, sampler: str) -> None:
    undisturbed = tried(tmp_path / "undisturbed", sampler, 1, ())
    assert len(undisturbed) == WANTED
    for number, deaths in enumerate(DEATHS):
        assert tried(tmp_path / f"killed-{number}", sampler, 1, deaths) == undisturbed
    assert tried(tmp_path / "together", sampler, 2, DEATHS[0]) == undisturbed
