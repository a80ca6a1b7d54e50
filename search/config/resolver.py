"""Resolves merged layers to values that are valid and safe, with the overrides behind each value."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from search.config.comparable_losses import incomparable_losses
from search.config.condition_checks import StudySettings, check_conditions
from search.config.conditions import conditions_in_words, in_order
from search.config.enqueue import (
    WarmStartFile,
    clamp_enqueued,
    differing_settings_note,
    enqueue_warm_start,
    repeated_configurations,
)
from search.config.layer_values import LayerValue, section_problems
from search.config.layers import Clamp, Layer, Override, Setting
from search.config.leaves import leaf_values, to_nested
from search.config.objectives import OBJECTIVES, refused_objectives
from search.config.one_hot import TextReader, expand_one_hot, has_one_hot
from search.config.resolved_study import DECIDES_NO_VALUE, DEFAULTS_VERSION, ResolvedStudy, clamp_override
from search.config.safe_ranges import ALWAYS_FALSE, EmptySafeRange, Policy, clamp_dimension, clamp_value
from search.config.schema import LEAVES, SPACE, TRIAL_LEAVES, StudyFile
from search.config.settings_without_effect import find_settings_without_effect
from search.config.space import Choices, Dimension, only_value
from search.config.wildcards import FEATURES, ColumnReader, expand, has_wildcards
from search.errors import ConfigError, Location, Problem
from trainer.config import RETURN_CLIP
from trainer.errors import DataError

_DEFAULT_ORIGIN = "trainer.config"
_STUDY_ORIGIN = "search.config.schema"


class Resolver:
    """Adds overrides step by step and collects all problems, so that they are shown at once."""

    def __init__(
        self,
        layer_values: list[LayerValue],
        policy: Policy,
        problems: list[Problem],
        warm_starts: Sequence[WarmStartFile] = (),
        defaults: int = DEFAULTS_VERSION,
    ) -> None:
        self.defaults = defaults
        self.policy = policy
        self.warm_starts = warm_starts
        self.problems = problems
        self.top_values = {layer_value.key: layer_value for layer_value in layer_values}
        self.overrides = _overrides_by_key(layer_values)
        self.values = {key: self.overrides[key][-1].effective for key in LEAVES if key in self.overrides}
        self.space: dict[str, Dimension] = {}
        self.in_force: dict[str, Dimension] = {}
        self.never: dict[str, str] = {}
        self.clamps = [
            Clamp(layer_value.key, True, False, ALWAYS_FALSE.reason, layer_value.override.origin)
            for layer_value in layer_values
            if layer_value.key == ALWAYS_FALSE.key and layer_value.override.requested is True
        ]
        self.enqueued: tuple[Mapping[str, Any], ...] = ()
        self.requested: tuple[Mapping[str, Any], ...] = ()
        self.origins: tuple[str, ...] = ()

    def resolve(self, broken: set[str], study: Location, watched: frozenset[Layer]) -> None:
        """Resolve all values, or raise ConfigError with every problem."""
        self._validate(broken, study)
        self._resolve_dimensions(self._searched())
        for key in TRIAL_LEAVES:
            self._clamp_value(key)
        if not self.problems:
            self._add_warm_starts()  # which keys are searched is known only if nothing is wrong
        self._resolve_enqueued()
        wrong, overrides = find_settings_without_effect(self.top_values, self.values, self.space, watched)
        self.problems += wrong
        for key, override in overrides.items():
            self.overrides[key].append(override)
        if not self.problems:
            self._validate(broken, study)  # The clamped values may contradict each other.
        if not self.problems and (found := incomparable_losses(self.values, self.space)):
            key, message = found
            source = self.top_values.get(f"{SPACE}{key}") or self.top_values.get(key)
            self.problems.append(Problem(study if source is None else source.node.location, message))
        if not self.problems and (refusal := refused_objectives(self.values)):
            source = self.top_values.get(OBJECTIVES)
            self.problems.append(Problem(study if source is None else source.node.location, refusal))
        if self.problems:
            raise ConfigError(self.problems)

    def expand_features(self, columns: ColumnReader, texts: TextReader) -> dict[str, Any]:
        """Replace wildcards and one_hot in `data.features` by what they stand for.

        Returns what was read of the table for it: its `columns`, and the `texts` of each column that is
        one_hot. If the table cannot be read, that is a problem.
        """
        if not {FEATURES, "data.source", "data.time"} <= set(self.values):
            return {}
        read: dict[str, Any] = {}

        def texts_of(column: str | None) -> list[str]:
            found = texts(self.values, column)
            read.setdefault("texts", {})[column or ""] = found
            return found

        try:
            if has_wildcards(self.values):
                read["columns"] = columns(self.values)
                self._replace_features(
                    expand(self.values, read["columns"]),
                    "wildcards stand for the columns of the table that match",
                )
            if has_one_hot(self.values[FEATURES]):
                self._replace_features(
                    expand_one_hot(self.values[FEATURES], texts_of),
                    "one_hot stands for an equals of each text of its column",
                )
        except (ValueError, DataError) as error:
            self.problems.append(Problem(self.top_values[FEATURES].node.location, f"{FEATURES}: {error}"))
            return {}
        return read

    def _replace_features(self, effective: Sequence[Mapping[str, Any]], reason: str) -> None:
        last = self.overrides[FEATURES][-1]
        reason = f"{last.reason}; {reason}" if last.reason else reason
        self.overrides[FEATURES][-1] = replace(last, effective=effective, reason=reason)
        self.values[FEATURES] = effective

    def study(
        self, path: Path, folder: Path, provenance: Mapping[str, Any], sources: Mapping[str, Any]
    ) -> ResolvedStudy:
        """Return the resolved study."""
        dimensions = [key for key in self.overrides if key.startswith(SPACE)]
        return ResolvedStudy(
            file=StudyFile.model_validate(to_nested(self.values)),
            settings={key: Setting(key, tuple(self.overrides[key])) for key in (*LEAVES, *dimensions)},
            space=self.space,
            clamps=tuple(self.clamps),
            enqueued=self.enqueued,
            requested=self.requested,
            origins=self.origins,
            notes=self._notes(),
            policy=self.policy,
            path=path,
            folder=folder,
            provenance=provenance,
            sources=sources,
        )

    def _validate(self, broken: set[str], study: Location) -> None:
        """Check rules between settings, and keep the values that a section fills in."""
        try:
            file = StudyFile.model_validate(to_nested(self._with_older_clip()))
        except ValidationError as error:
            self.problems += section_problems(error, self.top_values, broken, study)
            return
        for key, value in leaf_values(file, LEAVES).items():
            if value != self.values[key]:
                reason = "filled in by trainer.config from the other settings of its section"
                self.overrides[key][-1] = replace(self.overrides[key][-1], effective=value, reason=reason)
                self.values[key] = value

    def _with_older_clip(self) -> dict[str, Any]:
        """The values; with `DEFAULTS_VERSION` 1 returns are clipped at ±0.1, whatever their horizon."""
        clip, kind = "data.target.clip", self.values.get("data.target.kind")
        if self.defaults > 1 or kind != "return" or self.values.get(clip) is not None:
            return self.values
        return {**self.values, clip: RETURN_CLIP}

    def _searched(self) -> dict[str, LayerValue]:
        """Return the dimensions, without those of settings that a `--set` fixes."""
        searched: dict[str, LayerValue] = {}
        for name, layer_value in self.top_values.items():
            key = name.removeprefix(SPACE)
            if not name.startswith(SPACE) or layer_value.dimension is None:
                continue
            fixed = self.top_values.get(key)
            if fixed is None or fixed.layer is not Layer.CLI:
                searched[key] = layer_value
            elif layer_value.layer is Layer.CLI:
                message = f"{fixed.override.origin} fixes what this searches; keep one of the two"
                self.problems.append(Problem(layer_value.node.location, message))
            else:
                reason = f"fixed by {fixed.override.origin}, so it is not searched"
                override = Override(
                    Layer.CLI, fixed.override.origin, layer_value.override.effective, None, reason
                )
                self.overrides[name].append(override)
        return searched

    def _resolve_dimensions(self, searched: Mapping[str, LayerValue]) -> None:
        """Resolve each dimension after those that its conditions name."""
        declared = {key: value.dimension for key, value in searched.items() if value.dimension is not None}
        keys, cycles = in_order(declared)
        for cycle in cycles:
            round_trip = ", which is searched by the value of ".join(f"{SPACE}{key}" for key in cycle)
            message = f"the conditions go in a circle: the value of {round_trip}; remove one when"
            self.problems.append(Problem(searched[cycle[0]].node.location, message))
        for key in keys:
            self._resolve_dimension(key, searched[key], declared)

    def _resolve_dimension(
        self, key: str, layer_value: LayerValue, declared: Mapping[str, Dimension]
    ) -> None:
        """Clamp a dimension; if only one value is left, the setting becomes fixed."""
        try:
            dimension, clamp = self._clamped(key, declared[key])
        except EmptySafeRange as error:
            self.problems.append(Problem(layer_value.node.location, str(error)))
            return
        self.in_force[key] = dimension
        known = StudySettings(
            declared, self.in_force, {each.key: each for each in self.clamps}, self._fixed(), self.never
        )
        conditions, wrong = check_conditions(key, dimension, known)
        self.problems += [Problem(layer_value.node.location, message) for message in wrong]
        if wrong:
            return
        dimension = self.in_force[key] = replace(dimension, when=tuple(conditions.kept))
        if cuts := [*([clamp] if clamp else []), *conditions.clamps]:
            reason = "; ".join(cut.reason for cut in cuts)
            effective = replace(dimension, when=tuple(conditions.kept)).to_json()
            clamp = Clamp(key, declared[key].to_json(), effective, reason, cuts[0].origin)
            self.clamps.append(clamp)
            self.overrides[f"{SPACE}{key}"].append(clamp_override(clamp))
        if conditions.never is not None:
            self._add_never_searched(key, conditions.never, declared[key])
            return
        only = only_value(dimension)
        if only is not None and not dimension.when:
            layer, origin = (
                (Layer.CLAMP, clamp.origin) if clamp else (Layer.SAMPLED, str(layer_value.node.location))
            )
            reason = f"one value is left to search{': ' + clamp.reason if clamp else ''}; it is fixed"
            self.values[key] = only
            self._add_override(key, Override(layer, origin, declared[key].to_json(), only, reason))
            return
        if self.values.get("study.sampler") == "grid" and dimension.values() is None:
            message = f"study.sampler is grid, and {key} has no short grid; give it choices or a step"
            self.problems.append(Problem(layer_value.node.location, message))
        self.space[key] = dimension
        reason = "searched: every trial samples its own value"
        if dimension.when:
            reason = f"searched: trials sample their own value if {conditions_in_words(dimension.when)}"
        origin = str(layer_value.node.location)
        self._add_override(
            key, Override(Layer.SAMPLED, origin, layer_value.override.effective, dimension.to_json(), reason)
        )

    def _add_never_searched(self, key: str, why: str, dimension: Dimension) -> None:
        """Record that the conditions of a dimension hold in no trial: the setting keeps its own value."""
        self.never[key] = why
        del self.in_force[key]
        name = f"{SPACE}{key}"
        last = self.overrides[name][-1]
        reason = f"idle in every trial: {why}"
        self._add_override(name, Override(last.layer, last.origin, dimension.to_json(), None, reason))

    def _clamped(self, key: str, dimension: Dimension) -> tuple[Dimension, Clamp | None]:
        if key == ALWAYS_FALSE.key:
            safe = Choices((False,))
            declared, effective = dimension.to_json(), safe.to_json()
            return safe, replace(ALWAYS_FALSE, declared=declared, effective=effective)
        rule = self.policy.rule(key, self._fixed())
        return (dimension, None) if rule is None else clamp_dimension(dimension, rule)

    def _clamp_value(self, key: str) -> None:
        """Clamp a fixed value; that of a searched setting is clamped too, but nothing uses it."""
        if key not in self.values:
            return
        if key == ALWAYS_FALSE.key:
            if self.overrides[key][-1].requested is True:
                self._add_override(key, clamp_override(ALWAYS_FALSE))
            return
        rule = self.policy.rule(key, self._fixed())
        if rule is None:
            return
        self.values[key], clamp = clamp_value(self.values[key], rule)
        if clamp is None:
            return
        if key not in self.space:
            self.clamps.append(clamp)
            self._add_override(key, clamp_override(clamp))
        elif self.space[key].when:  # trials in which it is idle have this value
            self.clamps.append(replace(clamp, reason=f"{clamp.reason} (where it is not searched)"))
            self.overrides[key].insert(-1, clamp_override(clamp))

    def _add_warm_starts(self) -> None:
        """Queue the configurations of `--warm-start` files after those of the study itself."""
        for warm_start in self.warm_starts:
            found = enqueue_warm_start(warm_start, self.space, self.top_values.get("study.enqueue"))
            if isinstance(found, Problem):
                self.problems.append(found)
            else:
                self.top_values["study.enqueue"] = found
                self.values["study.enqueue"] = found.override.effective
                self._add_override("study.enqueue", found.override)

    def _notes(self) -> tuple[str, ...]:
        fixed = {key: value for key, value in self._fixed().items() if key not in DECIDES_NO_VALUE}
        notes = [
            note for warm_start in self.warm_starts if (note := differing_settings_note(warm_start, fixed))
        ]
        notes += [f"{SPACE}{key} is idle in every trial: {why}" for key, why in self.never.items()]
        return (*notes, *repeated_configurations(self.enqueued))

    def _resolve_enqueued(self) -> None:
        layer_value = self.top_values.get("study.enqueue")
        if layer_value is None:
            return
        declared = frozenset(name.removeprefix(SPACE) for name in self.overrides if name.startswith(SPACE))
        fixed = {key: self.overrides[key][-1] for key in self._fixed()}
        done = clamp_enqueued(layer_value.node, self.space, self.policy, fixed, declared)
        self.problems += done.problems
        self.clamps += done.clamps
        self.enqueued, self.requested = done.configurations, tuple(done.requested)
        self.origins = tuple(done.origins)
        effective = [dict(configuration) for configuration in self.enqueued]
        if effective != layer_value.override.effective:
            reason = "written with plain keys and moved into the safe ranges and the space"
            override = Override(
                Layer.CLAMP, self.policy.path, layer_value.override.effective, effective, reason
            )
            self._add_override("study.enqueue", override)
            self.values["study.enqueue"] = effective

    def _fixed(self) -> dict[str, Any]:
        return {key: value for key, value in self.values.items() if key not in self.space}

    def _add_override(self, key: str, override: Override) -> None:
        self.overrides.setdefault(key, []).append(override)


def _overrides_by_key(layer_values: list[LayerValue]) -> dict[str, list[Override]]:
    """Return the overrides of each key, lowest layer first."""
    overrides: dict[str, list[Override]] = {}
    for key, leaf in LEAVES.items():
        if not leaf.required:
            origin = _DEFAULT_ORIGIN if key in TRIAL_LEAVES else _STUDY_ORIGIN
            overrides[key] = [Override(Layer.DEFAULT, origin, leaf.default, leaf.default)]
    for layer_value in layer_values:
        overrides.setdefault(layer_value.key, []).append(layer_value.override)
    return overrides
