"""Settings that others make idle: an override takes effect or is an error, so nobody may set one in vain."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from search.config.layer_values import LayerValue
from search.config.layers import Layer, Override
from search.config.schema import SPACE
from search.config.space import Dimension
from search.errors import Problem

PossibleValues = Callable[[str], tuple[Any, ...]]
"""The values that a setting can have in this study: its choices where it is searched, else its value."""


@dataclass(frozen=True)
class NoEffectRule:
    """Keys that do nothing while the settings `because` make `holds` true, and that fact in words."""

    keys: tuple[str, ...]
    because: tuple[str, ...]
    holds: Callable[[PossibleValues], bool]
    fact: str


NO_EFFECT_RULES: tuple[NoEffectRule, ...] = (
    NoEffectRule(
        ("data.target.already_shifted",),
        ("data.target.transform", "data.target.column", "data.target.of"),
        lambda could: could("data.target.transform") != ("raw",) or could("data.target.column") == (None,),
        "it belongs to a target that is a column as it is, and any other is shifted by data.target.horizon",
    ),
    NoEffectRule(
        ("models.gru.input_gain", "models.gru.hidden_gain", "models.gru.head_gain"),
        ("models.gru.init",),
        lambda could: "gains" not in could("models.gru.init"),
        "models.gru.init is torch, which has its own gains",
    ),
    NoEffectRule(
        ("training.patience",),
        ("training.schedule",),
        lambda could: "constant" not in could("training.schedule"),
        "training.schedule is cosine, and every trial goes on to where its learning rate has come to rest",
    ),
    NoEffectRule(
        ("study.pruner_warmup", "study.pruner_min_trials"),
        ("study.pruner",),
        lambda could: could("study.pruner") == ("none",),
        "study.pruner is none",
    ),
    NoEffectRule(
        ("study.pruner_patience",),
        ("study.pruner",),
        lambda could: could("study.pruner") != ("patient",),
        "study.pruner is not patient",
    ),
    NoEffectRule(
        ("study.startup_trials",),
        ("study.sampler", "study.pruner"),
        lambda could: (
            could("study.sampler")[0] in ("random", "grid", "qmc")
            and could("study.pruner")[0] in ("hyperband", "none")
        ),
        "neither this study.sampler nor this study.pruner has a start-up phase",
    ),
    NoEffectRule(
        ("guard.target_max_floor", "guard.target_std_floor"),
        ("data.target.kind",),
        lambda could: could("data.target.kind") != ("return",),
        "data.target.kind is not return, and the floors are those of returns",
    ),
    NoEffectRule(
        ("data.split.folds", "data.split.window"),
        ("data.split.method",),
        lambda could: could("data.split.method") != ("walk_forward",),
        "data.split.method is not walk_forward",
    ),
    NoEffectRule(
        ("data.split.groups", "data.split.held_out"),
        ("data.split.method",),
        lambda could: could("data.split.method") != ("cpcv",),
        "data.split.method is not cpcv",
    ),
)


def keys_without_effect(values: Mapping[str, Any]) -> set[str]:
    """The settings that do nothing beside these values."""
    return {
        key for rule in NO_EFFECT_RULES if rule.holds(lambda name: (values.get(name),)) for key in rule.keys
    }


def find_settings_without_effect(
    winners: Mapping[str, LayerValue],
    values: Mapping[str, Any],
    space: Mapping[str, Dimension],
    watched: frozenset[Layer],
) -> tuple[list[Problem], dict[str, Override]]:
    """Return a problem for each setting that a watched layer sets in vain, and the acts that idle the others.

    A setting made idle by a higher layer than its own is no mistake: that layer's act is recorded on it.
    """

    def could(key: str) -> tuple[Any, ...]:
        found = space[key].values() if key in space else None
        return (values.get(key),) if found is None else found

    problems: list[Problem] = []
    acts: dict[str, Override] = {}
    for rule in NO_EFFECT_RULES:
        if not rule.holds(could):
            continue
        cause = max(
            (winners[key] for key in rule.because if key in winners),
            key=lambda claim: claim.layer.rank,
            default=None,
        )
        for key in (spelt for name in rule.keys for spelt in (name, f"{SPACE}{name}")):
            claim = winners.get(key)
            if claim is None or claim.layer not in watched or claim.act.effective is None:
                continue
            if cause is not None and cause.layer.rank > claim.layer.rank:
                effective = claim.act.effective
                act = Override(cause.layer, cause.act.origin, effective, effective, f"no effect: {rule.fact}")
                acts[key] = act
            else:
                problems.append(Problem(claim.node.place, f"{key} has no effect: {rule.fact}; remove it"))
    return problems, acts
