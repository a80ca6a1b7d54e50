"""The page of all settings, from configs/ballast.schema.json, the file that editors read as well."""

import json
import re
from pathlib import Path
from typing import Any

from search.config.schema import ALIASES, LEAVES, SPACE

_SCHEMA = Path(__file__).parents[2] / "configs" / "ballast.schema.json"
_INTRO = """# Settings

Every key of a study file, in the order of its sections. A key may be nested or dotted
(`training: {epochs: 3}`, `training.epochs: 3`), and `--set KEY=VALUE` changes it for one run. *Default* is
the value of [base.yaml](../../configs/base.yaml), else of the code; *required* has none. A *safe range* is
never passed: a value outside is moved to the nearest bound, and that is recorded
([where a value comes from](../configuration.md)). [Data](../data.md) explains `data` with examples.
"""
_SPACE = """
## space

A range or a list of choices for each searched key: `{low: 1e-4, high: 1e-2, log: true}`,
`{low: 8, high: 64, step: 8}` or `{choices: [16, 32]}`; null: not searched. These keys can be searched:
"""
_HEAD = "| key | takes | default | meaning |\n|---|---|---|---|"

Schema = dict[str, Any]


def settings_page() -> str:
    """The page: a table for each section of a study file, one for a feature, and what can be searched."""
    definitions: dict[str, Schema] = json.loads(_SCHEMA.read_text())["definitions"]
    keys = [*LEAVES, *ALIASES]
    parts = [_INTRO]
    for section in dict.fromkeys(key.split(".")[0] for key in keys):
        about = definitions[section].get("description", "")
        of_section = [key for key in keys if key.startswith(f"{section}.")]
        rows = [_row(key, definitions[key], is_required=_is_required(key)) for key in of_section]
        parts.append("\n".join((f"\n## {section}\n", about, "", _HEAD, *rows)))
        parts += [_inner(name, definitions[name]) for name in ("Feature", "Fractions") if section == "data"]
    searched = [key.removeprefix(SPACE) for key in definitions if key.startswith(SPACE)]
    leaves = [key for key in searched if key in LEAVES or key in ALIASES]
    parts += [_SPACE, ", ".join(f"`{key}`" for key in leaves) + ".\n"]
    return "\n".join(parts)


def _is_required(key: str) -> bool:
    return key in LEAVES and LEAVES[key].required


def _inner(name: str, schema: Schema) -> str:
    """The table of a mapping inside a setting."""
    required = schema.get("required", ())
    rows = [_row(key, each, is_required=key in required) for key, each in schema["properties"].items()]
    return "\n".join((f"\n### {name}\n", schema.get("description", ""), "", _HEAD, *rows))


def _row(key: str, schema: Schema, *, is_required: bool) -> str:
    default = "required" if is_required else f"`{json.dumps(_default(key, schema))}`"
    meaning = re.sub(r"\s+", " ", schema.get("description", "")).strip()
    meaning, _, safe = meaning.partition(" Safe: ")
    limits = f" **Safe range:** {safe}" if safe else ""
    return f"| `{key}` | {_cell(_takes(schema))} | {_cell(default)} | {_cell(_sentence(meaning) + limits)} |"


def _default(key: str, schema: Schema) -> Any:
    """The default of the schema, which has that of base.yaml, else that of the code."""
    if "default" in schema or key not in LEAVES:
        return schema.get("default")
    return LEAVES[key].default


def _takes(schema: Schema) -> str:
    """What values a key takes, in words."""
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_takes(each) for each in schema["anyOf"]))
    if "$ref" in schema:
        return f"[{(name := schema['$ref'].rsplit('/', 1)[-1])}](#{name.lower()})"
    if "enum" in schema:
        return ", ".join(
            f"`{value if str(value).isidentifier() else json.dumps(value)}`" for value in schema["enum"]
        )
    if "const" in schema:
        return f"`{schema['const']}`"
    kind = schema.get("type", "a value")
    if kind == "array":
        items = schema.get("items", {})
        return "list" if "patternProperties" in items or not items else f"list of {_takes(items)}"
    if kind in ("integer", "number"):
        return _WORDS[kind] + _bounds(schema)
    return _WORDS.get(kind, str(kind))


_WORDS = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "boolean": "true, false",
    "object": "mapping",
    "null": "null",
}


def _plain(value: Any) -> str:
    """A value as one writes it in YAML: a word without quotes."""
    return str(value) if str(value).isidentifier() else json.dumps(value)


def _bounds(schema: Schema) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    found = [f"{sign} {schema[name]:.12g}" for name, sign in signs.items() if name in schema]
    return f" {', '.join(found)}" if found else ""


def _sentence(text: str) -> str:
    """The text with a full stop, as it stands beside others in a table."""
    return text if not text or text.endswith((".", "!", "?", "…")) else f"{text}."


def _cell(text: str) -> str:
    """The text without what ends a cell of a table."""
    return text.replace("|", "\\|")
