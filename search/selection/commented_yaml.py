"""Settings as YAML for people: nested, with the layer and origin of each setting in a comment beside it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import yaml

from search.config.comparable_losses import METRIC
from search.config.files.reader import parse_scalar
from search.config.layers import Layer, Override
from search.config.leaves import to_nested
from search.config.resolved_study import SEEDS_PER_TRIAL
from search.config.settings_without_effect import keys_without_effect
from storage import tables

SECTIONS = ("study", "data", "models", "training", "guard")
"""The sections of a configuration, in the order in which they are written."""

DECISIVE = (
    *("study.name", "study.trials", "study.seed", METRIC, SEEDS_PER_TRIAL),
    *("data.", "models.", "training.", "guard."),
)
"""The settings that decide a trial's value; `study.trials` does, as the ceiling of skill depends on it."""

_Layer = TypeVar("_Layer", tables.SettingRow, Override)


def starting_layer(layers: Sequence[_Layer]) -> _Layer:
    """The layer in force when the trial started: a rerun repeats what the guard changed in training."""
    return [layer for layer in layers if layer.layer != Layer.GUARD][-1]


def decisive_settings(layers: Mapping[str, Sequence[_Layer]]) -> tuple[dict[str, Any], dict[str, _Layer]]:
    """The values that a trial was started with, and the layer that set each, by key.

    Without settings that do not decide the trial's value or have no effect in it; values without None.
    """
    started = {key: starting_layer(stack) for key, stack in layers.items() if key.startswith(DECISIVE)}
    without_effect = keys_without_effect({key: layer.effective for key, layer in started.items()})
    started = {key: layer for key, layer in started.items() if key not in without_effect}
    values = {key: layer.effective for key, layer in started.items() if layer.effective is not None}
    if values.get(SEEDS_PER_TRIAL) == 1:
        del values[SEEDS_PER_TRIAL]
    return values, started


def in_sections(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by key as a nested mapping, its sections in the order of SECTIONS."""
    tree = to_nested(values)
    return {name: tree[name] for name in SECTIONS if name in tree}


def settings_yaml(values: Mapping[str, Any], layers: Mapping[str, tables.SettingRow | Override]) -> str:
    """Settings by key as nested YAML, with the layer that set each in a comment beside it."""
    tree = in_sections({key: _Leaf(key, value) for key, value in values.items()})
    return "\n".join(_yaml_lines(tree, {key: _comment(layer) for key, layer in layers.items()}))


def _comment(layer: tables.SettingRow | Override) -> str:
    text = f"{layer.layer} · {layer.origin}"
    if layer.requested != layer.effective:
        text += f" · asked for {layer.requested}: {layer.reason}"
    return "".join(c if c.isprintable() else " " for c in text)  # a line break would end the comment


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
    """Quotes every text that Ballast's reader (YAML 1.2) would read as another type, such as `1e3`."""


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    is_plain = text.isprintable() and parse_scalar(text) == text
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if is_plain else '"')


_Dumper.add_representer(str, _represent_text)


def dump_yaml(value: Any, **options: Any) -> str:
    """A value as YAML that `search.config.files.reader` reads back unchanged; `options` are PyYAML's."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, **options)
    return text
