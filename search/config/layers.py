"""The layers of a configuration, what each of them did to a setting, and the record of a clamp."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any


class Layer(StrEnum):
    """Where a value comes from; each layer overrides those before it.

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
    """What one layer did to a setting: the requested value, the effective one, and why they differ.

    `origin` is `file:line`, the text of a `--set`, or a rule. Values are plain JSON values.
    """

    layer: Layer
    origin: str
    requested: Any
    effective: Any
    reason: str = ""


@dataclass(frozen=True)
class Setting:
    """One leaf of the configuration with the overrides of all layers, lowest layer first."""

    key: str
    overrides: tuple[Override, ...]

    @property
    def value(self) -> Any:
        """The value in force: the effective value of the last override."""
        return self.overrides[-1].effective

    @property
    def layer(self) -> Layer:
        """The layer of the last override."""
        return self.overrides[-1].layer

    @property
    def origin(self) -> str:
        """Where the last override was written."""
        return self.overrides[-1].origin

    @property
    def requested(self) -> Any:
        """What the last layer requested or found."""
        return self.overrides[-1].requested

    @property
    def reason(self) -> str:
        """Why the value differs from the requested one; empty if it does not."""
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
    """The same settings; a searched one also shows the clamp that cut its dimension.

    That clamp is recorded with the dimension, whose key begins with `space`. In the setting it is inserted
    between the declared dimension and the value that was drawn from the rest of it.
    """
    given = list(settings)
    cuts = {
        setting.key.removeprefix(space): setting.overrides[-1]
        for setting in given
        if setting.key.startswith(space) and setting.layer is Layer.CLAMP
    }
    return [_with_clamp(setting, cuts[setting.key]) if setting.key in cuts else setting for setting in given]


def _with_clamp(setting: Setting, cut: Override) -> Setting:
    overrides: list[Override] = []
    for override in setting.overrides:
        if override.layer is Layer.SAMPLED and override.requested != override.effective == cut.effective:
            overrides += [
                replace(override, effective=override.requested),
                replace(cut, requested=override.requested),
            ]
        else:
            overrides.append(override)
    return Setting(setting.key, tuple(overrides))


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
                "layer": override.layer.value,
                "origin": override.origin,
                "requested": override.requested,
                "effective": override.effective,
                "reason": override.reason,
            }
            for override in setting.overrides
        ],
    }
