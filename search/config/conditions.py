"""Conditional dimensions: a setting with `when` is searched only in trials in which its conditions hold.

In every other trial it is idle: no dimension of the trial, at the value that it would have if it were not
searched. A setting whose condition names an idle setting is idle too.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import TYPE_CHECKING, Any, TypeVar

from search.config.layers import Layer
from search.config.space import Choices, Dimension, FloatRange, IntRange, canonical

if TYPE_CHECKING:
    from search.config.layers import Override
    from storage.tables import SettingRow

_Layered = TypeVar("_Layered", "Override", "SettingRow")

Members = tuple[Any, ...] | FloatRange | IntRange
"""The values of a dimension for which a condition holds: some of them, or a part of its range."""


@dataclass(frozen=True)
class Condition:
    """Holds in trials in which the setting `key` has one of `values`, or lies from `low` to `high`.

    `values` is None for a range; a bound of None is open.
    """

    key: str
    values: tuple[Any, ...] | None = None
    low: float | None = None
    high: float | None = None

    def holds(self, value: Any) -> bool:
        """Whether a value of the setting meets the condition, in any spelling of a number."""
        if self.values is not None:
            return canonical(value) in [canonical(one) for one in self.values]
        if value is None or isinstance(value, str):
            return False
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def members(self, dimension: Dimension) -> Members | None:
        """The values of the setting's own dimension for which it holds; None if there are none."""
        if isinstance(dimension, Choices):
            return tuple(choice for choice in dimension.choices if self.holds(choice)) or None
        if self.values is None:
            part = dimension.within(self.low, self.high)
            return None if part is None else replace(part, when=())
        kept = [v for v in self.values if dimension.accepts_type(v) and dimension.contains(v)]
        return tuple(kept) or None

    def without_members_of(self, dimension: Dimension) -> tuple[Any, ...]:
        """The values that it names and that are none of the setting's dimension."""
        known = self.members(dimension)
        named = self.values or ()
        if not isinstance(known, tuple):
            return named
        found = [canonical(value) for value in known]
        return tuple(value for value in named if canonical(value) not in found)

    def to_json(self) -> Any:
        """Return the condition as a study file would declare it."""
        if self.values is not None:
            return list(self.values)
        bounds = {"low": self.low, "high": self.high}
        return {name: bound for name, bound in bounds.items() if bound is not None}

    def in_words(self) -> str:
        """What must be: `2 or 3`, `at least 2 and at most 8`."""
        if self.values is not None:
            return " or ".join(map(_text, self.values))
        bounds = (("at least", self.low), ("at most", self.high))
        return " and ".join(f"{word} {bound}" for word, bound in bounds if bound is not None)


def conditions_in_words(when: Iterable[Condition]) -> str:
    """`models.gru.num_layers is 2 or 3, and models.gru.init is gains`."""
    return ", and ".join(f"{condition.key} is {condition.in_words()}" for condition in when)


def why_idle(space: Mapping[str, Dimension], params: Mapping[str, Any], key: str) -> str | None:
    """Why a setting of the space is idle in a trial with these values; None if it is searched there, or if a
    value that decides it is not among them.
    """
    for condition in space[key].when:
        if why_idle(space, params, condition.key) is not None:
            return f"{condition.key} is idle too"
        if condition.key in params and not condition.holds(params[condition.key]):
            return f"{condition.key} is {_text(params[condition.key])}, not {condition.in_words()}"
    return None


def active_params(space: Mapping[str, Dimension], params: Mapping[str, Any]) -> dict[str, Any]:
    """The values without those of idle settings."""
    return {
        key: value
        for key, value in params.items()
        if key not in space or why_idle(space, params, key) is None
    }


def is_complete(space: Mapping[str, Dimension], params: Mapping[str, Any]) -> bool:
    """Whether every setting of the space has a value or is idle."""
    return all(key in params or why_idle(space, params, key) is not None for key in space)


def is_conditional(space: Mapping[str, Dimension]) -> bool:
    """Whether any setting of the space is searched only in some trials."""
    return any(dimension.when for dimension in space.values())


def in_order(dimensions: Mapping[str, Dimension]) -> tuple[list[str], list[list[str]]]:
    """The keys, each after those that its conditions name, and otherwise as they are; and the cycles of
    conditions, whose keys are not among them.
    """
    done: list[str] = []
    cycles: list[list[str]] = []
    in_cycle: set[str] = set()

    def visit(key: str, path: tuple[str, ...]) -> None:
        if key in done or key in in_cycle:
            return
        if key in path:
            cycles.append([*path[path.index(key) :], key])
            in_cycle.update(cycles[-1])
            return
        for condition in dimensions[key].when:
            if condition.key in dimensions:
                visit(condition.key, (*path, key))
        if key not in in_cycle:
            done.append(key)

    for key in dimensions:
        visit(key, ())
    return done, cycles


def without_dimension(layers: Iterable[_Layered]) -> _Layered | None:
    """The last layer of a searched setting before its dimension: where the setting is idle, this is its
    value. None if no layer gives one.
    """
    below = list(takewhile(lambda layer: layer.layer != Layer.SAMPLED, layers))
    return below[-1] if below else None


def idle_value(layers: Iterable[_Layered]) -> Any:
    """The value of a searched setting in trials in which it is idle; `layers` are the study's own."""
    found = without_dimension(layers)
    return None if found is None else found.effective


def idle_override(overrides: Iterable["Override"], why: str) -> "Override":
    """The override of a setting that is idle in a trial: the value that the files give, and why."""
    found = without_dimension(overrides)
    assert found is not None, "every setting that can be searched has a default"
    reason = f"idle: {why}"
    return replace(
        found,
        requested=found.effective,
        reason=f"{reason}; {found.reason}" if found.layer is Layer.CLAMP else reason,
    )


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else "null" if value is None else str(value)
