"""Safe ranges: reads a policy from YAML, and clamps values and dimensions to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from search.config.files.reader import ConfigSource, Node, parse_mapping, plain_value, read_source
from search.config.flat_keys import flatten
from search.config.layers import Clamp
from search.config.leaves import did_you_mean, format_value, validation_messages
from search.config.schema import TRIAL_LEAVES
from search.config.space import Choices, Dimension
from search.errors import ConfigError, Location, Problem
from trainer.config import return_clip

_FIELDS = ("low", "high", "choices", "only", "when", "why", "source")
_MIXED_PRECISION = "training.mixed_precision"
ALWAYS_FALSE = Clamp(
    _MIXED_PRECISION,
    True,
    False,
    "there is one training path and it is float32, under every policy",
    "code: mixed_precision is always false",
)
"""The one rule that no policy can change."""
_RETURN_CLIP = "data.target.clip"


@dataclass(frozen=True)
class SafeRange:
    """The bounds in force for one key; `only: x` is read as `choices` of one.

    `when` has values of other settings; the range applies only if all of them match.
    """

    key: str
    low: float | None
    high: float | None
    choices: tuple[Any, ...] | None
    when: Mapping[str, Any]
    why: str
    source: str
    origin: str

    def in_words(self) -> str:
        """Return the bounds in words."""
        if self.choices is not None:
            return "only " + " or ".join(format_value(choice) for choice in self.choices)
        bounds = (("at least", self.low), ("at most", self.high))
        return " and ".join(f"{word} {bound}" for word, bound in bounds if bound is not None)

    def to_json(self) -> dict[str, Any]:
        """Return the parts that decide values, for the fingerprint of the policy."""
        choices = None if self.choices is None else list(self.choices)
        return {"low": self.low, "high": self.high, "choices": choices, "when": dict(self.when)}


@dataclass(frozen=True)
class Policy:
    """The safe ranges by key, and the path of their file as the user gave it."""

    path: str
    ranges: Mapping[str, SafeRange]
    clip_grows: bool = True
    """Whether the bound of `data.target.clip` is that of a one-row return, and grows with the square root of
    the rows; False for studies that were started before this rule."""

    def rule(self, key: str, values: Mapping[str, Any]) -> SafeRange | None:
        """Return the range in force for a key, given the settings that are fixed.

        A condition on a searched setting counts as met, so that the range covers every trial it may apply to.
        """
        found = self.ranges.get(key)
        if found is None or any(values.get(other, wanted) != wanted for other, wanted in found.when.items()):
            return None
        if key != _RETURN_CLIP or not self.clip_grows or found.high is None:
            return found
        transform, window, horizon = (
            values.get(f"data.target.{name}") for name in ("transform", "window", "horizon")
        )
        if transform == "difference":  # in the unit of the prices, and no share of them
            return None
        return replace(found, high=return_clip(transform, window, horizon, one_row=found.high))


class EmptySafeRange(ValueError):
    """No value of a dimension lies in the safe range."""


def clamp_value(value: Any, safe: SafeRange) -> tuple[Any, Clamp | None]:
    """Move a value to the nearest safe one; null stays null."""
    if value is None:
        return None, None
    if safe.choices is not None:
        moved = Choices(safe.choices).nearest(value)
    else:
        moved = value if safe.low is None else max(value, safe.low)
        moved = moved if safe.high is None else min(moved, safe.high)
    return (value, None) if moved == value else (moved, _clamp(safe, value, moved))


def clamp_dimension(dimension: Dimension, safe: SafeRange) -> tuple[Dimension, Clamp | None]:
    """Cut a dimension to its safe part: a range is intersected, unsafe choices are dropped.

    Raises EmptySafeRange, which names both ranges and the way out, if no value is left.
    """
    cut = _safe_part(dimension, safe)
    if cut is None:
        raise EmptySafeRange(
            f"the dimension {dimension.to_json()} of {safe.key} has nothing in common with its safe range, "
            f"{safe.in_words()} ({safe.origin}); change space.{safe.key}, or name another policy with "
            "--policy"
        )
    if cut == dimension:
        return dimension, None
    return cut, _clamp(safe, dimension.to_json(), cut.to_json())


def read_policy(path: Path, shown: str | None = None) -> Policy:
    """Read a policy; `shown` is the path in messages. Raises ConfigError with every problem."""
    return policy_from(policy_sources(path, shown or str(path)))


def policy_sources(path: Path, shown: str) -> tuple[ConfigSource, ...]:
    """Read a policy and those that it extends, outermost first; stops at a file that was read already.

    Raises ConfigError for a file that cannot be read.
    """
    sources: dict[Path, ConfigSource] = {}
    while True:
        source = read_source(path, shown)
        if path.resolve() in sources:
            return tuple(sources.values())
        sources[path.resolve()] = source
        extends = parse_mapping(source)[0].get("extends")
        if extends is None or not isinstance(extends.value, str):
            return tuple(sources.values())
        path, shown = path.parent / extends.value, str(Path(shown).parent / extends.value)


def policy_from(sources: Sequence[ConfigSource]) -> Policy:
    """Build the policy that `policy_sources` has read. Raises ConfigError with every problem."""
    ranges: dict[str, SafeRange] = {}
    problems: list[Problem] = []
    for source in reversed(sources):
        found, wrong = _read_ranges(source, is_innermost=source is sources[-1])
        ranges |= found
        problems += wrong
    if problems:
        raise ConfigError(problems)
    return Policy(sources[0].shown, ranges)


def _clamp(safe: SafeRange, declared: Any, effective: Any) -> Clamp:
    return Clamp(
        safe.key, declared, effective, f"safe range: {safe.in_words()}, because {safe.why}", safe.origin
    )


def _safe_part(dimension: Dimension, safe: SafeRange) -> Dimension | None:
    if isinstance(dimension, Choices):
        kept = tuple(choice for choice in dimension.choices if clamp_value(choice, safe)[1] is None)
        return replace(dimension, choices=kept) if kept else None
    if safe.choices is not None:
        kept = tuple(choice for choice in safe.choices if dimension.contains(choice))
        return Choices(kept, dimension.when) if kept else None
    return dimension.within(safe.low, safe.high)


def _read_ranges(source: ConfigSource, is_innermost: bool) -> tuple[dict[str, SafeRange], list[Problem]]:
    """Return the safe ranges of one file; those of an outer one replace those that it extends."""
    entries, problems = parse_mapping(source)
    extends = entries.pop("extends", None)
    if extends is not None and not isinstance(extends.value, str):
        message = f"extends is {format_value(plain_value(extends))}; name one policy file"
        problems.append(Problem(extends.location, message))
    elif extends is not None and is_innermost:
        message = f"extends {extends.value} comes back to this file; break the circle"
        problems.append(Problem(extends.location, message))
    ranges: dict[str, SafeRange] = {}
    found_leaves, unknown = flatten(Node(entries, Location(source.shown)), TRIAL_LEAVES)
    problems += unknown
    for key, node in found_leaves:
        problems += (wrong := _problems_of(key, node))
        if not wrong:
            ranges[key] = _safe_range(key, node)
    return ranges, problems


def _problems_of(key: str, node: Node) -> list[Problem]:
    """Return what is wrong with one entry of a policy."""
    if not isinstance(node.value, dict):
        message = (
            f"the safe range of {key} is {format_value(plain_value(node))}; "
            "give low, high, choices or only, why and source"
        )
        return [Problem(node.location, message)]
    fields = node.value
    found = [
        Problem(
            child.location, f"unknown key {name} in the safe range of {key}; {did_you_mean(name, _FIELDS)}"
        )
        for name, child in fields.items()
        if name not in _FIELDS
    ]
    for name in ("why", "source"):
        if name not in fields or not isinstance(fields[name].value, str) or not fields[name].value.strip():
            found.append(Problem(node.location, f"the safe range of {key} needs {name}, a sentence of text"))
    if set(fields) <= set(_FIELDS):  # a misspelt bound is one problem, not also a missing bound
        found += _problems_of_bounds(key, node)
    return found + _problems_of_condition(key, fields.get("when"))


def _problems_of_bounds(key: str, node: Node) -> list[Problem]:
    fields = {name: child for name, child in node.value.items() if name in _FIELDS[:4]}
    kinds = {"range" if name in ("low", "high") else name for name in fields}
    if len(kinds) != 1:
        return [Problem(node.location, f"the safe range of {key} needs low and high, or choices, or only")]
    leaf = TRIAL_LEAVES[key]
    if "range" in kinds and not leaf.types & {int, float}:
        return [Problem(node.location, f"{key} is not a number; give choices or only")]
    choices = fields.get("choices")
    if choices is not None and (not isinstance(choices.value, list) or not choices.value):
        return [
            Problem(
                choices.location,
                f"choices of {key} are {format_value(plain_value(choices))}; list the safe values",
            )
        ]
    found: list[Problem] = []
    for name, child in fields.items():
        for value in child.value if name == "choices" else [child]:
            found += _check(key, f"{name} of {key}", value)
    low, high = (plain_value(fields[name]) if name in fields else None for name in ("low", "high"))
    if not found and low is not None and high is not None and low > high:
        found.append(Problem(node.location, f"low {low} of {key} is above high {high}; swap them"))
    return found


def _check(key: str, role: str, node: Node) -> list[Problem]:
    leaf = TRIAL_LEAVES[key]
    value = plain_value(node)
    if value is None:
        return [Problem(node.location, f"{role} is null; give a value or leave it out")]
    try:
        leaf.check(value)
    except ValidationError as error:
        hint = "; mixed precision is false under every policy" if key == _MIXED_PRECISION else ""
        return [
            Problem(node.location, text + hint) for text, _ in validation_messages(role, value, error, leaf)
        ]
    return []


def _problems_of_condition(key: str, when: Node | None) -> list[Problem]:
    if when is None:
        return []
    if not isinstance(when.value, dict) or not when.value:
        return [
            Problem(
                when.location,
                f"when of {key} is {format_value(plain_value(when))}; write it as "
                f"{{data.target.kind: return}}",
            )
        ]
    found, unknown = flatten(when, TRIAL_LEAVES)
    return unknown + [problem for other, node in found for problem in _check(other, f"when {other}", node)]


def _safe_range(key: str, node: Node) -> SafeRange:
    """Build a safe range from an entry without problems."""
    leaf = TRIAL_LEAVES[key]
    fields = {name: plain_value(child) for name, child in node.value.items()}
    listed = [fields["only"]] if "only" in fields else fields.get("choices")
    when = flatten(node.value["when"], TRIAL_LEAVES)[0] if "when" in fields else []
    return SafeRange(
        key=key,
        low=leaf.check(fields["low"]) if "low" in fields else None,
        high=leaf.check(fields["high"]) if "high" in fields else None,
        choices=None if listed is None else tuple(leaf.check(value) for value in listed),
        when={other: TRIAL_LEAVES[other].check(plain_value(child)) for other, child in when},
        why=fields["why"],
        source=fields["source"],
        origin=str(node.location),
    )
