"""A resolved study: its values, where each one came from, and how a sampled trial continues the story."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from search.config.layers import Clamp, Layer, Override, Setting
from search.config.leaves import leaf_values, to_nested, validation_messages
from search.config.safe_ranges import Policy, clamp_value
from search.config.schema import LEAVES, TRIAL_LEAVES, StudyFile
from search.config.space import Dimension, canonical, clamp_to_space
from search.errors import RequestError
from storage.commands import masked_url
from trainer.config import TrialConfig

_DEVICE = "training.device"
DECIDES_NO_VALUE = frozenset({_DEVICE, "training.kernel", "training.max_seconds"})
"""Settings of a trial that no loss depends on: where and by what it is computed, and for how long it may run.

A trial that its time limit ends is unpromising; an accepted one has the value that it had without the limit.
Two devices, or two kernels, differ in the last bits alone.
"""

_KNOWN_LATER = frozenset(
    {
        *(f"data.split.{name}" for name in ("method", "folds", "window", "groups", "held_out")),
        "data.target.clip_follows_spread",
        "training.kernel",
        "training.schedule",
    }
)
"""Settings that the first studies did not have: at their defaults they are left out of every digest, so that
an older record's configurations are still recognised."""

_LATER_DEFAULTS = {"data.target.clip_follows_spread": True}
"""Those that are filled in where nothing is said."""

_READ_AS_BEFORE: Mapping[str, tuple[Any, ...]] = {
    "data.target.already_shifted": (None, True),
    "data.target.clip_follows_spread": (None, False),
}
"""Settings that the first studies did not have either, and the values that say what was done without them."""

_NOBODY_SAYS: Mapping[str, str] = {}

DEFAULTS_VERSION = 2
"""What a setting means that is left out. 1: returns of any length are clipped at ±0.1, and a raw target is
taken to be shifted already. 2: that clip grows with the rows and the spread, and a raw target must say it."""

_PLACES = {"storage.url": "stores", "tracking.mlflow.uri": "addresses of MLflow"}

_SEARCH_KEYS = ("seed", "sampler", "pruner", "startup_trials", "pruner_warmup", "pruner_patience")
_PRUNER_MIN_TRIALS = "study.pruner_min_trials"
"""One more, which the first studies did not have: at its default it is left out."""


@dataclass(frozen=True)
class ResolvedTrial:
    """The settings of one trial, and its clamps.

    `settings` are the study's with the sampled ones in their place: `changed`, whose stacks continue those of
    the study with what was sampled and what was clamped.
    """

    config: TrialConfig
    settings: Mapping[str, Setting]
    changed: Mapping[str, Setting]
    clamps: tuple[Clamp, ...]

    @property
    def values(self) -> dict[str, Any]:
        """The value of every setting of the trial, by key."""
        return leaf_values(self.config, TRIAL_LEAVES)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of every setting that decides the trial's value: equal ones are tried once."""
        return self.digests[0]

    @property
    def digests(self) -> tuple[str, ...]:
        """That, and the one that older records have for it, where they tell spellings of a number apart."""
        decisive = {key: value for key, value in self.values.items() if key not in DECIDES_NO_VALUE}
        exact = _without_later_defaults(decisive)
        one = {key: canonical(value) for key, value in exact.items()}
        return tuple(dict.fromkeys((_sha256(one), _sha256(exact))))


@dataclass(frozen=True)
class ResolvedStudy:
    """A study whose every value is validated, clamped and accounted for.

    `settings` holds every leaf of the schema, and `space.KEY` for every dimension that a layer declared. A
    setting that is searched ends with an act of layer `sampled` whose value is the dimension in force.
    """

    file: StudyFile
    settings: Mapping[str, Setting]
    space: Mapping[str, Dimension]
    clamps: tuple[Clamp, ...]
    enqueued: tuple[Mapping[str, Any], ...]
    requested: tuple[Mapping[str, Any], ...]
    """What `enqueued` was before it was clamped, one by one."""
    origins: tuple[str, ...]
    """Where each of `enqueued` was asked for: `file:line`, or the option of the command line."""
    notes: tuple[str, ...]
    """What whoever starts the study should be told once: a sentence each."""
    policy: Policy
    path: Path
    folder: Path
    """The folder that relative paths of the study are relative to."""
    provenance: Mapping[str, Any]
    """What an exported file says about its past; it has no effect."""
    sources: Mapping[str, Any]
    """The texts that it was resolved from, as JSON values without passwords, for `resolve_recorded`."""

    @property
    def is_older(self) -> bool:
        """Whether it was exported, or started by a Ballast that did not ask what a raw target means."""
        return bool(self.provenance) or defaults_version(self.sources) < DEFAULTS_VERSION

    @property
    def trial_config(self) -> TrialConfig:
        """The settings of a trial before anything is sampled."""
        return self.file.trial_config

    def stored_at(self, url: str, origin: str) -> "ResolvedStudy":
        """The study with its store where `origin`, which comes before the study file, puts it.

        Raises RequestError where a `--set` puts it elsewhere.
        """
        return self._placed("storage.url", "stored_at", url, origin)

    def tracked_at(self, uri: str, origin: str) -> "ResolvedStudy":
        """The same for the MLflow that is told of the study."""
        return self._placed("tracking.mlflow.uri", "tracked_at", uri, origin)

    def _placed(self, key: str, source: str, url: str, origin: str) -> "ResolvedStudy":
        setting = self.settings[key]
        if setting.layer is Layer.CLI:
            raise RequestError(f"{setting.origin} and {origin} name two {_PLACES[key]}; keep one of them")
        act = Override(Layer.CLI, origin, url, url, f"{origin} comes before the study file")
        placed = Setting(setting.key, (*setting.overrides, act))
        sources = {**self.sources, source: {"url": masked_url(url), "origin": origin}}
        return replace(self, settings={**self.settings, setting.key: placed}, sources=sources)

    def fingerprints(self) -> dict[str, str]:
        """Return SHA-256 (hex) of what makes two studies the same: `space`, `policy`, `settings` and `data`.

        What may change while a study goes on is left out (search/record/continuation.py). `data` covers the
        data
        section; the caller adds the content. Searched settings count in `space` alone.
        """
        fixed = {
            key: value
            for key, value in _without_later_defaults(leaf_values(self.trial_config, TRIAL_LEAVES)).items()
            if key not in self.space and key != "training.max_seconds"
        }
        data = {key: value for key, value in fixed.items() if key.startswith("data.")}
        study = {f"study.{name}": getattr(self.file.study, name) for name in _SEARCH_KEYS}
        if self.file.study.pruner_min_trials != LEAVES[_PRUNER_MIN_TRIALS].default:
            study[_PRUNER_MIN_TRIALS] = self.file.study.pruner_min_trials
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
        drawn: Mapping[str, str] = _NOBODY_SAYS,
    ) -> ResolvedTrial:
        """Return the trial with these sampled values, one per key of the space.

        `queued` says that somebody asked for them instead of the sampler, `source` that they are those of
        another trial, named there, `drawn` who chose each; that is recorded as the reason. `device` is the
        worker's own.
        A value outside the safe range or the space is moved into it and recorded. Raises RequestError for a
        key that is not in the space, a key that is missing, or a value of the wrong type.
        """
        self._check_keys(sampled)
        by_sampler = "asked for in the queue" if queued else f"drawn by {self.file.study.sampler}"
        reason = f"taken over from {source}" if source else by_sampler
        written = self._written(sampled) if queued else {}
        acts = {
            key: (Layer.SAMPLED, written.get(key, self.settings[key].origin), value, drawn.get(key, reason))
            for key, value in sampled.items()
        }
        if device is not None:
            acts[_DEVICE] = (Layer.CLI, "--devices", device, "the device of the worker")
        values = leaf_values(self.trial_config, TRIAL_LEAVES)
        fixed = {key: value for key, value in values.items() if key not in self.space}
        changed: dict[str, Setting] = {}
        clamps: list[Clamp] = []
        for key, (layer, origin, asked, why) in acts.items():
            value = _checked(key, asked)
            values[key], found = clamp_sampled(key, value, self.policy, fixed, self.space)
            act = Override(layer, origin, value, value, why)
            changed[key] = Setting(key, (*self.settings[key].overrides, act, *map(clamp_override, found)))
            clamps += found
        config = TrialConfig.model_validate(to_nested(values))
        return ResolvedTrial(config, {**self.settings, **changed}, changed, tuple(clamps))

    def _written(self, sampled: Mapping[str, Any]) -> dict[str, str]:
        """Where the values of a queued configuration were asked for; none if not in the study's settings."""
        for requested, origin in zip(self.requested, self.origins, strict=True):
            if all(key in sampled and sampled[key] == value for key, value in requested.items()):
                return dict.fromkeys(requested, origin)
        return {}

    def _check_keys(self, sampled: Mapping[str, Any]) -> None:
        if unknown := [key for key in sampled if key not in self.space]:
            raise RequestError(f"{unknown[0]} is not in the space of study {self.file.study.name}")
        if missing := [key for key in self.space if key not in sampled]:
            raise RequestError(f"the trial has no value for {missing[0]}, which is in the space")


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
    """Return a clamp as the act of its layer."""
    return Override(Layer.CLAMP, clamp.origin, clamp.declared, clamp.effective, clamp.reason)


def _checked(key: str, value: Any) -> Any:
    try:
        return TRIAL_LEAVES[key].check(value)
    except ValidationError as error:
        raise RequestError(validation_messages(key, value, error, TRIAL_LEAVES[key])[0][0]) from None


def defaults_version(sources: Mapping[str, Any] | None) -> int:
    """The `DEFAULTS_VERSION` that a record was made with; 1 where it does not say."""
    return 1 if sources is None else int(sources.get("defaults", 1))


def without_later_settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values without those of later settings that say what was done before there were these settings."""
    return {key: value for key, value in values.items() if value not in _READ_AS_BEFORE.get(key, ())}


def means_the_same(key: str, before: Any, after: Any) -> bool:
    """Whether two values of a setting do the same: equal ones, and those that only say what null was."""
    known = _READ_AS_BEFORE.get(key, ())
    return bool(before == after) or (before in known and after in known)


def _without_later_defaults(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value
        for key, value in without_later_settings(values).items()
        if key not in _KNOWN_LATER or value != _LATER_DEFAULTS.get(key, TRIAL_LEAVES[key].default)
    }


def _sha256(part: Any) -> str:
    text = json.dumps(part, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
