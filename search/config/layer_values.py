"""The values that one layer sets, each checked by itself, even if a later layer overrides it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from search.config.condition_reading import read_conditions
from search.config.conditions import Condition
from search.config.dimensions import parse_dimension
from search.config.files.passwords import masked_set
from search.config.files.reader import Node, parse, plain_value
from search.config.flat_keys import flatten
from search.config.layers import Layer, Override
from search.config.leaves import format_value, sections_of, validation_messages
from search.config.safe_ranges import ALWAYS_FALSE
from search.config.schema import ALIASES, LEAVES, SPACE, TRIAL_LEAVES
from search.config.space import Dimension
from search.errors import ConfigError, Location, Problem

_SETTINGS = (*LEAVES, *ALIASES)
_DIMENSIONS = tuple(f"{SPACE}{key}" for key in (*TRIAL_LEAVES, *ALIASES))


@dataclass(frozen=True)
class LayerValue:
    """What one layer sets for one key: the override, its YAML node, and for `space.KEY` the dimension."""

    key: str
    override: Override
    node: Node
    dimension: Dimension | None = None

    @property
    def layer(self) -> Layer:
        """The layer that sets the value."""
        return self.override.layer


@dataclass
class LayerReading:
    """Layer values in the order of layers, the problems, and the keys that have no value because of them."""

    layer_values: list[LayerValue]
    problems: list[Problem]
    broken: set[str]

    def __add__(self, other: "LayerReading") -> "LayerReading":
        return LayerReading(
            self.layer_values + other.layer_values, self.problems + other.problems, self.broken | other.broken
        )


def layer_values_of_file(layer: Layer, entries: dict[str, Node], shown: str) -> LayerReading:
    """Return what a file sets; `entries` is its top level."""
    found, problems = flatten(Node(entries, Location(shown)), (*_SETTINGS, *_DIMENSIONS))
    reading = _layer_values(layer, found)
    return replace(reading, problems=problems + reading.problems)


def layer_values_of_sets(sets: Sequence[str]) -> LayerReading:
    """Return what the `--set KEY=VALUE` options set; VALUE is YAML, after the first `=`."""
    found: dict[str, Node] = {}
    problems: list[Problem] = []
    for text in sets:
        leaves, wrong = _leaves_of_set(text)
        problems += wrong
        for key, node in leaves:
            if key in found:
                message = f"{key} is already set by {found[key].location}; keep one of them"
                problems.append(Problem(node.location, message))
            else:
                found[key] = node
    reading = _layer_values(Layer.CLI, found.items())
    return replace(reading, problems=problems + reading.problems)


def check_value(key: str, node: Node) -> tuple[Any, list[Problem]]:
    """Return the value of a setting as a JSON value, or what is wrong with it.

    `mixed_precision: true` is returned unchanged; the caller clamps and records it.
    """
    value = plain_value(node)
    if key == ALWAYS_FALSE.key and value is True:
        return True, []
    try:
        return LEAVES[key].check(value), []
    except ValidationError as error:
        text = validation_messages(key, value, error, LEAVES[key])
        return None, [Problem(_inner(node, location), message) for message, location in text]


def _leaves_of_set(text: str) -> tuple[list[tuple[str, Node]], list[Problem]]:
    location = Location(f"--set {masked_set(text)}")
    key, equals, value = text.partition("=")
    if not equals:
        return [], [Problem(location, "there is no = in it; write it like --set models.gru.dropout=0.1")]
    try:
        node, problems = parse(value, location)
    except ConfigError as error:
        return [], error.problems
    found, unknown = flatten(Node({key.strip(): node}, location), (*_SETTINGS, *_DIMENSIONS))
    problems = problems + unknown
    if not found and not problems:
        problems = [Problem(location, f"it sets nothing in the section {key}; name a key of it")]
    return found, problems


def _layer_values(layer: Layer, found: Iterable[tuple[str, Node]]) -> LayerReading:
    reading = LayerReading([], [], set())
    spelt: dict[str, str] = {}
    # Canonical spellings first, so that an alias finds the value that it competes with.
    for key, node in sorted(found, key=lambda item: item[0].removeprefix(SPACE) in ALIASES):
        canonical = _canonical(key)
        if canonical.startswith(SPACE):
            layer_value, problems = _dimension_value(layer, key, canonical, node, spelt)
        else:
            rival = next(
                (layer_value for layer_value in reading.layer_values if layer_value.key == canonical), None
            )
            layer_value, problems = _setting_value(layer, key, canonical, node, rival)
        spelt[canonical] = key
        reading.problems += problems
        if layer_value is None:
            reading.broken.add(canonical)
        else:
            reading.layer_values.append(layer_value)
    return reading


def _canonical(key: str) -> str:
    if key.startswith(SPACE):
        return SPACE + _canonical(key.removeprefix(SPACE))
    return ALIASES.get(key, key)


def _setting_value(
    layer: Layer, key: str, canonical: str, node: Node, rival: LayerValue | None
) -> tuple[LayerValue | None, list[Problem]]:
    value, problems = check_value(canonical, node)
    if problems:
        return None, [Problem(wrong.location, _as_spelt(wrong.message, canonical, key)) for wrong in problems]
    override = Override(layer, str(node.location), plain_value(node), value)
    if canonical == ALWAYS_FALSE.key and value is True:
        override = replace(override, effective=False, reason=ALWAYS_FALSE.reason)
    if key != canonical:
        override = _override_of_alias(override, key, canonical, rival)
    return LayerValue(canonical, override, node), []


def _override_of_alias(override: Override, key: str, canonical: str, rival: LayerValue | None) -> Override:
    """Read an alias as its canonical key; if the layer sets both, the smaller value is used."""
    origin = override.origin if override.origin.startswith("--set") else f"{override.origin} ({key})"
    if rival is None:
        return replace(override, origin=origin, reason=f"{key} is another name of {canonical}")
    smaller = min(override.effective, rival.override.effective)
    reason = (
        f"{key} is {override.effective} and {canonical} is {rival.override.effective}; the smaller is used"
    )
    return replace(override, origin=origin, effective=smaller, reason=reason)


def _dimension_value(
    layer: Layer, key: str, canonical: str, node: Node, spelt: dict[str, str]
) -> tuple[LayerValue | None, list[Problem]]:
    if canonical in spelt:
        message = f"{key} and {spelt[canonical]} are the same dimension; remove one"
        return None, [Problem(node.location, message)]
    declared = plain_value(node)
    reason = "" if key == canonical else f"{key} is another name of {canonical}"
    if declared is None:
        override = Override(layer, str(node.location), None, None, reason or "null: not searched")
        return LayerValue(canonical, override, node), []
    when: tuple[Condition, ...] = ()
    problems: list[Problem] = []
    if isinstance(node.value, dict) and "when" in node.value:
        when, problems = read_conditions(key.removeprefix(SPACE), node.value["when"])
    bare = {name: part for name, part in declared.items() if name != "when"} if problems or when else declared
    try:
        dimension = parse_dimension(TRIAL_LEAVES[canonical.removeprefix(SPACE)], bare)
    except ValueError as error:
        return None, [Problem(node.location, _as_spelt(str(error), canonical, key)), *problems]
    if problems:
        return None, problems
    dimension = replace(dimension, when=when)
    if when:  # one spelling for all, so that it does not look changed
        declared = {**bare, "when": dimension.to_json()["when"]}
    override = Override(layer, str(node.location), declared, dimension.to_json(), reason)
    return LayerValue(canonical, override, node, dimension), []


def _as_spelt(message: str, canonical: str, key: str) -> str:
    """Name the key in a message as the user spelt it."""
    return message.replace(canonical.removeprefix(SPACE), key.removeprefix(SPACE))


def _inner(node: Node, location: Any) -> Location:
    """Return where a part of a leaf's value was written, as far down as the location can be followed."""
    for part in location:
        is_there = part in node.value if isinstance(node.value, dict) else isinstance(node.value, list)
        if not is_there:
            break
        node = node.value[part]
    return node.location


def section_problems(
    error: ValidationError, top_values: Mapping[str, LayerValue], broken: set[str], study: Location
) -> list[Problem]:
    """What pydantic found wrong between settings, at the line of the key or of the section's first key."""
    problems = []
    for detail in error.errors(include_url=False, include_context=False):
        key = _key_of(detail["loc"])
        if any(_related(key, other) for other in broken):
            continue  # The broken leaf is a problem already.
        location = _location_of(key, top_values, study)
        message = detail["msg"].removeprefix("Value error, ")
        if detail["type"] == "missing":
            text = f"{key} is missing; add it"
        elif key in LEAVES:
            text = f"{key} is {format_value(detail['input'])}: {message}"
        else:
            text = f"{key}: {message}"
        problems.append(Problem(location, text))
    return problems


def _key_of(location: Sequence[int | str]) -> str:
    """Return the key of a leaf or section that pydantic's location lies in."""
    known = sections_of(LEAVES) | set(LEAVES)
    key = ""
    for part in location:
        longer = f"{key}.{part}" if key else str(part)
        if longer not in known:
            break
        key = longer
    return key


def _related(key: str, other: str) -> bool:
    return _within(key, other) or _within(other, key)


def _within(key: str, section: str) -> bool:
    return key == section or key.startswith(f"{section}.")


def _location_of(key: str, top_values: Mapping[str, LayerValue], study: Location) -> Location:
    """Return the line of the key, or of the section's first key in the highest layer that sets one."""
    layer_values = [layer_value for name, layer_value in top_values.items() if _within(name, key)]
    highest = max((layer_value.layer.rank for layer_value in layer_values), default=0)
    return min(
        (layer_value.node.location for layer_value in layer_values if layer_value.layer.rank == highest),
        default=study,
    )
