"""A study is the same study on SQLite and on PostgreSQL."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from optuna.trial import TrialState

from search.config.resolve import resolve
from search.data.study_data import load_study_data
from search.selection.choice import best_trials
from search.study import backend
from search.study.studies import OpenStudy, open_study
from search.workers import objective
from search.workers.consistency import inconsistencies, reconcile
from search.workers.loop import run_worker
from search.workers.progress import NoProgress
from storage import query, workers
from storage.check import check_store
from storage.engine import Store, open_store
from storage.verdicts import Verdict
from tests.search.killed_runs import killed_at

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from tests.search_fixtures import Launch, WriteStudy

Study = Callable[[Path], OpenStudy]


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    store = open_store(store_url)
    yield store
    store.close()


@pytest.fixture
def study(store: Store) -> Study:
    def open_one(path: Path) -> OpenStudy:
        resolved = resolve(path)
        return open_study(resolved, load_study_data(resolved), store)

    return open_one


def go_on(study: OpenStudy, trials: int = 1_000) -> None:
    run_worker(study, NoProgress(), lambda: query.count_conclusive(study.store, study.name) >= trials)


def test_the_values_of_a_study_are_those_that_it_has_on_sqlite(
    write_study: "WriteStudy", launch: "Launch", study: Study
) -> None:
    path = write_study(study={"trials": 3})
    here = study(path)
    go_on(here)
    expected = [(row.params, row.seed, row.value) for row in launch(path, "study.name=other").trials]
    rows = query.trials(here.store, "small")
    assert [(row.params, row.seed, row.value) for row in rows] == expected
    assert [trial.state for trial in here.optuna.trials] == [TrialState.COMPLETE] * 3
    assert best_trials(here.store, "small", 1)[0].number == min(rows, key=lambda row: row.value or 9).number
    assert inconsistencies(here.store) == []
    assert check_store(here.store) == []


@pytest.mark.parametrize(
    ("module", "place", "left"),
    [
        (objective, "_judged", [Verdict.INTERRUPTED, Verdict.ACCEPTED]),
        (backend, "conclude_trial", [Verdict.ACCEPTED]),
        (backend, "tell", [Verdict.ACCEPTED]),
    ],
)
def test_a_death_is_survived(
    write_study: "WriteStudy",
    study: Study,
    monkeypatch: pytest.MonkeyPatch,
    module: object,
    place: str,
    left: list[Verdict],
) -> None:
    opened = study(write_study(study={"trials": 1}))
    with killed_at(monkeypatch, module, place):
        go_on(opened)
    go_on(study(opened.resolved.path))
    rows = query.trials(opened.store, "small")
    assert [row.verdict for row in rows] == left
    assert rows[-1].retry_of == (0 if len(rows) > 1 else None)
    assert inconsistencies(opened.store) == []
    assert check_store(opened.store) == []
    assert workers.registered_workers(opened.store, "small") == []


def test_the_reconciler_settles_what_no_run_has(
    write_study: "WriteStudy", study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = study(write_study(study={"trials": 1}))
    with killed_at(monkeypatch, backend, "conclude_trial"):
        go_on(opened)
    assert len(inconsistencies(opened.store)) == 1
    assert reconcile(opened.store) == [
        "trial 0 of 'small': its worker is gone; it has been brought to an end"
    ]
    assert inconsistencies(opened.store) == []
