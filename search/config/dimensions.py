"""Reads the dimension of a searched setting, a range or choices; some settings cannot be searched."""

import math
from typing import Any

from pydantic import ValidationError

from search.config.leaves import Leaf, format_value, validation_messages
from search.config.space import Choices, Dimension, FloatRange, IntRange

_RANGE_KEYS = ("low", "high", "log", "step")
_NOT_SEARCHED = {
    "data.target.clip": "it changes the target, so the losses of two trials could not be compared",
    "training.quantiles": "forecasts of other quantiles could not be compared",
    "training.device": "where a trial runs must not decide which one is best",
    "training.kernel": "how a trial is computed must not decide which one is best",
    "training.max_seconds": "how long a trial may run must not decide which one is best",
}
_DATA_SEARCHED = frozenset({"data.seq_len", "data.feature_clip"})


def not_searchable(key: str) -> str | None:
    """Return why a setting cannot be searched, or None if it can."""
    if key in _NOT_SEARCHED:
        return _NOT_SEARCHED[key]
    section = key.partition(".")[0]
    if section == "guard":
        return "a search would loosen the guard that watches it"
    if section == "data" and key not in _DATA_SEARCHED:
        return "it changes the data, so the losses of two trials could not be compared"
    return None


def parse_dimension(leaf: Leaf, declared: Any) -> Dimension:
    """Read `{low, high, log, step}` or `{choices}` for a setting.

    Raises ValueError with a sentence that names the key, the value and a way out.
    """
    key = leaf.key
    if reason := not_searchable(key):
        raise ValueError(f"{key} cannot be searched: {reason}; fix it instead")
    if not isinstance(declared, dict):
        raise ValueError(f"the dimension of {key} is {format_value(declared)}; {_example(leaf)}")
    if unknown := [name for name in declared if name not in (*_RANGE_KEYS, "choices")]:
        raise ValueError(f"the dimension of {key} has the unknown key {unknown[0]}; {_example(leaf)}")
    if "choices" in declared:
        if len(declared) > 1:
            raise ValueError(f"the dimension of {key} mixes choices with a range; {_example(leaf)}")
        return _choices(leaf, declared["choices"])
    return _range(leaf, declared)


def _choices(leaf: Leaf, declared: Any) -> Choices:
    if not isinstance(declared, list) or not declared:
        raise ValueError(f"the choices of {leaf.key} are {format_value(declared)}; {_example(leaf)}")
    choices: dict[Any, None] = {}  # a dict: finding a value again is fast, however many there are
    for value in declared:
        checked = (
            value if leaf.types == {bool} and isinstance(value, bool) else _checked(leaf, "a choice", value)
        )
        if checked in choices:
            raise ValueError(f"the choices of {leaf.key} hold {value!r} twice; remove one")
        choices[checked] = None
    return Choices(tuple(choices))


def _range(leaf: Leaf, declared: dict[str, Any]) -> Dimension:
    key = leaf.key
    if not leaf.types & {int, float}:
        raise ValueError(f"{key} is not a number and has no range; {_example(leaf)}")
    if missing := [name for name in ("low", "high") if name not in declared]:
        raise ValueError(f"the dimension of {key} lacks {' and '.join(missing)}; {_example(leaf)}")
    low, high = (_checked(leaf, name, declared[name]) for name in ("low", "high"))
    log = declared.get("log", False)
    if not isinstance(log, bool):
        raise ValueError(f"log of {key} is {format_value(log)}; write true or false")
    if low >= high:
        raise ValueError(f"low {low} of {key} is not below high {high}; swap them, or fix the setting")
    if log and low <= 0:
        raise ValueError(f"low {low} of {key} has no logarithm; start above 0 or drop log")
    made = (IntRange if int in leaf.types else FloatRange)(low, high, log, _step(leaf, declared, log))
    return _with_whole_steps(key, made)


def _step(leaf: Leaf, declared: dict[str, Any], log: bool) -> Any:
    step = declared.get("step")
    if step is None:
        return None
    if log:
        raise ValueError(f"the dimension of {leaf.key} has both log and step; keep one of them")
    wanted, word = (int, "a whole number") if int in leaf.types else (int | float, "a number")
    if isinstance(step, bool) or not isinstance(step, wanted) or not math.isfinite(step) or step <= 0:
        raise ValueError(f"step of {leaf.key} is {format_value(step)}; it must be {word} above 0")
    return step


def _with_whole_steps(key: str, dimension: FloatRange | IntRange) -> Dimension:
    """Refuse a `high` that no step reaches: Optuna would only warn and lower it."""
    if dimension.step is not None:
        reached = dimension.last_on_grid()
        if reached != dimension.high:
            raise ValueError(
                f"high {dimension.high} of {key} is not reached from {dimension.low} in steps of "
                f"{dimension.step}; write {reached}"
            )
    return dimension


def _checked(leaf: Leaf, role: str, value: Any) -> Any:
    try:
        return leaf.check(value)
    except ValidationError as error:
        text, _ = validation_messages(f"{role} of {leaf.key}", value, error, leaf)[0]
        raise ValueError(text) from None


def _example(leaf: Leaf) -> str:
    if leaf.types & {int, float}:
        return "write it as {low: 1, high: 8}, with log: true or step if wanted, or as {choices: [1, 2]}"
    return "write it as {choices: [a, b]}"
