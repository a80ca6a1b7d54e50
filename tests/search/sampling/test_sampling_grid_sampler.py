"""A grid tries each of its points once: whatever is queued, killed, spelt twice or run by several workers."""

import logging
from itertools import product
from typing import TYPE_CHECKING, Any

import optuna
import pytest

from search.config.space import Choices, FloatRange, canonical, clamp_to_space, grid_values
from search.sampling.grid_sampler import SharedGridSampler
from search.selection.summary import summarise
from search.terminal.study_status import read_study_status, status_rows
from search.workers.consistency import inconsistencies
from storage.verdicts import Verdict

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast, Launch, Launched, WriteStudy

LR, SIZE = "models.gru.learning_rate", "models.gru.hidden_size"
SPACE: dict[str, Any] = {LR: {"choices": [1e-3, 2e-3]}, SIZE: {"choices": [3, 4]}}
POINTS = set(product((1e-3, 2e-3), (3, 4)))


def section(**more: Any) -> dict[str, Any]:
    return {"sampler": "grid", "trials": 4, "startup_trials": None, **more}


def conclusive(done: "Launched") -> list[tuple[float, int]]:
    return [(row.params[LR], row.params[SIZE]) for row in done.trials if row.verdict is Verdict.ACCEPTED]


@pytest.mark.slow
def test_a_queued_point_is_one_of_the_grid(write_study: "WriteStudy", launch: "Launch") -> None:
    done = launch(write_study(study=section(enqueue=[{LR: 2e-3, SIZE: 3}]), space=SPACE))
    assert conclusive(done)[0] == (2e-3, 3)
    assert len(conclusive(done)) == 4
    assert set(conclusive(done)) == POINTS


@pytest.mark.slow
def test_a_queued_point_that_is_tried_already_does_not_count_and_says_so(
    write_study: "WriteStudy", launch: "Launch", caplog: pytest.LogCaptureFixture
) -> None:
    path = write_study(study=section(), space=SPACE)
    first = launch(path, "study.trials=2")
    again = first.trials[0].params
    first.study.optuna.enqueue_trial(again)
    with caplog.at_level(logging.INFO, "ballast"):
        done = launch(path)
    repeated = done.trials[2]
    told = "trial 0 has tried this point of the grid; it is not tried twice and does not count"
    assert (repeated.params, repeated.verdict, repeated.message) == (again, Verdict.INTERRUPTED, told)
    assert set(conclusive(done)) == POINTS
    assert len(conclusive(done)) == done.end.done == 4
    assert inconsistencies(done.store) == []
    facts = dict(status_rows(read_study_status(done.store, summarise(done.store, "small"))))
    assert facts["trials"] == (
        "4 of 4 done, 5 in all; 1 that was queued repeats a point of the grid and does not count"
    )


@pytest.mark.slow
def test_a_run_says_that_a_configuration_is_asked_for_twice(
    write_study: "WriteStudy", ballast: "Ballast"
) -> None:
    path = write_study(
        study=section(enqueue=[{LR: 1e-3, SIZE: 3}, {SIZE: 3, LR: 0.0010000000000000002}]), space=SPACE
    )
    done = ballast("run", str(path))
    assert done.code == 0
    assert "study.enqueue[1] repeats study.enqueue[0]; it is queued once" in done.err + done.out


@pytest.mark.slow
def test_trials_of_another_study_are_points_that_are_tried(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    path = write_study(study=section(), space=SPACE)
    old = launch(path, "study.trials=2")
    before = [(row.params[LR], row.params[SIZE]) for row in old.trials]
    done = launch(path, "study.name=new", continue_from="small")
    assert done.end.reason == "every point of the grid has been tried"
    own = [(row.params[LR], row.params[SIZE]) for row in done.trials if row.source_study is None]
    assert sorted([*before, *own]) == sorted(POINTS)


def test_two_spellings_of_a_number_are_one_point_of_a_grid(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    third = 0.1 + 0.2
    space = {"models.gru.dropout": {"choices": [0.3, third, 0.0, 0.1]}}
    done = launch(write_study(study=section(trials=9), space=space))
    assert done.end.reason == "every point of the grid has been tried"
    assert sorted(row.params["models.gru.dropout"] for row in done.trials) == [0.0, 0.1, 0.3]


def test_two_spellings_of_a_number_are_one_configuration(write_study: "WriteStudy", launch: "Launch") -> None:
    enqueue = [{"models.gru.dropout": 0.3}, {"models.gru.dropout": 0.1 + 0.2}]
    space = {"models.gru.dropout": {"choices": [0.3, 0.1 + 0.2]}}
    path = write_study(study={"sampler": "random", "startup_trials": None, "trials": 1}, space=space)
    first = launch(path)
    for params in enqueue:
        first.study.optuna.enqueue_trial(params)
    done = launch(path, "study.trials=3")
    assert [row.source_trial for row in done.trials] == [None, 0, 0]
    asked = [row.params["models.gru.dropout"] for row in done.trials[1:]]
    assert asked == [0.3, 0.1 + 0.2], "the record shows each as it was asked for"


def test_steps_that_were_added_up_are_the_points_that_were_computed() -> None:
    added, grown = 0.0, 1e-5
    for step in range(1, 1001):
        added += 0.001
        assert canonical(added) == canonical(step / 1000)
    for step in range(1, 31):
        grown *= 10**0.1
        assert f"{canonical(grown):.11g}" == f"{10 ** (-5 + step / 10):.11g}"
    assert canonical(1) == canonical(1.0)
    assert grid_values({"x": Choices((1, 1.0, 1e-3, 0.001, 0.3, 0.1 + 0.2))}) == {"x": [1, 1e-3, 0.3]}


def test_another_spelling_of_a_choice_becomes_the_choice_and_is_reported() -> None:
    moved, (clamp,) = clamp_to_space({"x": Choices((0.3, 0.5))}, {"x": 0.1 + 0.2})
    assert moved == {"x": 0.3}
    assert (clamp.declared, clamp.effective, clamp.reason) == (0.1 + 0.2, 0.3, "another spelling of 0.3")


def test_the_points_of_a_grid_do_not_depend_on_who_asks_when() -> None:
    space = {"x": FloatRange(0.0, 0.9, step=0.1)}
    study = optuna.create_study(sampler=SharedGridSampler(space, 0))
    trials = [study.ask() for _ in range(10)]
    drawn = {trial.number: trial.suggest_float("x", 0.0, 0.9, step=0.1) for trial in reversed(trials)}
    assert sorted(drawn.values()) == pytest.approx([step / 10 for step in range(10)])
    again = optuna.create_study(sampler=SharedGridSampler(space, 0))
    order = []
    for _ in range(10):
        trial = again.ask()
        order.append(trial.suggest_float("x", 0.0, 0.9, step=0.1))
        again.tell(trial, 0.0)
    assert order == [drawn[number] for number in range(10)]


def test_a_killed_point_of_a_grid_is_not_given_to_another_trial() -> None:
    space = {"x": FloatRange(0.0, 0.3, step=0.1)}
    study = optuna.create_study(sampler=SharedGridSampler(space, 0))
    killed = study.ask()
    first = killed.suggest_float("x", 0.0, 0.3, step=0.1)
    study.tell(killed, state=optuna.trial.TrialState.FAIL)
    study.enqueue_trial({"x": first}, user_attrs={"retry_of": 0, "retry_root": 0})
    seen = []
    for _ in range(4):
        trial = study.ask()
        seen.append(trial.suggest_float("x", 0.0, 0.3, step=0.1))
        study.tell(trial, 0.0)
    assert sorted(seen) == pytest.approx([0.0, 0.1, 0.2, 0.3])
    assert isinstance(study.sampler, SharedGridSampler)
    assert study.sampler.is_exhausted(study)
