"""What one layer sets: its leaves checked one by one, whether or not a later layer beats them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from search.config.dimensions import parse_dimension
from search.config.flat_keys import flatten
from search.config.layers import Layer, Override
from search.config.leaves import validation_messages
from search.config.passwords import masked_set
from search.config.reader import Node, parse, plain_value
from search.config.safe_ranges import ALWAYS_FALSE
from search.config.schema import ALIASES, LEAVES, SPACE, TRIAL_LEAVES
from search.config.space import Dimension
from search.errors import ConfigError, Location, Problem

_SETTINGS = (*LEAVES, *ALIASES)
_DIMENSIONS = tuple(f"{SPACE}{key}" for key in (*TRIAL_LEAVES, *ALIASES))


@dataclass(frozen=True)
class LayerValue:
    """One layer's claim on a key: its act, the node that says so, and the dimension of a `space.KEY`."""

    key: str
    act: Override
    node: Node
    dimension: Dimension | None = None

    @property
    def layer(self) -> Layer:
        """The layer that claims."""
        return self.act.layer


@dataclass
class LayerReading:
    """Claims in order of layers, what was wrong, and the keys that came to nothing because of it."""

    claims: list[LayerValue]
    problems: list[Problem]
    broken: set[str]

    def __add__(self, other: "LayerReading") -> "LayerReading":
        return LayerReading(
            self.claims + other.claims, self.problems + other.problems, self.broken | other.broken
        )


def layer_values_of_file(layer: Layer, entries: dict[str, Node], shown: str) -> LayerReading:
    """Return what a file sets; `entries` is its top level."""
    found, problems = flatten(Node(entries, Location(shown)), (*_SETTINGS, *_DIMENSIONS))
    reading = _claims(layer, found)
    return replace(reading, problems=problems + reading.problems)


def layer_values_of_sets(sets: Sequence[str]) -> LayerReading:
    """Return what the `--set KEY=VALUE` of a command line set; VALUE is YAML, after the first `=`."""
    found: dict[str, Node] = {}
    problems: list[Problem] = []
    for text in sets:
        leaves, wrong = _leaves_of_set(text)
        problems += wrong
        for key, node in leaves:
            if key in found:
                message = f"{key} is already set by {found[key].place}; keep one of them"
                problems.append(Problem(node.place, message))
            else:
                found[key] = node
    reading = _claims(Layer.CLI, found.items())
    return replace(reading, problems=problems + reading.problems)


def check_value(key: str, node: Node) -> tuple[Any, list[Problem]]:
    """Return the value of a setting as a JSON value, or what is wrong with it.

    `mixed_precision: true` comes back as it is, for the caller to clamp and record.
    """
    value = plain_value(node)
    if key == ALWAYS_FALSE.key and value is True:
        return True, []
    try:
        return LEAVES[key].check(value), []
    except ValidationError as error:
        told = validation_messages(key, value, error, LEAVES[key])
        return None, [Problem(_inner(node, location), message) for message, location in told]


def _leaves_of_set(text: str) -> tuple[list[tuple[str, Node]], list[Problem]]:
    place = Location(f"--set {masked_set(text)}")
    key, equals, value = text.partition("=")
    if not equals:
        return [], [Problem(place, "there is no = in it; write it like --set models.gru.dropout=0.1")]
    try:
        node, problems = parse(value, place)
    except ConfigError as error:
        return [], error.problems
    found, unknown = flatten(Node({key.strip(): node}, place), (*_SETTINGS, *_DIMENSIONS))
    problems = problems + unknown
    if not found and not problems:
        problems = [Problem(place, f"it sets nothing in the section {key}; name a key of it")]
    return found, problems


def _claims(layer: Layer, found: Iterable[tuple[str, Node]]) -> LayerReading:
    reading = LayerReading([], [], set())
    spelt: dict[str, str] = {}
    # Canonical spellings first, so that an alias finds the claim that it competes with.
    for key, node in sorted(found, key=lambda item: item[0].removeprefix(SPACE) in ALIASES):
        canonical = _canonical(key)
        if canonical.startswith(SPACE):
            claim, problems = _claim_dimension(layer, key, canonical, node, spelt)
        else:
            rival = next((claim for claim in reading.claims if claim.key == canonical), None)
            claim, problems = _claim_value(layer, key, canonical, node, rival)
        spelt[canonical] = key
        reading.problems += problems
        if claim is None:
            reading.broken.add(canonical)
        else:
            reading.claims.append(claim)
    return reading


def _canonical(key: str) -> str:
    if key.startswith(SPACE):
        return SPACE + _canonical(key.removeprefix(SPACE))
    return ALIASES.get(key, key)


def _claim_value(
    layer: Layer, key: str, canonical: str, node: Node, rival: LayerValue | None
) -> tuple[LayerValue | None, list[Problem]]:
    value, problems = check_value(canonical, node)
    if problems:
        return None, [Problem(wrong.place, _as_spelt(wrong.message, canonical, key)) for wrong in problems]
    act = Override(layer, str(node.place), plain_value(node), value)
    if canonical == ALWAYS_FALSE.key and value is True:
        act = replace(act, effective=False, reason=ALWAYS_FALSE.reason)
    if key != canonical:
        act = _act_of_alias(act, key, canonical, rival)
    return LayerValue(canonical, act, node), []


def _act_of_alias(act: Override, key: str, canonical: str, rival: LayerValue | None) -> Override:
    """Read an alias as its canonical key; beside a claim of the same layer the smaller value is used."""
    origin = act.origin if act.origin.startswith("--set") else f"{act.origin} ({key})"
    if rival is None:
        return replace(act, origin=origin, reason=f"{key} is another name of {canonical}")
    smaller = min(act.effective, rival.act.effective)
    reason = f"{key} is {act.effective} and {canonical} is {rival.act.effective}; the smaller is used"
    return replace(act, origin=origin, effective=smaller, reason=reason)


def _claim_dimension(
    layer: Layer, key: str, canonical: str, node: Node, spelt: dict[str, str]
) -> tuple[LayerValue | None, list[Problem]]:
    if canonical in spelt:
        message = f"{key} and {spelt[canonical]} are the same dimension; remove one"
        return None, [Problem(node.place, message)]
    declared = plain_value(node)
    reason = "" if key == canonical else f"{key} is another name of {canonical}"
    if declared is None:
        act = Override(layer, str(node.place), None, None, reason or "null: not searched")
        return LayerValue(canonical, act, node), []
    try:
        dimension = parse_dimension(TRIAL_LEAVES[canonical.removeprefix(SPACE)], declared)
    except ValueError as error:
        return None, [Problem(node.place, _as_spelt(str(error), canonical, key))]
    act = Override(layer, str(node.place), declared, dimension.to_json(), reason)
    return LayerValue(canonical, act, node, dimension), []


def _as_spelt(message: str, canonical: str, key: str) -> str:
    """Name the key in a message as the user spelt it."""
    return message.replace(canonical.removeprefix(SPACE), key.removeprefix(SPACE))


def _inner(node: Node, location: Any) -> Location:
    """Return the place of a part of a leaf's value, as far down as the location can be followed."""
    for part in location:
        is_there = part in node.value if isinstance(node.value, dict) else isinstance(node.value, list)
        if not is_there:
            break
        node = node.value[part]
    return node.place
