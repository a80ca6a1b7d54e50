"""The search space: its dimensions, the values in them, and their Optuna distributions."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING, Any, Self

from search.config.layers import Clamp
from search.errors import RequestError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

    from search.config.conditions import Condition

MAX_GRID = 10_000
"""The grid sampler holds every configuration in memory; no study has time for more."""
_DIGITS = 12
"""Significant digits in which two spellings of one number agree; sums of a thousand steps do."""


def canonical(value: Any) -> Any:
    """Return one spelling for all spellings of a value: 0.3 for 0.30000000000000004 too.

    >>> canonical(0.1 + 0.2) == canonical(0.3), canonical(1) == canonical(1.0), canonical("a")
    (True, True, 'a')
    """
    if isinstance(value, float) and math.isfinite(value):
        return float(f"{value:.{_DIGITS}g}") + 0.0  # -0.0 is 0.0
    return value


@dataclass(frozen=True)
class Range:
    """The numbers from `low` to `high`, both included, evenly, on a log scale, or on a grid of `step`."""

    low: float
    high: float
    log: bool = False
    step: float | None = None
    when: "tuple[Condition, ...]" = ()
    """Searched only in trials in which all of them hold."""

    def to_json(self) -> dict[str, Any]:
        """Return the dimension as a study file would declare it."""
        text: dict[str, Any] = {"low": self.low, "high": self.high}
        text |= ({"log": True} if self.log else {}) | ({"step": self.step} if self.step else {})
        return text | _when_to_json(self.when)

    def accepts_type(self, value: Any) -> bool:
        """Whether `nearest` can take the value: it is a number."""
        return _is_number(value)

    def nearest(self, value: Any) -> Any:
        """Return the member of the range that is closest to a number."""
        bounded = min(max(value, self.low), self.high)
        if self.step is None:
            return bounded
        steps = round((bounded - self.low) / self.step)
        return min(self.on_grid(steps), self.high)

    def on_grid(self, steps: int) -> float:
        """Return `low + steps * step`, exact in decimal so that 0.1 + 2 * 0.1 is 0.3."""
        return float(_decimal(self.low) + steps * _decimal(self.step))

    def last_on_grid(self) -> float:
        """Return the largest value that steps from `low` reach without passing `high`."""
        return self.on_grid(self._steps(self.high, ROUND_FLOOR))

    def contains(self, value: Any) -> bool:
        """Whether a number belongs to the range, up to rounding on the grid."""
        return bool(self.low <= value <= self.high) and math.isclose(
            self.nearest(value), value, rel_tol=1e-9, abs_tol=1e-12
        )

    def within(self, low: float | None, high: float | None) -> Self | None:
        """Return the part between two bounds (None: unbounded), or None if nothing is left."""
        bottom, top = self.low, self.high
        if low is not None and low > bottom:
            bottom = low if self.step is None else self.on_grid(self._steps(low, ROUND_CEILING))
        if high is not None and high < top:
            top = high if self.step is None else self.on_grid(self._steps(high, ROUND_FLOOR))
        return replace(self, low=bottom, high=top) if bottom <= top else None

    def values(self) -> tuple[Any, ...] | None:
        """Return every value of a range that has a grid of at most MAX_GRID values, else None."""
        steps = MAX_GRID if self.step is None else self._steps(self.high, ROUND_FLOOR)
        return tuple(self.on_grid(step) for step in range(steps + 1)) if steps < MAX_GRID else None

    def _steps(self, value: float, rounding: str) -> int:
        return int(((_decimal(value) - _decimal(self.low)) / _decimal(self.step)).to_integral_value(rounding))


@dataclass(frozen=True)
class FloatRange(Range):
    """A range of real numbers."""


@dataclass(frozen=True)
class IntRange(Range):
    """A range of whole numbers; its grid has a step of at least 1 unless it is logarithmic."""

    low: int
    high: int
    log: bool = False
    step: int | None = None

    def contains(self, value: Any) -> bool:
        """Whether a value is a whole number of the range."""
        return isinstance(value, int) and super().contains(value)

    def nearest(self, value: Any) -> Any:
        """Return the whole number of the range that is closest to a number."""
        return round(super().nearest(value))

    def on_grid(self, steps: int) -> int:
        """Return `low + steps * step`."""
        return self.low + steps * (self.step or 1)

    def within(self, low: float | None, high: float | None) -> Self | None:
        """Return the part of the range between two bounds, as whole numbers."""
        return super().within(
            None if low is None else math.ceil(low), None if high is None else math.floor(high)
        )

    def values(self) -> tuple[Any, ...] | None:
        """Return every value, unless the range is logarithmic or has more than MAX_GRID values."""
        whole = range(self.low, self.high + 1, self.step or 1)
        return None if self.log or len(whole) > MAX_GRID else tuple(whole)


@dataclass(frozen=True)
class Choices:
    """A finite set of values, in the order in which they were declared.

    Another spelling of a choice is not contained, only near: Optuna takes the exact choices alone.
    """

    choices: tuple[Any, ...]
    when: "tuple[Condition, ...]" = ()
    """Searched only in trials in which all of them hold."""

    def to_json(self) -> dict[str, Any]:
        """Return the dimension as a study file would declare it."""
        return {"choices": list(self.choices)} | _when_to_json(self.when)

    def accepts_type(self, value: Any) -> bool:
        """Whether `nearest` can take the value: it is a choice, or it and all choices are numbers."""
        return value in self.choices or all(map(_is_number, (value, *self.choices)))

    def nearest(self, value: Any) -> Any:
        """Return the choice closest to a number; the first one for any other value that is no choice."""
        if value in self.choices:
            return value
        if not self.accepts_type(value):
            return self.choices[0]
        return min(self.choices, key=lambda choice: abs(choice - value))

    def contains(self, value: Any) -> bool:
        """Whether the value is one of the choices."""
        return value in self.choices

    def values(self) -> tuple[Any, ...]:
        """Return the choices."""
        return self.choices


Dimension = FloatRange | IntRange | Choices


def only_value(dimension: Dimension) -> Any | None:
    """Return the only value of a dimension that has just one, else None."""
    if isinstance(dimension, Choices):
        return dimension.choices[0] if len(dimension.choices) == 1 else None
    return dimension.low if dimension.low == dimension.high else None


def grid_values(space: Mapping[str, Dimension]) -> dict[str, list[Any]]:
    """Return every value of every dimension, for the grid sampler.

    Raises RequestError naming the keys without a short grid, or the size of a grid that is too large. How
    many configurations a space with conditions has, is not checked here.
    """
    values = {key: dimension.values() for key, dimension in space.items()}
    if endless := [key for key, found in values.items() if found is None]:
        raise RequestError(f"the grid sampler needs choices or a step for {', '.join(endless)}")
    grid = {key: _without_repeats(found) for key, found in values.items() if found is not None}
    size = math.prod(map(len, grid.values()))
    if size > MAX_GRID and not any(dimension.when for dimension in space.values()):
        raise RequestError(
            f"the grid has {size} configurations, more than {MAX_GRID}; give fewer choices or larger steps"
        )
    return grid


def _without_repeats(values: Iterable[Any]) -> list[Any]:
    """The values without repeats; of several spellings the first is kept."""
    kept: dict[Any, Any] = {}
    for value in values:
        kept.setdefault(canonical(value), value)
    return list(kept.values())


def clamp_to_space(
    space: Mapping[str, Dimension], params: Mapping[str, Any]
) -> tuple[dict[str, Any], list[Clamp]]:
    """Move a configuration from outside into the space: a value to the nearest bound, grid point or choice.

    A key that is not in the space, or a value without a nearest one (text, NaN), is left out: the sampler
    chooses it. Each change is a clamp.
    """
    moved: dict[str, Any] = {}
    clamps: list[Clamp] = []
    for key, value in params.items():
        if key not in space:
            clamps.append(Clamp(key, value, None, "not in the space; left out", "space"))
        elif not space[key].accepts_type(value):
            clamps.append(
                Clamp(key, value, None, "no value of its kind; left to the sampler", f"space.{key}")
            )
        else:
            moved[key] = value if space[key].contains(value) else space[key].nearest(value)
            if moved[key] != value:
                same = canonical(moved[key]) == canonical(value)
                moves = f"outside the space {space[key].to_json()}; moved to the nearest value in it"
                reason = f"another spelling of {moved[key]!r}" if same else moves
                clamps.append(Clamp(key, value, moved[key], reason, f"space.{key}"))
    return moved, clamps


def to_distributions(space: Mapping[str, Dimension]) -> "dict[str, BaseDistribution]":
    """Return the Optuna distribution of every dimension, in the order of the space."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    def distribution(dimension: Dimension) -> "BaseDistribution":
        if isinstance(dimension, Choices):
            return CategoricalDistribution(dimension.choices)
        if isinstance(dimension, IntRange):
            return IntDistribution(dimension.low, dimension.high, log=dimension.log, step=dimension.step or 1)
        return FloatDistribution(dimension.low, dimension.high, log=dimension.log, step=dimension.step)

    return {key: distribution(dimension) for key, dimension in space.items()}


def _when_to_json(when: "Iterable[Condition]") -> dict[str, Any]:
    conditions = {condition.key: condition.to_json() for condition in when}
    return {"when": conditions} if conditions else {}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _decimal(value: float | None) -> Decimal:
    return Decimal(repr(value))
