"""The answer of a verification: one test for each way to it."""

from dataclasses import replace

import pytest

from search.selection.statistics.conclusion import (
    ConclusionInput,
    SkillVerdict,
    bootstrap_draws,
    conclude,
    confidence_level,
)
from search.selection.statistics.diebold_mariano import DieboldMariano
from search.selection.statistics.interval import SkillInterval


def better(p: float) -> DieboldMariano:
    return DieboldMariano(2.0, 2 * p, p, "cosines")


CLAIM = ConclusionInput(
    baseline="har",
    skill=0.05,
    interval=SkillInterval(0.01, 0.09, 0.95, 3),
    comparisons={"har": better(0.01), "zero": better(0.0001)},
    validation_skill=0.07,
    validation_lower_bound=0.05,
    ceiling=0.3,
    seeds=5,
    seeds_stopped=0,
    rows=900,
)


def answer_of(claim: ConclusionInput) -> SkillVerdict:
    return conclude(claim).verdict


def test_an_interval_above_zero_that_beats_every_naive_forecast_holds() -> None:
    told = conclude(CLAIM)
    assert told.verdict is SkillVerdict.HOLDS
    assert told.reason == (
        "the skill over har on 900 test rows is +0.0500, with 95 % confidence between +0.0100 and +0.0900, "
        "and it beats every naive forecast"
    )


def test_few_independent_rows_are_named_in_the_reason() -> None:
    told = conclude(replace(CLAIM, rows=80, horizon=20))
    assert told.reason.startswith(
        "the skill over har on 80 test rows (few independent rows: n/h = 4) is +0.0500"
    )


def test_a_naive_forecast_that_may_be_as_good_leaves_it_open() -> None:
    told = conclude(replace(CLAIM, comparisons={"har": better(0.01), "persistence": better(0.2)}))
    assert told.verdict is SkillVerdict.CANNOT_TELL
    assert told.reason.endswith("but that it beats persistence is not sure (Diebold–Mariano p = 0.200)")


def test_an_interval_below_zero_does_not_hold() -> None:
    told = conclude(replace(CLAIM, skill=-0.05, interval=SkillInterval(-0.09, -0.01, 0.95, 3)))
    assert told.verdict is SkillVerdict.DOES_NOT_HOLD
    assert told.reason.endswith(": har forecasts better than the model")


def test_skill_that_is_not_sure_and_below_what_validation_showed_does_not_hold() -> None:
    told = conclude(replace(CLAIM, skill=0.01, interval=SkillInterval(-0.02, 0.04, 0.95, 3)))
    assert told.verdict is SkillVerdict.DOES_NOT_HOLD
    assert told.reason.endswith("less than the +0.0500 that validation was sure of, and perhaps nothing")


def test_what_was_claimed_by_luck_is_not_held_against_a_configuration() -> None:
    claim = replace(
        CLAIM, skill=0.01, interval=SkillInterval(-0.02, 0.04, 0.95, 3), validation_lower_bound=0.03
    )
    assert answer_of(claim) is SkillVerdict.CANNOT_TELL


@pytest.mark.parametrize(("seeds", "answer"), [(2, SkillVerdict.CANNOT_TELL), (3, SkillVerdict.HOLDS)])
def test_fewer_than_three_seeds_are_no_property_of_a_configuration(seeds: int, answer: SkillVerdict) -> None:
    told = conclude(replace(CLAIM, seeds=seeds))
    assert told.verdict is answer
    assert ("ask for more with --seeds" in told.reason) is (answer is SkillVerdict.CANNOT_TELL)


def test_a_wide_interval_with_both_nothing_and_the_claim_in_it_cannot_tell() -> None:
    told = conclude(replace(CLAIM, skill=0.01, interval=SkillInterval(-0.1, 0.12, 0.95, 3)))
    assert told.verdict is SkillVerdict.CANNOT_TELL
    assert told.reason.endswith("or as much as validation was sure of; more rows would tell")


def test_where_validation_showed_nothing_an_open_interval_does_not_hold() -> None:
    claim = replace(CLAIM, skill=0.01, interval=SkillInterval(-0.1, 0.12, 0.95, 3), validation_skill=-0.01)
    assert answer_of(claim) is SkillVerdict.DOES_NOT_HOLD


def test_more_than_is_believable_cannot_tell_however_sure_it_is() -> None:
    told = conclude(replace(CLAIM, skill=0.9, interval=SkillInterval(0.88, 0.92, 0.95, 3)))
    assert told.verdict is SkillVerdict.CANNOT_TELL
    assert "above the ceiling of 0.3000 for what is believable: look for a leak" in told.reason


@pytest.mark.parametrize(("stopped", "answer"), [(2, SkillVerdict.HOLDS), (3, SkillVerdict.DOES_NOT_HOLD)])
def test_what_the_guard_stops_in_more_than_half_of_the_seeds_does_not_hold(
    stopped: int, answer: SkillVerdict
) -> None:
    told = conclude(replace(CLAIM, seeds_stopped=stopped))
    assert told.verdict is answer
    assert f"the guard stopped {stopped} of 5" in told.reason


def test_no_seed_that_came_to_its_end_does_not_hold() -> None:
    assert answer_of(replace(CLAIM, skill=None, interval=None, comparisons={}, seeds_stopped=5)) is (
        SkillVerdict.DOES_NOT_HOLD
    )


def test_each_evaluation_must_be_surer_than_the_last_and_all_together_err_in_eight_of_a_hundred() -> None:
    assert confidence_level(1) == pytest.approx(0.95)
    assert confidence_level(2) == pytest.approx(0.9875)
    assert sum(1 - confidence_level(number) for number in range(1, 10_000)) < 0.0823
    assert (bootstrap_draws(0.95), bootstrap_draws(confidence_level(10)), bootstrap_draws(1 - 1e-9)) == (
        2000,
        40_000,
        100_000,
    )
