"""Leaks planted into the S&P 500: what `check` must block, and whom it must name."""

import numpy as np
import pytest

from benchmarks.leaks import derived
from benchmarks.leaks.catalogue import ALL, BY_NAME
from benchmarks.leaks.leak import Leak
from benchmarks.leaks.studies import Kind, Study, real_study
from benchmarks.leaks.trials import Checked
from benchmarks.leaks.trials import check as check_deeply
from tests.benchmarks.leaks.planted_leaks import plant

pytestmark = pytest.mark.slow

BLOCKED_IN_RETURNS = (
    "target as a feature",
    "target + noise, 1 std",
    "target + noise, 2 std",
    "target's sign",
    "target on some days, 30%",
    "identifier of target's rank",
    "tomorrow's price, return",
    "tomorrow's price, over its mean",
    "next-day high",
    "next week's mean",
    "centred mean, 15 days",
    "centred price mean, 21 days",
    "known too early, 5 rows",
    "off-by-one join, 1 day",
    "Fourier-smoothed price, 10% kept",
    "interpolated price, weekly",
    "back-filled feature, 50% lost",
    "target's mean by group, week",
    "smoothed regime, 21 days",
    "target hidden in two columns",
    "wrong sign of shift, today",
    "overlap with lagged target, 5 days",
    "copied rows, 5% of the held-out",
)
BLOCKED_IN_VOLATILITY = (
    "target as a feature",
    "target + noise, 0.3 std",
    "centred mean, 9 days",
    "next-day range",
    "off-by-one join, 1 day",
    "target hidden in two columns",
    "wrong sign of shift, today",
    "shuffled split, 1 day",
    "copied rows, 50% of the held-out",
)


def check(study: Study) -> Checked:
    return check_deeply(study, deep=False)


def codes(found: Checked) -> set[str]:
    return {finding.code for finding in (*found.blocking, *found.warnings)}


def test_at_least_24_different_leaks_are_planted() -> None:
    assert len({leak.name for leak in ALL}) == len(ALL) >= 24


@pytest.mark.parametrize("name", BLOCKED_IN_RETURNS)
def test_check_blocks_a_leak_of_returns_and_names_it(name: str) -> None:
    found = check(plant(name, "return"))
    assert found.names(BY_NAME[name].named), [(f.code, f.where) for f in found.blocking]


@pytest.mark.parametrize("name", BLOCKED_IN_VOLATILITY)
def test_check_blocks_a_leak_of_volatility_and_names_it(name: str) -> None:
    found = check(plant(name, "volatility"))
    assert found.names(BY_NAME[name].named), [(f.code, f.where) for f in found.blocking]


@pytest.mark.parametrize(
    ("name", "kind"), [("centred mean, 5 days", "return"), ("next-day range", "volatility")]
)
def test_honest_features_beside_a_leak_are_not_named(name: str, kind: Kind) -> None:
    blamed = {finding.where for finding in check(plant(name, kind)).blocking}
    assert "leak" in blamed
    assert not blamed & {"ret", "vol", "vol5"}


def test_the_message_of_the_probe_says_skill_ceiling_and_what_to_do() -> None:
    found = check(plant("next week's mean", "return"))
    message = next(finding.message for finding in found.blocking if finding.code == "leak_probe")
    assert message.startswith("leak: a ridge regression reaches skill 0.9")
    assert "(ceiling 0.050); without leak it does not; look at how leak was made" in message


def test_the_lead_scan_tells_how_many_rows_ahead_a_column_is() -> None:
    found = check(plant("known too early, 5 rows", "return"))
    message = next(finding.message for finding in found.blocking if finding.code == "leads_target")
    assert "with the surprises of the target 5 rows later" in message


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("target + noise, 5 std", "return"),
        ("target on some days, 2%", "return"),
        ("target on some days, 30%", "volatility"),
    ],
)
def test_a_lead_that_is_not_worth_the_ceiling_is_warned_of(name: str, kind: Kind) -> None:
    found = check(plant(name, kind))
    assert not found.blocking
    assert [(finding.code, finding.where) for finding in found.warnings] == [("leads_target", "leak")]


@pytest.mark.parametrize("kind", ["return", "volatility"])
def test_rows_in_random_order_are_warned_of(kind: Kind) -> None:
    for name in ("shuffled split, 1 day", "shuffled split, 5 days"):
        assert "no_clustering" in codes(check(plant(name, kind)))


@pytest.mark.parametrize("kind", ["return", "volatility"])
def test_a_target_filled_forward_is_warned_of_and_lifts_nothing(kind: Kind) -> None:
    """The autoregression carries the last value over as well, so that no skill is left to block."""
    found = check(plant("forward-filled target, 20% lost", kind))
    assert not found.blocking
    assert ("repeated_target", "target") in [(finding.code, finding.where) for finding in found.warnings]


@pytest.mark.parametrize("kind", ["return", "volatility"])
@pytest.mark.parametrize("lost", ["50% lost", "weekly"])
def test_a_target_of_which_every_fourth_row_is_filled_blocks(lost: str, kind: Kind) -> None:
    found = check(plant(f"forward-filled target, {lost}", kind))
    assert ("repeated_target", "target") in [(finding.code, finding.where) for finding in found.blocking]


def test_the_same_return_at_the_bound_of_clipping_is_no_repetition() -> None:
    study = real_study("wti", "return")
    long = {**study.target, "window": 63, "horizon": 63, "clip": 0.05}
    found = check(Study(**{**vars(study), "target": long}))
    assert "repeated_target" not in codes(found)


@pytest.mark.parametrize("kind", ["return", "volatility"])
@pytest.mark.parametrize("leak", derived.CORE, ids=lambda leak: leak.name)
def test_a_column_made_with_later_rows_is_named(leak: Leak, kind: Kind) -> None:
    if kind == "return" and leak.family == "news stamped at the close":
        pytest.skip("how much is written tells the size of a return and not its sign")
    found = check(leak.plant(real_study("sp500", kind), np.random.default_rng(3)))
    assert found.mentions(leak.named)


@pytest.mark.parametrize(("days", "kind"), [(5, "return"), (21, "volatility")])
def test_an_overlapping_target_is_told_its_horizon(days: int, kind: Kind) -> None:
    found = check(plant(f"overlap without purge, {days} days", kind))
    overlap = next(finding for finding in found.warnings if finding.code == "target_overlaps")
    assert overlap.value == days
    assert overlap.message.endswith(f"set data.target.horizon to {days}")


def with_horizon(study: Study, horizon: int) -> Study:
    return Study(**{**vars(study), "target": {**study.target, "horizon": horizon}})


def test_without_the_horizon_overlapping_targets_reach_across_the_split() -> None:
    data = check(plant("overlap without purge, 5 days", "return")).data
    assert data is not None
    assert data.train[-1] + 5 > data.validation[0]


def test_with_the_horizon_declared_an_overlapping_target_is_purged_and_left_alone() -> None:
    found = check(with_horizon(plant("overlap without purge, 5 days", "return"), 5))
    assert found.data is not None
    assert found.data.train[-1] + 5 <= found.data.validation[0]
    assert not found.blocking
    assert "target_overlaps" not in codes(found)
