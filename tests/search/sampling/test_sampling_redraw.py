"""A trial is drawn again as it was drawn, from what its sampler saw of the trials that ran beside it."""

from typing import Any

import optuna
import pytest
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState

from search.config.conditions import Condition
from search.config.schema import SamplerName, StudySection
from search.config.space import Choices, Dimension, FloatRange, IntRange
from search.sampling import ask as ask_module
from search.sampling import queue
from search.sampling.ask import ask
from search.sampling.configuration_ordinals import start_ordinals
from search.sampling.redraw import Redraw
from search.sampling.retry import enqueue_retry
from search.sampling.seen_trials import SAMPLER_SAW, describe_seen, seen_by

FLAT: dict[str, Dimension] = {
    "rate": FloatRange(1e-4, 1e-2, log=True),
    "size": Choices((8, 16, 32)),
    "depth": IntRange(1, 3),
}
CONDITIONAL: dict[str, Dimension] = {
    "depth": IntRange(1, 3),
    "kind": Choices(("a", "b"), (Condition("depth", (2, 3)),)),
    "gain": FloatRange(0.0, 1.0, when=(Condition("kind", ("b",)),)),
    "rate": FloatRange(1e-4, 1e-2, log=True),
}
POINTS: dict[str, Dimension] = {"rate": Choices((1e-4, 1e-3, 1e-2)), "depth": IntRange(1, 8)}
SAMPLERS: list[Any] = ["tpe", "random", "qmc", "cmaes", pytest.param("gp", marks=pytest.mark.slow)]
DRAWN_TO_THE_END = 20


class Killed(BaseException):
    """Stands for kill -9."""


class Workers:
    """Three workers of one study, who ask in turn and end their trials in another order."""

    def __init__(self, sampler: SamplerName, space: dict[str, Dimension]) -> None:
        storage = InMemoryStorage()
        self.study = optuna.create_study(storage=storage, study_name="x")
        start_ordinals(self.study)
        self.studies = [optuna.load_study(study_name="x", storage=storage) for _ in range(3)]
        self.section = StudySection(name="x", sampler=sampler, startup_trials=5, seed=3)
        self.space = space
        self.running: list[optuna.Trial] = []

    def ask(self, worker: int) -> None:
        asked = ask(self.studies[worker], self.section, self.space, f"worker {worker}")
        self.running.append(asked.trial)

    def end(self, which: int) -> None:
        trial = self.running.pop(which)
        if trial.number % 5 == 4:
            trial.report(1.0, 0)
            self.study.tell(trial, state=TrialState.PRUNED)
        else:
            rate = trial.params["rate"]
            self.study.tell(trial, abs(rate - 1e-3) * 100 + trial.params.get("gain", 0.5))

    def die_after(self, values: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """Die when so many values are drawn; what the sampler has announced of the others stays."""
        genuine = queue.suggest_value
        drawn: list[Any] = []

        def deadly(*arguments: Any) -> Any:
            drawn.append(genuine(*arguments))
            if len(drawn) == values:
                raise Killed
            return drawn[-1]

        with monkeypatch.context() as patched:
            patched.setattr(ask_module, "suggest_value", deadly)
            with pytest.raises(Killed):
                self.ask(0)

    def work(self, trials: int = DRAWN_TO_THE_END) -> None:
        for number in range(trials):
            self.ask(number % 3)
            if len(self.running) == 3:
                self.end((1, 0, 2)[number % 3])

    def drawn_again(self) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """The values of each trial, and those that are drawn again."""
        redraw = Redraw(self.study, self.section, self.space, {})
        return [
            (
                trial.params,
                dict(redraw.draw(trial.number, trial.system_attrs.get(SAMPLER_SAW, {"trials": 0}))),
            )
            for trial in redraw.trials
            if trial.params
        ]


@pytest.mark.parametrize("space", [FLAT, CONDITIONAL], ids=["flat", "conditional"])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_trials_of_three_workers_are_drawn_again_as_they_were(
    sampler: SamplerName, space: dict[str, Dimension]
) -> None:
    workers = Workers(sampler, space)
    workers.work()
    pairs = workers.drawn_again()
    assert len(pairs) == DRAWN_TO_THE_END
    assert [again for _, again in pairs] == [params for params, _ in pairs]


def test_points_of_a_grid_are_drawn_again() -> None:
    workers = Workers("grid", POINTS)
    workers.work()
    assert all(params == again for params, again in workers.drawn_again())


@pytest.mark.parametrize("values", [1, 2])
@pytest.mark.parametrize("sampler", ["tpe", pytest.param("gp", marks=pytest.mark.slow)])
def test_what_a_dead_worker_had_drawn_and_announced_is_seen_as_it_was(
    sampler: SamplerName, values: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers = Workers(sampler, FLAT)
    workers.work(9)
    workers.die_after(values, monkeypatch)
    workers.ask(1)
    dead = workers.studies[1].get_trials(deepcopy=False)[9]
    assert len(dead.params) == values
    enqueue_retry(workers.study, optuna.Trial(workers.study, dead._trial_id))
    workers.study.tell(dead.number, state=TrialState.FAIL)
    workers.work(6)
    pairs = workers.drawn_again()
    assert pairs[9][0].items() <= pairs[9][1].items(), "what it had drawn"
    assert [again for _, again in pairs[10:]] == [params for params, _ in pairs[10:]]
    retried = next(t for t in workers.study.get_trials(deepcopy=False)[10:] if queue.queued_params(t))
    assert retried.params == pairs[9][1], "its other values come out as they would have"


def test_a_configuration_queued_in_part_is_drawn_again() -> None:
    workers = Workers("tpe", FLAT)
    workers.work(9)
    workers.study.enqueue_trial({"size": 16})
    workers.study.enqueue_trial({"size": 8, "rate": 1e-3, "depth": 2})
    workers.work(4)
    assert all(params == again for params, again in workers.drawn_again())


def test_what_a_sampler_sees_is_written_in_one_step_with_the_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    workers = Workers("tpe", FLAT)
    workers.work(4)
    with monkeypatch.context() as patched:
        patched.setattr(ask_module, "make_sampler", lambda *_: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            workers.ask(0)
    last = workers.study.get_trials(deepcopy=False)[-1]
    assert last.params == {}
    assert last.system_attrs[SAMPLER_SAW]["trials"] == 4


def test_the_record_of_a_list_is_short_and_says_what_was_not_finished() -> None:
    study = optuna.create_study()
    for _ in range(1000):
        study.tell(study.ask(), 1.0)
    running = study.ask()
    running.suggest_float("rate", 0.0, 1.0)
    for _ in range(500):
        study.enqueue_trial({"rate": 0.5})
    study.add_trial(optuna.create_trial(value=1.0, user_attrs={"reasons": "nan_loss, voided"}))
    saw = describe_seen(study.get_trials(deepcopy=False))
    assert saw == {"trials": 1502, "running": {"1000": [1, 0]}, "waiting": "1001-1500", "voided": "1501"}


def test_a_sampler_does_not_see_what_is_written_while_it_draws() -> None:
    """The list was read before trial 3 was created; trial 2 was created, and trial 1 ended, after that."""
    workers = Workers("tpe", FLAT)
    workers.work(2)
    known = workers.study.get_trials(deepcopy=False)
    workers.end(1)
    workers.ask(0)
    workers.ask(1)
    seen = seen_by(3, known, workers.study.get_trials(deepcopy=False))
    assert [trial.state for trial in seen] == [TrialState.RUNNING] * 4
    assert [len(trial.params) for trial in seen] == [3, 3, 0, 0]
