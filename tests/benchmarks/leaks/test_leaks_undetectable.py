"""Leaks that no look at the numbers can find, shown to be without effect or faint, as docs/leaks.md says."""

import numpy as np
import pytest

from benchmarks.leaks.studies import Kind, Study, real_study
from benchmarks.leaks.trials import check
from tests.benchmarks.leaks.planted_leaks import plant
from trainer.audit.leaks.leak_probe import LeakProbe
from trainer.data.windows import Dataset, prepare_last_fold

pytestmark = pytest.mark.slow

KINDS: tuple[Kind, ...] = ("return", "volatility")


def prepared(study: Study) -> Dataset:
    return prepare_last_fold(study.config(), study.table())


def skill(study: Study) -> float:
    probe = LeakProbe.of(prepared(study))
    assert probe is not None
    return probe.skill(range(len(study.features)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_scaler_of_all_rows_is_undone_by_that_of_the_training_rows(kind: Kind) -> None:
    honest = prepared(real_study("sp500", kind))
    scaled = prepared(plant("scaler fitted on all rows", kind))
    shared = len(scaled.target)  # the stored moving average drops the first rows of the table
    kept = [0] if kind == "return" else [0, 1, 2]  # `vol` is the absolute return there, and not the range
    np.testing.assert_allclose(
        scaled.features[:, kept], honest.features[-shared:][:, kept], atol=0.02, rtol=0.02
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["whole-sample z-score", "whole-sample min-max", "known too early, 30 rows"])
def test_what_is_not_found_lifts_the_probe_by_nothing(name: str, kind: Kind) -> None:
    study = plant(name, kind)
    assert not check(study, deep=False).blocking
    assert skill(study) < skill(real_study("sp500", kind)) + 0.02


@pytest.mark.parametrize(
    "name", ["target + noise, 2 std", "back-filled feature, 50% lost", "target's mean by group, month"]
)
def test_faint_leaks_of_volatility_pass_below_the_ceiling(name: str) -> None:
    """The price of a ceiling of 0.3: the day that this fails, docs/leaks.md is to be changed."""
    study = plant(name, "volatility")
    lift = skill(study) - skill(real_study("sp500", "volatility"))
    assert not check(study, deep=False).blocking
    assert 0.03 < lift < 0.3


def test_copies_that_were_shaken_are_not_found_and_lift_no_returns() -> None:
    study = plant("shaken copies, 50%, by 0.01 std", "return")
    assert not check(study, deep=False).blocking
    assert skill(study) < 0.02
