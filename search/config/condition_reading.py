"""Reads `when` of a dimension: `{models.gru.num_layers: [2, 3], data.seq_len: {low: 10}}`."""

from typing import Any

from pydantic import ValidationError

from search.config.conditions import Condition
from search.config.files.reader import Node, plain_value
from search.config.flat_keys import flatten
from search.config.leaves import Leaf, format_value, validation_messages
from search.config.schema import ALIASES, TRIAL_LEAVES
from search.errors import Problem

_EXAMPLE = "write it as {models.gru.num_layers: [2, 3]} or as {data.seq_len: {low: 10}}"
_BOUNDS = ("low", "high")


def read_conditions(key: str, when: Node) -> tuple[tuple[Condition, ...], list[Problem]]:
    """The conditions of the dimension of `key`, and what is wrong with them, each at its own place."""
    name = f"space.{key}"
    if not isinstance(when.value, dict) or not when.value:
        shown = format_value(plain_value(when))
        return (), [Problem(when.location, f"when of {name} is {shown}; {_EXAMPLE}")]
    patterns = [(spelt, node) for spelt, node in when.value.items() if set(spelt) & set("*?")]
    problems = [
        Problem(node.location, f"when of {name} names {spelt}; a condition names one setting, so name each")
        for spelt, node in patterns
    ]
    rest = {spelt: node for spelt, node in when.value.items() if (spelt, node) not in patterns}
    found, unknown = flatten(Node(rest, when.location), (*TRIAL_LEAVES, *ALIASES))
    problems += [Problem(each.location, f"when of {name}: {each.message}") for each in unknown]
    conditions: dict[str, Condition] = {}
    for spelt, node in found:
        canonical = ALIASES.get(spelt, spelt)
        condition, wrong = _condition(name, TRIAL_LEAVES[canonical], node)
        problems += wrong
        if canonical in conditions:
            message = f"when of {name} names {canonical} twice, once as {spelt}; remove one"
            problems.append(Problem(node.location, message))
        elif condition is not None:
            conditions[canonical] = condition
    return tuple(conditions.values()), problems


def _condition(name: str, leaf: Leaf, node: Node) -> tuple[Condition | None, list[Problem]]:
    """The condition on one setting."""
    if leaf.key == "data.features" or not leaf.types & {int, float, str, bool}:
        message = f"when of {name} names {leaf.key}, which is no single value; name a setting with one value"
        return None, [Problem(node.location, message)]
    if isinstance(node.value, dict):
        return _range(name, leaf, node)
    listed = node.value if isinstance(node.value, list) else [node]
    if not listed:
        message = f"when of {name} lists no value of {leaf.key}; {_EXAMPLE}"
        return None, [Problem(node.location, message)]
    checked = [_checked(f"when of {name}: {leaf.key}", leaf, each) for each in listed]
    problems = [problem for _, wrong in checked for problem in wrong]
    values = tuple(dict.fromkeys(value for value, _ in checked)) if not problems else ()
    return (None if problems else Condition(leaf.key, values)), problems


def _range(name: str, leaf: Leaf, node: Node) -> tuple[Condition | None, list[Problem]]:
    if not leaf.types & {int, float}:
        message = f"when of {name}: {leaf.key} is not a number and has no range; list its values"
        return None, [Problem(node.location, message)]
    if not node.value or not set(node.value) <= set(_BOUNDS):
        shown = format_value(plain_value(node))
        message = f"when of {name}: {leaf.key} is {shown}; give low, high or both, or list its values"
        return None, [Problem(node.location, message)]
    problems = []
    bounds: dict[str, Any] = {}
    for bound, child in node.value.items():
        bounds[bound], wrong = _checked(f"when of {name}: {bound} of {leaf.key}", leaf, child)
        problems += wrong
    if problems:
        return None, problems
    if len(bounds) == 2 and bounds["low"] > bounds["high"]:
        message = (
            f"when of {name}: low {bounds['low']} of {leaf.key} is above high {bounds['high']}; swap them"
        )
        return None, [Problem(node.location, message)]
    return Condition(leaf.key, None, bounds.get("low"), bounds.get("high")), []


def _checked(role: str, leaf: Leaf, node: Node) -> tuple[Any, list[Problem]]:
    value = plain_value(node)
    try:
        return leaf.check(value), []
    except ValidationError as error:
        texts = validation_messages(role, value, error, leaf)
        return None, [Problem(node.location, text) for text, _ in texts]
