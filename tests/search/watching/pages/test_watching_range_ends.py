"""A best trial at the end of a range is told, with what lies beyond it."""

import pytest

from search.config.space import Choices, FloatRange
from search.watching.pages.range_ends import range_end_sentences
from tests.search.watching.plots.view_fixtures import LOG_RATE, RATE, UNITS, a_trial, a_view, searched

DROPOUT, INIT = "models.gru.dropout", "models.gru.init"
SPACE = (
    LOG_RATE,  # 1e-5 to 0.1, clamped to 0.01
    searched(UNITS, {"choices": [64, 16, 32, 256]}, Choices((64, 16, 32))),
    searched(DROPOUT, {"low": 0.0, "high": 0.5}, FloatRange(0.0, 0.5)),
    searched(INIT, {"choices": ["gains", "torch"]}, Choices(("gains", "torch"))),
)
BEYOND, CLAMPED = "a better value may lie beyond it.", "more was asked for beyond it and clamped away."


@pytest.mark.parametrize(
    ("value", "key", "said"),
    [
        (0.0098, RATE, f"{RATE} of the best trial, 0.0098, lies at the upper end of its range: {CLAMPED}"),
        (1.01e-5, RATE, f"{RATE} of the best trial, 1.01e-05, lies at the lower end of its range: {BEYOND}"),
        (64, UNITS, f"{UNITS} of the best trial, 64, lies at the upper end of its range: {CLAMPED}"),
        (16, UNITS, f"{UNITS} of the best trial, 16, lies at the lower end of its range: {BEYOND}"),
        (0.0, DROPOUT, f"{DROPOUT} of the best trial, 0, lies at the lower end of its range: {BEYOND}"),
        (0.005, RATE, None),
        (32, UNITS, None),
        ("gains", INIT, None),
    ],
)
def test_the_end_of_a_range_is_named_and_whether_more_was_clamped_away(
    value: object, key: str, said: str | None
) -> None:
    params = {RATE: 1e-3, UNITS: 32, DROPOUT: 0.2, INIT: "torch", key: value}
    found = range_end_sentences(a_view([a_trial(0, params=params)], space=SPACE))
    assert found == ([] if said is None else [said])


def test_nothing_is_said_without_a_best_trial() -> None:
    assert range_end_sentences(a_view([a_trial(0, None)], space=SPACE)) == []
