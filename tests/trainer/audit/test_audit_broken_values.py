"""A cell from which a transform makes no number is named, with what can be done about it."""

from collections.abc import Callable

import pytest

from trainer.audit.check_broken_values import broken_value_findings
from trainer.config import DataConfig
from trainer.data.features import build_features
from trainer.data.source import Table

Lines = list[list[str]]
Settings = Callable[..., DataConfig]
Read = Callable[[DataConfig, Lines], Table]


def messages(settings: Settings, read: Read, lines: Lines, **feature: object) -> list[str]:
    """What is found in the lines about a feature called made."""
    config = settings(
        features=({"name": "made", **feature},),
        target={"column": "Close", "kind": "other", "already_shifted": False},
    )
    table = read(config, lines)
    return [found.message for found in broken_value_findings(config, table, build_features(config, table))]


@pytest.mark.parametrize("transform", ["log", "log_return", "abs_log_return", "pct_change"])
def test_a_negative_price_is_named_and_difference_offered(
    settings: Settings, read: Read, lines: Lines, transform: str
) -> None:
    lines[30][3] = "-37.63"
    (message,) = messages(settings, read, lines, column="Close", transform=transform)
    assert message.startswith(
        f"prices.csv, line 31: made = {transform} of Close (-37.63) is nan at 2010-02-1"
    )
    assert message.endswith("or use transform: difference, which takes numbers of any sign")
    assert messages(settings, read, lines, column="Close", transform="difference") == []


def test_a_negative_price_that_only_later_rows_read_is_named_where_it_stands(
    settings: Settings, read: Read, lines: Lines
) -> None:
    lines[2][3] = "-37.63"
    (message,) = messages(settings, read, lines, column="Close", transform="log_return", window=5)
    assert message.startswith("prices.csv, line 3: made = log_return of Close (-37.63) is nan at 2010-01-11")


@pytest.mark.parametrize("transform", ["log_parkinson", "garman_klass"])
def test_a_flat_bar_is_named_and_the_floor_of_the_quietest_bar_offered(
    settings: Settings, read: Read, lines: Lines, transform: str
) -> None:
    lines[30][1] = lines[30][2] = lines[30][3]
    bar = {"high": "High", "low": "Low"}
    bar |= {"open": "Close", "close": "Close"} if transform == "garman_klass" else {}
    (message,) = messages(settings, read, lines, transform=transform, **bar)
    assert message.startswith(f"prices.csv, line 31: made = {transform} of ")
    assert "a range needs a high above its low" in message
    assert message.endswith("or state the least volatility of a bar, such as floor: 0.003")
    assert messages(settings, read, lines, transform=transform, floor=0.003, **bar) == []


def test_no_floor_is_offered_for_a_high_below_its_low(settings: Settings, read: Read, lines: Lines) -> None:
    lines[30][1] = "1"
    (message,) = messages(
        settings, read, lines, transform="log_parkinson", high="High", low="Low", floor=0.01
    )
    assert "floor" not in message


def test_a_window_of_equal_rows_is_named(settings: Settings, read: Read, lines: Lines) -> None:
    for line in lines[30:35]:
        line[3] = "100"
    (message,) = messages(settings, read, lines, column="Close", transform="zscore", window=5)
    assert message.startswith("prices.csv, line 35: made = zscore of Close (100) is nan")
    assert message.endswith("use a longer window")
