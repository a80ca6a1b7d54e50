"""Compares the conditions of a dimension with the settings that they name: which of them can hold."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from search.config.conditions import Condition
from search.config.layers import Clamp
from search.config.space import Dimension, only_value
from search.text import short_value


@dataclass
class CheckedConditions:
    """The conditions that still decide something, what was clamped away of them, and why there are none."""

    kept: list[Condition]
    clamps: list[Clamp]
    """For each condition that lost a value the clamp that took it, with the reason."""
    never: str | None = None
    """Why they hold in no trial of this study, by the settings that it fixes; None if they can hold."""


@dataclass(frozen=True)
class StudySettings:
    """What conditions are compared with: the dimensions as declared and in force, and the fixed values."""

    declared: Mapping[str, Dimension]
    in_force: Mapping[str, Dimension]
    """Those that are left of `declared` after clamping, of one value too; without those that are refused."""
    clamps: Mapping[str, Clamp]
    fixed: Mapping[str, Any]
    never: Mapping[str, str]
    """Settings that this study never searches, as their own conditions never hold."""


def check_conditions(
    key: str, dimension: Dimension, known: StudySettings
) -> tuple[CheckedConditions, list[str]]:
    """The conditions of a dimension in this study, and a sentence for each that is wrong.

    A condition on a setting that the study fixes always holds or never does. One on a searched setting must
    name values of its dimension; those that a safe range has cut off are dropped, unless none is left.
    """
    checked = CheckedConditions([], [])
    problems: list[str] = []
    for condition in dimension.when:
        declared, in_force = known.declared.get(condition.key), known.in_force.get(condition.key)
        if condition.key in known.never:
            checked.never = checked.never or f"{condition.key} is idle too"
        elif declared is None:
            value = known.fixed.get(condition.key)
            if not condition.holds(value):
                shown = f"{condition.key} is {short_value(value)}, not {condition.in_words()}"
                checked.never = checked.never or shown
        elif problem := _problem(key, condition, declared, in_force):
            problems.append(problem)
        elif in_force is not None:
            _add(checked, condition, declared, in_force, known.clamps.get(condition.key))
    return checked, problems


def _problem(key: str, condition: Condition, declared: Dimension, in_force: Dimension | None) -> str | None:
    """What is wrong with a condition on a searched setting."""
    start = f"space.{key} is searched only if {condition.key} is {condition.in_words()}, and "
    outside = condition.without_members_of(declared)
    if outside or condition.members(declared) is None:
        named = " and ".join(map(short_value, outside)) or condition.in_words()
        return f"{start}{named} is not in space.{condition.key}, {_own(declared)}; change one of them"
    if in_force is not None and condition.members(in_force) is None:
        return (
            f"{start}its safe range leaves {_own(in_force)} of it; change the condition, or name another "
            "policy with --policy"
        )
    return None


def _own(dimension: Dimension) -> str:
    """The dimension without its own conditions."""
    return short_value(replace(dimension, when=()).to_json())


def _add(
    checked: CheckedConditions,
    condition: Condition,
    declared: Dimension,
    in_force: Dimension,
    clamp: Clamp | None,
) -> None:
    """Keep a condition on a searched setting, without the values that clamping has removed."""
    left = condition.members(in_force)
    if left != condition.members(declared) and clamp is not None:
        lost = condition.without_members_of(in_force) or (condition.in_words(),)
        reason = f"when: {condition.key} is never {' or '.join(map(short_value, lost))}, {clamp.reason}"
        if not condition.values:
            reason = f"when: {condition.key} has {_own(in_force)} left, {clamp.reason}"
        checked.clamps.append(replace(clamp, key=condition.key, reason=reason))
        if condition.values is not None and isinstance(left, tuple):
            condition = replace(condition, values=left)
    if only_value(in_force) is None or in_force.when:
        checked.kept.append(condition)
