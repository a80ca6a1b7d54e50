"""Settings as YAML that a person reads first: nested, with the layer and origin of each beside it."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from search.config.layers import Override
from search.config.reader import parse_scalar
from storage import tables

SECTIONS = ("study", "data", "models", "training", "guard")
"""Of a configuration, in the order in which they are written."""


def settings_yaml(values: Mapping[str, Any], acts: Mapping[str, tables.SettingRow | Override]) -> str:
    """Settings by key as nested YAML; the act that set each is told beside it."""
    return "\n".join(_yaml_lines(_nested(values), {key: _comment(act) for key, act in acts.items()}))


def _comment(row: tables.SettingRow | Override) -> str:
    text = f"{row.layer} · {row.origin}"
    if row.requested != row.effective:
        text += f" · asked for {row.requested}: {row.reason}"
    return "".join(c if c.isprintable() else " " for c in text)  # a line break would end the comment


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for key, value in values.items():
        *parents, leaf = key.split(".")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[leaf] = _Leaf(key, value)
    return {name: tree[name] for name in SECTIONS if name in tree}


class _Leaf:
    def __init__(self, key: str, value: Any) -> None:
        self.key, self.value = key, value


def _yaml_lines(tree: Mapping[str, Any], comments: Mapping[str, str], depth: int = 0) -> Iterator[str]:
    indent = "  " * depth
    for name, node in tree.items():
        if not isinstance(node, _Leaf):
            yield f"{'' if depth else chr(10)}{indent}{name}:"
            yield from _yaml_lines(node, comments, depth + 1)
        elif isinstance(node.value, list) and node.value:
            yield f"{indent}{name}:  # {comments[node.key]}"
            yield from (f"{indent}  - {_flow(_name_first(item))}" for item in node.value)
        else:
            yield f"{indent}{name}: {_flow(node.value)}  # {comments[node.key]}"


def _name_first(item: Any) -> Any:
    return dict(sorted(item.items(), key=lambda pair: pair[0] != "name")) if isinstance(item, dict) else item


def _flow(value: Any) -> str:
    text = dump_yaml(value, default_flow_style=True, width=float("inf"))
    return text.removesuffix("\n").removesuffix("\n...")


class _Dumper(yaml.SafeDumper):
    """Quotes every text that our reader, which follows YAML 1.2, would take for something else: `1e3`."""


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    is_plain = text.isprintable() and parse_scalar(text) == text
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if is_plain else '"')


_Dumper.add_representer(str, _represent_text)


def dump_yaml(value: Any, **how: Any) -> str:
    """A value as YAML that `search.config.reader` reads back as it was; `how` is for PyYAML."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, **how)
    return text
