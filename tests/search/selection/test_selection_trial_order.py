"""Trials in the order of a column, and the best of them."""

import pytest

from search.errors import RequestError
from search.selection.trial_order import ordered_trials
from storage.query import TrialListItem
from storage.verdicts import Verdict

SIZE, SCHEDULE = "models.gru.hidden_size", "training.schedule"


def trial(
    number: int, loss: float | None, verdict: Verdict = Verdict.ACCEPTED, seconds: float | None = 5.0
) -> TrialListItem:
    skill = None if loss is None else 1 - loss
    params = {SIZE: 8 * (number % 3 + 1), SCHEDULE: ["none", None, "cosine"][number % 3]}
    return TrialListItem(number, verdict, [], loss, skill, params, number, seconds, seed=1)


TRIALS = [
    trial(0, 0.9, seconds=9),
    trial(1, None, Verdict.UNSTABLE, seconds=8),
    trial(2, 0.1, Verdict.SUSPICIOUS, seconds=7),
    trial(3, 0.7, seconds=None),
    trial(4, 0.8, seconds=5),
]


def numbers(sort: str | None = None, best: int | None = None) -> list[int]:
    return [each.number for each in ordered_trials(TRIALS[::-1], sort, best)]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        (None, [0, 1, 2, 3, 4]),
        ("number", [0, 1, 2, 3, 4]),
        ("loss", [2, 3, 4, 0, 1]),
        ("value", [2, 3, 4, 0, 1]),
        ("skill", [2, 3, 4, 0, 1]),
        ("seconds", [4, 2, 1, 0, 3]),
        ("epochs", [0, 1, 2, 3, 4]),
        (SIZE, [0, 3, 1, 4, 2]),
        ("hidden_size", [0, 3, 1, 4, 2]),
        ("schedule", [2, 0, 3, 1, 4]),
    ],
)
def test_the_best_values_come_first_and_no_value_last(sort: str | None, expected: list[int]) -> None:
    assert numbers(sort) == expected


def test_the_best_are_the_accepted_trials_of_the_lowest_loss_and_may_be_sorted_otherwise() -> None:
    assert numbers(best=2) == [3, 4]
    assert numbers("seconds", best=2) == [4, 3]
    assert numbers(best=10) == [3, 4, 0]


def test_an_unknown_column_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(RequestError, match=r"hiden_size: .* no such column; did you mean 'hidden_size'"):
        numbers("hiden_size")
    with pytest.raises(RequestError, match=f"no such column; sort by loss, .* setting: {SIZE}, {SCHEDULE}$"):
        numbers("zzz")


def test_the_end_of_two_settings_is_refused_with_both() -> None:
    both = [TRIALS[0]._replace(params={"a.size": 1, "b.size": 2})]
    with pytest.raises(RequestError, match=r"size is the end of a\.size and b\.size; name one of them"):
        ordered_trials(both, "size")
