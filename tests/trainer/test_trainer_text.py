"""Text from elsewhere on a terminal: nothing in it moves the cursor, hides or turns what is read."""

import logging

import pytest

from trainer.text import PlainFormatter, printable, printable_lines


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a price: 3 €, 価格", "a price: 3 €, 価格"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x1b[2J\x9b2J\x7f", r"\x1b[2J\x9b2J\x7f"),
        ("abc\u202ecba\u2066\u200b", r"abc\u202ecba\u2066\u200b"),
        ("one\ntwo\r\x85\u2028", r"one\ntwo\r\x85\u2028"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_is_not_printable_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(text).isprintable()


def test_lines_stay_lines() -> None:
    assert printable_lines("one\n\x1btwo") == "one\n\\x1btwo"


def test_a_message_in_a_log_does_not_pass_for_two() -> None:
    record = logging.LogRecord(
        "x", logging.INFO, "f", 1, "column %s", ("\x1b[2J\n12:00:00 ballast: well",), None
    )
    told = PlainFormatter("%(name)s: %(message)s").format(record)
    assert told == "x: column \\x1b[2J\n  12:00:00 ballast: well"
