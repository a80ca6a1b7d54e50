"""Long texts are cut in one way, so that a reader recognises a cut text anywhere."""

import pytest

from search.text import LONGEST_LINE, shortened_line
from trainer.text import shortened


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
