"""The search space: dimensions as a study file declares them, and their Optuna distributions."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING, Any, Self

from pydantic import ValidationError

from search.config.layers import Clamp
from search.config.leaves import Leaf, sentences, show
from search.errors import RequestError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

_RANGE_KEYS = ("low", "high", "log", "step")
_NOT_SEARCHED = {
    "data.target.clip": "it changes the target, so the losses of two trials could not be compared",
    "training.device": "where a trial runs must not decide which one is best",
}
_DATA_SEARCHED = frozenset({"data.seq_len", "data.feature_clip"})


@dataclass(frozen=True)
class Range:
    """The numbers from `low` to `high`, both included, evenly, on a log scale, or on a grid of `step`."""

    low: float
    high: float
    log: bool = False
    step: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the dimension as a study file would declare it."""
        told: dict[str, Any] = {"low": self.low, "high": self.high}
        return told | ({"log": True} if self.log else {}) | ({"step": self.step} if self.step else {})

    def relates(self, value: Any) -> bool:
        """Whether a nearest member exists: the value is a number."""
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

    def contains(self, value: Any) -> bool:
        """Whether a number belongs to the range, up to rounding on the grid."""
        return bool(self.low <= value <= self.high) and math.isclose(
            self.nearest(value), value, rel_tol=1e-9, abs_tol=1e-12
        )

    def within(self, low: float | None, high: float | None) -> Self | None:
        """Return the part between two bounds (None: unbounded), or None where nothing is left."""
        bottom = self.low if low is None else max(self.low, low)
        top = self.high if high is None else min(self.high, high)
        if self.step is not None and bottom <= top:
            bottom, top = (
                self.on_grid(self._steps(bottom, ROUND_CEILING)),
                self.on_grid(self._steps(top, ROUND_FLOOR)),
            )
        return type(self)(bottom, top, self.log, self.step) if bottom <= top else None

    def values(self) -> tuple[Any, ...] | None:
        """Return every value of a range that has a grid, else None."""
        if self.step is None:
            return None
        return tuple(self.on_grid(step) for step in range(self._steps(self.high, ROUND_FLOOR) + 1))

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
        """Return every value, unless the range is logarithmic."""
        return None if self.log else tuple(range(self.low, self.high + 1, self.step or 1))


@dataclass(frozen=True)
class Choices:
    """A finite set of values, in the order in which they were declared."""

    choices: tuple[Any, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the dimension as a study file would declare it."""
        return {"choices": list(self.choices)}

    def relates(self, value: Any) -> bool:
        """Whether a nearest member exists: the value is a choice, or it and all choices are numbers."""
        return value in self.choices or all(map(_is_number, (value, *self.choices)))

    def nearest(self, value: Any) -> Any:
        """Return the choice closest to a number; for anything else that is no choice, the first one."""
        if value in self.choices:
            return value
        if not self.relates(value):
            return self.choices[0]
        return min(self.choices, key=lambda choice: abs(choice - value))

    def contains(self, value: Any) -> bool:
        """Whether the value is one of the choices."""
        return value in self.choices

    def values(self) -> tuple[Any, ...]:
        """Return the choices."""
        return self.choices


Dimension = FloatRange | IntRange | Choices


def single(dimension: Dimension) -> Any | None:
    """Return the only value of a dimension that has just one, else None."""
    if isinstance(dimension, Choices):
        return dimension.choices[0] if len(dimension.choices) == 1 else None
    return dimension.low if dimension.low == dimension.high else None


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
        raise ValueError(f"the dimension of {key} is {show(declared)}; {_example(leaf)}")
    if unknown := [name for name in declared if name not in (*_RANGE_KEYS, "choices")]:
        raise ValueError(f"the dimension of {key} has the unknown key {unknown[0]}; {_example(leaf)}")
    if "choices" in declared:
        if len(declared) > 1:
            raise ValueError(f"the dimension of {key} mixes choices with a range; {_example(leaf)}")
        return _choices(leaf, declared["choices"])
    return _range(leaf, declared)


def grid_of(space: Mapping[str, Dimension]) -> dict[str, list[Any]]:
    """Return every value of every dimension, for the grid sampler.

    Raises RequestError naming the keys whose dimensions are continuous.
    """
    values = {key: dimension.values() for key, dimension in space.items()}
    if endless := [key for key, found in values.items() if found is None]:
        raise RequestError(f"the grid sampler needs choices or a step for {', '.join(endless)}")
    return {key: list(found) for key, found in values.items() if found is not None}


def project(space: Mapping[str, Dimension], params: Mapping[str, Any]) -> tuple[dict[str, Any], list[Clamp]]:
    """Move a configuration from outside into the space: a value to the nearest bound, grid point or choice.

    A key that is not in the space, or a value that no order relates to its dimension (text, NaN), is left
    out: the sampler chooses in its place. Each of these is a clamp.
    """
    moved: dict[str, Any] = {}
    clamps: list[Clamp] = []
    for key, value in params.items():
        if key not in space:
            clamps.append(Clamp(key, value, None, "not in the space; left out", "space"))
        elif not space[key].relates(value):
            clamps.append(
                Clamp(key, value, None, "no value of its kind; left to the sampler", f"space.{key}")
            )
        else:
            moved[key] = value if space[key].contains(value) else space[key].nearest(value)
            if moved[key] != value:
                reason = f"outside the space {space[key].to_json()}; moved to the nearest value in it"
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


def _choices(leaf: Leaf, declared: Any) -> Choices:
    if not isinstance(declared, list) or not declared:
        raise ValueError(f"the choices of {leaf.key} are {show(declared)}; {_example(leaf)}")
    choices: list[Any] = []
    for value in declared:
        checked = (
            value if leaf.types == {bool} and isinstance(value, bool) else _checked(leaf, "a choice", value)
        )
        if checked in choices:
            raise ValueError(f"the choices of {leaf.key} hold {value!r} twice; remove one")
        choices.append(checked)
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
        raise ValueError(f"log of {key} is {show(log)}; write true or false")
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
        raise ValueError(f"step of {leaf.key} is {show(step)}; it must be {word} above 0")
    return step


def _with_whole_steps(key: str, dimension: FloatRange | IntRange) -> Dimension:
    """Refuse a `high` that no step reaches: Optuna would lower it with a mere warning."""
    if dimension.step is not None:
        reached = dimension.on_grid(dimension._steps(dimension.high, ROUND_FLOOR))
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
        told, _ = sentences(f"{role} of {leaf.key}", value, error, leaf)[0]
        raise ValueError(told) from None


def _example(leaf: Leaf) -> str:
    if leaf.types & {int, float}:
        return "write it as {low: 1, high: 8}, with log: true or step if wanted, or as {choices: [1, 2]}"
    return "write it as {choices: [a, b]}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _decimal(value: float | None) -> Decimal:
    return Decimal(repr(value))
