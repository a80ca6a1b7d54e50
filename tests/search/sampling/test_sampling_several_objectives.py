"""Studies of several objectives: what Optuna refuses, and that ours report, prune and learn all the same."""

from pathlib import Path

import optuna
import pytest
from optuna.pruners import MedianPruner
from optuna.samplers import GPSampler, RandomSampler, TPESampler
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.trial import TrialState

from search.config.schema import PrunerName, SamplerName, StudySection
from search.sampling.loss_first import create_optuna_study, load_optuna_study, report_loss, should_prune
from search.sampling.pruners import make_pruner
from search.sampling.tell import OtherObjectives, silence_optuna_warnings, tell, tell_message, worst_of_each
from storage.verdicts import Verdict

OTHERS = OtherObjectives([0.5, None], lambda: (0.9, 1.0))


def of_two(storage: BaseStorage | None = None) -> optuna.Study:
    return create_optuna_study("two", storage or InMemoryStorage(), 2)


def ended(study: optuna.Study, losses: list[float], verdict: Verdict, sampler: SamplerName = "tpe") -> int:
    trial = study.ask()
    x = trial.suggest_float("x", 0, 1)
    for epoch, loss in enumerate(losses):
        report_loss(trial, loss, epoch)
        should_prune(trial)
    others = OtherObjectives([x], lambda: [1.0])
    tell(
        study,
        trial,
        tell_message(verdict, losses[-1], sampler=sampler, worst_honest=lambda: 2.0, others=others),
    )
    return trial.number


def test_optuna_refuses_reports_and_pruning_with_two_directions() -> None:
    trial = optuna.create_study(directions=["minimize", "minimize"]).ask()
    with pytest.raises(NotImplementedError, match="report is not supported for multi-objective"):
        trial.report(0.5, 0)
    with pytest.raises(NotImplementedError, match="should_prune is not supported for multi-objective"):
        trial.should_prune()


def test_tpe_of_optuna_fails_on_a_pruned_trial_with_reports_and_two_directions() -> None:
    study = optuna.create_study(directions=["minimize"] * 2, sampler=TPESampler(seed=0, n_startup_trials=1))
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    study._storage.set_trial_intermediate_value(trial._trial_id, 0, 0.5)
    study.tell(trial, state=TrialState.PRUNED)
    with pytest.raises(RuntimeError, match="single direction cannot be retrieved"):
        study.ask().suggest_float("x", 0, 1)


@pytest.mark.parametrize("pruner", ["median", "patient", "hyperband"])
def test_every_pruner_judges_by_the_loss_and_tpe_learns_from_what_it_pruned(pruner: PrunerName) -> None:
    study = of_two()
    section = StudySection(name="two", pruner=pruner, startup_trials=2, pruner_warmup=1, pruner_min_trials=2)
    study.pruner = make_pruner(section, 9)
    study.sampler = TPESampler(seed=0, n_startup_trials=2)
    for loss in (0.1, 0.2, 0.3, 0.4):
        ended(study, [loss] * 9, Verdict.ACCEPTED)
    hopeless = study.ask()
    hopeless.suggest_float("x", 0, 1)
    decisions = []
    for epoch in range(9):
        report_loss(hopeless, 5.0 + epoch, epoch)
        decisions.append(should_prune(hopeless))
    assert any(decisions)
    tell(study, hopeless, tell_message(Verdict.UNPROMISING, 5.0, sampler="tpe", worst_honest=lambda: 9.0))
    assert study.trials[hopeless.number].state is TrialState.PRUNED
    assert 0 <= study.ask().suggest_float("x", 0, 1) <= 1


@pytest.mark.slow
def test_gp_goes_on_after_every_verdict() -> None:
    study = of_two()
    with silence_optuna_warnings():
        study.sampler = GPSampler(seed=0, n_startup_trials=2, independent_sampler=RandomSampler(seed=0))
    for verdict in (Verdict.UNSTABLE, Verdict.ACCEPTED, Verdict.UNPROMISING, Verdict.SUSPICIOUS):
        ended(study, [0.5], verdict, "gp")
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}
    assert 0 <= study.ask().suggest_float("x", 0, 1) <= 1


def test_a_loaded_study_is_the_same_and_one_of_one_objective_is_optuna_s_own(tmp_path: Path) -> None:
    storage = InMemoryStorage()
    assert type(load_optuna_study(of_two(storage).study_name, storage)) is type(of_two(storage))
    assert type(create_optuna_study("one", storage, 1)) is optuna.Study
    assert isinstance(of_two().pruner, MedianPruner)


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", "grid", "gp"])
def test_the_table_for_several_objectives(sampler: SamplerName) -> None:
    def told(verdict: Verdict, others: OtherObjectives) -> tuple[TrialState, float | None, tuple[float, ...]]:
        said = tell_message(verdict, 0.8, sampler=sampler, worst_honest=lambda: 1.5, others=others)
        return said.state, said.value, said.others

    learns = sampler == "gp"
    pruned = (TrialState.PRUNED, None, ())
    assert told(Verdict.ACCEPTED, OtherObjectives([0.5, 7.0])) == (TrialState.COMPLETE, 0.8, (0.5, 7.0))
    assert told(Verdict.UNPROMISING, OTHERS) == ((TrialState.COMPLETE, 0.8, (0.9, 1.0)) if learns else pruned)
    for verdict in (Verdict.UNSTABLE, Verdict.SUSPICIOUS):
        assert told(verdict, OTHERS) == ((TrialState.COMPLETE, 3.0, (0.9, 1.0)) if learns else pruned)
    assert told(Verdict.FAILED, OTHERS) == (TrialState.FAIL, None, ())


def test_an_accepted_trial_must_have_every_objective() -> None:
    with pytest.raises(ValueError, match="an accepted trial must have a finite value, not None"):
        tell_message(Verdict.ACCEPTED, 0.8, sampler="tpe", worst_honest=lambda: 1.5, others=OTHERS)


def test_the_worst_of_each_objective_counts_this_trial_and_the_honest_ones() -> None:
    assert worst_of_each([0.5, None, None], [(0.2, 30.0, None), (0.7, 20.0, None)]) == (0.7, 30.0, 1.0)
