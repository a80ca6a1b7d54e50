"""The JSON Schema of a study file, for editors: every key that the reader takes, nested and dotted.

What holds between settings, such as what a transform needs, is not in it; `ballast check` tells that.
"""

import re
from collections.abc import Iterable
from typing import Any

from search.config.descriptions import describe
from search.config.dimensions import not_searchable
from search.config.leaves import Leaf, sections_of
from search.config.safe_ranges import ALWAYS_FALSE
from search.config.schema import ALIASES, LEAVES, SPACE, TRIAL_LEAVES

SCHEMA_FILE = "ballast.schema.json"
"""The file that the first line of a study names; `ballast schema -o` writes it."""
_DIALECT = "http://json-schema.org/draft-07/schema#"
"""The newest draft that the common editors understand in full."""
_SETTINGS = (*LEAVES, *ALIASES)

Schema = dict[str, Any]


def modeline(folder: str = "") -> str:
    """The comment that tells an editor where the schema lies, seen from the study file."""
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
    """The schema of one setting; models inside of it become definitions of their own."""
    if leaf.key == ALWAYS_FALSE.key:
        return {"type": "boolean"}  # true is read, clamped and put on record
    schema = leaf.json_schema(_ref("{model}")["$ref"])
    definitions |= schema.pop("$defs", {})
    return schema


def _dimension(key: str) -> Schema:
    """What `space` may hold for a setting: a range, if it is a number, or choices; null: not searched."""
    choices = _object(choices={"type": "array", "items": _ref(key), "minItems": 1, "uniqueItems": True})
    if not TRIAL_LEAVES[ALIASES.get(key, key)].types & {int, float}:
        return {"anyOf": [choices, {"type": "null"}]}
    numbers = _object(low=_ref(key), high=_ref(key))
    numbers["properties"] |= {
        "log": {"type": "boolean", "description": "true: drawn evenly on a log scale."},
        "step": {"type": "number", "exclusiveMinimum": 0, "description": "The distance of the values."},
    }
    return {"anyOf": [numbers, choices, {"type": "null"}]}


def _object(**required: Schema) -> Schema:
    return {
        "type": "object",
        "properties": dict(required),
        "required": list(required),
        "additionalProperties": False,
    }


def _section(prefix: str, keys: Iterable[str]) -> Schema:
    """An object of the keys that begin with `prefix`, nested and dotted; null sets nothing.

    Editors propose what stands in `properties`: nested keys, but in `space` dotted ones.
    """
    leaves = {key for key in keys if key.startswith(prefix)}
    proposed, taken = {}, {}
    for key in sorted(leaves | {section for section in sections_of(leaves) if section.startswith(prefix)}):
        name = key.removeprefix(prefix)
        is_proposed = key in leaves if prefix == SPACE else "." not in name
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
    """A key that must be there, in any of its spellings: `a: {b: 1}` or `a.b: 1`."""
    ways = []
    for count in range(1, len(names) + 1):
        head, rest = ".".join(names[:count]), names[count:]
        ways.append({"required": [head], **({"properties": {head: _requires(*rest)}} if rest else {})})
    return ways[0] if len(ways) == 1 else {"anyOf": ways}
