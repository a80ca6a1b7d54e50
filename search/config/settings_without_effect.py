"""Settings that other settings leave without effect. To set one is an error: no override is ignored."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from search.config.layer_values import LayerValue
from search.config.layers import Layer, Override
from search.config.schema import SPACE
from search.config.space import Dimension
from search.errors import Problem

PossibleValues = Callable[[str], tuple[Any, ...]]
"""The values that a setting can have in this study: its choices if it is searched, else its value."""


@dataclass(frozen=True)
class NoEffectRule:
    """`keys` have no effect if `holds` is true of the settings `conditions`; `fact` says so in words."""

    keys: tuple[str, ...]
    conditions: tuple[str, ...]
    holds: Callable[[PossibleValues], bool]
    fact: str


NO_EFFECT_RULES: tuple[NoEffectRule, ...] = (
    NoEffectRule(
        ("data.target.already_shifted",),
        ("data.target.transform", "data.target.column", "data.target.of"),
        lambda possible: (
            possible("data.target.transform") != ("raw",) or possible("data.target.column") == (None,)
        ),
        "it belongs to a target that is a column as it is, and any other is shifted by data.target.horizon",
    ),
    NoEffectRule(
        ("models.gru.input_gain", "models.gru.hidden_gain", "models.gru.head_gain"),
        ("models.gru.init",),
        lambda possible: "gains" not in possible("models.gru.init"),
        "models.gru.init is torch, which has its own gains",
    ),
    NoEffectRule(
        ("training.patience",),
        ("training.schedule",),
        lambda possible: "constant" not in possible("training.schedule"),
        "training.schedule is cosine, and every trial goes on to where its learning rate has come to rest",
    ),
    NoEffectRule(
        ("study.pruner_warmup", "study.pruner_min_trials"),
        ("study.pruner",),
        lambda possible: possible("study.pruner") == ("none",),
        "study.pruner is none",
    ),
    NoEffectRule(
        ("study.pruner_patience",),
        ("study.pruner",),
        lambda possible: possible("study.pruner") != ("patient",),
        "study.pruner is not patient",
    ),
    NoEffectRule(
        ("study.startup_trials",),
        ("study.sampler", "study.pruner"),
        lambda possible: (
            possible("study.sampler")[0] in ("random", "grid", "qmc")
            and possible("study.pruner")[0] in ("hyperband", "none")
        ),
        "neither this study.sampler nor this study.pruner has a start-up phase",
    ),
    NoEffectRule(
        ("guard.target_max_floor", "guard.target_std_floor"),
        ("data.target.kind",),
        lambda possible: possible("data.target.kind") != ("return",),
        "data.target.kind is not return, and the floors are those of returns",
    ),
    NoEffectRule(
        ("data.split.folds", "data.split.window"),
        ("data.split.method",),
        lambda possible: possible("data.split.method") != ("walk_forward",),
        "data.split.method is not walk_forward",
    ),
    NoEffectRule(
        ("data.split.groups", "data.split.held_out"),
        ("data.split.method",),
        lambda possible: possible("data.split.method") != ("cpcv",),
        "data.split.method is not cpcv",
    ),
)


def keys_without_effect(values: Mapping[str, Any]) -> set[str]:
    """The settings that have no effect with these values."""
    return {
        key for rule in NO_EFFECT_RULES if rule.holds(lambda name: (values.get(name),)) for key in rule.keys
    }


def find_settings_without_effect(
    top_values: Mapping[str, LayerValue],
    values: Mapping[str, Any],
    space: Mapping[str, Dimension],
    watched: frozenset[Layer],
) -> tuple[list[Problem], dict[str, Override]]:
    """Return a problem for each setting without effect that a `watched` layer sets.

    If a higher layer causes this, it is no mistake: the override to record for that setting is returned.
    """

    def possible(key: str) -> tuple[Any, ...]:
        found = space[key].values() if key in space else None
        if found is None:
            return (values.get(key),)
        return (*found, values.get(key)) if space[key].when else found

    problems: list[Problem] = []
    overrides: dict[str, Override] = {}
    for rule in NO_EFFECT_RULES:
        if not rule.holds(possible):
            continue
        cause = _highest(rule.conditions, top_values)
        for one in _values_that_are_set(rule, top_values, watched):
            if cause is not None and cause.layer.rank > one.layer.rank:
                value, fact = one.override.effective, f"no effect: {rule.fact}"
                overrides[one.key] = Override(cause.layer, cause.override.origin, value, value, fact)
            else:
                message = f"{one.key} has no effect: {rule.fact}; remove it"
                problems.append(Problem(one.node.location, message))
    return problems, overrides


def _highest(keys: Iterable[str], top_values: Mapping[str, LayerValue]) -> LayerValue | None:
    """The value of these keys that the highest layer sets; None if no layer sets one."""
    return max((top_values[key] for key in keys if key in top_values), key=_rank, default=None)


def _rank(layer_value: LayerValue) -> int:
    return layer_value.layer.rank


def _values_that_are_set(
    rule: NoEffectRule, top_values: Mapping[str, LayerValue], watched: frozenset[Layer]
) -> list[LayerValue]:
    """The values and dimensions of the rule's keys that a `watched` layer sets; null sets nothing."""
    names = [spelt for name in rule.keys for spelt in (name, f"{SPACE}{name}")]
    found = [top_values[name] for name in names if name in top_values]
    return [one for one in found if one.layer in watched and one.override.effective is not None]
