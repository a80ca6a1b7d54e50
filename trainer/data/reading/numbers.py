"""Turns the texts of number columns into numbers, whatever marks they are written with.

Marks are judged over all number columns of a file at once: one file has one way to write a number. A mark
that can be read in two ways in every cell (is 1,234 a thousand or one and a bit?) is refused with both
readings.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from trainer.config import CsvConfig
from trainer.errors import ColumnError

EMPTY = frozenset({"", "nan", "na", "n/a", "#n/a", "null", "none", ".", "-"})
"""Spellings of a missing number, in lower case; files of the Federal Reserve use the point, Investing.com the
dash."""

_PLAIN = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$|^[+-]?(inf|infinity)$"
_SPACES = "[ \u00a0\u202f]"
"""A space, or one of those that do not break a line."""
_GROUP_MARKS = {",": ",", ".": r"\.", " ": _SPACES, "'": "['’]"}
_COMMA_IS_DECIMAL = r"\.[^,]*,|^[^,.]*,(\d{1,2}|\d{4,})$|^[+-]?0,|^[+-]?\d{4,},"
_COMMA_IS_THOUSANDS = r",\d{3}[,.]"
_POINT_IS_THOUSANDS = r"\.\d{3}[.,]"
_POINT_IS_DECIMAL = r"^[+-]?\d*\.(\d{1,2}|\d{4,})$|^[+-]?0\.|^[+-]?\d{4,}\.\d|,\d{3}\.|\.\d*[eE]"
_SPACE_IS_THOUSANDS = rf"\d{_SPACES}\d{{3}}(\D|$)"
_APOSTROPHE_IS_THOUSANDS = r"\d['’]\d{3}(\D|$)"
_SUFFIXES = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}
_CURRENCY = r"^([+-]?)[$€£¥]"
_NEGATIVE = r"^\(([^()+-]+)\)$"
"""A negative number as accountants write it."""


@dataclass(frozen=True)
class Numbers:
    """Columns of numbers, NaN for empty cells, and the cells (0-based rows) that hold no number."""

    values: Mapping[str, npt.NDArray[np.float64]]
    texts: Mapping[str, npt.NDArray[np.int64]]
    detected: Mapping[str, str]
    """The marks that were detected, by key of `data.csv`; and what columns in percent or thousands are."""


def marks_are_stated_or_seen(config: CsvConfig, sample: Sequence[str], *, points_are_doubtful: bool) -> bool:
    """Whether a number of a text table may have to be read otherwise than Python writes it."""
    if config.decimal == "," or config.thousands == ".":
        return True
    return any("," in cell or (points_are_doubtful and "." in cell) for cell in sample)


def read_numbers(
    cells: Mapping[str, pa.Array],
    config: CsvConfig,
    shown: str,
    sample: Sequence[str] = (),
    *,
    points_are_doubtful: bool = False,
) -> Numbers:
    """The numbers of the columns. Raises ColumnError if a mark can be read in two ways.

    `sample` holds more numbers of the same file, which show its marks; `points_are_doubtful` if the file is
    of a kind in which the point often separates thousands.
    """
    texts = {name: _trimmed(column) for name, column in cells.items() if _is_text(column)}
    marks = _find_marks(texts, config, shown, _bare(pa.array(sample, pa.string())), points_are_doubtful)
    detected = marks.detected(texts, config)
    values: dict[str, npt.NDArray[np.float64]] = {}
    wrong: dict[str, npt.NDArray[np.int64]] = {}
    for name, column in cells.items():
        if name in texts:
            values[name], wrong[name], unit = _column_numbers(texts[name], marks)
            detected |= {f"unit of {name}": unit} if unit else {}
        else:
            values[name], wrong[name] = _typed_numbers(column)
    return Numbers(values, {name: rows for name, rows in wrong.items() if len(rows)}, detected)


def _is_text(column: pa.Array) -> bool:
    return bool(pa.types.is_string(column.type) or pa.types.is_large_string(column.type))


def _typed_numbers(column: pa.Array) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """The numbers of a column of another type than text; every cell is wrong if the type is no number."""
    kind = column.type
    try:
        is_number = pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)
        if is_number or pa.types.is_decimal(kind) or pa.types.is_null(kind):
            column = pc.cast(column, pa.float64(), safe=False)
            return np.asarray(column.to_numpy(zero_copy_only=False), np.float64), np.empty(0, np.int64)
    except pa.ArrowException:
        pass
    return np.full(len(column), np.nan), np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))


def _trimmed(column: pa.Array) -> pa.Array:
    """Texts without spaces around them; those that mean an empty cell become null."""
    trimmed = pc.utf8_trim_whitespace(column)
    is_empty = pc.is_in(pc.utf8_lower(trimmed), pa.array(sorted(EMPTY), trimmed.type))
    return pc.if_else(is_empty, pa.scalar(None, trimmed.type), trimmed)


@dataclass(frozen=True)
class _Marks:
    decimal: str
    thousands: str | None

    def detected(self, texts: Mapping[str, pa.Array], config: CsvConfig) -> dict[str, str]:
        """The marks that some cell has and that the configuration does not state, by key of `data.csv`."""
        found: dict[str, str] = {}
        if config.decimal is None:
            found["decimal"] = self.decimal
        if config.thousands is None and self.thousands is not None:
            groups = rf"\d{_GROUP_MARKS[self.thousands]}\d{{3}}(\D|$)"
            found |= (
                {"thousands": self.thousands} if any(_holds(each, groups) for each in texts.values()) else {}
            )
        return found


def _find_marks(
    texts: Mapping[str, pa.Array],
    config: CsvConfig,
    shown: str,
    sample: pa.Array,
    points_are_doubtful: bool,
) -> _Marks:
    """The decimal and the thousands mark of the texts: as stated, else as every cell can be read."""
    if config.decimal is not None and config.thousands is not None:
        return _Marks(config.decimal, config.thousands or None)
    odd = {name: _bare(_odd(column)) for name, column in texts.items()}

    def seen(pattern: str) -> bool:
        return any(_holds(column, pattern) for column in (*odd.values(), sample))

    def has_decimal_point() -> bool:
        return any(_holds(column, _POINT_IS_DECIMAL) for column in (*odd.values(), *texts.values(), sample))

    decimal = config.decimal
    if decimal is None and seen(_COMMA_IS_DECIMAL) and not seen(_COMMA_IS_THOUSANDS):
        decimal = "." if has_decimal_point() else ","
    if config.thousands is not None:
        return _Marks(decimal or ("," if config.thousands == "." else "."), config.thousands or None)
    if seen(_SPACE_IS_THOUSANDS):
        return _Marks(decimal or ("," if seen(",") else "."), " ")
    if seen(_APOSTROPHE_IS_THOUSANDS):
        return _Marks(decimal or ".", "'")
    if decimal == "," or (decimal is None and seen(_POINT_IS_THOUSANDS)):
        return _Marks(",", ".")
    is_doubtful = decimal is None and not seen(_COMMA_IS_THOUSANDS) and not has_decimal_point()
    if not seen(","):
        if is_doubtful and points_are_doubtful:
            _refuse_two_readings(texts, shown, ".")
        return _Marks(".", None)
    if is_doubtful:
        _refuse_two_readings(odd, shown, ",")
    return _Marks(".", ",")


def _holds(column: pa.Array, pattern: str) -> bool:
    """Whether a pattern occurs in some cell."""
    return bool(pc.any(pc.match_substring_regex(column, pattern)).as_py())


def _refuse_two_readings(columns: Mapping[str, pa.Array], shown: str, mark: str) -> None:
    """Raise ColumnError if a cell may have `mark` between thousands or before its decimals."""
    for name, column in columns.items():
        match = pc.match_substring_regex(column, rf"^[+-]?\d{{1,3}}{re.escape(mark)}\d{{3}}$")
        found = pc.filter(column, match)
        if len(found):
            cell = found[0].as_py()
            one, other = cell.replace(mark, ""), cell.replace(mark, ".")
            raise ColumnError(
                f"{shown}: {cell} in column {name} may be {one} or {other}; set data.csv.thousands: '{mark}' "
                f"or data.csv.decimal: '{mark}'"
            )


def _bare(column: pa.Array) -> pa.Array:
    """Numbers without currency, unit, and the brackets of negative ones."""
    return pc.replace_substring_regex(_signed(column), r"\s*[%KMBT]$", "")


def _signed(column: pa.Array) -> pa.Array:
    """Numbers with a plain sign in front, and without currency."""
    column = pc.replace_substring_regex(pc.replace_substring(column, "−", "-"), _NEGATIVE, r"-\1")
    return pc.replace_substring_regex(column, _CURRENCY, r"\1")


def _odd(column: pa.Array) -> pa.Array:
    """The distinct cells that Python would not read as a number."""
    plain = pc.match_substring_regex(column, _PLAIN, ignore_case=True)
    return pc.unique(pc.filter(column, pc.invert(plain)))


def _column_numbers(
    column: pa.Array, marks: _Marks
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64], str | None]:
    """The numbers of one column, the rows that hold none, and the unit that the column is written in."""
    unit, factor = None, 1.0
    plain = column
    if marks != _Marks(".", None) or len(_odd(column)):
        plain = _signed(column)
        if bool(pc.all(pc.match_substring_regex(plain, "%$")).as_py()):
            plain = pc.replace_substring_regex(plain, r"\s*%$", "")
            unit, factor = "percent, read as a share", 0.01
        plain = _with_point(plain, marks)
    scaled = _Scaled.split(plain)
    is_number = pc.fill_null(pc.match_substring_regex(scaled.digits, _PLAIN, ignore_case=True), True)
    wrong = np.flatnonzero(~is_number.to_numpy(zero_copy_only=False))
    digits = pc.if_else(is_number, scaled.digits, pa.scalar(None, scaled.digits.type))
    values = np.asarray(pc.cast(digits, pa.float64()).to_numpy(zero_copy_only=False), np.float64)
    if scaled.factors is not None:
        values, unit = values * scaled.factors, "K, M, B and T are thousands to trillions"
    return values * factor if factor != 1.0 else values, wrong, unit


def _with_point(column: pa.Array, marks: _Marks) -> pa.Array:
    """Texts without thousands marks and with a point; a cell whose groups are not of three digits stays."""
    decimal = re.escape(marks.decimal)
    if marks.thousands is not None:
        mark = _GROUP_MARKS[marks.thousands]
        # In India the groups above the thousands have two digits.
        groups = rf"(({mark}\d{{3}})+|({mark}\d{{2}})+{mark}\d{{3}})"
        grouped = pc.match_substring_regex(column, rf"^[+-]?\d{{1,3}}{groups}({decimal}\d*)?[KMBT]?$")
        column = pc.if_else(grouped, pc.replace_substring_regex(column, mark, ""), column)
    if marks.decimal == ",":
        # A point that is left stands in no group of three digits: the cell is no number in this form.
        holds_point = pc.match_substring(column, ".")
        column = pc.if_else(holds_point, pc.binary_join_element_wise(column, "?", ""), column)
        column = pc.replace_substring(column, ",", ".")
    return column


@dataclass(frozen=True)
class _Scaled:
    """Digits, and the factor of each cell that its suffix means; None if no cell has one."""

    digits: pa.Array
    factors: npt.NDArray[np.float64] | None

    @classmethod
    def split(cls, column: pa.Array) -> "_Scaled":
        if not _holds(column, r"\d[KMBT]$"):
            return cls(column, None)
        factors = np.ones(len(column))
        for suffix, factor in _SUFFIXES.items():
            found = pc.fill_null(pc.match_substring_regex(column, rf"\d{suffix}$"), False)
            factors[found.to_numpy(zero_copy_only=False)] = factor
        return cls(pc.replace_substring_regex(column, r"(\d)[KMBT]$", r"\1"), factors)
