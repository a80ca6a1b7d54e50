"""The fast part of benchmarks/sampler_safety.py: what the samplers that learn quickly do around a trap."""

import math
from collections.abc import Iterator

import optuna
import pytest
from optuna.trial import TrialState

from benchmarks.sampler_safety import (
    EDGE,
    EPOCHS,
    GOAL,
    LEAKED,
    MODEL_BASED,
    NOISE,
    WALL,
    Landscape,
    Plan,
    Region,
    Rule,
    Summary,
    Way,
    end,
    look,
    losses,
    missed,
    open_study,
    run_study,
    summarise,
    train,
)
from search.config.schema import SamplerName
from search.sampling.tell import CONSTRAINT
from storage.verdicts import Verdict

HONEST, UNSTABLE, LEAKING = (0.5, 0.45, 0.5), (0.9, 0.8, 0.5), (0.2, 0.2, 0.9)


@pytest.fixture(autouse=True)
def quiet_log() -> Iterator[None]:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(before)


@pytest.mark.parametrize("landscape", [WALL, EDGE])
def test_the_trap_takes_three_tenths_and_half_of_that_again(landscape: Landscape) -> None:
    grid = [
        ((i + 0.5) / 40, (j + 0.5) / 40, (k + 0.5) / 40)
        for i in range(40)
        for j in range(40)
        for k in range(40)
    ]
    regions = [landscape.region(point) for point in grid]
    assert regions.count(Region.UNSTABLE) / len(grid) == pytest.approx(0.3, abs=0.01)
    assert regions.count(Region.LEAKING) / len(grid) == pytest.approx(0.15 * 0.7, abs=0.01)
    assert landscape.region(landscape.optimum) is None


def test_what_is_found_in_a_region_is_found_after_honest_epochs() -> None:
    for region, offending in ((Region.UNSTABLE, Verdict.UNSTABLE), (Region.LEAKING, Verdict.SUSPICIOUS)):
        seen = [look(loss) for loss in losses(WALL, UNSTABLE, region, seed=0)]
        assert seen[0] is None
        assert seen[-1] is offending
    assert not any(look(loss) for loss in losses(WALL, HONEST, None, seed=0))


@pytest.mark.parametrize(("region", "point"), [(Region.UNSTABLE, UNSTABLE), (Region.LEAKING, LEAKING)])
@pytest.mark.parametrize("sampler", MODEL_BASED)
def test_ballast_reports_no_offending_value_and_tells_a_violation(
    sampler: SamplerName, region: Region, point: tuple[float, ...]
) -> None:
    plan = Plan(sampler)
    study = open_study(plan, seed=0)
    trial = study.optuna.ask()
    verdict, value = train(trial, losses(WALL, point, region, seed=0), Way.BALLAST)
    end(study, trial, verdict, value, plan)
    (ended,) = study.optuna.trials
    assert 0 < len(ended.intermediate_values) < EPOCHS
    assert all(math.isfinite(loss) and loss > LEAKED for loss in ended.intermediate_values.values())
    assert ended.constraints[CONSTRAINT] > 0
    assert ended.value is not None
    assert ended.value >= min(ended.intermediate_values.values())


def test_report_then_prune_does_report_the_offending_value() -> None:
    trial = open_study(Plan("tpe"), seed=0).optuna.ask()
    train(trial, losses(WALL, LEAKING, Region.LEAKING, seed=0), Way.REPORT)
    assert min(trial.study.trials[0].intermediate_values.values()) == LEAKED


@pytest.mark.parametrize("sampler", ["tpe", "cmaes"])
@pytest.mark.slow
def test_ballast_keeps_a_sampler_to_a_quarter_of_the_share_of_random_search(sampler: SamplerName) -> None:
    random = summarise(Plan("random"), range(2), 100)
    ballast = summarise(Plan(sampler), range(2), 100)
    free = summarise(Plan(sampler, trapped=False), range(2), 100)
    assert ballast.led_astray == 0
    assert ballast.shares[Region.UNSTABLE] <= GOAL * random.shares[Region.UNSTABLE]
    assert ballast.regret <= free.regret + NOISE


@pytest.mark.filterwarnings("ignore:.*nan is not acceptable")
def test_a_leak_that_nobody_looks_for_wins_the_study() -> None:
    assert summarise(Plan("tpe", Way.FAIL_ON_NAN), range(1), 100).led_astray == 1


@pytest.mark.parametrize(
    ("rule", "state"),
    [(None, TrialState.COMPLETE), (Rule(1.01, unpromising_hidden=True), TrialState.PRUNED)],
)
def test_gp_hears_of_a_pruned_trial_unless_a_rule_hides_it(rule: Rule | None, state: TrialState) -> None:
    plan = Plan("gp", rule=rule)
    study = open_study(plan, seed=0)
    trial = study.optuna.ask()
    trial.report(0.9, 0)
    end(study, trial, Verdict.UNPROMISING, 0.9, plan)
    assert study.optuna.trials[0].state is state


def test_the_same_seed_gives_the_same_study() -> None:
    assert run_study(Plan("tpe"), 3, 20) == run_study(Plan("tpe"), 3, 20)
    assert run_study(Plan("tpe"), 3, 20) != run_study(Plan("tpe"), 4, 20)


def test_what_misses_the_goal_is_named() -> None:
    def summary(unstable: float, leaking: float, regret: float) -> Summary:
        return Summary({Region.UNSTABLE: unstable, Region.LEAKING: leaking}, 0.0, (regret,), 0)

    random, free = summary(0.3, 0.1, 0.02), summary(0.0, 0.0, 0.001)
    assert missed("gp", summary(0.07, 0.02, 0.005), random, free) == []
    assert missed("gp", summary(0.15, 0.02, 0.05), random, free) == [
        "gp: 0.50 of random's share is unstable",
        "gp: the optimum is 0.0500 off, without the trap 0.0010",
        "gp: the optimum is 0.0500 off, by random search 0.0200",
    ]
