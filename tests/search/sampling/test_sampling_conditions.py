"""Every sampler asks for the settings that are active in a trial, and for no other."""

from typing import Any

import optuna
import pytest
from optuna.samplers import GridSampler
from optuna.trial import TrialState

from search.config.conditions import Condition, is_complete, why_idle
from search.config.schema import SamplerName, StudySection
from search.config.space import Choices, Dimension, FloatRange, IntRange, grid_values
from search.errors import RequestError
from search.sampling.ask import ask
from search.sampling.configuration_ordinals import start_ordinals
from search.sampling.grid_sampler import SharedGridSampler, grid_points
from search.sampling.retry import enqueue_retry

SPACE: dict[str, Dimension] = {
    "depth": IntRange(1, 3),
    "kind": Choices(("a", "b"), (Condition("depth", (2, 3)),)),
    "gain": FloatRange(0.0, 1.0, when=(Condition("kind", ("b",)), Condition("depth", low=2, high=2))),
    "rate": FloatRange(1e-4, 1e-2, log=True),
}
GRID: dict[str, Dimension] = {**SPACE, "gain": FloatRange(0.0, 1.0, step=0.5, when=SPACE["gain"].when)}
GRID["rate"] = Choices((1e-3, 1e-2))


def loss(params: dict[str, Any]) -> float:
    return float(params["depth"] + params.get("gain", 0.5) + abs(params["rate"] - 1e-3))


def run(
    sampler: SamplerName, trials: int, space: dict[str, Dimension] = SPACE, study: Any = None, **more: Any
) -> list[Any]:
    """The trials of a study that asks one by one."""
    study = study or optuna.create_study()
    start_ordinals(study)
    section = StudySection(name="x", sampler=sampler, startup_trials=5, seed=3, **more)
    for _ in range(trials):
        asked = ask(study, section, space, "me")
        assert asked.drawn_by.keys() == asked.trial.params.keys()
        study.tell(asked.trial, loss(asked.trial.params))
    return list(study.get_trials(deepcopy=False))


SAMPLERS = ["tpe", "random", "qmc", "cmaes", pytest.param("gp", marks=pytest.mark.slow)]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_trial_has_the_values_of_its_active_settings_alone(sampler: SamplerName) -> None:
    trials = run(sampler, 16)
    for trial in trials:
        active = [key for key in SPACE if why_idle(SPACE, trial.params, key) is None]
        assert [*trial.params] == active
        assert is_complete(SPACE, trial.params)
    assert {len(trial.params) for trial in trials} >= {2, 3}
    assert [t.params for t in run(sampler, 16)] == [t.params for t in trials]


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc"])  # cmaes draws by the number of a trial
def test_the_retry_of_a_killed_trial_has_the_values_that_the_trial_would_have_had(
    sampler: SamplerName,
) -> None:
    whole = [trial.params for trial in run(sampler, 12)]
    study = optuna.create_study()
    run(sampler, 11, study=study)
    section = StudySection(name="x", sampler=sampler, startup_trials=5, seed=3)
    killed = ask(study, section, SPACE, "me").trial
    study.tell(killed, state=TrialState.FAIL)
    enqueue_retry(study, killed)
    frozen = study.get_trials(deepcopy=False)[-1]
    left = dict(list(whole[11].items())[:1])  # its worker died after the first value
    study._storage.set_trial_system_attr(frozen._trial_id, "fixed_params", left)
    assert ask(study, section, SPACE, "me").trial.params == whole[11]


def test_a_grid_tries_each_distinct_configuration_once() -> None:
    points = grid_points(GRID)
    # depth 1: 2 rates; depth 2: kind a 2, kind b 3 gains × 2; depth 3: 2 kinds × 2
    assert len(points) == 2 + 2 + 6 + 4
    study = optuna.create_study()
    trials = run("grid", 14, GRID, study)
    assert {frozenset(t.params.items()) for t in trials} == {frozenset(p.items()) for p in points}
    assert SharedGridSampler(GRID, 3).is_exhausted(study)


def test_a_queued_value_of_a_grid_finds_a_point_in_which_it_is_active() -> None:
    study = optuna.create_study()
    study.enqueue_trial({"gain": 0.5, "rate": 1e-2})
    (trial,) = run("grid", 1, GRID, study)
    assert trial.params == {"depth": 2, "kind": "b", "gain": 0.5, "rate": 1e-2}


def test_a_queued_value_of_an_idle_setting_of_a_grid_is_ignored() -> None:
    study = optuna.create_study()
    study.enqueue_trial({"depth": 1, "gain": 0.5, "rate": 1e-2})
    trials = run("grid", 14, GRID, study)
    assert trials[0].params == {"depth": 1, "rate": 1e-2}
    assert SharedGridSampler(GRID, 3).is_exhausted(study)


def test_a_grid_without_conditions_has_the_order_of_optunas() -> None:
    flat: dict[str, Dimension] = {"b": Choices((1, 2, 3)), "a": IntRange(1, 5), "c": Choices(("x", None))}
    theirs = GridSampler(grid_values(flat), seed=7)._all_grids
    study = optuna.create_study(sampler=SharedGridSampler(flat, 7))
    section = StudySection(name="x", sampler="grid", seed=7)
    asked = [ask(study, section, flat, "me").trial.params for _ in theirs]
    assert [tuple(params[key] for key in sorted(flat)) for params in asked] == theirs


def test_the_size_of_a_grid_counts_configurations_and_no_idle_values() -> None:
    when = (Condition("a", (1,)),)
    small: dict[str, Dimension] = {"a": IntRange(1, 2), **{k: IntRange(1, 90, when=when) for k in ("b", "c")}}
    assert len(grid_points(small)) == 90 * 90 + 1
    small["d"] = IntRange(1, 2, when=when)
    with pytest.raises(RequestError, match="more than 10000 configurations"):
        grid_points(small)


def test_a_queue_that_names_a_part_is_completed_by_the_sampler() -> None:
    study = optuna.create_study()
    study.enqueue_trial({"depth": 2, "kind": "b"})
    study.enqueue_trial({"depth": 1, "kind": "b", "gain": 0.1})
    first, second = run("tpe", 2, study=study)
    assert first.params.keys() == SPACE.keys()
    assert second.params.keys() == {"depth", "rate"}


@pytest.mark.parametrize("sampler", ["tpe", "cmaes", pytest.param("gp", marks=pytest.mark.slow)])
def test_a_sampler_that_learns_draws_conditional_settings_too(sampler: SamplerName) -> None:
    study = optuna.create_study()
    run(sampler, 12, study=study)
    section = StudySection(name="x", sampler=sampler, startup_trials=5, seed=3)
    drawn: dict[str, set[str]] = {}
    for _ in range(6):
        asked = ask(study, section, SPACE, "me")
        for key, who in asked.drawn_by.items():
            drawn.setdefault(key, set()).add(who)
        study.tell(asked.trial, loss(asked.trial.params))
    kind = drawn.pop("kind", set())
    assert kind <= {f"drawn by {sampler}", "drawn at random (cmaes does not draw choices)"}
    assert {who for key in drawn for who in drawn[key]} == {f"drawn by {sampler}"}


def test_what_two_workers_run_at_once_has_its_active_settings_alone() -> None:
    study = optuna.create_study()
    start_ordinals(study)
    section = StudySection(name="x", sampler="tpe", startup_trials=3, seed=3)
    for _ in range(8):
        both = [ask(study, section, SPACE, who).trial for who in ("me", "you")]
        for trial in both:
            assert is_complete(SPACE, trial.params)
            study.tell(trial, loss(trial.params))
