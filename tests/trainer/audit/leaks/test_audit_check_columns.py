"""Single columns: which lift a linear forecast beyond the target's own history, and which count backward."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.leaks.studies import Study, real_study
from trainer.audit.audit import audit
from trainer.audit.audit_findings import AuditFinding
from trainer.audit.leaks.check_columns import lift_findings
from trainer.config import GuardConfig
from trainer.data.windows import prepare_last_fold


def lifts(study: Study) -> list[AuditFinding]:
    config = study.config()
    return lift_findings(config, prepare_last_fold(config, study.table()))


def counted(study: Study) -> list[str]:
    found = audit(study.config(), GuardConfig(), study.table()).findings
    return [finding.where for finding in found if finding.code == "counts_down"]


@pytest.fixture
def volatility() -> Study:
    return real_study("sp500", "volatility")


def smoothed(study: Study, *, both_sides: bool) -> Study:
    """The study with a mean of the known volatility over the last five rows, or the two on each side."""
    mean = pd.Series(study.known()).rolling(5, center=both_sides).mean().to_numpy(np.float64)
    return study.with_columns(smooth=mean).without_gaps()


def test_a_filter_of_both_sides_is_named_with_its_lift_and_the_two_readings(volatility: Study) -> None:
    (finding,) = lifts(smoothed(volatility, both_sides=True))
    assert (finding.code, finding.severity, finding.where) == ("lifts_forecast", "warning", "smooth")
    assert finding.value is not None
    assert finding.value > 0.3
    assert (
        f"smooth: alone it lifts a linear forecast by {finding.value:+.3f} over HAR with negative returns"
        in (finding.message)
    )
    assert "set may_lead: true for smooth in data.features" in finding.message
    assert "look at its recipe" in finding.message


def test_a_filter_of_the_past_is_history(volatility: Study) -> None:
    assert lifts(smoothed(volatility, both_sides=False)) == []


@pytest.mark.parametrize("seed", range(5))
def test_a_column_that_knows_nothing_is_not_named(volatility: Study, seed: int) -> None:
    noise = np.random.default_rng(seed).standard_normal(len(volatility.frame))
    assert lifts(volatility.with_columns(noise=noise, walk=np.cumsum(noise))) == []


def test_the_forecast_of_a_model_that_was_fitted_on_all_rows_is_named(volatility: Study) -> None:
    target = pd.Series(volatility.future()).ffill().bfill().to_numpy(np.float64)
    x = np.random.default_rng(0).standard_normal((len(target), 400))
    fitted = x @ np.linalg.lstsq(x, target - target.mean(), rcond=None)[0]
    assert [finding.where for finding in lifts(volatility.with_columns(fitted=fitted))] == ["fitted"]


def test_a_declared_leader_is_not_named(volatility: Study) -> None:
    study = smoothed(volatility, both_sides=True)
    *others, last = study.features
    config = Study(**{**vars(study), "features": (*others, {**last, "may_lead": True})}).config()
    assert lift_findings(config, prepare_last_fold(config, study.table())) == []


@pytest.mark.slow
def test_a_factor_of_what_is_still_to_come_counts_down_to_the_last_row() -> None:
    study = real_study("sp500", "return")
    price = np.maximum.accumulate(study.values("Close"))
    steps = np.floor(8 * np.log2(price))
    assert counted(study.with_columns(to_come=steps[-1] - steps)) == ["to_come"]
    assert counted(study.with_columns(factor=2.0 ** (steps[-1] - steps))) == ["factor"]


def test_a_count_of_what_has_been_is_honest() -> None:
    study = real_study("sp500", "return")
    price = np.maximum.accumulate(study.values("Close"))
    assert counted(study.with_columns(so_far=np.floor(8 * np.log2(price)))) == []
