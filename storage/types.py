"""Column types that return exactly what was stored: floats, text, JSON and times."""

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, Double, Text
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

from storage.errors import ValueDamaged, ValueUnstorable


class _SqliteFloat(UserDefinedType[Any]):
    """A float without SQLite's REAL affinity, which would turn -0.0 into 0.0 on its way to the file."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "BLOB"


class _Checked:
    """Mixin of column types: a value that cannot be read raises ValueDamaged, in whatever layer."""

    def result_processor(self, dialect: Dialect, coltype: Any) -> Callable[[Any], Any] | None:
        """Wrap the conversion of the driver's value."""
        read: Callable[[Any], Any] | None = super().result_processor(dialect, coltype)  # type: ignore[misc]
        if read is None:
            return None

        def checked(value: Any) -> Any:
            try:
                return read(value)
            except (ValueError, TypeError, RecursionError, OverflowError) as error:
                raise ValueDamaged(f"{value!r:.60} cannot be read: {error}") from None

        return checked


class LosslessFloat(_Checked, TypeDecorator[float]):
    """A float that comes back to the bit: NaN, ±inf and -0.0 as well.

    SQLite turns NaN into NULL, so there it is the text 'NaN', which SQLite sorts after every number, as
    PostgreSQL sorts its own NaN: `value < inf` is true of the same rows in both.
    """

    impl = Double
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column type of one database."""
        return dialect.type_descriptor(_SqliteFloat() if dialect.name == "sqlite" else Double())

    def process_bind_param(self, value: float | None, dialect: Dialect) -> Any:
        """Turn a float into what the driver stores."""
        if value is None:
            return None
        return "NaN" if dialect.name == "sqlite" and math.isnan(value) else float(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> float | None:
        """Turn what the driver read into a float."""
        return None if value is None else float(value)


class PlainText(TypeDecorator[str]):
    """Text that every database can hold. Raises ValueUnstorable for NUL, which PostgreSQL refuses, and for
    half a character (a lone surrogate), which has no UTF-8."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Refuse text that cannot be stored."""
        if value is not None and ("\0" in value or not _is_unicode(value)):
            raise ValueUnstorable(
                f"{value!r} cannot be recorded: it holds a NUL or half a character; leave that out"
            )
        return value


def _is_unicode(text: str) -> bool:
    """Whether the text can be encoded as UTF-8, which half a character cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class JsonText(_Checked, TypeDecorator[Any]):
    """JSON as text: NaN and ±inf are allowed, floats come back to the bit, tuples come back as lists.

    None is JSON's null. Raises ValueUnstorable for values that JSON cannot express and for keys that are not
    text.
    """

    impl = Text
    cache_ok = True
    should_evaluate_none = True  # else the ORM leaves None out, which becomes NULL instead of null

    def process_bind_param(self, value: Any, dialect: Dialect) -> str:
        """Turn a value into JSON."""
        _refuse_keys_that_json_would_rename(value)
        try:
            written = json.dumps(value, ensure_ascii=False)
            return written if _is_unicode(written) else json.dumps(value)
        except (TypeError, ValueError) as error:
            raise ValueUnstorable(
                f"{value!r} cannot be recorded as JSON ({error}); give text, numbers, lists or dicts"
            ) from None

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """Turn JSON into a value."""
        return None if value is None else json.loads(value)


def _refuse_keys_that_json_would_rename(value: Any) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise ValueUnstorable(
                    f"the key {key!r} of {value!r} is not text, and JSON would make it so; write {str(key)!r}"
                )
            _refuse_keys_that_json_would_rename(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _refuse_keys_that_json_would_rename(inner)


class UtcDateTime(_Checked, TypeDecorator[datetime]):
    """A time, stored and returned in UTC, to the microsecond. Raises ValueUnstorable for a naive time."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert a time to UTC; SQLite stores it without an offset."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueUnstorable(
                f"{value.isoformat()} has no time zone; take moments from datetime.now(UTC)"
            )
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Mark the time as UTC, or convert it: PostgreSQL returns it in the session's time zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
