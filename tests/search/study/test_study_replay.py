"""A study is drawn again from what each sampler saw: to the bit, whoever ran it and whoever was killed."""

from typing import TYPE_CHECKING, Any

import pytest

from search.study.replay import replay_study
from search.study.voiding import void_trial
from storage import query, tables

if TYPE_CHECKING:
    from tests.search_fixtures import Launch, WriteStudy

LR, DROPOUT, SIZE = "models.gru.learning_rate", "models.gru.dropout", "models.gru.hidden_size"
SPACE: dict[str, Any] = {
    LR: {"low": 1e-4, "high": 1e-2, "log": True},
    DROPOUT: {"low": 0.0, "high": 0.4},
    SIZE: {"choices": [3, 4, 5]},
}
GRID: dict[str, Any] = {LR: {"choices": [1e-4, 1e-3, 1e-2]}, DROPOUT: {"choices": [0.0, 0.1, 0.2, 0.3]}}
ANNOUNCING = ("tpe", "gp", "cmaes")


def section(sampler: str, trials: int = 12, **more: Any) -> dict[str, Any]:
    startup = 4 if sampler in ANNOUNCING else None
    return {"sampler": sampler, "trials": trials, "startup_trials": startup, **more}


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", "grid", "cmaes", "gp"])
def test_every_suggestion_of_one_worker_is_the_same(
    write_study: "WriteStudy", launch: "Launch", sampler: str
) -> None:
    space = GRID if sampler == "grid" else SPACE
    done = launch(write_study(study=section(sampler), space=space))
    found = replay_study(done.store, "small")
    assert found.is_same
    assert found.counts == {"same": 12, "different": 0, "not asked": 0, "cannot tell": 0}, found.exceptions()


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["tpe", "gp", "cmaes"])
def test_trials_saw_a_voided_trial_as_it_was_before_and_later_ones_as_it_is(
    write_study: "WriteStudy", launch: "Launch", sampler: str
) -> None:
    before = launch(write_study(study=section(sampler, 9), space=SPACE))
    best = query.best_trial(before.store, "small")
    assert best is not None
    void_trial(before.store, "small", best.number, "the feed was late")
    done = launch(write_study(study=section(sampler, 14), space=SPACE))
    found = replay_study(done.store, "small")
    assert found.counts == {"same": 14, "different": 0, "not asked": 0, "cannot tell": 0}, found.exceptions()


@pytest.mark.slow
def test_a_changed_value_is_found_and_named(write_study: "WriteStudy", launch: "Launch") -> None:
    done = launch(write_study(study=section("tpe", 6), space=SPACE))
    with done.store.session() as session:
        row = session.get_one(tables.Trial, ("small", 5))
        recorded = {**row.params, DROPOUT: row.params[DROPOUT] + 1e-15}
        row.params = recorded
    found = replay_study(done.store, "small")
    assert [trial.number for trial in found.trials if trial.answer == "different"] == [5]
    (difference,) = found.trials[5].differences
    assert (difference.key, difference.recorded) == (DROPOUT, recorded[DROPOUT])
    assert not found.is_same
