"""Facts of Optuna 5 that the study builds on; an upgrade that changes one of them is noticed here."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, GridSampler, RandomSampler, TPESampler
from optuna.trial import Trial, TrialState

FORBIDDEN = 0.7
"""x above this, 30 % of the space, is forbidden ground; a sampler that is not told so hits it in 30 %."""

End = Callable[[optuna.Study, Trial], None]


@pytest.fixture(autouse=True)
def quiet_log() -> Iterator[None]:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(before)


def as_failed(study: optuna.Study, trial: Trial) -> None:
    study.tell(trial, state=TrialState.FAIL)


def as_nan(study: optuna.Study, trial: Trial) -> None:
    with pytest.warns(UserWarning, match="nan is not acceptable"):
        study.tell(trial, math.nan)


def as_pruned(study: optuna.Study, trial: Trial) -> None:
    study.tell(trial, state=TrialState.PRUNED)


def as_violated_and_pruned(study: optuna.Study, trial: Trial) -> None:
    trial.set_constraint("c", 1.0)
    study.tell(trial, state=TrialState.PRUNED)


def as_penalty(study: optuna.Study, trial: Trial) -> None:
    trial.set_constraint("c", 1.0)
    study.tell(trial, 10.0)


def forbidden_share(sampler: BaseSampler, trials: int, end: End) -> float:
    """Share of the trials in forbidden ground, where they end as `end` says; elsewhere (x - 0.5)²."""
    study, hits = optuna.create_study(sampler=sampler), 0
    for _ in range(trials):
        trial = study.ask()
        x = trial.suggest_float("x", 0, 1)
        if x > FORBIDDEN:
            hits += 1
            end(study, trial)
        else:
            trial.set_constraint("c", -1.0)
            study.tell(trial, (x - 0.5) ** 2)
    return hits / trials


def new_study() -> optuna.Study:
    return optuna.create_study(sampler=RandomSampler(seed=0))


def completed(study: optuna.Study, value: float, constraint: float | None) -> int:
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    if constraint is not None:
        trial.set_constraint("c", constraint)
    study.tell(trial, value)
    return trial.number


@pytest.mark.parametrize("end", [as_failed, as_nan])
def test_tpe_is_attracted_by_ground_where_trials_fail(end: End) -> None:
    assert forbidden_share(TPESampler(seed=0), 100, end) > 0.5


def test_tpe_is_repelled_by_a_violated_constraint_on_a_pruned_trial() -> None:
    assert forbidden_share(TPESampler(seed=0), 100, as_violated_and_pruned) < 0.15


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("end", [as_failed, as_violated_and_pruned])
@pytest.mark.slow
def test_gp_sees_neither_failed_nor_pruned_trials_and_is_attracted(end: End) -> None:
    assert forbidden_share(GPSampler(seed=0, n_startup_trials=4), 14, end) > 0.5


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.slow
def test_gp_is_repelled_by_a_finite_penalty_on_a_complete_trial() -> None:
    assert forbidden_share(GPSampler(seed=0, n_startup_trials=4), 14, as_penalty) < 0.25


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_cmaes_warns_of_constraints_and_ignores_them() -> None:
    study = optuna.create_study(sampler=CmaEsSampler(seed=0))
    with pytest.warns(UserWarning, match="Constraints have been set, but CmaEsSampler"):
        completed(study, 0.1, 1.0)


@pytest.mark.filterwarnings("ignore:Constraints have been set, but CmaEsSampler")
def test_cmaes_samples_the_same_with_and_without_a_violated_constraint() -> None:
    shares = [forbidden_share(CmaEsSampler(seed=0), 100, end) for end in (as_pruned, as_violated_and_pruned)]
    assert shares[0] == shares[1] < 0.15


def test_minus_infinity_is_complete_and_best() -> None:
    study = new_study()
    completed(study, 0.1, None)
    number = completed(study, -math.inf, None)
    assert study.trials[number].state is TrialState.COMPLETE
    assert study.best_trial.number == number
    assert study.best_value == -math.inf


def test_nan_cannot_be_told_as_complete() -> None:
    study = new_study()
    trial = study.ask()
    with pytest.raises(ValueError, match="nan is not acceptable"):
        study.tell(trial, math.nan, TrialState.COMPLETE)


def test_best_trial_passes_over_complete_trials_with_a_violated_constraint() -> None:
    study = new_study()
    completed(study, 0.3, -1.0)
    better_but_violated = completed(study, 0.1, 1.0)
    assert study.best_trial.number == 0
    assert study.best_value == 0.3
    assert study.trials[better_but_violated].value == 0.1


def test_best_trial_counts_a_trial_without_constraints_as_feasible() -> None:
    study = new_study()
    completed(study, 0.3, -1.0)
    unjudged = completed(study, 0.2, None)
    completed(study, 0.1, 1.0)
    assert study.best_trial.number == unjudged


def test_best_trial_is_an_error_where_every_complete_trial_is_violated() -> None:
    study = new_study()
    completed(study, 0.1, 1.0)
    with pytest.raises(ValueError, match="No feasible trials are completed yet"):
        _ = study.best_trial


def test_the_best_trial_of_the_storage_ignores_constraints() -> None:
    study = new_study()
    completed(study, 0.3, -1.0)
    violated = completed(study, 0.1, 1.0)
    assert study._storage.get_best_trial(study._study_id).number == violated


def test_a_pruned_trial_has_its_last_report_as_its_value_and_is_never_best() -> None:
    study = new_study()
    completed(study, 0.3, None)
    trial = study.ask()
    for epoch, loss in enumerate((0.9, 0.01)):
        trial.report(loss, epoch)
    study.tell(trial, state=TrialState.PRUNED)
    assert study.trials[1].value == 0.01
    assert study.best_trial.number == 0


def test_a_queued_value_out_of_range_runs_with_a_mere_warning() -> None:
    study = new_study()
    study.enqueue_trial({"x": 5.0})
    trial = study.ask()
    with pytest.warns(UserWarning, match="out of range"):
        assert trial.suggest_float("x", 0, 1) == 5.0
    study.tell(trial, 0.1)
    assert study.best_params == {"x": 5.0}


def test_a_constraint_can_be_set_once_and_the_first_value_stays() -> None:
    trial = new_study().ask()
    trial.set_constraint("c", 1.0)
    with pytest.warns(UserWarning, match="already set"):
        trial.set_constraint("c", -1.0)
    assert trial.study.trials[0].constraints == {"c": 1.0}


def test_a_constraint_cannot_be_set_after_the_end() -> None:
    study = new_study()
    trial = study.ask()
    study.tell(trial, 0.1)
    with pytest.raises(optuna.exceptions.UpdateFinishedTrialError):
        trial.set_constraint("c", 1.0)


def test_a_resumed_study_with_the_same_sampler_seed_repeats_its_first_suggestions(tmp_path: Path) -> None:
    def three_suggestions() -> list[float]:
        study = optuna.create_study(
            storage=f"sqlite:///{tmp_path / 'facts.db'}",
            study_name="resumed",
            sampler=TPESampler(seed=0),
            load_if_exists=True,
        )
        trials = [study.ask() for _ in range(3)]
        suggested = [trial.suggest_float("x", 0, 1) for trial in trials]
        for trial in trials:
            study.tell(trial, 0.1)
        return suggested

    assert three_suggestions() == three_suggestions()


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_the_retry_of_optuna_takes_the_constraint_into_the_new_trial() -> None:
    study = new_study()
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    trial.set_constraint("c", 1.0)
    study.tell(trial, state=TrialState.FAIL)
    optuna.storages.RetryHeartbeatStaleTrialCallback()(study, study.trials[0])
    assert study.trials[1].state is TrialState.WAITING
    assert study.trials[1].constraints == {"c": 1.0}


def test_a_queued_retry_takes_the_parameters_and_nothing_else() -> None:
    study = new_study()
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    trial.set_constraint("c", 1.0)
    study.tell(trial, state=TrialState.FAIL)
    study.enqueue_trial(dict(trial.params))
    assert study.trials[1].constraints == {}
    assert study.ask().suggest_float("x", 0, 1) == trial.params["x"]


def test_the_grid_sampler_stops_the_study_which_is_an_error_outside_optimize() -> None:
    study = optuna.create_study(sampler=GridSampler({"x": [0.1, 0.2]}, seed=0))
    completed(study, 0.1, None)
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    with pytest.raises(RuntimeError, match=r"`Study.stop` is supposed to be invoked inside"):
        study.tell(trial, 0.2)
    assert study.trials[1].state is TrialState.COMPLETE
