"""The JSON Schema of a study file, for editors: every key that the reader accepts, nested and dotted.

It has no rules between settings, such as what a transform needs; `ballast check` checks those. A key's
description is its comment in base.yaml, else its docstring, followed by its safe range.
"""

import ast
import inspect
import re
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel

from search.config.dimensions import not_searchable
from search.config.files.reader import parse_mapping, read_source
from search.config.files.shipped import CONFIGS
from search.config.layer_values import layer_values_of_file
from search.config.layers import Layer
from search.config.leaves import Leaf, sections_of
from search.config.safe_ranges import ALWAYS_FALSE, read_policy
from search.config.schema import ALIASES, LEAVES, SPACE, TRIAL_LEAVES, StudyFile
from trainer.config import Feature, Fractions

SCHEMA_FILE = "ballast.schema.json"
"""The file that the first line of a study names; `ballast schema -o` writes it."""
_DIALECT = "http://json-schema.org/draft-07/schema#"
"""The newest draft that the common editors understand in full."""
_SETTINGS = (*LEAVES, *ALIASES)
_WHEN = "when."
"""The prefix of the definitions of conditions: `when.models.gru.num_layers` is one on that setting."""

Schema = dict[str, Any]


def modeline(folder: str = "") -> str:
    """The comment that tells an editor where the schema is; `folder` is relative to the study file."""
    return f"# yaml-language-server: $schema={folder}{SCHEMA_FILE}"


def study_schema() -> Schema:
    """The schema of a study file as a JSON value."""
    definitions: Schema = {}
    for key, leaf in LEAVES.items():
        definitions[key] = _setting(leaf, definitions)
    definitions |= {alias: dict(definitions[key]) for alias, key in ALIASES.items()}
    searched = [key for key in (*TRIAL_LEAVES, *ALIASES) if not_searchable(ALIASES.get(key, key)) is None]
    dimensions = {f"{SPACE}{key}": _dimension(key) for key in searched}
    definitions |= dimensions
    conditions = {f"{_WHEN}{key}": _condition(key) for key in (*TRIAL_LEAVES, *ALIASES) if _is_single(key)}
    definitions |= conditions
    definitions |= {section: _section(f"{section}.", conditions) for section in sections_of(conditions)}
    keys = [*_SETTINGS, *dimensions]
    definitions |= {section: _section(f"{section}.", keys) for section in sections_of(keys)}
    definitions["study.enqueue"]["items"] = _section("", searched)
    describe(definitions)
    root = _section("", keys)
    root["properties"]["provenance"] = {
        "type": ["object", "null"],
        "description": "Where an exported configuration comes from; not a setting.",
    }
    return {
        "$schema": _DIALECT,
        "title": "A study of Ballast",
        **root,
        "type": "object",
        "allOf": [_requires(*key.split(".")) for key, leaf in LEAVES.items() if leaf.required],
        "definitions": dict(sorted(definitions.items())),
    }


def _ref(name: str) -> Schema:
    return {"$ref": f"#/definitions/{name}"}


def _setting(leaf: Leaf, definitions: Schema) -> Schema:
    """The schema of one setting; models inside it become separate definitions."""
    if leaf.key == ALWAYS_FALSE.key:
        return {"type": "boolean"}  # true is accepted, clamped and recorded
    schema = leaf.json_schema(_ref("{model}")["$ref"])
    definitions |= schema.pop("$defs", {})
    return schema


def _dimension(key: str) -> Schema:
    """What `space` may hold for a setting: a range, if it is a number, or choices; null: not searched."""
    choices = _object(choices={"type": "array", "items": _ref(key), "minItems": 1, "uniqueItems": True})
    if not TRIAL_LEAVES[ALIASES.get(key, key)].types & {int, float}:
        return {"anyOf": [_with_when(choices), {"type": "null"}]}
    numbers = _object(low=_ref(key), high=_ref(key))
    numbers["properties"] |= {
        "log": {"type": "boolean", "description": "true: drawn evenly on a log scale."},
        "step": {"type": "number", "exclusiveMinimum": 0, "description": "The distance of the values."},
    }
    return {"anyOf": [_with_when(numbers), _with_when(choices), {"type": "null"}]}


def _with_when(dimension: Schema) -> Schema:
    dimension["properties"]["when"] = _ref("when")
    return dimension


def _is_single(key: str) -> bool:
    """Whether a condition can name a setting: it has one value, and no list of mappings."""
    leaf = TRIAL_LEAVES[ALIASES.get(key, key)]
    return leaf.key != "data.features" and bool(leaf.types & {int, float, str, bool})


def _condition(key: str) -> Schema:
    """A value of the setting, several of them, or for a number a range that may be open at one end."""
    listed = {"type": "array", "items": _ref(key), "minItems": 1}
    if not TRIAL_LEAVES[ALIASES.get(key, key)].types & {int, float}:
        return {"anyOf": [_ref(key), listed]}
    bounds = {**_object(low=_ref(key), high=_ref(key)), "required": [], "minProperties": 1}
    return {"anyOf": [_ref(key), listed, bounds]}


def _object(**required: Schema) -> Schema:
    return {
        "type": "object",
        "properties": dict(required),
        "required": list(required),
        "additionalProperties": False,
    }


def _section(prefix: str, keys: Iterable[str]) -> Schema:
    """An object of the keys that begin with `prefix`, nested and dotted; null sets nothing.

    Editors propose the keys in `properties`: nested keys, but dotted ones in `space`.
    """
    leaves = {key for key in keys if key.startswith(prefix)}
    proposed, taken = {}, {}
    for key in sorted(leaves | {section for section in sections_of(leaves) if section.startswith(prefix)}):
        name = key.removeprefix(prefix)
        is_proposed = key in leaves if prefix in (SPACE, _WHEN) else "." not in name
        if is_proposed:
            proposed[name] = _ref(key)
        else:
            taken[f"^{re.escape(name)}$"] = _ref(key)
    return {
        "type": ["object", "null"],
        "properties": proposed,
        "patternProperties": taken,
        "additionalProperties": False,
    }


def _requires(*names: str) -> Schema:
    """A required key, in any of its spellings: `a: {b: 1}` or `a.b: 1`."""
    ways = []
    for count in range(1, len(names) + 1):
        head, rest = ".".join(names[:count]), names[count:]
        ways.append({"required": [head], **({"properties": {head: _requires(*rest)}} if rest else {})})
    return ways[0] if len(ways) == 1 else {"anyOf": ways}


def describe(definitions: dict[str, Any]) -> None:
    """Add descriptions, and the defaults of base.yaml, to the definitions of a schema, in place."""
    texts = dict(_docstrings(StudyFile, "")) | {
        "space": "What is searched: a range or a list of choices for each key.",
        "provenance": "Where an exported configuration comes from; not a setting.",
        "when": "Searched only in trials in which these settings have these values; else idle.",
    }
    for key, (comment, default) in _recommended().items():
        texts[key] = comment or texts.get(key, "")
        definitions[key]["default"] = default
    for key, safe in read_policy(CONFIGS / "safe_ranges.yaml").ranges.items():
        texts[key] = f"{texts.get(key, '')} Safe: {safe.in_words()}; {safe.why}.".strip()
    for alias, key in ALIASES.items():
        texts[alias] = f"Another name of {key}; the smaller of the two is used."
    for name, schema in definitions.items():
        if text := texts.get(name) or texts.get(name.removeprefix(SPACE), ""):
            schema["description"] = text
    for model in (Feature, Fractions):
        for name, text in _docstrings(model, ""):
            definitions[model.__name__]["properties"][name]["description"] = text


def _recommended() -> dict[str, tuple[str, Any]]:
    """The comment after each key of base.yaml, and its value."""
    source = read_source(CONFIGS / "base.yaml", "base.yaml")
    lines = source.text.splitlines()
    values = layer_values_of_file(Layer.BASE, parse_mapping(source)[0], source.shown).layer_values
    return {
        layer_value.key: (
            lines[layer_value.node.location.line - 1].partition(" # ")[2].strip(),
            layer_value.override.requested,
        )
        for layer_value in values
    }


def _docstrings(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str]]:
    """The docstrings of a model's fields and of the models inside it, by key."""
    for kind in reversed(
        [kind for kind in model.__mro__ if issubclass(kind, BaseModel) and kind is not BaseModel]
    ):
        for name, text in field_texts(kind):
            yield f"{prefix}{name}", text
    for name, field in model.model_fields.items():
        if isinstance(inside := field.annotation, type) and issubclass(inside, BaseModel):
            yield f"{prefix}{name}", inspect.getdoc(inside) or ""
            yield from _docstrings(inside, f"{prefix}{name}.")


def field_texts(model: type) -> Iterator[tuple[str, str]]:
    """The docstrings below the fields of a class, read from its source: Python itself drops them."""
    (body,) = ast.parse(inspect.getsource(model)).body
    assert isinstance(body, ast.ClassDef)
    for field, text in zip(body.body, body.body[1:], strict=False):
        match field, text:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(docstring))),
            ):
                yield name, inspect.cleandoc(docstring)
