"""A resolved study: its values, where each one comes from, and the settings of a sampled trial."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from search.config.conditions import idle_override, why_idle
from search.config.kept_frames import frame_names, frames_found
from search.config.layers import Clamp, Layer, Override, Setting
from search.config.leaves import leaf_values, to_nested, validation_messages
from search.config.objectives import LOSS_ALONE, OBJECTIVES
from search.config.safe_ranges import Policy, clamp_value
from search.config.schema import LEAVES, TRIAL_LEAVES, StudyFile
from search.config.space import Dimension, canonical, clamp_to_space
from search.errors import RequestError
from storage.commands import masked_url
from trainer.config import CsvConfig, TrialConfig
from trainer.losses import Loss, LossName

_DEVICE = "training.device"
_SOURCE = "data.source"
DECIDES_NO_VALUE = frozenset({_DEVICE, "training.kernel", "training.max_seconds"})
"""Trial settings that do not change a loss: where and how it is computed, and how long it may run.

A trial that reaches its time limit is unpromising; an accepted one has the value that it has without a
limit. Two devices, or two kernels, differ only in the last bits.
"""

_LATER_SETTINGS = frozenset(
    {
        *(f"data.split.{name}" for name in ("method", "folds", "window", "groups", "held_out")),
        "data.split.unseen_series",
        "data.target.clip_follows_spread",
        *(f"data.target.{name}" for name in ("open", "close", "floor", "min_series", "relative")),
        *(f"data.{name}" for name in ("timezone", "sort", "where", "drop_empty", "max_gap", "calendar")),
        *(f"data.{name}" for name in ("since", "until")),
        *(f"data.{name}" for name in ("series", "layout", "scale", "weights")),
        *(f"data.csv.{name}" for name in CsvConfig.model_fields),
        "data.target.log_of",
        *(f"training.{name}" for name in ("batches", "loss", "huber_delta", "quantiles", "half_life")),
        "training.kernel",
        "training.schedule",
    }
)
"""Settings that early versions did not have. At their defaults they are left out of every digest, so that
configurations of older records are still recognised."""

_LATER_DEFAULTS = {"data.target.clip_follows_spread": True}
"""The values of those that are filled in if they are not set."""

_EQUAL_TO_ABSENT: Mapping[str, tuple[Any, ...]] = {
    "data.target.already_shifted": (None, True),
    "data.target.clip_follows_spread": (None, False),
}
"""More such settings, and the values that have the same effect as their absence had."""

_NO_REASONS: Mapping[str, str] = {}

DEFAULTS_VERSION = 2
"""Which defaults apply to settings that are left out. 1: returns over any number of rows are clipped at
±0.1, and a raw target counts as already shifted. 2: the clip grows with the number of rows and the spread,
and a raw target must say whether it is shifted."""

_URL_KINDS = {"storage.url": "stores", "tracking.mlflow.uri": "addresses of MLflow"}

_SEARCH_KEYS = ("seed", "sampler", "pruner", "startup_trials", "pruner_warmup", "pruner_patience")
_PRUNER_MIN_TRIALS = "study.pruner_min_trials"
"""Early versions did not have this one: at its default it is left out of the fingerprint."""
SEEDS_PER_TRIAL = "study.seeds_per_trial"
"""Nor this one: at its default, 1, it is left out of digests, of the fingerprint and of exported files."""


@dataclass(frozen=True)
class ResolvedTrial:
    """The settings of one trial, and its clamps.

    `settings` are the study's, with `changed` in place of the sampled ones: `changed` adds the overrides of
    layers `sampled` and `clamp` to those of the study.
    """

    config: TrialConfig
    settings: Mapping[str, Setting]
    changed: Mapping[str, Setting]
    clamps: tuple[Clamp, ...]
    metric: LossName | None = None
    """The loss that judges the trial, if that is not the loss that it is trained by."""
    seeds: int = 1
    """With how many seeds it is trained."""

    @property
    def values(self) -> dict[str, Any]:
        """The value of every setting of the trial, by key."""
        return leaf_values(self.config, TRIAL_LEAVES)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of every setting that decides the trial's value; a digest is tried once."""
        return self.digests[0]

    @property
    def digests(self) -> tuple[str, ...]:
        """`digest`, and those in older records, if they distinguish spellings of a number or folders of a
        frame.
        """
        decisive = {key: value for key, value in self.values.items() if key not in DECIDES_NO_VALUE}
        exact = _without_later_defaults(decisive)
        if self.metric is not None:
            exact["study.metric"] = self.metric
        if self.seeds > 1:
            exact[SEEDS_PER_TRIAL] = self.seeds
        one = {key: canonical(value) for key, value in exact.items()}
        anywhere = one | {_SOURCE: frame_names(one[_SOURCE])}
        return tuple(dict.fromkeys(map(_sha256, (anywhere, one, exact))))


@dataclass(frozen=True)
class ResolvedStudy:
    """A study whose every value is validated, clamped and accounted for.

    `settings` holds every leaf of the schema, and `space.KEY` for every dimension that a layer declared. The
    last override of a searched setting has layer `sampled`, and its value is the dimension in force.
    """

    file: StudyFile
    settings: Mapping[str, Setting]
    space: Mapping[str, Dimension]
    clamps: tuple[Clamp, ...]
    enqueued: tuple[Mapping[str, Any], ...]
    requested: tuple[Mapping[str, Any], ...]
    """`enqueued` before clamping, one by one."""
    origins: tuple[str, ...]
    """Where each of `enqueued` was asked for: `file:line`, or the option of the command line."""
    notes: tuple[str, ...]
    """Sentences to show once to the user who starts the study."""
    policy: Policy
    path: Path
    folder: Path
    """The folder that relative paths of the study are relative to."""
    provenance: Mapping[str, Any]
    """Where an exported file says that it comes from; it has no effect."""
    sources: Mapping[str, Any]
    """The texts that it was resolved from, as JSON values without passwords, for `resolve_recorded`."""

    @property
    def is_older(self) -> bool:
        """Whether it was exported, or started by a version that did not ask if a raw target is shifted."""
        return bool(self.provenance) or defaults_version(self.sources) < DEFAULTS_VERSION

    @property
    def trial_config(self) -> TrialConfig:
        """The settings of a trial before anything is sampled."""
        return self.file.trial_config

    @property
    def metric(self) -> Loss:
        """The loss by which trials are compared and judged: `study.metric`, else `training.loss`."""
        config = self.trial_config
        return config.loss_of(self.file.study.metric or config.training.loss)

    def stored_at(self, url: str, origin: str) -> "ResolvedStudy":
        """The study with the store at `url`; `origin` (an option or a variable) overrides the study file.

        Raises RequestError if a `--set` names another store.
        """
        return self._with_url("storage.url", "stored_at", url, origin)

    def tracked_at(self, uri: str, origin: str) -> "ResolvedStudy":
        """The same for the MLflow server that receives the study."""
        return self._with_url("tracking.mlflow.uri", "tracked_at", uri, origin)

    def with_frames_found(self, url: str | None = None) -> "ResolvedStudy":
        """The study with the kept frames of its data where they lie now, beside the store at `url` or in its
        folder; see `search.config.kept_frames.frames_found`.
        """
        named = self.file.data.source
        source = frames_found(named, self.folder, url, self.file.storage.files)
        if source == named:
            return self
        data, setting = self.file.data.model_copy(update={"source": source}), self.settings[_SOURCE]
        plain = source if isinstance(source, str) else list(source)
        override = replace(setting.overrides[-1], effective=plain, reason="the folder of the frame was moved")
        return replace(
            self,
            file=self.file.model_copy(update={"data": data}),
            settings={**self.settings, _SOURCE: Setting(_SOURCE, (*setting.overrides, override))},
        )

    def _with_url(self, key: str, source: str, url: str, origin: str) -> "ResolvedStudy":
        setting = self.settings[key]
        if setting.layer is Layer.CLI:
            raise RequestError(f"{setting.origin} and {origin} name two {_URL_KINDS[key]}; keep one of them")
        override = Override(Layer.CLI, origin, url, url, f"{origin} comes before the study file")
        moved = Setting(setting.key, (*setting.overrides, override))
        sources = {**self.sources, source: {"url": masked_url(url), "origin": origin}}
        return replace(self, settings={**self.settings, setting.key: moved}, sources=sources)

    def fingerprints(self) -> dict[str, str]:
        """Return SHA-256 (hex) of what makes two studies the same: `space`, `policy`, `settings` and `data`.

        Settings that may change when a study is continued are left out (search/record/continuation.py).
        `data` covers the data section; the caller adds the table's content. A searched setting counts only in
        `space`, unless it is idle in some trials, which then have its own value.
        """
        fixed = {
            key: value
            for key, value in _without_later_defaults(leaf_values(self.trial_config, TRIAL_LEAVES)).items()
            if (key not in self.space or self.space[key].when) and key != "training.max_seconds"
        }
        data = {key: value for key, value in fixed.items() if key.startswith("data.")}
        study = {f"study.{name}": getattr(self.file.study, name) for name in _SEARCH_KEYS}
        if self.file.study.pruner_min_trials != LEAVES[_PRUNER_MIN_TRIALS].default:
            study[_PRUNER_MIN_TRIALS] = self.file.study.pruner_min_trials
        if self.file.study.metric is not None:
            study["study.metric"] = self.file.study.metric
        if self.file.study.objectives != LOSS_ALONE:
            study[OBJECTIVES] = list(self.file.study.objectives)
        if self.file.study.seeds_per_trial > 1:
            study[SEEDS_PER_TRIAL] = self.file.study.seeds_per_trial
        parts = {
            "space": {key: dimension.to_json() for key, dimension in self.space.items()},
            "policy": {key: safe.to_json() for key, safe in self.policy.ranges.items()},
            "settings": {key: value for key, value in fixed.items() if key not in data} | study,
            "data": data,
        }
        return {name: _sha256(part) for name, part in parts.items()}

    def trial(
        self,
        sampled: Mapping[str, Any],
        *,
        queued: bool = False,
        device: str | None = None,
        source: str | None = None,
        drawn: Mapping[str, str] = _NO_REASONS,
    ) -> ResolvedTrial:
        """Return the trial with these sampled values, one per key of the space that is not idle in it.

        `queued`: the values were asked for, not drawn by the sampler. `source` names the trial that they are
        copied from. `drawn` says who chose each value, and is recorded as the reason. `device` is the
        worker's own.
        A value outside the safe range or the space is moved into it and recorded; one of a setting that is
        idle with the other values is ignored and recorded. Raises RequestError for a key that is not in the
        space, a key that is missing, or a value of the wrong type.
        """
        if unknown := [key for key in sampled if key not in self.space]:
            raise RequestError(f"{unknown[0]} is not in the space of study {self.file.study.name}")
        by_sampler = "asked for in the queue" if queued else f"drawn by {self.file.study.sampler}"
        reason = f"taken over from {source}" if source else by_sampler
        written = self._written(sampled) if queued else {}
        asked = {
            key: (Layer.SAMPLED, written.get(key, self.settings[key].origin), value, drawn.get(key, reason))
            for key, value in sampled.items()
        }
        if device is not None:
            asked[_DEVICE] = (Layer.CLI, "--devices", device, "the device of the worker")
        return self._with_values(asked)

    def _with_values(self, asked: Mapping[str, tuple[Layer, str, Any, str]]) -> ResolvedTrial:
        """The trial with the values of `asked`: by key the layer, the origin, the value, the reason."""
        values = leaf_values(self.trial_config, TRIAL_LEAVES)
        fixed = {key: value for key, value in values.items() if key not in self.space}
        changed: dict[str, Setting] = {}
        clamps: list[Clamp] = []
        for key, (layer, origin, requested_value, why) in asked.items():
            value = _checked(key, requested_value)
            values[key], found = clamp_sampled(key, value, self.policy, fixed, self.space)
            override = Override(layer, origin, value, value, why)
            changed[key] = Setting(
                key, (*self.settings[key].overrides, override, *map(clamp_override, found))
            )
            clamps += found
        idle = self._idle_settings({key: values[key] for key in asked}, changed)
        changed |= idle
        clamps = [clamp for clamp in clamps if clamp.key not in idle]
        clamps += [
            Clamp(key, asked[key][2], setting.value, setting.reason, setting.origin)
            for key, setting in idle.items()
            if key in asked
        ]
        values |= {key: setting.value for key, setting in idle.items()}
        config = TrialConfig.model_validate(to_nested(values))
        metric = None if self.metric.name == config.training.loss else self.file.study.metric
        settings, seeds = {**self.settings, **changed}, self.file.study.seeds_per_trial
        return ResolvedTrial(config, settings, changed, tuple(clamps), metric, seeds)

    def _written(self, sampled: Mapping[str, Any]) -> dict[str, str]:
        """The origin of each value of a queued configuration; empty if it is not in the study's settings."""
        for requested, origin in zip(self.requested, self.origins, strict=True):
            if all(key in sampled and sampled[key] == value for key, value in requested.items()):
                return dict.fromkeys(requested, origin)
        return {}

    def _idle_settings(self, chosen: Mapping[str, Any], changed: Mapping[str, Setting]) -> dict[str, Setting]:
        """The settings of the space that are idle with the `chosen` values: they keep their own value. One
        that was given a value shows it, and that it was ignored. RequestError for one that lacks a value.
        """
        idle: dict[str, Setting] = {}
        for key in self.space:
            why = why_idle(self.space, chosen, key)
            if why is not None:
                layers = self.settings[key].overrides
                found = idle_override(layers, why)
                if key in chosen:
                    asked = changed[key].overrides[len(layers)]
                    layers = (
                        *layers,
                        replace(asked, effective=found.effective, reason=f"ignored, {found.reason}"),
                    )
                idle[key] = Setting(key, (*layers, found))
            elif key not in chosen:
                raise RequestError(f"the trial has no value for {key}, which is in the space")
        return idle


def clamp_sampled(
    key: str, value: Any, policy: Policy, fixed: Mapping[str, Any], space: Mapping[str, Dimension]
) -> tuple[Any, list[Clamp]]:
    """Move a value into the safe range and then, if the key is searched, into its dimension."""
    clamps: list[Clamp] = []
    safe = policy.rule(key, fixed)
    if safe is not None:
        value, clamp = clamp_value(value, safe)
        clamps += [clamp] if clamp else []
    if key in space:
        params, moved = clamp_to_space(space, {key: value})
        value, clamps = params[key], clamps + moved
    return value, clamps


def clamp_override(clamp: Clamp) -> Override:
    """Return a clamp as an override of layer `clamp`."""
    return Override(Layer.CLAMP, clamp.origin, clamp.declared, clamp.effective, clamp.reason)


def _checked(key: str, value: Any) -> Any:
    try:
        return TRIAL_LEAVES[key].check(value)
    except ValidationError as error:
        raise RequestError(validation_messages(key, value, error, TRIAL_LEAVES[key])[0][0]) from None


def defaults_version(sources: Mapping[str, Any] | None) -> int:
    """The `DEFAULTS_VERSION` of a record; 1 if it has none."""
    return 1 if sources is None else int(sources.get("defaults", 1))


def without_later_settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values without later settings whose value has the effect that their absence had."""
    return {key: value for key, value in values.items() if value not in _EQUAL_TO_ABSENT.get(key, ())}


def means_the_same(key: str, before: Any, after: Any) -> bool:
    """Whether two values of a setting have the same effect: they are equal, both equal its absence, or they
    are paths of the same frame.
    """
    if key == _SOURCE and before is not None and after is not None:
        before, after = frame_names(before), frame_names(after)
    known = _EQUAL_TO_ABSENT.get(key, ())
    return bool(before == after) or (before in known and after in known)


def _without_later_defaults(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value
        for key, value in without_later_settings(values).items()
        if key not in _LATER_SETTINGS or value != _LATER_DEFAULTS.get(key, TRIAL_LEAVES[key].default)
    }


def _sha256(part: Any) -> str:
    text = json.dumps(part, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
