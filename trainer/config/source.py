"""Where a table is, and how a text table is written."""

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from trainer.config.section import Section, as_tuple


def move_source(source: Any, moved: Callable[[str], str]) -> Any:
    """A `data.source` with every path changed by `moved`; names of samples and addresses stay."""
    if isinstance(source, str):
        return moved(source) if is_path(source) else source
    return type(source)(move_source(each, moved) for each in source)


def is_remote(source: str) -> bool:
    """Whether a source is an address, such as `https://host/prices.csv`."""
    return re.match(r"[A-Za-z][\w+.-]*:(//|:)", source) is not None


def is_path(source: str) -> bool:
    """Whether a source is a path, or a pattern of paths, on this machine; else a sample or an address."""
    return not source.startswith("sample:") and not is_remote(source)


def is_pattern(source: str) -> bool:
    """Whether a source is a pattern of file names, such as `prices/*.csv`."""
    return any(mark in source for mark in "*?[")


class CsvConfig(Section):
    """How a text table is written. What is null is detected, and `ballast check` shows it as detected."""

    separator: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    """The character between two cells, such as ";" or a tab."""
    decimal: Literal[".", ","] | None = None
    """The decimal mark of the numbers."""
    thousands: Literal["", ",", ".", " ", "'"] | None = None
    """The mark between groups of three digits; "" means that there is none."""
    encoding: str | None = None
    """The encoding of the bytes, such as utf-8, utf-16 or cp1252."""
    header: Annotated[int, Field(ge=0, le=10)] | bool | None = None
    """How many lines the header has; false means 0 and true 1. The names stand in its last line."""
    columns: (
        Annotated[
            tuple[str, ...], BeforeValidator(as_tuple, json_schema_input_type=list[str]), Field(min_length=1)
        ]
        | None
    ) = None
    """The names of the columns, in order, for a file without a header or in place of its names."""
    skip: Annotated[int, Field(ge=0, le=1000)] | None = None
    """How many lines stand above the header."""
    date_format: str | None = None
    """The form of the times, such as "%d.%m.%Y %H:%M", in the codes of strptime."""
    day_first: bool | None = None
    """Whether 1/2/2024 is the first of February."""

    @field_validator("date_format")
    @classmethod
    def _is_a_form_of_dates(cls, value: str | None) -> str | None:
        if value is not None:
            codes = set(re.findall("%(.)", value))
            if not codes or not codes <= set("YymdbBaAjHIMSfpzZ%"):
                raise ValueError(f"{value!r} is no form of dates; write it as %d.%m.%Y %H:%M")
            if ("p" in codes) != ("I" in codes):
                raise ValueError(f"{value!r} has %p or %I without the other; write it as %m/%d/%Y %I:%M %p")
        return value
