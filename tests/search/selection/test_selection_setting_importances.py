"""The importance of a setting is told with its uncertainty, and not where the trials are too few."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from search.config.conditions import Condition
from search.config.space import Dimension, FloatRange, IntRange
from search.record.setting_facts import (
    SettingFacts,
    importance_text,
    record_setting_facts,
    recorded_setting_facts,
)
from search.selection.setting_importances import setting_importances
from storage import query, tables
from storage.verdicts import Verdict

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast, Launch, WriteStudy

SPACE = {f"setting_{index}": FloatRange(0.0, 1.0) for index in range(3)}


CONDITIONAL: dict[str, Dimension] = {
    "depth": IntRange(1, 2),
    "dropout": FloatRange(0.0, 1.0, when=(Condition("depth", (2,)),)),
    "noise": FloatRange(0.0, 1.0),
}


def scored(
    number: int, params: dict[str, Any], value: float, verdict: Verdict = Verdict.ACCEPTED
) -> tables.Trial:
    """A trial that has ended with this loss."""
    return tables.Trial(
        study="s",
        number=number,
        seed=1,
        started_at=datetime(2026, 5, 17, tzinfo=UTC),
        worker="w",
        params=params,
        verdict=verdict,
        value=value,
    )


def trials(count: int, *, noise: float, verdict: Verdict = Verdict.ACCEPTED) -> list[tables.Trial]:
    """Trials whose loss depends on `setting_0` alone."""
    random, found = np.random.default_rng(1), []
    for number in range(count):
        params = {key: float(random.uniform()) for key in SPACE}
        value = (params["setting_0"] - 0.3) ** 2 + noise * float(random.normal())
        found.append(scored(number, params, value, verdict))
    return found


def conditional_trials(count: int, *, idle: bool) -> list[tables.Trial]:
    """Trials whose loss is decided by the dropout where there is one."""
    random, found = np.random.default_rng(0), []
    for number in range(count):
        depth = 1 if idle else 1 + number % 2
        params: dict[str, Any] = {"depth": depth, "noise": float(random.uniform())}
        if depth == 2:
            params["dropout"] = float(random.uniform())
        value = 1.0 + params.get("dropout", 0.5) + 0.01 * params["noise"]
        found.append(scored(number, params, value))
    return found


def test_a_setting_that_decides_the_loss_is_told_from_others_with_a_narrow_interval() -> None:
    found = setting_importances(trials(200, noise=0.001), SPACE)
    assert found is not None
    first, *others = found.settings
    assert first.key == "setting_0"
    assert first.matters
    assert first.low > max(other.high for other in others)
    assert all(0 <= each.low <= each.high <= 1 for each in found.settings)


def test_more_noise_widens_the_interval() -> None:
    def width(noise: float) -> float:
        found = setting_importances(trials(60, noise=noise), SPACE)
        assert found is not None
        return max(each.high - each.low for each in found.settings)

    assert width(0.2) > 1.5 * width(0.001)


def test_the_same_trials_give_the_same_intervals() -> None:
    assert setting_importances(trials(40, noise=0.1), SPACE) == setting_importances(
        trials(40, noise=0.1), SPACE
    )


def test_too_few_trials_say_so_and_suspicious_ones_do_not_count() -> None:
    assert setting_importances(trials(19, noise=0.1), SPACE) is None
    assert setting_importances(trials(40, noise=0.1, verdict=Verdict.SUSPICIOUS), SPACE) is None
    assert importance_text(None, 19) == "too few trials to tell: 19 with a loss, 20 are needed"
    assert importance_text(None, 25) == "nothing tells the settings apart over 25 trials"


def test_a_setting_counts_in_the_trials_that_have_it_and_idle_trials_stay() -> None:
    found = setting_importances(conditional_trials(120, idle=False), CONDITIONAL)
    assert found is not None
    assert found.trials == 120
    assert {each.key for each in found.settings} == {"depth", "dropout", "noise"}
    shares = {each.key: each for each in found.settings}
    assert shares["dropout"].share > shares["dropout"].luck
    assert shares["noise"].share < shares["dropout"].share


def test_a_setting_that_was_idle_in_every_trial_has_no_importance() -> None:
    found = setting_importances(conditional_trials(60, idle=True), CONDITIONAL)
    assert found is None or "dropout" not in {each.key for each in found.settings}


@pytest.mark.slow
def test_status_and_report_say_it_in_the_same_words(
    write_study: "WriteStudy", ballast: "Ballast", launch: "Launch"
) -> None:
    assert ballast("run", write_study(study={"trials": 3}), "--store", "sqlite:///ballast.db").code == 0
    few = "too few trials to tell: 3 with a loss, 20 are needed"
    assert few in " ".join(ballast("status", "small", "--store", "sqlite:///ballast.db").out.split())
    shape = ballast("status", "small", "--json", "--store", "sqlite:///ballast.db").json["settings"]
    assert (shape["trials"], shape["importances"]) == (3, None)
    assert ballast("report", "small", "-o", "r.md", "--store", "sqlite:///ballast.db").code == 0
    with open("r.md", encoding="utf-8") as report:
        assert few in report.read()


@pytest.mark.slow
def test_what_is_on_record_comes_back_and_ends_belong_to_the_best_of_then(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    done = launch(write_study())
    found = SettingFacts(setting_importances(trials(40, noise=0.1), SPACE), 40, 1, ("at the clamp",))
    record_setting_facts(done.store, "small", found)
    facts = query.study(done.store, "small").facts
    assert recorded_setting_facts(facts, 1) == found
    other = recorded_setting_facts(facts, 0)
    assert other is not None
    assert other.ends == ()
