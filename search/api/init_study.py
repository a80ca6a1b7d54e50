"""Looks at a table and writes a study of it: `ballast init` and `ballast.init` call it.

What the table shows is used: of several series all, if none is named. What it leaves open (which number is
the day, the zone of a clock) is asked, where somebody can answer, and refused otherwise.
"""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from search.errors import RequestError
from trainer.config import CsvConfig, is_path, is_pattern, is_remote
from trainer.errors import ColumnError, SourceError

if TYPE_CHECKING:
    from search.api.init_facts import StudyPlan, TableFacts
    from trainer.data.reading.content import SourceFile
    from trainer.data.reading.table_contents import TableContents
    from trainer.data.reading.time_texts import Times

_ZONES = "America/New_York, Europe/London or UTC"


@dataclass(frozen=True)
class InitOptions:
    """What a command or a call says about the table; None is found out."""

    source: str
    output: Path | None = None
    time: tuple[str, ...] = ()
    target: str | None = None
    symbol: str | None = None
    timezone: str | None = None
    day_first: bool | None = None
    decimal: str | None = None
    horizon: int = 1
    csv: Sequence[str] = ()
    force: bool = False


@dataclass(frozen=True)
class Question:
    """What a table leaves open: a sentence with what is known, and the option that answers it.

    `choices` are the possible answers; empty if any text may be one. `default` is offered on a terminal.
    """

    known: str
    prompt: str
    option: str
    choices: tuple[str, ...] = ()
    default: str | None = None


Ask = Callable[[Question], str]


def refuse(question: Question) -> str:
    """The answer of nobody: raises RequestError, which names the option."""
    raise RequestError(f"{question.known}; give {question.option}")


@dataclass(frozen=True)
class InitResult:
    """The study file that was written, what it says in a sentence, and why `run` would refuse it."""

    path: Path
    sentence: str
    detected: str
    refusals: tuple[str, ...]


def init_study(options: InitOptions, ask: Ask = refuse) -> InitResult:
    """Look at a table and write a study of it.

    Raises RequestError for a request that cannot be served, SourceError for a file that is no table and
    ColumnError for cells that are not times or numbers. Nothing is written then.
    """
    from search.api.init_plan import plan_study
    from search.api.init_text import study_text
    from search.atomic_text import write_text_atomically

    name = study_name(options.source)
    path = _free_path(options, name)
    try:
        file = _first_file(options.source)
        facts = _facts(options, file, name, path, ask)
        plan = plan_study(facts, options.target, options.horizon, path.parent, file, ask)
    except (SourceError, ColumnError) as error:
        raise type(error)(_with_options(str(error))) from None
    write_text_atomically(study_text(plan, path), path, f"{name}.yaml")
    return InitResult(path, plan.sentence, _detected(plan), plan.refusals)


def study_name(source: str) -> str:
    """The name of a study of a file: that of the file without its suffixes, as far as a name may hold it."""
    name = Path(urlsplit(source).path if is_remote(source) else source).name
    stem = name.removeprefix("sample:").split(".", 1)[0]
    return re.sub(r"[^\w-]+", "-", stem).strip("-_") or "study"


def _free_path(options: InitOptions, name: str) -> Path:
    path = options.output or Path(f"{name}.yaml")
    if os.path.lexists(path) and not options.force:
        raise RequestError(f"{path} exists; name another file: --output FILE, or replace it with --force")
    return path


def _facts(options: InitOptions, file: "SourceFile", name: str, path: Path, ask: Ask) -> "TableFacts":
    from search.api.init_facts import TableFacts
    from trainer.data.reading.column_roles import TIME_NAMES, time_rank
    from trainer.data.reading.table_contents import inspect_table

    csv = _csv_config(options)
    contents = inspect_table(file, csv)
    time = _time_columns(contents, options.time)
    if not contents.numbers:
        raise RequestError(
            f"{contents.shown} has no column of numbers{_told(contents.names)}; there is nothing to forecast"
        )
    csv = _with_day_first(contents, time, csv, ask)
    csv = _with_decimal(contents, csv, ask)
    times = _times(contents, time, csv)
    found = _series(contents, times, options.symbol)
    contents, where, names = found.contents, found.where, found.numbers
    times = _times(contents, time, csv) if where else times
    step = _step(times)
    return TableFacts(
        source=_relative(options.source, path.parent),
        name=name,
        time=time,
        numbers=tuple(each for each in names if time_rank(each) == len(TIME_NAMES) or each in where),
        csv=csv,
        timezone=_timezone(contents, time, times, step, options.timezone, ask),
        where=where,
        sort=not _ascend(times, contents, found.column),
        step=step,
        ticker=found.ticker,
        series=found.column,
        layout=found.layout,
    )


def _csv_config(options: InitOptions) -> CsvConfig:
    """What the options say about the form of a text table. Raises RequestError for a wrong value."""
    import yaml
    from pydantic import ValidationError

    given: dict[str, Any] = {"day_first": options.day_first, "decimal": options.decimal}
    for text in options.csv:
        key, mark, value = text.partition("=")
        if not mark:
            raise RequestError(f"--csv {text} has no value; write it as --csv separator=';'")
        try:
            given[key] = value if len(value) == 1 and not value.isdigit() else yaml.safe_load(value)
        except yaml.YAMLError:
            given[key] = value
    try:
        return CsvConfig.model_validate({key: value for key, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0])
        known = ", ".join(CsvConfig.model_fields)
        if key not in CsvConfig.model_fields:
            raise RequestError(f"--csv {key} is not known; there are {known}") from None
        option = "--decimal" if key == "decimal" and options.decimal is not None else f"--csv {key}"
        raise RequestError(f"{option} {given[key]!r} is wrong: {first['msg']}") from None


def _first_file(source: str) -> "SourceFile":
    from trainer.data.reading.content import open_source
    from trainer.text import did_you_mean

    path = Path(source)
    if is_path(source) and not is_pattern(source) and not os.path.lexists(path):
        folder = path.parent
        near = did_you_mean(path.name, os.listdir(folder)) if folder.is_dir() else ""
        raise RequestError(f"{source} does not exist{near or '; name a table, such as prices.csv'}")
    return next(iter(open_source(source, Path())))


def _relative(source: str, folder: Path) -> str:
    """The source as the study file in `folder` names it."""
    if not is_path(source) or os.path.isabs(source):
        return source
    return os.path.relpath(source, folder)


def _with_options(message: str) -> str:
    """A message about keys of `data.csv` that no file has yet, with the option that sets them."""
    message = re.sub(r"data\.source ('[^']*')", r"\1", message)
    named = re.search(r"data\.csv\.(\w+)", message)
    if named is None:
        return re.sub(r"set data\.timezone(?:: (\S+))?", _timezone_option, message)
    options = {"day_first": "--day-first or --month-first", "decimal": "--decimal ','"}
    example = {"columns": "columns='[time, close]'"}.get(named[1], f"{named[1]}=VALUE")
    return f"{message}; here: {options.get(named[1], f'--csv {example}')}"


def _timezone_option(found: re.Match[str]) -> str:
    return f"give --timezone {found[1] or 'ZONE'}"


def _time_columns(contents: "TableContents", given: tuple[str, ...]) -> tuple[str, ...]:
    """The columns of times. Raises RequestError if there are none."""
    from trainer.data.reading.column_roles import TIME_NAMES, time_rank
    from trainer.text import did_you_mean

    for name in given:
        if name not in contents.cells:
            near = did_you_mean(name, contents.names) or _told(contents.names)
            raise RequestError(f"--time {name}: {contents.shown} has no such column{near}")
    if given:
        return given
    named = [name for name in contents.cells if time_rank(name) < len(TIME_NAMES)]
    if not contents.times and named:
        return (min(named, key=time_rank),)  # its first cell that is no time is told
    if not contents.times:
        raise RequestError(
            f"{contents.shown} has no column of times{_told(contents.names)}; if one of them is, give "
            "--time COLUMN"
        )
    return contents.times[0]


def _told(names: Sequence[str]) -> str:
    from trainer.text import names_of

    return f" among {names_of(names)}" if names else ""


def _with_day_first(contents: "TableContents", time: tuple[str, ...], csv: CsvConfig, ask: Ask) -> CsvConfig:
    from trainer.data.reading.table_contents import reads_day_first

    both = reads_day_first(contents, time, csv)
    if both is None:
        return csv
    row = int((both[0].times != both[1].times).argmax())
    cell = " ".join(str(contents.cells[name][row].as_py()) for name in time)
    month, day = (read.times[row].date() for read in both)
    answer = ask(
        Question(
            f"{contents.shown}: {cell} may be {month} (month first) or {day} (day first), and no row tells",
            "Which comes first?",
            "--day-first or --month-first",
            ("day", "month"),
        )
    )
    return csv.model_copy(update={"day_first": answer == "day"})


def _with_decimal(contents: "TableContents", csv: CsvConfig, ask: Ask) -> CsvConfig:
    from trainer.data.reading.numbers import read_numbers

    try:
        read_numbers({name: contents.cells[name] for name in contents.with_commas()}, csv, contents.shown)
    except ColumnError as error:
        known = str(error).partition("; set ")[0]
        question = Question(
            known, "Which character is the decimal mark?", "--decimal '.' or --decimal ','", (".", ",")
        )
        return csv.model_copy(update={"decimal": ask(question)})
    return csv


@dataclass(frozen=True)
class _Series:
    """The rows that a study is of, and how the study file says it: all series of a table, or one of them."""

    contents: "TableContents"
    numbers: tuple[str, ...]
    """The columns of numbers; of several series in a wide table, the names of their fields."""
    where: dict[str, str] = field(default_factory=dict)
    ticker: str = ""
    column: str | None = None
    layout: Literal["wide", "files"] | None = None


def _series(contents: "TableContents", times: "Times", symbol: str | None) -> _Series:
    """All series of a table, or the one that is called `symbol`."""
    from trainer.data.reading.column_roles import wide_series
    from trainer.data.reading.table_contents import series_column

    if wide := wide_series(contents.numbers):
        if symbol is not None:
            _require_symbol(contents, "its columns", list(wide), symbol)
            return _Series(contents, wide[symbol], ticker=symbol)
        fields = [name.removesuffix(f" {ticker}") for ticker, columns in wide.items() for name in columns]
        return _Series(contents, tuple(dict.fromkeys(fields)), layout="wide")
    column = series_column(contents, times.times)
    if column is None:
        if symbol is not None:
            raise RequestError(
                f"--symbol {symbol}: {contents.shown} has one series, a row for each time; leave the "
                "option out"
            )
        return _Series(contents, contents.numbers)
    numbers = tuple(name for name in contents.numbers if name != column)
    if symbol is None:
        return _Series(contents, numbers, column=column)
    _require_symbol(contents, f"column {column}", contents.values(column), symbol)
    return _Series(contents.matching(column, symbol), numbers, where={column: symbol})


def _require_symbol(contents: "TableContents", place: str, known: Sequence[str], given: str) -> None:
    from trainer.text import did_you_mean, names_of

    if given not in known:
        raise RequestError(
            f"--symbol {given}: there is no such series in {place} of {contents.shown}"
            f"{did_you_mean(given, known) or f'; there are {names_of(known)}'}"
        )


def _ascend(times: "Times", contents: "TableContents", column: str | None) -> bool:
    """Whether times ascend; of several series, within each."""
    if column is None:
        return bool(times.times.is_monotonic_increasing)
    import numpy as np

    series = contents.codes(column)
    order = np.argsort(series, kind="stable")
    steps = np.diff(times.times.asi8[order])
    return bool((steps[np.diff(series[order]) == 0] >= 0).all())


def _times(contents: "TableContents", time: tuple[str, ...], csv: CsvConfig) -> "Times":
    """The times of all rows. Raises ColumnError with the cell that is none."""
    from trainer.data.reading.integer_times import UnreadableTime

    read = contents.moments(time, csv)
    if isinstance(read, UnreadableTime):
        cell = " ".join(str(contents.cells[name][read.row].as_py() or "") for name in time)
        raise ColumnError(
            f"{contents.shown}, row {read.row + 1}: time {cell!r} in {' and '.join(time)} {read.reason}"
        )
    if len(read.times) < 3:
        raise RequestError(
            f"{contents.shown} has too few rows ({len(read.times)}); a study needs some hundreds"
        )
    return read


def _step(times: "Times") -> float:
    """The median step between rows, in seconds."""
    import numpy as np

    steps = np.diff(np.sort(times.times.asi8, kind="stable"))
    steps = steps[steps > 0]
    if not len(steps):
        raise RequestError("all rows have the same time; a study needs rows in the order of time")
    return float(np.median(steps)) / 1e9


def _timezone(
    contents: "TableContents", time: tuple[str, ...], times: "Times", step: float, given: str | None, ask: Ask
) -> str | None:
    """The zone of a clock without offsets that shows more than dates; None if it does not matter."""
    from trainer.data.reading.column_roles import names_utc
    from trainer.data.reading.zone_names import zone_exists

    is_known = times.offsets is not None or "since 1970" in times.form or names_utc(time)
    if given is None and not is_known and step < 0.8 * 86_400:
        question = Question(
            f"{contents.shown}: the times, such as {times.times[0]}, do not say of which zone they are",
            f"In which zone are they ({_ZONES})?",
            f"--timezone ZONE, such as {_ZONES}",
            default="UTC",
        )
        given = ask(question)
    if given is not None and not zone_exists(given):
        raise RequestError(f"--timezone {given} is no time zone; write it as {_ZONES}")
    return None if given == "UTC" and times.offsets is None else given


def _detected(plan: "StudyPlan") -> str:
    """What is unusual about the form of the table."""
    usual = {"separator": ",", "decimal": ".", "encoding": "utf-8", "header": 1, "date_format": "ISO 8601"}
    unusual = {key: value for key, value in plan.detected.items() if usual.get(key) != value}
    return ", ".join(f"{key} {value!r}" for key, value in unusual.items())
