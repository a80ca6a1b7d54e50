"""Which keys of a policy are measured, on which values, and why the others are not. Pure."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from search.config.leaves import did_you_mean, format_value
from search.config.safe_ranges import Policy, SafeRange
from search.config.schema import TRIAL_LEAVES
from search.config.settings_without_effect import NO_EFFECT_RULES
from search.config.space import Choices, Dimension
from search.errors import RequestError

LEARNING_RATE = "models.gru.learning_rate"
_BATCH_SIZE = "models.gru.batch_size"


@dataclass(frozen=True)
class Method:
    """How a key is measured.

    `values` are its grid, ascending, beyond the bounds that policies usually have. `log`: the scale on which
    values are halfway between others. `widens` is false if a short run cannot see what the bound of the
    policy protects from: then the bound may be narrowed and never widened.
    """

    values: tuple[float, ...]
    log: bool = True
    widens: bool = True


_GAINS = Method(tuple(10.0**power for power in range(-4, 3)))
METHODS: Mapping[str, Method] = {
    LEARNING_RATE: Method(tuple(10.0**power for power in range(-8, 2))),
    "training.max_grad_norm": Method(tuple(10.0**power for power in range(-2, 3))),
    "data.feature_clip": Method((1.0, 3.0, 10.0, 30.0, 100.0)),
    "models.gru.input_gain": _GAINS,
    "models.gru.hidden_gain": _GAINS,
    "models.gru.head_gain": _GAINS,
    _BATCH_SIZE: Method((8, 16, 32, 64, 128, 256, 512)),
    "models.gru.hidden_size": Method((8, 16, 32, 64, 128, 256, 512), widens=False),
    "models.gru.num_layers": Method((1, 2, 3, 4, 5, 6), log=False, widens=False),
    "models.gru.dropout": Method((0.0, 0.25, 0.5, 0.75), log=False, widens=False),
    "models.gru.weight_decay": Method((0.001, 0.01, 0.1, 1.0, 10.0), widens=False),
}
"""The settings that decide whether training is stable. The learning rate comes first: its end is the one that
moves if ends that are safe alone are not safe together."""

_NO_METHOD = "no method measures it: it does not decide whether the first epochs of a training are stable"
_REASONS = {
    "guard.": "the guard is what measures, and cannot measure its own thresholds",
    "training.mixed_precision": "it is false under every policy",
    "data.target.clip": "it changes the target, so that losses under two of its values cannot be compared",
}


@dataclass(frozen=True)
class KeyPlan:
    """One key to measure: the study's own value, and the grid, ascending, which contains that value."""

    key: str
    own: Any
    grid: tuple[Any, ...]
    method: Method
    safe: SafeRange
    """Its range in the policy that is to be replaced."""

    @property
    def is_whole(self) -> bool:
        """Whether its values are whole numbers."""
        return float not in TRIAL_LEAVES[self.key].types

    def between(self, one: Any, other: Any) -> Any:
        """The value halfway between two on the scale of the key, rounded to two digits or to a whole
        number.
        """
        middle = math.sqrt(one * other) if self.method.log else (one + other) / 2
        return round(middle) if self.is_whole else float(f"{middle:.2g}")


@dataclass(frozen=True)
class Plan:
    """The keys to measure, and why each other key of the policy is not measured."""

    keys: tuple[KeyPlan, ...]
    not_measured: Mapping[str, str]


def own_values(space: Mapping[str, Dimension]) -> dict[str, Any]:
    """The middle of each dimension: on its scale, by rank among numbers, else the first choice."""
    return {key: _middle(dimension) for key, dimension in space.items()}


def plan_calibration(policy: Policy, values: Mapping[str, Any], keys: Iterable[str], rows: int) -> Plan:
    """What to measure around `values`, all settings of a trial by key; `rows` is the number of training rows.

    `keys` are those that were asked for; none: all that can be measured. Raises RequestError for a key that
    cannot be measured.
    """
    asked = tuple(dict.fromkeys(keys))
    found: dict[str, KeyPlan] = {}
    reasons: dict[str, str] = {}
    for key in (*METHODS, *policy.ranges):
        if key not in policy.ranges or key in found or key in reasons:
            continue
        reason = why_not_measured(key, policy, values)
        if reason is None and asked and key not in asked:
            reason = "it was not asked for with --keys"
        if reason is None:
            found[key] = _key_plan(key, policy.ranges[key], values[key], rows)
        else:
            reasons[key] = reason
    _require_measurable(asked, found, reasons, policy)
    return Plan(tuple(found.values()), reasons)


def why_not_measured(key: str, policy: Policy, values: Mapping[str, Any]) -> str | None:
    """Why a key of the policy is not measured in a study with these values; None if it is."""
    safe = policy.ranges[key]
    if key not in METHODS:
        return next((why for prefix, why in _REASONS.items() if key.startswith(prefix)), _NO_METHOD)
    if safe.choices is not None:
        return "the policy lists its safe values"
    if policy.rule(key, values) is None:
        return "its range does not apply to this study"
    for rule in NO_EFFECT_RULES:
        if key in rule.keys and rule.holds(lambda name: (values.get(name),)):
            return f"it has no effect: {rule.fact}"
    return None


def _require_measurable(
    asked: Sequence[str], found: Mapping[str, KeyPlan], reasons: Mapping[str, str], policy: Policy
) -> None:
    if wrong := [key for key in asked if key not in found]:
        known = ", ".join(key for key in METHODS if key in policy.ranges)
        why = reasons.get(wrong[0])
        if why is None and wrong[0] in TRIAL_LEAVES:
            why = f"{policy.path} has no safe range for it"
        detail = why or f"it is not known; {did_you_mean(wrong[0], METHODS)}"
        raise RequestError(f"--keys {wrong[0]}: {detail}. These can be measured: {known}")
    if not found:
        raise RequestError(
            f"{policy.path} has no safe range that can be measured; name another with --policy"
        )


def _middle(dimension: Dimension) -> Any:
    if isinstance(dimension, Choices):
        numbers = [c for c in dimension.choices if isinstance(c, int | float) and not isinstance(c, bool)]
        whole = len(numbers) == len(dimension.choices)
        return sorted(numbers)[(len(numbers) - 1) // 2] if whole else dimension.choices[0]
    low, high = dimension.low, dimension.high
    middle = math.sqrt(low * high) if dimension.log else (low + high) / 2
    return dimension.nearest(middle if dimension.step else float(f"{middle:.6g}"))


def _key_plan(key: str, safe: SafeRange, own: Any, rows: int) -> KeyPlan:
    method = METHODS[key]
    values = {*method.values, own}
    if not method.widens:
        ends = [end for end in (safe.low, safe.high) if end is not None]
        values = {value for value in (*values, *ends) if _is_inside(value, safe)}
    if key == _BATCH_SIZE:
        values = {value for value in values if value <= rows}
    return KeyPlan(key, own, tuple(sorted(value for value in values if _is_valid(key, value))), method, safe)


def _is_inside(value: Any, safe: SafeRange) -> bool:
    return (safe.low is None or value >= safe.low) and (safe.high is None or value <= safe.high)


def _is_valid(key: str, value: Any) -> bool:
    """Whether the schema takes the value, whatever a policy says."""
    try:
        TRIAL_LEAVES[key].check(value)
    except ValidationError:
        return False
    return True


def shown(value: Any) -> str:
    """A value as it stands in sentences and files."""
    return f"{value:.3g}" if isinstance(value, float) else format_value(value)
