"""The leaves of the models that define all settings: key, type, default, and messages about wrong values."""

import difflib
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from trainer.text import shortened

_STRICT = ConfigDict(strict=True, allow_inf_nan=False)

_PLAIN_WORDS = {
    "a valid dictionary": "a mapping",
    "a valid tuple": "a list",
    "a valid string": "text, in quotes if it looks like something else",
    "a valid integer": "a whole number",
    "a valid number": "a number",
    "False": "false",
    "Value should have": "it must have",
    " after validation": "",
}
"""Pydantic's words, and what a person who writes YAML calls the same."""

_LONGEST_VALUE = 80
"""Characters of a value in a message."""


@dataclass(frozen=True)
class Leaf:
    """One setting: its dotted key and the field that defines it."""

    key: str
    field: FieldInfo

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        annotation: Any = Annotated[self.field.annotation, Field(), *self.field.metadata]
        return TypeAdapter(annotation, config=_STRICT)

    @property
    def required(self) -> bool:
        """Whether there is no default."""
        return self.field.is_required()

    @property
    def default(self) -> Any:
        """The default as a JSON value; only for a leaf that has one."""
        return self.dump(self.field.get_default(call_default_factory=True))

    def dump(self, value: Any) -> Any:
        """Return a validated value as a JSON value."""
        return self._adapter.dump_python(value, mode="json", exclude_none=True)

    def check(self, value: Any) -> Any:
        """Return `value`, checked and normalised, as a JSON value; raise pydantic's ValidationError."""
        return self.dump(self._adapter.validate_python(value))

    def json_schema(self, ref: str) -> dict[str, Any]:
        """The JSON Schema of its values in a file; `ref` is the reference to an inner `{model}`."""
        return self._adapter.json_schema(ref_template=ref)

    @cached_property
    def types(self) -> frozenset[type]:
        """The plain types that the field takes; a Literal counts as the type of its values."""
        return frozenset(_plain_types(self.field.annotation))


def leaves_of(model: type[BaseModel], prefix: str = "") -> dict[str, Leaf]:
    """Return the leaves of a model by key, in the order of its definition; inner models are flattened."""
    leaves: dict[str, Leaf] = {}
    for name, field in model.model_fields.items():
        key = f"{prefix}{name}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            leaves |= leaves_of(field.annotation, f"{key}.")
        else:
            leaves[key] = Leaf(key, field)
    return leaves


def leaf_values(model: BaseModel, leaves: Mapping[str, Leaf]) -> dict[str, Any]:
    """Return the JSON value of every leaf of a validated model."""
    values = {}
    for key, leaf in leaves.items():
        value: Any = model
        for name in key.split("."):
            value = getattr(value, name)
        values[key] = leaf.dump(value)
    return values


def to_nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Turn `{"a.b": 1}` into `{"a": {"b": 1}}`."""
    tree: dict[str, Any] = {}
    for key, value in values.items():
        *sections, name = key.split(".")
        branch = tree
        for section in sections:
            branch = branch.setdefault(section, {})
        branch[name] = value
    return tree


def sections_of(keys: Iterable[str]) -> frozenset[str]:
    """Return every dotted prefix of the keys: `a` and `a.b` for `a.b.c`."""
    return frozenset(
        key[:position] for key in keys for position, character in enumerate(key) if character == "."
    )


def did_you_mean(key: str, known: Iterable[str]) -> str:
    """Return the end of a sentence about an unknown key: the most similar key, else all keys of its section.

    A key of the same section with a similar last name comes first, then a similar name in another section,
    then, if the section is unknown too, a key that is similar as a whole.
    """
    section, _, name = key.rpartition(".")
    by_section: dict[str, list[str]] = {}
    for other in sorted(known):
        by_section.setdefault(other.rpartition(".")[0], []).append(other)
    siblings = by_section.get(section, [])
    others = [other for group in by_section.values() for other in group]
    close = (
        closest(name, {other.rpartition(".")[2]: other for other in siblings}, 0.6)
        or closest(name, {other.rpartition(".")[2]: other for other in reversed(others)}, 0.85)
        or closest(key, {} if siblings else {other: other for other in others}, 0.75)
    )
    return (
        f"did you mean {close}?"
        if close
        else f"known here: {', '.join(siblings or by_section.get('', by_section))}"
    )


def closest(name: str, spellings: Mapping[str, str], cutoff: float) -> str | None:
    """The value of the spelling most similar to `name`, if its similarity (0 to 1) is at least `cutoff`."""
    found = difflib.get_close_matches(name, spellings, n=1, cutoff=cutoff)
    return spellings[found[0]] if found else None


def validation_messages(key: str, value: Any, error: ValidationError, leaf: Leaf) -> list[tuple[str, Any]]:
    """Return (sentence, location inside the value) for each thing that pydantic found wrong with a leaf."""
    found: dict[tuple[Any, ...], list[str]] = {}
    shown: dict[tuple[Any, ...], Any] = {}
    for detail in error.errors(include_url=False, include_context=False):
        location = _inside(value, detail["loc"])
        found.setdefault(location, []).append(_phrase(detail, leaf))
        shown[location] = detail["input"]
    return [
        (f"{key}{_subscript(location)} {_join(phrases, shown[location])}", location)
        for location, phrases in found.items()
    ]


def _join(phrases: list[str], value: Any) -> str:
    text = " or ".join(dict.fromkeys(phrases))
    return text if text.startswith(("is not known", "is missing")) else f"is {format_value(value)}: {text}"


def format_value(value: Any) -> str:
    """Return a value as a person reads it, with text marked as text and long values cut."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    shown = f"the text {value!r}" if isinstance(value, str) else repr(value)
    return shortened(shown, _LONGEST_VALUE)


def _phrase(detail: ErrorDetails, leaf: Leaf) -> str:
    if detail["type"] == "extra_forbidden":
        known = _names_inside(leaf.field.annotation)
        return f"is not known; {did_you_mean(str(detail['loc'][-1]), known)}"
    if detail["type"] == "missing":
        return "is missing; add it"
    if detail["type"] == "none_required":
        return "it must be null"
    message = detail["msg"].removeprefix("Value error, ").replace("Input should be", "it must be")
    for technical, plain in _PLAIN_WORDS.items():
        message = message.replace(technical, plain)
    return message


def _inside(value: Any, location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Drop the parts of pydantic's location that name branches of a union rather than parts of the value."""
    path: list[int | str] = []
    for part in location:
        if isinstance(value, list | tuple) and isinstance(part, int) and part < len(value):
            value = value[part]
        elif isinstance(value, dict):
            value = value.get(part)
        else:
            continue
        path.append(part)
    return tuple(path)


def _subscript(location: tuple[int | str, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)


def _names_inside(annotation: Any) -> list[str]:
    """Return the field names of the models inside `tuple[Feature, ...]` or `Fractions | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return list(annotation.model_fields)
    return [name for part in typing.get_args(annotation) for name in _names_inside(part)]


def _plain_types(annotation: Any) -> list[type]:
    if typing.get_origin(annotation) is typing.Literal:
        return [type(value) for value in typing.get_args(annotation)]
    if typing.get_origin(annotation) is Annotated:
        return _plain_types(typing.get_args(annotation)[0])
    parts = typing.get_args(annotation)
    if parts and not isinstance(annotation, type):
        return [plain for part in parts for plain in _plain_types(part)]
    return [annotation] if isinstance(annotation, type) else []
