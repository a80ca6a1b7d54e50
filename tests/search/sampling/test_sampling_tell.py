"""What Optuna is told of each verdict, and that a real study then holds exactly that."""

import math
import warnings
from collections.abc import Iterator

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from search.config.schema import PrunerName, SamplerName, StudySection
from search.config.space import Choices, Dimension, FloatRange, IntRange
from search.sampling.grid_sampler import SharedGridSampler
from search.sampling.pruners import make_pruner
from search.sampling.samplers import make_sampler
from search.sampling.tell import (
    CONSTRAINT,
    LEARNS_FROM_COMPLETE,
    TellMessage,
    silence_optuna_warnings,
    tell,
    tell_message,
)
from storage.verdicts import Verdict

SAMPLERS: tuple[SamplerName, ...] = ("tpe", "gp", "cmaes", "random", "qmc", "grid")
CONTINUOUS: dict[str, Dimension] = {"x": FloatRange(1e-4, 1e-2, log=True), "y": FloatRange(0.0, 0.5)}
GRID: dict[str, Dimension] = {"x": Choices((1e-4, 1e-3, 1e-2)), "y": IntRange(1, 3)}
WORST, BASELINE = 1.3, 0.9

PRUNED, COMPLETE, FAIL = TrialState.PRUNED, TrialState.COMPLETE, TrialState.FAIL
VIOLATED, SATISFIED = 1.0, -1.0


@pytest.fixture(autouse=True)
def quiet_log() -> Iterator[None]:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield
    optuna.logging.set_verbosity(before)


def told(verdict: Verdict, sampler: SamplerName, value: float | None = 0.8) -> TellMessage:
    return tell_message(verdict, value, sampler=sampler, worst_honest=lambda: WORST)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_table_row_by_row(sampler: SamplerName) -> None:
    penalised = TellMessage(COMPLETE, 2 * WORST, VIOLATED)
    repelled = penalised if sampler in ("gp", "cmaes") else TellMessage(PRUNED, None, VIOLATED)
    heard = (
        TellMessage(COMPLETE, 0.8, SATISFIED)
        if sampler in ("gp", "cmaes")
        else TellMessage(PRUNED, None, SATISFIED)
    )
    assert {verdict: told(verdict, sampler) for verdict in Verdict} == {
        Verdict.ACCEPTED: TellMessage(COMPLETE, 0.8, SATISFIED),
        Verdict.UNPROMISING: heard,
        Verdict.UNSTABLE: repelled,
        Verdict.SUSPICIOUS: repelled,
        Verdict.FAILED: TellMessage(FAIL, None, None),
        Verdict.INTERRUPTED: TellMessage(FAIL, None, None),
    }


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("verdict", [v for v in Verdict if v not in (Verdict.ACCEPTED, Verdict.UNPROMISING)])
@pytest.mark.parametrize("value", [None, 1e-12, math.nan, math.inf, -math.inf])
def test_the_value_of_a_trial_that_is_not_believed_is_never_told(
    verdict: Verdict, sampler: SamplerName, value: float | None
) -> None:
    assert told(verdict, sampler, value) == told(verdict, sampler, 0.8)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_a_pruned_trial_without_a_finite_value_is_told_as_pruned(
    sampler: SamplerName, value: float | None
) -> None:
    assert told(Verdict.UNPROMISING, sampler, value) == TellMessage(PRUNED, None, SATISFIED)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_an_accepted_trial_without_a_finite_value_is_an_error(
    sampler: SamplerName, value: float | None
) -> None:
    with pytest.raises(ValueError, match=f"an accepted trial must have a finite value, not {value}"):
        told(Verdict.ACCEPTED, sampler, value)


@pytest.mark.parametrize("sampler", sorted(LEARNS_FROM_COMPLETE))
@pytest.mark.parametrize("verdict", [Verdict.UNSTABLE, Verdict.SUSPICIOUS])
@pytest.mark.parametrize("worst", [5e-324, 1e-8, 0.3, 1.0, 1e300])
def test_a_penalty_is_finite_and_worse_than_any_honest_value(
    verdict: Verdict, sampler: SamplerName, worst: float
) -> None:
    message = tell_message(verdict, None, sampler=sampler, worst_honest=lambda: worst)
    assert message.value is not None
    assert worst < message.value < math.inf


@pytest.mark.parametrize("worst", [math.nan, math.inf, 1.7e308, 0.0, -1.0])
def test_no_penalty_can_be_made_of_a_worst_value_that_is_not_finite_and_positive(worst: float) -> None:
    with pytest.raises(ValueError, match="the worst honest loss must be finite and positive"):
        tell_message(Verdict.UNSTABLE, None, sampler="gp", worst_honest=lambda: worst)


def section(sampler: SamplerName, pruner: PrunerName = "median", seed: int = 0) -> StudySection:
    return StudySection(name="told", sampler=sampler, pruner=pruner, seed=seed, startup_trials=2)


def space_of(sampler: SamplerName) -> dict[str, Dimension]:
    return GRID if sampler == "grid" else CONTINUOUS


def new_study(sampler: SamplerName, pruner: PrunerName = "median") -> optuna.Study:
    described = section(sampler, pruner)
    return optuna.create_study(
        sampler=make_sampler(described, space_of(sampler), 0), pruner=make_pruner(described, epochs=15)
    )


def ask(study: optuna.Study, sampler: SamplerName) -> optuna.Trial:
    with silence_optuna_warnings():
        trial = study.ask()
        if sampler == "grid":
            trial.suggest_categorical("x", [1e-4, 1e-3, 1e-2])
            trial.suggest_int("y", 1, 3)
        else:
            trial.suggest_float("x", 1e-4, 1e-2, log=True)
            trial.suggest_float("y", 0.0, 0.5)
    return trial


def one_trial(study: optuna.Study, sampler: SamplerName, verdict: Verdict) -> FrozenTrial:
    trial = ask(study, sampler)
    for epoch, loss in enumerate((0.9, 0.85, 0.8)):
        trial.report(loss, epoch)
    trial.should_prune()
    tell(study, trial, told(verdict, sampler))
    return study.trials[trial.number]


@pytest.mark.slow
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_study_holds_state_value_and_constraint_as_planned_and_goes_on_without_a_warning(
    sampler: SamplerName,
) -> None:
    study = new_study(sampler)
    ends = [one_trial(study, sampler, verdict) for verdict in [*Verdict, Verdict.ACCEPTED, Verdict.UNSTABLE]]
    plans = [told(verdict, sampler) for verdict in [*Verdict, Verdict.ACCEPTED, Verdict.UNSTABLE]]
    assert [end.state for end in ends] == [plan.state for plan in plans]
    assert [end.constraints.get(CONSTRAINT) for end in ends] == [plan.constraint for plan in plans]
    for end, plan in zip(ends, plans, strict=True):
        expected = {COMPLETE: plan.value, PRUNED: 0.8, FAIL: None}[plan.state]
        assert end.value == expected
    assert study.best_trial.constraints == {CONSTRAINT: SATISFIED}
    assert study.best_value == 0.8


@pytest.mark.parametrize("sampler", sorted(LEARNS_FROM_COMPLETE))
def test_a_penalty_is_never_the_best_even_if_the_constraint_is_ignored(sampler: SamplerName) -> None:
    study = new_study(sampler)
    for verdict in (Verdict.SUSPICIOUS, Verdict.ACCEPTED, Verdict.UNSTABLE):
        one_trial(study, sampler, verdict)
    complete = study.get_trials(states=(COMPLETE,))
    assert len(complete) == 3
    assert min(complete, key=lambda trial: trial.value or math.inf).number == 1


@pytest.mark.parametrize("pruner", ["median", "hyperband", "patient", "none"])
def test_every_pruner_takes_what_it_is_told(pruner: PrunerName) -> None:
    study = new_study("tpe", pruner)
    for verdict in Verdict:
        one_trial(study, "tpe", verdict)
    assert [trial.state for trial in study.trials] == [told(verdict, "tpe").state for verdict in Verdict]


def test_the_silence_ends_with_the_telling() -> None:
    one_trial(new_study("cmaes"), "cmaes", Verdict.ACCEPTED)
    with pytest.warns(UserWarning, match="Constraints have been set, but CmaEsSampler"):
        warnings.warn("Constraints have been set, but CmaEsSampler will not", UserWarning, stacklevel=1)


def suggestions(study: optuna.Study, sampler: SamplerName, count: int) -> list[tuple[object, ...]]:
    found = []
    for _ in range(count):
        trial = ask(study, sampler)
        found.append(tuple(trial.params.values()))
        tell(study, trial, tell_message(Verdict.ACCEPTED, 0.8, sampler=sampler, worst_honest=lambda: WORST))
    return found


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_study_from_the_same_seed_makes_the_same_suggestions(sampler: SamplerName) -> None:
    assert suggestions(new_study(sampler), sampler, 4) == suggestions(new_study(sampler), sampler, 4)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_continued_study_does_not_repeat_its_first_suggestions(sampler: SamplerName) -> None:
    study = new_study(sampler)
    first = suggestions(study, sampler, 3)
    study.sampler = make_sampler(section(sampler), space_of(sampler), len(study.trials))
    assert not set(first) & set(suggestions(study, sampler, 3))


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name != "grid"])
def test_a_study_that_was_interrupted_in_its_first_trial_does_not_repeat_it(sampler: SamplerName) -> None:
    study = new_study(sampler)
    first = one_trial(study, sampler, Verdict.INTERRUPTED)
    study.sampler = make_sampler(section(sampler), space_of(sampler), len(study.trials))
    assert ask(study, sampler).params != first.params


def test_a_grid_is_walked_once_and_then_exhausted() -> None:
    study = new_study("grid")
    assert isinstance(study.sampler, SharedGridSampler)
    found = suggestions(study, "grid", 8)
    assert not study.sampler.is_exhausted(study)
    found += suggestions(study, "grid", 1)
    assert study.sampler.is_exhausted(study)
    assert len(set(found)) == 9
