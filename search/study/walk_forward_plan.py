"""The plan of a walk-forward: which rows each block forecasts, and which rows its study sees. Pure functions.

   rows of the study of block 2011                     │ rows of block 2011
   train                    │ validation    │ embargo │
───────────────────────────┴───────────────┴─────────┼────────────────────►
                      train_until        until        from
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from search.errors import RequestError
from trainer.config import Split, end_of_date, has_offset

Window = Literal["expanding", "rolling"]
MOST_BLOCKS = 500

_EVERY = re.compile(r"(\d+)\s*(y|mo|w|d|rows?)", re.IGNORECASE)
_FROM = re.compile(r"\d{4}|\d{4}-\d{2}|\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2})?)?")
_Moments = npt.NDArray[np.datetime64]


@dataclass(frozen=True)
class Step:
    """The length of a block: `months`, `days` or `rows`, the others 0."""

    months: int = 0
    days: int = 0
    rows: int = 0


@dataclass(frozen=True)
class Timeline:
    """The distinct times of the rows of a table, (T,) each, ascending; the last `horizon` have no target.

    `moments` are naive UTC, and `clock` is what the clock of the source shows at them.
    """

    moments: _Moments
    clock: _Moments
    has_zone: bool
    horizon: int

    def rows_until(self, date: str) -> int:
        """How many of the times lie before the end of a date of a study file."""
        times = self.moments if has_offset(date) else self.clock
        return int(np.searchsorted(times, np.datetime64(end_of_date(date), "us"), side="right"))


@dataclass(frozen=True)
class Block:
    """One block: `first` and `last` are the bounds of its rows in the timeline, last included.

    `settings` are those of the block's study, by key: it reads no row from `start` on.
    """

    study: str
    start: datetime
    """The first moment that belongs to the block, on the source's clock."""
    stop: datetime
    """The first moment that belongs to the next one."""
    first: int
    last: int
    settings: dict[str, Any]
    times: tuple[str, str]
    """From and until, the last day included, as texts."""

    def to_json(self) -> dict[str, Any]:
        """The part of a block that is recorded before it runs."""
        return {"study": self.study, "from": self.times[0], "until": self.times[1], "settings": self.settings}


def parse_every(text: str) -> Step:
    """The step of `--every`: 1y, 6mo, 2w, 90d or `250 rows`. Raises RequestError for anything else."""
    match = _EVERY.fullmatch(text.strip())
    if match is None or int(match[1]) < 1:
        raise RequestError(
            f"--every {text!r} is no length of a block; write it as 1y, 6mo, 2w, 90d or '250 rows'"
        )
    number, unit = int(match[1]), match[2].lower()
    match unit:
        case "y":
            return Step(months=12 * number)
        case "mo":
            return Step(months=number)
        case "w":
            return Step(days=7 * number)
        case "d":
            return Step(days=number)
    return Step(rows=number)


def parse_from(text: str) -> datetime:
    """The beginning of the year, month or day of `--from`, or its time. RequestError for anything else."""
    given = text.strip()
    try:
        if _FROM.fullmatch(given) is None:
            raise ValueError
        return datetime.fromisoformat(given if len(given) > 7 else f"{given}-01-01"[:10])
    except ValueError:
        raise RequestError(f"--from {text!r} is no date; write it as 2011, 2011-07 or 2011-07-01") from None


def plan_blocks(
    name: str,
    split: Split,
    timeline: Timeline,
    every: Step,
    *,
    begin: datetime | None = None,
    window: Window = "expanding",
) -> tuple[Block, ...]:
    """The blocks of the study `name` from `begin` to the end of the table; None: from its first test row on.

    The study of a block is trained and validated on the rows before it: its validation rows are as many as
    those of `split`, its training rows all before them (`expanding`) or as many as those of `split`
    (`rolling`). The last `split.embargo` rows before a block are left out. A block without rows is left out,
    and the last one counts with the rows that it has. Raises RequestError if no row would be forecast or no
    row would be left to train on.
    """
    train, validation = split_lengths(split, timeline)
    begin = _first_test_day(timeline.clock, train + validation, split) if begin is None else begin
    forecast = timeline.clock[: max(0, len(timeline.clock) - timeline.horizon)]
    if not len(forecast) or _at(forecast, begin) == len(forecast):
        raise RequestError(
            f"no row is forecast from {_day(begin)} on: the last row with a target is at "
            f"{_shown(timeline.clock[max(0, len(forecast) - 1)])}; begin earlier: --from"
        )
    blocks: list[Block] = []
    for start, stop in _bounds(forecast, begin, every):
        first, last = _at(forecast, start), _at(forecast, stop) - 1
        if last < first:
            continue
        if len(blocks) == MOST_BLOCKS:
            raise RequestError(
                f"--every makes more than {MOST_BLOCKS} blocks, each with a study; make it longer"
            )
        end = first - 1 - split.embargo
        _require_rows(start, end, validation)
        settings = _settings(split, timeline, end, train, validation, window)
        is_final = last == len(forecast) - 1
        times = _day(start), _until(forecast[last].item(), None if is_final else stop)
        blocks.append(Block(f"{name}@{_label(start, every)}", start, stop, first, last, settings, times))
    return tuple(blocks)


def split_lengths(split: Split, timeline: Timeline) -> tuple[int, int]:
    """How many moments a study trains on and validates on; `cpcv` does both on all of them."""
    if split.fractions is not None:
        train = round(split.fractions.train * len(timeline.clock))
        end = round((split.fractions.train + split.fractions.validation) * len(timeline.clock))
    else:
        assert split.validation_until is not None, "the configuration requires it without fractions"
        end = timeline.rows_until(split.validation_until)
        train = timeline.rows_until(split.train_until or split.validation_until)
    return (end, 0) if split.method == "cpcv" else (train, end - train)


def _settings(
    split: Split, timeline: Timeline, end: int, train: int, validation: int, window: Window
) -> dict[str, Any]:
    """The settings of a study whose last row is at the moment `end`."""
    exact = timeline.has_zone and _is_intraday(timeline.clock)

    def moment(index: int) -> str:
        if exact:  # a clock that is set back in autumn shows one hour twice
            return f"{timeline.moments[index].item().isoformat()}+00:00"
        return _date(timeline.clock, index)

    settings: dict[str, Any] = {"data.until": moment(end), "data.split.validation_until": moment(end)}
    if split.method != "cpcv":
        settings["data.split.train_until"] = moment(end - validation)
    if split.fractions is not None:
        settings["data.split.fractions"] = None
    begin = end + 1 - train - validation
    if window == "rolling" and begin > 0:
        settings["data.since"] = moment(begin) if exact else _since(timeline.clock, begin)
    return settings


def _require_rows(start: datetime, end: int, validation: int) -> None:
    if end - validation < 0:
        raise RequestError(
            f"{max(0, end + 1)} times lie before the block from {_day(start)} on, and the validation period "
            f"alone has {validation}; begin later: --from"
        )


def _bounds(clock: _Moments, begin: datetime, every: Step) -> Iterator[tuple[datetime, datetime]]:
    """The bounds of all blocks until the end of `clock`."""
    if every.rows:
        for first in range(_at(clock, begin), len(clock), every.rows):
            following = first + every.rows
            stop = clock[following].item() if following < len(clock) else _end(clock)
            yield clock[first].item(), stop
        return
    for number in count():
        start = _moved(begin, number * every.months, number * every.days)
        if start > clock[-1].item():
            return
        yield start, _moved(begin, (number + 1) * every.months, (number + 1) * every.days)


def _moved(moment: datetime, months: int, days: int) -> datetime:
    """The moment some months and days later; of a shorter month the last day."""
    total = moment.year * 12 + moment.month - 1 + months
    year, month = divmod(total, 12)
    for day in range(moment.day, 27, -1):
        try:
            return moment.replace(year=year, month=month + 1, day=day) + timedelta(days)
        except ValueError:  # the month is shorter
            continue
    return moment.replace(year=year, month=month + 1) + timedelta(days)


def _first_test_day(clock: _Moments, end: int, split: Split) -> datetime:
    """The day after `validation_until`, or the day of the first row behind the validation rows."""
    day_end = None if split.validation_until is None else end_of_date(split.validation_until)
    if day_end is not None and day_end.time() == datetime.max.time():
        return day_end + timedelta(microseconds=1)
    if end >= len(clock):
        raise RequestError("no row lies behind the validation rows of the study; say where to begin: --from")
    first: datetime = clock[end].item()
    return first if _is_intraday(clock) else datetime.combine(first.date(), datetime.min.time())


def _at(clock: _Moments, moment: datetime) -> int:
    return int(np.searchsorted(clock, np.datetime64(moment, "us")))


def _end(clock: _Moments) -> datetime:
    end: datetime = clock[-1].item() + timedelta(microseconds=1)
    return end


def _is_intraday(clock: _Moments) -> bool:
    days = clock.astype("datetime64[D]")
    return bool((days[1:] == days[:-1]).any())


def _date(clock: _Moments, index: int) -> str:
    """The day of a moment, if it is the last one of its day, else its time."""
    moment: datetime = clock[index].item()
    is_last = index + 1 == len(clock) or clock[index + 1].item().date() > moment.date()
    return moment.date().isoformat() if is_last else moment.isoformat()


def _since(clock: _Moments, index: int) -> str:
    """The day of a moment, if it is the first one of its day, else its time."""
    moment: datetime = clock[index].item()
    is_first = index == 0 or clock[index - 1].item().date() < moment.date()
    return moment.date().isoformat() if is_first else moment.isoformat()


def _label(start: datetime, every: Step) -> str:
    """The part of a block's name that tells it from the others."""
    if start.time() != datetime.min.time():
        return start.strftime("%Y-%m-%dT%H%M") + (start.strftime("%S") if start.second else "")
    if start.day > 1 or every.days or every.rows:
        return start.strftime("%Y-%m-%d")
    return start.strftime("%Y") if start.month == 1 and every.months % 12 == 0 else start.strftime("%Y-%m")


def _day(moment: datetime) -> str:
    return moment.date().isoformat() if moment.time() == datetime.min.time() else moment.isoformat()


def _until(last: datetime, stop: datetime | None) -> str:
    """The last day of a block whose last row is at `last` and whose successor begins at `stop`, if there is
    one; or that row's time, if it lies within a day.
    """
    if stop is None or stop.time() != datetime.min.time():
        return _day(last)
    return (stop - timedelta(days=1)).date().isoformat()


def _shown(moment: np.datetime64) -> str:
    return _day(moment.astype("datetime64[us]").item())
