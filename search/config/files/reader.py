"""Reads YAML as plain data, each value with its line; tags cannot construct objects.

Scalars follow the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema), so that `1e-3` is
a number and `no` is text. Refused: repeated keys, anchors, aliases, merge keys, tags, several documents.
"""

import difflib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from search.errors import ConfigError, Location, Problem
from trainer.bounded_reading import NotARegularFile, read_file_or_pipe
from trainer.text import shortened

MAX_BYTES = 1_000_000
MAX_VALUES = 20_000
"""Keys and values in a file; a study has about a hundred, one with a thousand features 7,000."""
MAX_DEPTH = 32
"""The schema is 5 levels deep; much more is a mistake, or an attack on the recursion below."""

STUDY_DICT = "study dict"
"""The place of every value of a study that was given as a dict, which has no file and no useful lines."""

_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NONFINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


@dataclass(frozen=True)
class ConfigSource:
    """A file as it was read: its path as messages show it, and its text."""

    shown: str
    text: str

    @cached_property
    def document(self) -> tuple["Node", list[Problem]]:
        """The parsed text; a file whose name ends in `.json` must be JSON."""
        is_json = self.shown.endswith(".json") or self.shown == STUDY_DICT
        text = _json_as_yaml(self.text, self.shown) if is_json else self.text
        return parse(text, Location(self.shown, 0 if self.shown == STUDY_DICT else 1))


@dataclass(frozen=True)
class Node:
    """A value and the location of its key, or of itself inside a list.

    `value` is a scalar, a `list[Node]`, or a `dict[str, Node]` in the order of the file. `span` is the
    position of a scalar in the text: first character, and one past the last.
    """

    value: Any
    location: Location
    span: tuple[int, int] = field(default=(0, 0), compare=False)


def plain_value(node: Node) -> Any:
    """Return the value without its locations."""
    if isinstance(node.value, dict):
        return {key: plain_value(child) for key, child in node.value.items()}
    if isinstance(node.value, list):
        return [plain_value(child) for child in node.value]
    return node.value


def read_source(path: Path, shown: str) -> ConfigSource:
    """Read a file of bounded size in UTF-8, or raise ConfigError; `shown` is its path in messages."""
    try:
        content = read_file_or_pipe(path, MAX_BYTES, pipes=True)
    except IsADirectoryError:
        raise ConfigError([Problem(Location(shown), "this is a folder; name a YAML file in it")]) from None
    except (FileNotFoundError, NotADirectoryError):
        raise ConfigError([Problem(Location(shown), f"there is no such file{_nearest_file(path)}")]) from None
    except NotARegularFile as error:
        raise ConfigError([Problem(Location(shown), f"this {error.strerror}; name a YAML file")]) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError([Problem(Location(shown), f"the file cannot be read: {reason}")]) from None
    if len(content) > MAX_BYTES:
        message = f"the file has more than {MAX_BYTES} bytes, which no study needs; is it the right file?"
        raise ConfigError([Problem(Location(shown), message)])
    try:
        return ConfigSource(shown, content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        location = Location(shown, content.count(b"\n", 0, error.start) + 1)
        message = f"byte 0x{content[error.start]:02x} is not UTF-8; save the file as UTF-8 text"
        raise ConfigError([Problem(location, message)]) from None


def parse_mapping(source: ConfigSource) -> tuple[dict[str, Node], list[Problem]]:
    """Parse a text whose top level is a mapping; an empty one is an empty mapping.

    Returns the problems that leave the rest readable; raises ConfigError for text that is not YAML.
    """
    node, problems = source.document
    if node.value is None:
        return {}, list(problems)
    if not isinstance(node.value, dict):
        message = f"the file holds {_kind(node.value)} where sections such as `study:` are expected"
        raise ConfigError([*problems, Problem(node.location, message)])
    return dict(node.value), list(problems)


def parse(text: str, start: Location) -> tuple[Node, list[Problem]]:
    """Parse one YAML document that begins at `start`; if its line is 0, every value gets that location.

    Raises ConfigError for text that is not YAML.
    """
    builder = _Builder(start)
    try:
        return builder.document(text), builder.problems
    except yaml.MarkedYAMLError as error:
        raise ConfigError([*builder.problems, _syntax_problem(error, start)]) from None
    except yaml.reader.ReaderError as error:
        location = builder.at(text.count("\n", 0, int(error.position)))
        message = f"not YAML: the character #x{error.character:04x} is not allowed; remove it"
        raise ConfigError([*builder.problems, Problem(location, message)]) from None
    except (ValueError, OverflowError) as error:  # PyYAML lets chr() of an escape beyond Unicode through
        message = f"not YAML: an escape sequence is not a character ({error}); remove it"
        raise ConfigError([*builder.problems, Problem(start, message)]) from None


_UNLIKE_JSON = {ord("\t"): " ", **{code: f"\\u{code:04x}" for code in (0x85, 0x2028, 0x2029)}}
"""YAML does not indent with tabs, and breaks lines at three more characters than JSON."""


def _json_as_yaml(text: str, shown: str) -> str:
    """JSON as YAML of the same meaning, line for line; the YAML reader refuses what still differs."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        message = f"not JSON at column {error.colno}: {error.msg}"
        raise ConfigError([Problem(Location(shown, error.lineno), message)]) from None
    except (RecursionError, ValueError):
        return text  # too deep, or a number too long: `parse` says so, and where
    return text.translate(_UNLIKE_JSON)


def parse_scalar(text: str) -> bool | int | float | str | None:
    """Return the value of a plain scalar by the core schema.

    >>> [parse_scalar(text) for text in ("1e-3", "no", "0o17", "1:30", "2010-12-31")]
    [0.001, 'no', 15, '1:30', '2010-12-31']
    """
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text[0] in "tT"
    if _INT.fullmatch(text):
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return float(text.replace(".", "")) if _NONFINITE.fullmatch(text) else text


def _nearest_file(path: Path) -> str:
    """Return `; did you mean …?` with the most similar file name of the folder."""
    if str(path) == "-":
        return "; standard input is called /dev/stdin"
    try:
        names = [entry.name for entry in path.parent.iterdir() if entry.is_file()]
    except (OSError, ValueError):
        return f"; the folder {path.parent} does not exist either"
    close = difflib.get_close_matches(path.name, names, n=1)
    return f"; did you mean {path.parent / close[0]}?" if close else "; check the path"


def _syntax_problem(error: yaml.MarkedYAMLError, start: Location) -> Problem:
    """Turn PyYAML's two marks into one sentence with line and column."""
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column + 1) if mark else (0, 1)
    context = f" {error.context}" if error.context else ""
    hint = "; indent with spaces, not tabs" if "\\t" in str(error.problem) else ""
    message = f"not YAML at column {column}:{context and context + ','} {error.problem}{hint}"
    return Problem(Location(start.source, start.line + line if start.line else 0), message)


def _kind(value: object) -> str:
    if isinstance(value, list):
        return "a list"
    return f"the single value {value!r}"


def _joined(text: str) -> str | None:
    """The text with surrogate pairs, as JSON writes them, joined to characters; None for half a pair."""
    try:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError:
        return None


class _Builder:
    """Builds nodes from PyYAML's events: events show quotes, tags and anchors, PyYAML's nodes do not."""

    def __init__(self, start: Location) -> None:
        self.start = start
        self.problems: list[Problem] = []
        self.values = 0

    def at(self, line: int) -> Location:
        """Return the location of a 0-based line."""
        return Location(self.start.source, self.start.line + line if self.start.line else 0)

    def document(self, text: str) -> Node:
        """Return the root of the only document in `text`."""
        events: Iterator[Any] = iter(yaml.parse(text, Loader=yaml.SafeLoader))
        root = Node(None, self.start)
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._refuse(event, "a second document starts here; keep one study in one file")
                    return root
                root = self._node(next(events), events, depth=0)
        return root

    def _refuse(self, event: Any, message: str) -> None:
        self.problems.append(Problem(self.at(event.start_mark.line), message))

    def _node(self, event: Any, events: Iterator[Any], depth: int) -> Node:
        location = self.at(event.start_mark.line)
        if depth > MAX_DEPTH:
            raise ConfigError(
                [*self.problems, Problem(location, f"nested more than {MAX_DEPTH} levels deep")]
            )
        self.values += 1
        if self.values > MAX_VALUES:
            message = f"more than {MAX_VALUES:,} keys and values, which no study needs; is it the right file?"
            raise ConfigError([Problem(self.at(0), message)])
        if isinstance(event, yaml.AliasEvent):
            self._refuse(event, f"the alias *{event.anchor} is not followed; write the value out")
            return Node(None, location)
        self._refuse_decoration(event)
        if isinstance(event, yaml.MappingStartEvent):
            return Node(self._mapping(events, depth), location)
        if isinstance(event, yaml.SequenceStartEvent):
            return Node(self._sequence(events, depth), location)
        return Node(self._scalar(event), location, (event.start_mark.index, event.end_mark.index))

    def _refuse_decoration(self, event: Any) -> None:
        if getattr(event, "anchor", None) is not None:
            self._refuse(event, f"the anchor &{event.anchor} is not supported; write the value out")
        if getattr(event, "tag", None) is not None:
            self._refuse(event, f"the tag {event.tag} is not supported; write the plain value")

    def _sequence(self, events: Iterator[Any], depth: int) -> list[Node]:
        items: list[Node] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            items.append(self._node(event, events, depth + 1))
        return items

    def _mapping(self, events: Iterator[Any], depth: int) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key = self._node(event, events, depth + 1)
            value = self._node(next(events), events, depth + 1)
            if not isinstance(key.value, str):
                shown = plain_value(key)
                self._refuse(
                    event, f"the key {shown!r} is not a name; keys are text such as models.gru.dropout"
                )
            elif key.value == "<<" and not getattr(event, "style", None):
                self._refuse(event, "merge keys (<<) are not supported; write the settings out")
            elif key.value in entries:
                first = entries[key.value].location
                self._refuse(event, f"the key {key.value} is given twice, first at {first}; remove one")
            else:
                entries[key.value] = Node(value.value, key.location, value.span)
        return entries

    def _scalar(self, event: Any) -> bool | int | float | str | None:
        text = _joined(event.value)
        if text is None:
            self._refuse(event, "half of a surrogate pair is not text; write the character itself")
            return None
        if not event.implicit[0]:
            return text
        if _INT.fullmatch(text) and len(text) > 18:
            self._refuse(event, f"the number {shortened(text, 19)} is too large; no setting takes it")
            return None
        return parse_scalar(text)
