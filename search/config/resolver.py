"""A study while it is being settled: merged layers become values that are valid, safe and accounted for."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from search.config.enqueue import clamp_enqueued, repeated_configurations
from search.config.layer_values import LayerValue
from search.config.layers import Clamp, Layer, Override, Setting
from search.config.leaves import leaf_values, to_nested
from search.config.resolved_study import DECIDES_NO_VALUE, DEFAULTS_VERSION, ResolvedStudy, clamp_override
from search.config.safe_ranges import ALWAYS_FALSE, EmptySafeRange, Policy, clamp_dimension, clamp_value
from search.config.schema import LEAVES, SPACE, TRIAL_LEAVES, StudyFile
from search.config.section_errors import section_problems
from search.config.settings_without_effect import find_settings_without_effect
from search.config.space import Choices, Dimension, only_value
from search.config.warm_start import WarmStartFile, differing_settings_note, enqueue_warm_start
from search.errors import ConfigError, Location, Problem
from trainer.config import RETURN_CLIP

_DEFAULT_ORIGIN = "trainer.config"
_STUDY_ORIGIN = "search.config.schema"


class Resolver:
    """The stacks of acts grow step by step; problems are collected, to be told at once."""

    def __init__(
        self,
        claims: list[LayerValue],
        policy: Policy,
        problems: list[Problem],
        offers: Sequence[WarmStartFile] = (),
        defaults: int = DEFAULTS_VERSION,
    ) -> None:
        self.defaults = defaults
        self.policy = policy
        self.offers = offers
        self.problems = problems
        self.winners = {claim.key: claim for claim in claims}
        self.stacks = _stacks(claims)
        self.values = {key: self.stacks[key][-1].effective for key in LEAVES if key in self.stacks}
        self.space: dict[str, Dimension] = {}
        self.clamps = [
            Clamp(claim.key, True, False, ALWAYS_FALSE.reason, claim.act.origin)
            for claim in claims
            if claim.key == ALWAYS_FALSE.key and claim.act.requested is True
        ]
        self.enqueued: tuple[Mapping[str, Any], ...] = ()
        self.requested: tuple[Mapping[str, Any], ...] = ()
        self.origins: tuple[str, ...] = ()

    def settle(self, broken: set[str], study: Location, watched: frozenset[Layer]) -> None:
        """Bring the draft to values that hold, or raise ConfigError with all that is wrong."""
        self._validate(broken, study)
        for key, claim in self._searched().items():
            self._settle_dimension(key, claim)
        for key in TRIAL_LEAVES:
            self._clamp_value(key)
        if not self.problems:
            self._take_offers()  # whether a key is searched is known where nothing is wrong
        self._settle_enqueued()
        wrong, idle = find_settings_without_effect(self.winners, self.values, self.space, watched)
        self.problems += wrong
        for key, act in idle.items():
            self.stacks[key].append(act)
        if not self.problems:
            self._validate(broken, study)  # A policy may have moved values into each other's way.
        if self.problems:
            raise ConfigError(self.problems)

    def study(
        self, path: Path, folder: Path, provenance: Mapping[str, Any], sources: Mapping[str, Any]
    ) -> ResolvedStudy:
        """Return the settled study."""
        dimensions = [key for key in self.stacks if key.startswith(SPACE)]
        return ResolvedStudy(
            file=StudyFile.model_validate(to_nested(self.values)),
            settings={key: Setting(key, tuple(self.stacks[key])) for key in (*LEAVES, *dimensions)},
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
        """Check what no leaf can check alone, and take over what a section fills in by itself."""
        try:
            file = StudyFile.model_validate(to_nested(self._with_older_clip()))
        except ValidationError as error:
            self.problems += section_problems(error, self.winners, broken, study)
            return
        for key, value in leaf_values(file, LEAVES).items():
            if value != self.values[key]:
                reason = "filled in by trainer.config from the other settings of its section"
                self.stacks[key][-1] = replace(self.stacks[key][-1], effective=value, reason=reason)
                self.values[key] = value

    def _with_older_clip(self) -> dict[str, Any]:
        """The values; in a study of the first defaults returns are clipped at ±0.1, whatever their rows."""
        clip, kind = "data.target.clip", self.values.get("data.target.kind")
        if self.defaults > 1 or kind != "return" or self.values.get(clip) is not None:
            return self.values
        return {**self.values, clip: RETURN_CLIP}

    def _searched(self) -> dict[str, LayerValue]:
        """Return the dimensions that no `--set` of a fixed value takes out of the space."""
        searched: dict[str, LayerValue] = {}
        for name, claim in self.winners.items():
            key = name.removeprefix(SPACE)
            if not name.startswith(SPACE) or claim.dimension is None:
                continue
            fixed = self.winners.get(key)
            if fixed is None or fixed.layer is not Layer.CLI:
                searched[key] = claim
            elif claim.layer is Layer.CLI:
                message = f"{fixed.act.origin} fixes what this searches; keep one of the two"
                self.problems.append(Problem(claim.node.place, message))
            else:
                reason = f"fixed by {fixed.act.origin}, so it is not searched"
                act = Override(Layer.CLI, fixed.act.origin, claim.act.effective, None, reason)
                self.stacks[name].append(act)
        return searched

    def _settle_dimension(self, key: str, claim: LayerValue) -> None:
        """Clamp a dimension; one that has a single value left becomes a fixed setting."""
        assert claim.dimension is not None
        try:
            dimension, clamp = self._clamped(key, claim.dimension)
        except EmptySafeRange as error:
            self.problems.append(Problem(claim.node.place, str(error)))
            return
        if clamp is not None:
            self.clamps.append(clamp)
            self.stacks[f"{SPACE}{key}"].append(clamp_override(clamp))
        only = only_value(dimension)
        if only is not None:
            layer, origin = (Layer.CLAMP, clamp.origin) if clamp else (Layer.SAMPLED, str(claim.node.place))
            reason = f"one value is left to search{': ' + clamp.reason if clamp else ''}; it is fixed"
            self.values[key] = only
            self._act(key, Override(layer, origin, claim.dimension.to_json(), only, reason))
            return
        if self.values.get("study.sampler") == "grid" and dimension.values() is None:
            message = f"study.sampler is grid, and {key} has no short grid; give it choices or a step"
            self.problems.append(Problem(claim.node.place, message))
        self.space[key] = dimension
        reason = "searched: every trial samples its own value"
        origin = str(claim.node.place)
        self._act(key, Override(Layer.SAMPLED, origin, claim.act.effective, dimension.to_json(), reason))

    def _clamped(self, key: str, dimension: Dimension) -> tuple[Dimension, Clamp | None]:
        if key == ALWAYS_FALSE.key:
            safe = Choices((False,))
            declared, effective = dimension.to_json(), safe.to_json()
            return safe, replace(ALWAYS_FALSE, declared=declared, effective=effective)
        rule = self.policy.rule(key, self._fixed())
        return (dimension, None) if rule is None else clamp_dimension(dimension, rule)

    def _clamp_value(self, key: str) -> None:
        """Clamp a fixed value; the value under a searched setting is cut too, but nothing uses it."""
        if key not in self.values:
            return
        if key == ALWAYS_FALSE.key:
            if self.stacks[key][-1].requested is True:
                self._act(key, clamp_override(ALWAYS_FALSE))
            return
        rule = self.policy.rule(key, self._fixed())
        if rule is None:
            return
        self.values[key], clamp = clamp_value(self.values[key], rule)
        if clamp is not None and key not in self.space:
            self.clamps.append(clamp)
            self._act(key, clamp_override(clamp))

    def _take_offers(self) -> None:
        """Ask for the configurations of other files, after those that the study asks for itself."""
        for offer in self.offers:
            found = enqueue_warm_start(offer, self.space, self.winners.get("study.enqueue"))
            if isinstance(found, Problem):
                self.problems.append(found)
            else:
                self.winners["study.enqueue"] = found
                self.values["study.enqueue"] = found.act.effective
                self._act("study.enqueue", found.act)

    def _notes(self) -> tuple[str, ...]:
        fixed = {key: value for key, value in self._fixed().items() if key not in DECIDES_NO_VALUE}
        notes = [note for offer in self.offers if (note := differing_settings_note(offer, fixed))]
        return (*notes, *repeated_configurations(self.enqueued))

    def _settle_enqueued(self) -> None:
        claim = self.winners.get("study.enqueue")
        if claim is None:
            return
        declared = frozenset(name.removeprefix(SPACE) for name in self.stacks if name.startswith(SPACE))
        fixed = {key: self.stacks[key][-1] for key in self._fixed()}
        done = clamp_enqueued(claim.node, self.space, self.policy, fixed, declared)
        self.problems += done.problems
        self.clamps += done.clamps
        self.enqueued, self.requested = done.configurations, tuple(done.requested)
        self.origins = tuple(done.origins)
        effective = [dict(configuration) for configuration in self.enqueued]
        if effective != claim.act.effective:
            reason = "written with plain keys and moved into the safe ranges and the space"
            act = Override(Layer.CLAMP, self.policy.path, claim.act.effective, effective, reason)
            self._act("study.enqueue", act)
            self.values["study.enqueue"] = effective

    def _fixed(self) -> dict[str, Any]:
        return {key: value for key, value in self.values.items() if key not in self.space}

    def _act(self, key: str, act: Override) -> None:
        self.stacks.setdefault(key, []).append(act)


def _stacks(claims: list[LayerValue]) -> dict[str, list[Override]]:
    """Return the acts on each key, lowest layer first."""
    stacks: dict[str, list[Override]] = {}
    for key, leaf in LEAVES.items():
        if not leaf.required:
            origin = _DEFAULT_ORIGIN if key in TRIAL_LEAVES else _STUDY_ORIGIN
            stacks[key] = [Override(Layer.DEFAULT, origin, leaf.default, leaf.default)]
    for claim in claims:
        stacks.setdefault(claim.key, []).append(claim.act)
    return stacks
