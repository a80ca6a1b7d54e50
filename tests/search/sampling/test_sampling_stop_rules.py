"""When a search ends because nothing gets better."""

import math

import pytest

from search.config.schema import StopSection
from search.sampling.stop_rules import EndedTrial, stop_reason
from storage.verdicts import Verdict


def accepted(*losses: float, first: int = 0) -> list[EndedTrial]:
    return [(number, Verdict.ACCEPTED, loss) for number, loss in enumerate(losses, first)]


def test_without_a_number_of_trials_a_search_never_ends() -> None:
    assert stop_reason(accepted(*[1.0] * 1000), StopSection()) is None


def test_a_search_ends_when_the_best_has_stood_for_as_many_trials_as_were_said() -> None:
    stop = StopSection(no_better_for=3)
    assert stop_reason(accepted(0.5, 0.457, 0.6, 0.7), stop) is None
    told = stop_reason(accepted(0.5, 0.457, 0.6, 0.7, 0.8), stop)
    assert told == "no better loss in the last 3 trials: 0.4570 of trial 1 stands"


def test_an_equal_loss_is_not_better() -> None:
    stop = StopSection(no_better_for=1)
    assert stop_reason(accepted(0.5, 0.5), stop) is not None
    assert stop_reason(accepted(0.5, math.nextafter(0.5, 0)), stop) is None


def test_a_loss_lower_by_just_min_delta_is_better_and_by_less_is_not() -> None:
    stop = StopSection(no_better_for=1, min_delta=0.125)
    assert stop_reason(accepted(0.5, 0.375), stop) is None
    told = stop_reason(accepted(0.5, math.nextafter(0.375, 1)), stop)
    assert told == "no loss better by 0.125 in the last 1 trials: 0.5000 of trial 0 stands"


def test_losses_that_creep_down_are_better_once_they_have_come_min_delta_together() -> None:
    stop = StopSection(no_better_for=3, min_delta=0.125)
    creeping = accepted(0.5, 0.4375, 0.375, 0.3125)
    assert stop_reason(creeping, stop) is None
    told = stop_reason([*creeping, *accepted(0.3, 0.3, first=4)], stop)
    assert told == "no loss better by 0.125 in the last 3 trials: 0.3750 of trial 2 stands"


@pytest.mark.parametrize("verdict", [Verdict.UNSTABLE, Verdict.SUSPICIOUS, Verdict.UNPROMISING])
def test_a_trial_that_is_not_accepted_counts_as_not_better_whatever_its_value(verdict: Verdict) -> None:
    too_good: list[EndedTrial] = [(1, verdict, 1e-9), (2, verdict, None)]
    told = stop_reason([*accepted(0.5), *too_good], StopSection(no_better_for=2))
    assert told == "no better loss in the last 2 trials: 0.5000 of trial 0 stands"


@pytest.mark.parametrize("loss", [-math.inf, math.nan])
def test_a_loss_that_is_not_finite_is_never_the_one_to_beat(loss: float) -> None:
    stop = StopSection(no_better_for=2)
    assert stop_reason(accepted(loss, 0.5, 0.4), stop) is None
    told = stop_reason(accepted(0.5, loss, loss), stop)
    assert told == "no better loss in the last 2 trials: 0.5000 of trial 0 stands"


def test_a_search_that_accepts_nothing_ends_too() -> None:
    unstable: list[EndedTrial] = [(number, Verdict.UNSTABLE, None) for number in range(4)]
    assert stop_reason(unstable, StopSection(no_better_for=5)) is None
    assert stop_reason(unstable, StopSection(no_better_for=4)) == "no trial was accepted in the last 4"


def test_what_was_taken_over_can_hold_the_best_but_does_not_count() -> None:
    stop, imported = StopSection(no_better_for=2), accepted(0.9, 0.3, 0.9, 0.9, 0.9)
    assert stop_reason([], stop, imported) is None
    assert stop_reason(accepted(0.4, first=5), stop, imported) is None
    told = stop_reason(accepted(0.4, 0.35, first=5), stop, imported)
    assert told == "no better loss in the last 2 trials: 0.3000 of trial 1 stands"
    assert stop_reason(accepted(0.4, 0.2, first=5), stop, imported) is None
