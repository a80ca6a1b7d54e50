"""Durations are read as people write them, and anything else is refused in one sentence."""

import pytest

from trainer.durations import duration_seconds, short_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("4d", 345600), ("30min", 1800), ("90m", 5400), ("2h", 7200), ("1d12h", 129600), ("0.5s", 0.5)],
)
def test_a_duration_is_read_in_seconds(text: str, seconds: float) -> None:
    assert duration_seconds(text) == seconds
    assert duration_seconds(short_duration(seconds)) == seconds


@pytest.mark.parametrize(
    "value", ["", "4", "4 weeks", "d", "-2h", "0min", "30min 2h", "1h1h", 30, True, "2h!"]
)
def test_what_is_no_duration_is_refused_with_examples(value: object) -> None:
    with pytest.raises(ValueError, match=r"is no duration; write it as 4d, 2h, 30min or 90s$"):
        duration_seconds(value)
