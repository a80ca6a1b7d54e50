"""Clean data that no check may block, and the trials that judge what `check` let pass."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmarks.leaks.controls import SIMULATED, honest_driver, real_controls
from benchmarks.leaks.studies import Study, real_study
from benchmarks.leaks.trials import check, run_trials
from storage.verdicts import Verdict
from tests.benchmarks.leaks.planted_leaks import plant
from trainer.audit.leaks.check_leaks import leak_findings
from trainer.audit.leaks.check_target import overlap_beyond
from trainer.data.windows import prepare_last_fold

pytestmark = pytest.mark.slow

REAL = list(real_controls())


def test_there_are_at_least_40_clean_studies() -> None:
    assert len(REAL) + 3 * len(SIMULATED) >= 40


@pytest.mark.parametrize("study", REAL[::4], ids=lambda study: study.name)
def test_a_real_series_is_neither_blocked_nor_warned_of(study: Study) -> None:
    found = check(study, deep=False)
    assert not found.blocking
    assert not found.warnings


@pytest.mark.parametrize("simulate", SIMULATED)
def test_a_clean_simulation_is_not_blocked(simulate: Callable[[np.random.Generator], Study]) -> None:
    assert not check(simulate(np.random.default_rng(11))).blocking


def test_an_honest_driver_of_returns_is_warned_of_and_not_blocked() -> None:
    found = check(honest_driver(np.random.default_rng(11)))
    assert not found.blocking
    assert [f.where for f in found.warnings if f.code == "leads_target"] == ["driver"]


def test_a_short_market_series_in_order_is_not_called_shuffled() -> None:
    study = real_study("sp500", "return")
    short = replace(study, frame=study.frame[:400], split={"fractions": {"train": 0.6, "validation": 0.2}})
    assert not check(short, deep=False).warnings


@pytest.mark.parametrize("period", [4, 5, 7, 12])
def test_a_season_is_no_overlap(period: int) -> None:
    rows = np.arange(2000)
    noise = np.random.default_rng(0).standard_normal(2000)
    assert overlap_beyond(np.sin(2 * np.pi * rows / period) + 0.3 * noise, 1) is None


@pytest.mark.parametrize("days", [2, 5, 10, 42])
def test_overlapping_means_are_told_by_their_length(days: int) -> None:
    noise = pd.Series(np.random.default_rng(0).standard_normal(4000))
    means = noise.rolling(days).mean().dropna().to_numpy(np.float64)
    assert overlap_beyond(means, 1) == days
    assert overlap_beyond(means, days) is None


def test_a_series_too_short_to_probe_says_so() -> None:
    study = real_study("sp500", "volatility")
    short = replace(study, frame=study.frame[:110], split={"fractions": {"train": 0.6, "validation": 0.2}})
    config = short.config()
    found = leak_findings(prepare_last_fold(config, short.table()), 0.05, config)
    assert [(finding.code, finding.severity) for finding in found] == [("not_probed", "info")]
    assert "fewer than 50 have enough known values of the target before them" in found[0].message


def test_a_trial_on_leaking_data_is_quarantined_and_never_best() -> None:
    study = plant("target + noise, 1 std", "return")
    trials = run_trials(study, check(study), number=1, seed=0)
    assert trials.verdicts == (Verdict.SUSPICIOUS,)
    assert trials.reached > trials.ceiling
    assert trials.best is None


def test_a_trial_on_clean_data_is_accepted() -> None:
    study = real_study("wti", "return")
    trials = run_trials(study, check(study), number=1, seed=0)
    assert trials.verdicts == (Verdict.ACCEPTED,)
    assert trials.best is not None
    assert trials.best < trials.ceiling
