"""Configurations to try first: they come from outside, so each value is checked and moved into the space."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from search.config.flat_keys import flatten
from search.config.layer_values import check_value
from search.config.layers import Clamp, Override
from search.config.reader import Node
from search.config.resolved_study import clamp_sampled
from search.config.safe_ranges import ALWAYS_FALSE, Policy
from search.config.schema import ALIASES, TRIAL_LEAVES
from search.config.space import Dimension, canonical
from search.errors import Problem


@dataclass(frozen=True)
class EnqueuedConfigurations:
    """The configurations that may run, with plain keys of the space; clamps name `study.enqueue[0].KEY`."""

    configurations: tuple[Mapping[str, Any], ...]
    requested: list[Mapping[str, Any]]
    """What was asked for, configuration by configuration."""
    origins: list[str]
    """Where each was asked for: `file:line`, or the option of the command line."""
    clamps: list[Clamp]
    problems: list[Problem]


def clamp_enqueued(
    node: Node,
    space: Mapping[str, Dimension],
    policy: Policy,
    fixed: Mapping[str, Override],
    declared: frozenset[str],
) -> EnqueuedConfigurations:
    """Clamp every configuration of `study.enqueue`.

    `fixed` holds the last act on each setting that is not searched, `declared` the keys that some layer
    wanted to search. A value of a setting that is not searched is a problem unless it is the one in force,
    or the setting was to be searched and has been fixed since: then the fixed value is used, and recorded.
    """
    done = EnqueuedConfigurations((), [], [], [], [])
    configurations = [
        _clamp_one(f"study.enqueue[{number}]", item, space, policy, fixed, declared, done)
        for number, item in enumerate(node.value)
    ]
    return replace(done, configurations=tuple(found for found in configurations if found))


def repeated_configurations(configurations: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence for each configuration that one before it is the same as, however its numbers are spelt."""
    alike = [frozenset((key, canonical(value)) for key, value in each.items()) for each in configurations]
    known: dict[frozenset[tuple[str, Any]], int] = {}
    firsts = [known.setdefault(each, number) for number, each in enumerate(alike)]
    return [
        f"study.enqueue[{number}] repeats study.enqueue[{first}]; it is queued once"
        for number, first in enumerate(firsts)
        if first != number
    ]


def _clamp_one(
    label: str,
    item: Node,
    space: Mapping[str, Dimension],
    policy: Policy,
    fixed: Mapping[str, Override],
    declared: frozenset[str],
    done: EnqueuedConfigurations,
) -> dict[str, Any]:
    params: dict[str, Any] = {}
    requested: dict[str, Any] = {}
    values = {key: act.effective for key, act in fixed.items()}
    found, unknown = flatten(item, (*TRIAL_LEAVES, *ALIASES))
    done.problems.extend(unknown)
    for spelt, node in found:
        key = ALIASES.get(spelt, spelt)
        value, wrong = check_value(key, node)
        done.problems.extend(wrong)
        if wrong:
            continue
        name = f"{label}.{key}"
        if key == ALWAYS_FALSE.key and value is True:
            done.clamps.append(replace(ALWAYS_FALSE, key=name))
            continue
        asked = value
        value, clamps = clamp_sampled(key, value, policy, values, space)
        done.clamps.extend(
            replace(clamp, key=name, reason=f"{clamp.reason} ({item.place})") for clamp in clamps
        )
        if key in space:
            if key in params:
                done.problems.append(
                    Problem(node.place, f"{spelt} is another name of {key}; give one of them")
                )
            params[key], requested[key] = value, asked
        elif key in declared and value != fixed[key].effective:
            reason = "the setting is fixed and not searched"
            done.clamps.append(Clamp(name, value, fixed[key].effective, reason, fixed[key].origin))
        elif key not in fixed or value != fixed[key].effective:
            message = f"{label} sets {spelt}, which is not searched; add space.{key}, or set {key} itself"
            done.problems.append(Problem(node.place, message))
    if params:
        done.requested.append(requested)
        done.origins.append(str(item.place))
    return params
