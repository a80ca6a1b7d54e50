"""Configurations to try first: they come from outside, so each value is checked and moved into the space."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from search.config.files.reader import ConfigSource, Node, parse_mapping
from search.config.flat_keys import flatten
from search.config.layer_values import LayerValue, check_value, layer_values_of_file
from search.config.layers import Clamp, Layer, Override
from search.config.leaves import format_value
from search.config.resolved_study import clamp_sampled
from search.config.safe_ranges import ALWAYS_FALSE, Policy
from search.config.schema import ALIASES, TRIAL_LEAVES
from search.config.space import Dimension, canonical
from search.errors import Location, Problem


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


_ONE_CONFIGURATION = "--warm-start takes one configuration, such as ballast export writes"
_MOST_TOLD = 5


@dataclass(frozen=True)
class WarmStartFile:
    """The settings of a trial that a file holds, checked one by one, each at its place."""

    file: Location
    settings: Mapping[str, Node]

    @property
    def origin(self) -> str:
        """What stands in the record for who asks: `--warm-start best.yaml`."""
        return f"--warm-start {self.file.source}"


def read_warm_start(source: ConfigSource) -> tuple[WarmStartFile, list[Problem]]:
    """Read a configuration that was exported or written by hand; its provenance is not looked at.

    Raises ConfigError for a text that cannot be read at all.
    """
    entries, problems = parse_mapping(source)
    entries.pop("provenance", None)
    reading = layer_values_of_file(Layer.CLI, entries, source.shown)
    problems += reading.problems
    searched = [claim for claim in reading.claims if claim.dimension is not None]
    for claim in searched[:1]:
        problems.append(Problem(claim.node.place, f"{claim.key} is to be searched; {_ONE_CONFIGURATION}"))
    settings = {
        claim.key: Node(claim.act.effective, claim.node.place)
        for claim in reading.claims
        if claim.key in TRIAL_LEAVES
    }
    return WarmStartFile(Location(source.shown), settings), problems


def enqueue_warm_start(
    offer: WarmStartFile, searched: Mapping[str, Any], before: LayerValue | None
) -> LayerValue | Problem:
    """The claim on `study.enqueue` that has the offer's values of what is searched after those of `before`.

    A problem if there is none: an option that asks for nothing would be given in vain.
    """
    wanted = {key: node for key, node in offer.settings.items() if key in searched}
    if not wanted:
        keys = ", ".join(searched) or "nothing"
        message = f"it sets no key that this study searches ({keys}); {_ONE_CONFIGURATION}"
        return Problem(offer.file, message)
    asked = {key: node.value for key, node in wanted.items()}
    place = Location(offer.origin)
    queued, effective = ([], []) if before is None else (before.node.value, before.act.effective)
    reason = "the values of what is searched here, to be tried first"
    act = Override(Layer.CLI, offer.origin, asked, [*effective, asked], reason)
    return LayerValue("study.enqueue", act, Node([*queued, Node(wanted, place)], place))


def differing_settings_note(offer: WarmStartFile, fixed: Mapping[str, Any]) -> str | None:
    """One sentence on what the offer has otherwise than the study fixes it; None if there is nothing.

    `fixed` holds the settings that are not searched and decide a trial's value.
    """
    differing = [
        f"{key} {format_value(node.value)} (here {format_value(fixed[key])})"
        for key, node in offer.settings.items()
        if key in fixed and not _same(key, node.value, fixed[key])
    ]
    if not differing:
        return None
    more = len(differing) - _MOST_TOLD
    told = ", ".join(differing[:_MOST_TOLD]) + (f" and {more} more" if more > 0 else "")
    return f"{offer.origin} was found with {told}: what is not searched stays as this study has it"


def _same(key: str, one: Any, other: Any) -> bool:
    if key == "data.source":  # a path is relative to the file that it stands in
        return Path(one).name == Path(other).name
    return bool(one == other)
