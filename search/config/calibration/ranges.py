"""From the outcomes of a grid to a safe range, and from ranges to a box that is safe as a whole. Pure."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from search.config.calibration.outcomes import Point, RunOutcome, outcome_spans
from search.config.calibration.plan import LEARNING_RATE, KeyPlan, shown
from search.config.safe_ranges import SafeRange

End = Literal["low", "high"]
MARGIN = 2.0
"""A measured end is moved inwards by this factor: runs are short, and seeds are few. A rule of prudence."""
HALVINGS = 2
"""How often the gap between the last stable value and the first that is not is halved, at each end."""
_WIDENED_STEPS = 2
_FIRST_KEY_STEPS = 4
"""How often ends beyond the policy give way at an unstable corner, and then the first key alone."""
_CLIP = "training.max_grad_norm"
_RISKY_LOW = frozenset({"models.gru.batch_size", "models.gru.dropout", "models.gru.weight_decay"})
"""Keys whose low end is the risky one: noisier steps, and less that holds the weights."""


@dataclass(frozen=True)
class MeasuredRange:
    """The safe range of a key, and the points that it was read from, ascending by value.

    An end that is None is open: nothing was found there, and the policy had no bound.
    """

    plan: KeyPlan
    points: tuple[Point, ...]
    low: Any | None
    high: Any | None
    shrunk: bool = False
    """Whether an end was moved because the ends of several keys were not stable together."""

    @property
    def key(self) -> str:
        """Its key."""
        return self.plan.key

    def end(self, side: End) -> Any:
        """The end; the last stable value that was tried if it is open."""
        found = self.low if side == "low" else self.high
        first, last = stable_span(self.points, self.plan.own)
        return self.points[first if side == "low" else last].value if found is None else found

    def outcomes(self) -> str:
        """What became of the values that were tried: `1e-08 to 1e-07 frozen; 1e-06 to 0.1 learns`."""
        return "; ".join(
            f"{span_text(low, high)} {outcome}" for low, high, outcome in outcome_spans(self.points)
        )

    def safe_range(self) -> SafeRange:
        """The range as an entry of a policy, with `why` and without `source`."""
        return replace(self.plan.safe, low=self.low, high=self.high, why=self.why())

    def why(self) -> str:
        """What was measured, in words."""
        first, last = stable_span(self.points, self.plan.own)
        parts = [_found(self.points[:first], "up to"), _found(self.points[last + 1 :], "from")]
        told = "; ".join(part for part in parts if part) or "every value that was tried is stable"
        inside = self.points[first : last + 1]
        learning = [point.value for point in inside if point.outcome is RunOutcome.LEARNS]
        learns = f"{span_text(learning[0], learning[-1])} learns" if learning else "nothing is learnt so soon"
        sentences = [told, learns]
        if self.shrunk:
            sentences.append("moved inwards until the ends of all measured keys are stable together")
        if not self.plan.method.widens:
            sentences.append(f"not widened, because {self.plan.safe.why}")
        return "; ".join(sentences)


def stable_span(points: Sequence[Point], own: Any) -> tuple[int, int]:
    """The first and the last of the unbroken stable points around the study's own value, which is stable."""
    first = last = next(number for number, point in enumerate(points) if point.value == own)
    while first > 0 and points[first - 1].is_stable:
        first -= 1
    while last + 1 < len(points) and points[last + 1].is_stable:
        last += 1
    return first, last


def next_values(plan: KeyPlan, points: Sequence[Point]) -> tuple[Any, ...]:
    """The values to try next: halfway between each end of the stable span and what is not stable beyond it.

    Empty on a linear scale, where the step of the grid is the margin.
    """
    if not plan.method.log:
        return ()
    first, last = stable_span(points, plan.own)
    gaps = [(points[first - 1], points[first])] if first > 0 else []
    gaps += [(points[last], points[last + 1])] if last + 1 < len(points) else []
    middles = [plan.between(one.value, other.value) for one, other in gaps]
    return tuple(
        middle for middle, (one, other) in zip(middles, gaps, strict=True) if one.value < middle < other.value
    )


def measured_range(plan: KeyPlan, points: Sequence[Point]) -> MeasuredRange:
    """The range from the stable span: ends with a margin where something beyond them is not stable, else the
    last value that was tried.

    The study's own value stays inside. An end that the policy does not have is set only if something beyond
    it is not stable; an end that may not be widened stays within the policy's.
    """
    first, last = stable_span(points, plan.own)
    low, high = points[first].value, points[last].value
    is_bounded = first > 0, last + 1 < len(points)
    if plan.method.log:
        low = min(plan.own, _rounded(plan, low * MARGIN, up=True)) if is_bounded[0] else low
        high = max(plan.own, _rounded(plan, high / MARGIN, up=False)) if is_bounded[1] else high
    safe = plan.safe
    return MeasuredRange(
        plan,
        tuple(points),
        low if is_bounded[0] or safe.low is not None else None,
        high if is_bounded[1] or safe.high is not None else None,
    )


def corners(ranges: Sequence[MeasuredRange]) -> tuple[Mapping[str, Any], ...]:
    """The settings at which ends are tried together, without repeats: learning rate and gradient clip at each
    pair of their ends, and all keys at their risky ends. Empty if a single key was measured.
    """
    if len(ranges) < 2:
        return ()
    by_key = {each.key: each for each in ranges}
    pair = [by_key[key] for key in (LEARNING_RATE, _CLIP) if key in by_key]
    sides: list[tuple[End, ...]] = [("low", "high")] * len(pair) if len(pair) == 2 else []
    found = [
        {each.key: each.end(side) for each, side in zip(pair, chosen, strict=True)}
        for chosen in itertools.product(*sides)
        if chosen
    ]
    found.append({each.key: each.end(_risky(each.key)) for each in ranges})
    return tuple(dict(items) for items in dict.fromkeys(tuple(each.items()) for each in found))


def shrunk_ranges(
    ranges: Sequence[MeasuredRange], corner: Mapping[str, Any], failures: int
) -> tuple[MeasuredRange, ...]:
    """The ranges with ends of an unstable corner moved inwards; `failures` ≥ 1 counts the unstable corners.

    What gives way first is what the policy did not allow before: ends other than those of the first key move
    half way to the policy's, and then all the way. Then the end of the first key moves half way to the
    study's own value, four times. Then those of all keys do, which ends at the study's own values.
    """
    steps: list[Callable[[MeasuredRange], bool]] = [
        lambda each: _is_widened(each, corner) and each is not ranges[0],
        lambda each: each is ranges[0] and _is_moved(each, corner),
        lambda each: _is_moved(each, corner),
    ]
    first = 0 if failures <= _WIDENED_STEPS else 1 if failures <= _WIDENED_STEPS + _FIRST_KEY_STEPS else 2
    moving = next(found for step in steps[first:] if (found := list(filter(step, ranges))))
    return tuple(
        _moved(each, corner[each.key], to_policy=steps[0](each), whole=failures == _WIDENED_STEPS)
        if each in moving
        else each
        for each in ranges
    )


def _is_moved(found: MeasuredRange, corner: Mapping[str, Any]) -> bool:
    """Whether the corner has another value of the key than the study's own."""
    return bool(corner.get(found.key, found.plan.own) != found.plan.own)


def _is_widened(found: MeasuredRange, corner: Mapping[str, Any]) -> bool:
    """Whether the corner has a value of the key that lies outside the range of the policy."""
    value, safe = corner.get(found.key, found.plan.own), found.plan.safe
    return (safe.high is not None and value > safe.high) or (safe.low is not None and value < safe.low)


def _moved(found: MeasuredRange, end: Any, *, to_policy: bool, whole: bool) -> MeasuredRange:
    """The range with the end that has this value half way nearer to the study's own value, or half or the
    `whole` way to the policy's end.
    """
    side: End = "low" if end < found.plan.own else "high"
    goal = getattr(found.plan.safe, side) if to_policy else found.plan.own
    middle = found.plan.between(end, goal)
    is_between = min(end, goal) < middle < max(end, goal)
    moved = middle if is_between and not (to_policy and whole) else goal
    return (
        replace(found, low=moved, shrunk=True) if side == "low" else replace(found, high=moved, shrunk=True)
    )


def _risky(key: str) -> End:
    return "low" if key in _RISKY_LOW else "high"


def _rounded(plan: KeyPlan, value: float, *, up: bool) -> Any:
    """The value to two digits, or to a whole number, up or down."""
    direction = math.ceil if up else math.floor
    if plan.is_whole:
        return direction(value)
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return float(f"{direction(round(value / unit, 6)) * unit:.2g}")


def _found(points: Sequence[Point], word: str) -> str:
    """`0.3 and above diverges (…)`, from the nearest point that is not stable."""
    if not points:
        return ""
    nearest = points[-1] if word == "up to" else points[0]
    verb = {
        RunOutcome.FROZEN: "training is frozen",
        RunOutcome.DIVERGES: "training diverges",
        RunOutcome.SUSPICIOUS: "training is suspicious",
    }[nearest.outcome]
    return f"{word} {shown(nearest.value)} {verb} ({nearest.worst.why})"


def span_text(low: Any, high: Any) -> str:
    """`0.1`, or `0.001 to 0.1`."""
    return shown(low) if low == high else f"{shown(low)} to {shown(high)}"
