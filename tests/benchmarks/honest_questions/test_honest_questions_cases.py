"""Studies that were judged wrongly once: what is right for them, at the horizon that failed and at others."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.honest_questions.ballast import Answer, searched, study_file, verified_alone
from benchmarks.honest_questions.cases import (
    autoregression,
    daily_har,
    hint_of_the_future,
    hours_with_season,
    index_return,
    index_volatility,
    lead_behind_today,
    random_walk,
    sum_of_its_row,
    todays_size,
)
from benchmarks.leaks.leak import rolling
from benchmarks.leaks.studies import Study
from search.config.resolve import resolve
from search.config.resolved_study import ResolvedStudy
from search.data.study_data import inspect_data
from search.errors import RequestError
from trainer.audit.audit_findings import Audit
from trainer.data.windows import prepare_refit
from trainer.losses import MSE
from trainer.rivals.baselines import baseline_losses

pytestmark = pytest.mark.slow  # the quick tests are to end within five minutes

Resolve = Callable[[Study], ResolvedStudy]
LEAKS = {"leads_target", "leak_probe", "looks_ahead", "copied_rows", "target_overlaps"}


@pytest.fixture
def resolved(tmp_path: Path) -> Resolve:
    def written(study: Study) -> ResolvedStudy:
        study.frame.to_csv(tmp_path / "table.csv", index=False)
        path = tmp_path / "study.yaml"
        path.write_text(json.dumps(study_file(study, name="case", seed=0, trials=3)))
        return resolve(path)

    return written


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def audited(study: ResolvedStudy) -> Audit:
    audit = inspect_data(study).audit
    assert audit is not None
    return audit


def accused(found: Audit) -> list[str]:
    return [f.message for f in found.findings if f.severity == "error" or f.code in LEAKS]


def flagged(answer: Answer, column: str) -> bool:
    """Whether the column blocks, or trials on it are suspicious."""
    return answer.quarantined or any(s.severity == "error" and s.names([column]) for s in answer.said)


@pytest.mark.parametrize("horizon", [11, 15, 21, 22, 63])
def test_a_plain_return_over_weeks_is_no_leak(horizon: int, resolved: Resolve) -> None:
    assert accused(audited(resolved(index_return(horizon)))) == []


@pytest.mark.parametrize("horizon", [11, 22, 63])
def test_a_plain_volatility_over_weeks_is_no_leak(horizon: int, resolved: Resolve) -> None:
    assert accused(audited(resolved(index_volatility(horizon)))) == []


@pytest.mark.parametrize("horizon", [12, 21, 40])
@pytest.mark.parametrize("seed", range(3))
def test_a_random_walk_is_no_leak_at_any_horizon(horizon: int, seed: int, resolved: Resolve) -> None:
    assert accused(audited(resolved(random_walk(generator(seed), horizon)))) == []


@pytest.mark.slow
@pytest.mark.parametrize("horizon", [12, 21])
def test_a_random_walk_ends_without_skill(horizon: int) -> None:
    answer = searched(random_walk(generator(), horizon), seed=0, trials=3)
    assert not answer.quarantined
    assert answer.verified is not None
    assert not answer.verified.holds
    assert not answer.verified.beats_strongest


@pytest.mark.parametrize("horizon", [1, 5, 21])
def test_the_har_baseline_has_its_daily_term_at_every_horizon(horizon: int) -> None:
    study = daily_har(generator(), horizon)
    data = prepare_refit(study.config(), study.table())
    values, future = study.values("lv"), study.future()
    columns = np.column_stack([np.ones(len(values)), *(rolling(values, days) for days in (1, 5, 22))])
    first = len(values) - horizon - len(data.target)
    columns, future = columns[first:], future[first:]
    coefficients, *_ = np.linalg.lstsq(columns[data.train], future[data.train], rcond=None)
    errors = (future[data.test] - columns[data.test] @ coefficients) / data.scaler.target_std
    assert baseline_losses(data, data.test, MSE)["har"] == pytest.approx(float(np.mean(errors**2)), rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("horizon", [5, 10])
def test_a_gru_is_not_said_to_beat_least_squares_on_a_daily_har(horizon: int) -> None:
    verified = verified_alone(daily_har(generator(), horizon), seed=0).verified
    assert verified is not None
    assert not verified.beats_strongest
    assert verified.strongest is not None
    assert verified.strongest["loss"] <= verified.rivals["har"]


@pytest.mark.slow
@pytest.mark.parametrize("horizon", [1, 3])
def test_a_gru_is_not_said_to_beat_an_autoregression_on_its_own_data(horizon: int) -> None:
    verified = verified_alone(autoregression(generator(), horizon), seed=0).verified
    assert verified is not None
    assert verified.rivals["ar"] < min(verified.rivals["persistence"], verified.rivals["train_mean"])
    assert not verified.holds
    assert not verified.beats_strongest


@pytest.mark.slow
@pytest.mark.parametrize("horizon", [20, 40])
@pytest.mark.parametrize("seed", range(3))
def test_a_hint_of_the_future_blocks_or_makes_its_trials_suspicious(horizon: int, seed: int) -> None:
    answer = searched(hint_of_the_future(generator(seed), horizon), seed=seed, trials=3)
    assert flagged(answer, "hint")
    assert answer.verified is None or not answer.verified.holds


@pytest.mark.parametrize("seed", range(4))
def test_a_lead_behind_an_honest_correlation_of_today_is_named(seed: int, resolved: Resolve) -> None:
    found = audited(resolved(lead_behind_today(generator(seed), 1))).findings
    (lead,) = [f for f in found if f.where == "us" and f.code == "leads_target"]
    assert "1 row" in lead.message
    assert not [f for f in found if f.where == "eu" and f.code == "leads_target"]


def test_a_raw_target_must_say_whether_it_was_shifted(resolved: Resolve) -> None:
    study = todays_size(generator())
    with pytest.raises(RequestError) as refused:
        inspect_data(resolved(study)).require()
    told = str(refused.value)
    assert "data.target.already_shifted is missing" in told
    dates = study.frame["Date"].dt.strftime("%Y-%m-%d").tolist()
    shown = sorted({date for date in dates if date in told})
    assert dates.index(shown[1]) == dates.index(shown[0]) + 1  # a row of the file, and the one after it
    assert "set data.target.already_shifted to true or false" in told


@pytest.mark.parametrize("shifted", [True, False])
def test_a_worked_row_shows_what_a_raw_target_means(shifted: bool, resolved: Resolve) -> None:
    study = todays_size(generator(), already_shifted=shifted)
    found = audited(resolved(study))
    assert found.worked_row is not None
    dates = study.frame["Date"].dt.strftime("%Y-%m-%d").tolist()
    until, at = found.worked_row.features_until, found.worked_row.target_at
    assert until is not None
    assert at is not None
    seen = dates.index(until[:10])
    told = study.values("Y")[seen if shifted else seen + 1]
    assert found.worked_row.target == pytest.approx(float(told))
    assert at[:10] == dates[seen + 1]


@pytest.mark.parametrize("seed", range(3))
def test_a_target_that_is_nearly_a_function_of_its_own_row_is_a_finding(seed: int, resolved: Resolve) -> None:
    found = audited(resolved(sum_of_its_row(generator(seed), already_shifted=True)))
    assert any(f.where == "target" or "target" in f.message for f in found.findings if f.severity != "info")
    assert accused(found)


@pytest.mark.slow
@pytest.mark.parametrize("horizon", [1, 6])
def test_the_time_of_day_is_no_skill(horizon: int) -> None:
    answer = searched(hours_with_season(generator(), horizon), seed=0, trials=3)
    assert not answer.blocked
    assert answer.verified is not None
    losses = answer.verified.rivals
    assert min(losses["har"], losses["seasonal"]) < 0.9 * min(losses["persistence"], losses["train_mean"])
    assert not answer.verified.holds
    assert not answer.verified.beats_strongest
