"""What `ballast replay` answers of trials that were queued, tried again, imported, or not kept on record."""

from typing import TYPE_CHECKING, Any

import pytest
from optuna.storages._rdb import models
from sqlalchemy import delete

from search.sampling.seen_trials import SAMPLER_SAW
from search.study import backend
from search.study.replay import replay_study
from storage import tables
from tests.search.killed_runs import killed_at

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast, Launch, Launched, WriteStudy

pytestmark = pytest.mark.slow

LR, DROPOUT = "models.gru.learning_rate", "models.gru.dropout"
SPACE: dict[str, Any] = {
    LR: {"low": 1e-4, "high": 1e-2, "log": True},
    DROPOUT: {"low": 0.0, "high": 0.4},
}
TPE: dict[str, Any] = {"sampler": "tpe", "trials": 6, "startup_trials": 3}


def answers(done: "Launched") -> list[str]:
    return [trial.answer for trial in replay_study(done.store, "small").trials]


def forget_what_samplers_saw(done: "Launched") -> None:
    """Leave the store as an older Ballast would have."""
    attribute = models.TrialSystemAttributeModel
    with done.store.session() as session:
        session.execute(delete(attribute).where(attribute.key == SAMPLER_SAW))


def test_a_queued_trial_is_not_asked_and_one_queued_in_part_is_drawn_again(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    queue = [{LR: 1e-3, DROPOUT: 0.1}, {DROPOUT: 0.2}]
    done = launch(write_study(study={**TPE, "enqueue": queue}, space=SPACE))
    assert answers(done) == ["not asked", "same", "same", "same", "same", "same"]


def test_a_trial_whose_worker_died_before_it_was_on_record_is_drawn_again(
    write_study: "WriteStudy", launch: "Launch", monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_study(study=TPE, space=SPACE)
    launch(path, "study.trials=4")
    with killed_at(monkeypatch, backend, "begin_trial"):
        launch(path)
    assert answers(launch(path)) == ["same", "same", "same", "same", "same", "not asked", "same"]


@pytest.mark.parametrize(("sampler", "answer"), [("tpe", "cannot tell"), ("random", "same")])
def test_a_record_without_what_the_sampler_saw_serves_samplers_that_look_at_no_result(
    write_study: "WriteStudy", launch: "Launch", sampler: str, answer: str
) -> None:
    startup = 3 if sampler == "tpe" else None
    done = launch(write_study(study={**TPE, "sampler": sampler, "startup_trials": startup}, space=SPACE))
    forget_what_samplers_saw(done)
    assert answers(done) == [answer] * 6


def test_an_imported_trial_cannot_be_replayed_and_those_after_it_can(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    launch(write_study(study={**TPE, "name": "old"}, space=SPACE))
    done = launch(write_study(study=TPE, space=SPACE), continue_from="old")
    found = replay_study(done.store, "small")
    assert found.counts == {"same": 6, "different": 0, "not asked": 0, "cannot tell": 6}, found.exceptions()
    assert found.trials[0].why == "it was imported: trial 0 of 'old'"


def test_a_difference_after_another_version_of_a_package_names_it(
    write_study: "WriteStudy", launch: "Launch", monkeypatch: pytest.MonkeyPatch
) -> None:
    done = launch(write_study(study=TPE, space=SPACE))
    change_a_value(done)
    now = {"ballast": "0.1.0", "optuna": "99.0"}
    monkeypatch.setattr("search.study.replay.sampler_versions", lambda sampler: now)
    last = replay_study(done.store, "small", 5).trials[0]
    assert last.answer == "cannot tell"
    assert last.why.startswith("optuna was ")
    assert last.why.endswith(", is 99.0")
    assert [each.key for each in last.differences] == [DROPOUT]


def change_a_value(done: "Launched") -> None:
    with done.store.session() as session:
        row = session.get_one(tables.Trial, ("small", 5))
        row.params = {**row.params, DROPOUT: 0.25}


def test_the_command_says_what_differs_and_exits_with_1(
    write_study: "WriteStudy", launch: "Launch", ballast: "Ballast"
) -> None:
    done = launch(write_study(study=TPE, space=SPACE))
    url = done.store.url
    well = ballast("replay", "small", "--store", url)
    assert well.code == 0
    assert well.out == "6 of 6 trials of 'small' were drawn again by tpe, every suggestion is the same\n"
    change_a_value(done)
    changed = ballast("replay", "small", "--store", url)
    assert changed.code == 1
    assert f"trial 5: different: {DROPOUT} was 0.25, is drawn as " in changed.out
    told = ballast("replay", "small", "--trial", "5", "--json", "--store", url)
    assert (told.code, told.json["same"], told.json["counts"]["different"]) == (1, False, 1)
    assert ballast("replay", "small", "--trial", "4", "--store", url).code == 0
    assert ballast("replay", "nobody", "--store", url).code == 2
    assert ballast("replay", "small", "--trial", "99", "--store", url).code == 2
