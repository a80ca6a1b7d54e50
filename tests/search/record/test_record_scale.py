"""The number of queries per trial does not grow with the study, and is close to that of Optuna alone."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
import pytest

import trainer.training.loop
from benchmarks.throughput import sides
from benchmarks.throughput.study import EPOCHS, Subject, fill_ballast, fill_bare
from search.config.resolve import resolve
from search.config.schema import SamplerName, StudySection
from search.config.space import Choices, Dimension, FloatRange
from search.data.study_data import load_study_data
from search.sampling.ask import ask
from search.study.liveness import Heartbeat
from storage import query
from storage.engine import open_store
from storage.verdicts import Verdict

if TYPE_CHECKING:
    from tests.search_fixtures import WriteStudy

TRIALS = 3
SPACE = {
    "models.gru.learning_rate": {"low": 1e-5, "high": 1e-2, "log": True},
    "models.gru.dropout": {"low": 0.0, "high": 0.5},
    "models.gru.hidden_size": {"low": 8, "high": 128},
    "models.gru.batch_size": {"choices": [16, 32, 64]},
}


class Turns:
    """The end of the pipe that a worker of the benchmark holds: a trial to warm up, then those that count."""

    def __init__(self) -> None:
        self._orders = [1, TRIALS, 0]
        self.spent: list[sides.Spent] = []

    def recv(self) -> int:
        return self._orders.pop(0)

    def send(self, spent: sides.Spent) -> None:
        self.spent.append(spent)

    @property
    def statements(self) -> float:
        """Of one trial."""
        return self.spent[-1].statements / TRIALS

    @property
    def commits(self) -> float:
        """Of one trial, those that wrote."""
        return self.spent[-1].commits / TRIALS


@pytest.fixture
def subject(write_study: "WriteStudy", monkeypatch: pytest.MonkeyPatch) -> Subject:
    monkeypatch.setattr(
        trainer.training.loop, "fit", trainer.training.loop.fit
    )  # put back what the benchmark's side replaces
    # What is done every few seconds would be counted in some runs and not in others.
    monkeypatch.setattr("search.workers.loop._RECOVER_S", float("inf"))
    monkeypatch.setattr("search.workers.loop.Heartbeat", partial(Heartbeat, interval=3600.0))
    path = write_study(
        study={"name": "throughput", "trials": 1000, "pruner": "median"},
        training={"epochs": EPOCHS, "patience": EPOCHS},
        space=SPACE,
    )
    resolved = resolve(path)
    return Subject(resolved, load_study_data(resolved))


def worked(subject: Subject, url: str) -> Turns:
    turns: Any = Turns()
    sides.ballast(url, subject, turns)
    assert isinstance(turns, Turns)
    return turns


@pytest.mark.slow
def test_what_a_trial_asks_of_the_store_does_not_grow_with_the_study(
    subject: Subject, tmp_path: Path
) -> None:
    asked = []
    for size in (20, 400):
        url = f"sqlite:///{tmp_path / str(size)}.db"
        fill_ballast(url, subject, size)
        asked.append(worked(subject, url))
    small, large = asked
    assert (large.statements, large.commits) == (small.statements, small.commits)


@pytest.mark.slow
def test_a_trial_costs_at_most_a_tenth_more_statements_and_five_commits_more_than_in_optuna(
    subject: Subject, tmp_path: Path
) -> None:
    ours, bare = (f"sqlite:///{tmp_path / name}.db" for name in ("ours", "bare"))
    fill_ballast(ours, subject, 20)
    fill_bare(bare, subject, 20, tuned=True)
    in_ballast, alone = worked(subject, ours), Turns()
    sides.tuned(bare, subject, alone)  # type: ignore[arg-type]
    assert alone.commits == len(SPACE) + EPOCHS + 3  # created, what TPE notes, told
    assert in_ballast.commits <= alone.commits + 5  # claim, start, verdict, constraint, finish
    assert in_ballast.statements <= 1.1 * alone.statements


@pytest.mark.slow
def test_the_trials_of_the_benchmark_are_accepted_and_recorded_whole(
    subject: Subject, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'whole'}.db"
    fill_ballast(url, subject, 20)
    worked(subject, url)
    store = open_store(url)
    trials = query.trials_from(store, "throughput", 20)
    assert [(trial.verdict, trial.epochs) for trial in trials] == [(Verdict.ACCEPTED, EPOCHS)] * (1 + TRIALS)
    assert len(query.epochs(store, "throughput", trials[-1].number)) == EPOCHS
    store.close()


@pytest.mark.parametrize("sampler", ["tpe", "cmaes"])
def test_the_state_that_a_sampler_takes_over_changes_no_draw(sampler: SamplerName) -> None:
    section = StudySection(name="draws", sampler=sampler, startup_trials=3)
    space: dict[str, Dimension] = {
        "x": FloatRange(0.0, 1.0),
        "y": FloatRange(1e-3, 1.0, log=True),
        "z": Choices((1, 2, 4)),
    }

    def drawn(*, forgetful: bool) -> list[dict[str, Any]]:
        study = optuna.create_study()
        for number in range(12):
            if forgetful:
                study.sampler = optuna.samplers.RandomSampler()
            trial = ask(study, section, space, "me").trial
            if number % 4 == 3:
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
            else:
                study.tell(trial, trial.params["x"] + trial.params["y"])
        return [trial.params for trial in study.trials]

    assert drawn(forgetful=False) == drawn(forgetful=True)
