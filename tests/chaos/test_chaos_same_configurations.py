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

_LAYERS = "models.gru.num_layers"
CONDITIONAL_GRID: dict[str, Any] = {
    "models.gru.dropout": {"choices": [0.1, 0.2], "when": {_LAYERS: 2}},
    _LAYERS: {"choices": [1, 2]},
    "models.gru.learning_rate": {"choices": [1e-4, 1e-3]},
}
"""Six configurations: the rate alone with one layer, the rate and the dropout with two."""
CONDITIONAL: dict[str, Any] = {
    **CONDITIONAL_GRID,
    "models.gru.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
}


def tried(
    folder: Path,
    sampler: str,
    workers: int,
    deaths: tuple[Moment, ...],
    space: dict[str, Any] | None = None,
) -> list[Any]:
    """What the study came to: configuration, seed and value of each conclusive trial, in any order."""
    folder.mkdir()
    space = GRID if space is None and sampler == "grid" else space
    scene = set_scene(folder, None, wanted=WANTED, sampler=sampler, space=space)
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


@pytest.mark.parametrize(("sampler", "space"), [("random", CONDITIONAL), ("grid", CONDITIONAL_GRID)])
def test_killed_workers_change_no_configuration_of_a_space_with_conditions(
    tmp_path: Path, sampler: str, space: dict[str, Any]
) -> None:
    undisturbed = tried(tmp_path / "undisturbed", sampler, 1, (), space)
    assert {len(params) for params, _, _ in undisturbed} == {2, 3}
    for number, deaths in enumerate(DEATHS):
        assert tried(tmp_path / f"killed-{number}", sampler, 1, deaths, space) == undisturbed
    assert tried(tmp_path / "together", sampler, 2, DEATHS[0], space) == undisturbed
