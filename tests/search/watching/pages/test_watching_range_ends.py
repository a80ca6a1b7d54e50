"""A best trial at the end of a range is told, with what lies beyond it."""

import pytest

from search.config.space import Choices, FloatRange
from search.watching.pages.range_ends import range_end_sentences
from tests.search.watching.plots.view_fixtures import LOG_RATE, RATE, UNITS, a_trial, searched

DROPOUT, INIT = "models.gru.dropout", "models.gru.init"
SPACE = (
    LOG_RATE,  # 1e-5 to 0.1, clamped to 0.01
    searched(UNITS, {"choices": [64, 16, 32, 256]}, Choices((64, 16, 32))),
    searched(DROPOUT, {"low": 0.0, "high": 0.5}, FloatRange(0.0, 0.5), high=0.5),
    searched(INIT, {"choices": ["gains", "torch"]}, Choices(("gains", "torch"))),
)
BEYOND = "end of the range asked for: a better value may lie beyond it."
CLAMPED = "lies at the clamp, the upper end of its safe range: more was asked for and clamped away."


@pytest.mark.parametrize(
    ("value", "key", "said"),
    [
        (0.0098, RATE, f"{RATE} of the best trial, 0.0098, {CLAMPED}"),
        (1.01e-5, RATE, f"{RATE} of the best trial, 1.01e-05, lies at the lower {BEYOND}"),
        (64, UNITS, f"{UNITS} of the best trial, 64, {CLAMPED}"),
        (
            16,
            UNITS,
            f"{UNITS} of the best trial, 16, lies at an end of its choices, the lowest: "
            "a better one may lie beyond it.",
        ),
        (0.0, DROPOUT, f"{DROPOUT} of the best trial, 0, lies at the lower {BEYOND}"),
        (
            0.5,
            DROPOUT,
            f"{DROPOUT} of the best trial, 0.5, lies at the upper end of its range, and of its safe range: "
            "nothing beyond it is safe.",
        ),
        (0.005, RATE, None),
        (32, UNITS, None),
        ("gains", INIT, None),
    ],
)
def test_the_end_of_a_range_is_named_and_whether_more_was_clamped_away(
    value: object, key: str, said: str | None
) -> None:
    params = {RATE: 1e-3, UNITS: 32, DROPOUT: 0.2, INIT: "torch", key: value}
    found = range_end_sentences(a_trial(0, params=params), SPACE)
    assert found == ([] if said is None else [said])


def test_nothing_is_said_without_a_best_trial() -> None:
    assert range_end_sentences(None, SPACE) == []
