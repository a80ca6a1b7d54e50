"""Long texts are cut in one way, so that a reader recognises a cut text anywhere."""

import pytest

from search.text import LONGEST_LINE, duration, hourly, p_text, shortened_line
from trainer.text import place_in_training, shortened


@pytest.mark.parametrize("text", ["", "short", "exactly 10"])
def test_a_text_that_is_short_enough_stays_as_it_is(text: str) -> None:
    assert shortened(text, 10) == text


def test_a_cut_text_has_the_asked_number_of_characters_and_says_that_it_is_cut() -> None:
    assert shortened("eleven more", 10) == "eleven mo…"


def test_a_long_line_keeps_its_beginning_and_its_end() -> None:
    line = shortened_line(f"{'a' * 2_000} ballast check")
    assert line.startswith("aaa")
    assert " … " in line
    assert line.endswith(" ballast check")
    assert len(line) <= LONGEST_LINE


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "–"),
        (0, "0 s"),
        (0.004, "under 0.1 s"),
        (0.42, "0.4 s"),
        (0.97, "1 s"),
        (42.4, "42 s"),
        (185, "3 min 05 s"),
    ],
)
def test_a_duration_above_zero_is_not_shown_as_zero(seconds: float | None, shown: str) -> None:
    assert duration(seconds) == shown


@pytest.mark.parametrize(("p", "shown"), [(0.0, "< 0.001"), (0.001, "0.001"), (0.492, "0.492")])
def test_a_p_value_is_not_shown_as_zero(p: float, shown: str) -> None:
    assert p_text(p) == shown


@pytest.mark.parametrize(("rate", "shown"), [(712.4, "712"), (9.96, "10"), (1.04, "1"), (0.042, "0.042")])
def test_a_pace_is_not_shown_as_zero(rate: float, shown: str) -> None:
    assert hourly(rate) == shown


@pytest.mark.parametrize(
    ("step", "shown"), [(7, "epoch 3, step 7"), (0, "epoch 3, step 0"), (None, "epoch 3")]
)
def test_the_place_of_a_finding_names_a_step_only_if_it_has_one(step: int | None, shown: str) -> None:
    assert place_in_training(3, step) == shown
