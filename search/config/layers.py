"""Who set what: the layers, one layer's act on a setting, and the record of a clamp."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any


class Layer(StrEnum):
    """Where a value comes from; each layer beats those before it.

    default < base < study < cli < sampled < clamp < guard
    trainer   configs  the     --set  the      safe     during
    .config   /base    study          sampler  ranges   training
              .yaml    file
    """

    DEFAULT = "default"
    BASE = "base"
    STUDY = "study"
    CLI = "cli"
    SAMPLED = "sampled"
    CLAMP = "clamp"
    GUARD = "guard"

    @property
    def rank(self) -> int:
        """Position in the order of the layers, 0 for `default`."""
        return list(Layer).index(self)


@dataclass(frozen=True)
class Override:
    """What one layer did to a setting: what it asked for, what came of it, and why they differ.

    `origin` is `file:line`, the text of a `--set`, or a rule. Values are plain JSON values.
    """

    layer: Layer
    origin: str
    requested: Any
    effective: Any
    reason: str = ""


@dataclass(frozen=True)
class Setting:
    """One leaf of the configuration with every layer that touched it, in the order in which they did."""

    key: str
    overrides: tuple[Override, ...]

    @property
    def value(self) -> Any:
        """The value in force: what the last override made of it."""
        return self.overrides[-1].effective

    @property
    def layer(self) -> Layer:
        """The layer that had the last word."""
        return self.overrides[-1].layer

    @property
    def origin(self) -> str:
        """Where the last word was written."""
        return self.overrides[-1].origin

    @property
    def requested(self) -> Any:
        """What the last layer found or asked for, before its effect."""
        return self.overrides[-1].requested

    @property
    def reason(self) -> str:
        """Why the value differs from what was asked for; empty where it does not."""
        return self.overrides[-1].reason


@dataclass(frozen=True)
class Clamp:
    """The record of a range or value cut to a safe range; `declared` and `effective` are JSON values."""

    key: str
    declared: Any
    effective: Any
    reason: str
    origin: str


def with_clamps(settings: Iterable[Setting], space: str) -> list[Setting]:
    """The same settings; in the stack of one that is searched, the clamp that cut its dimension has a place.

    That clamp is on record with the dimension, whose key begins with `space`; to a reader of the setting it
    is a layer between what was declared and what was drawn from the rest.
    """
    given = list(settings)
    cuts = {
        setting.key.removeprefix(space): setting.overrides[-1]
        for setting in given
        if setting.key.startswith(space) and setting.layer is Layer.CLAMP
    }
    return [_with_clamp(setting, cuts[setting.key]) if setting.key in cuts else setting for setting in given]


def _with_clamp(setting: Setting, cut: Override) -> Setting:
    acts: list[Override] = []
    for act in setting.overrides:
        if act.layer is Layer.SAMPLED and act.requested != act.effective == cut.effective:
            acts += [replace(act, effective=act.requested), replace(cut, requested=act.requested)]
        else:
            acts.append(act)
    return Setting(setting.key, tuple(acts))


def setting_to_json(setting: Setting) -> dict[str, Any]:
    """Return the shape that `explain --json` promises."""
    return {
        "key": setting.key,
        "value": setting.value,
        "layer": setting.layer.value,
        "origin": setting.origin,
        "requested": setting.requested,
        "reason": setting.reason,
        "overrides": [
            {
                "layer": act.layer.value,
                "origin": act.origin,
                "requested": act.requested,
                "effective": act.effective,
                "reason": act.reason,
            }
            for act in setting.overrides
        ],
    }
