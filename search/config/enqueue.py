"""Configurations to try first, from `study.enqueue` and `--warm-start`; each value is checked and clamped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from search.config.conditions import active_params, why_idle
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
from trainer.config import move_source

_ONE_CONFIGURATION = "--warm-start takes one configuration, such as ballast export writes"
_MAX_SHOWN_SETTINGS = 5


@dataclass(frozen=True)
class EnqueuedConfigurations:
    """The configurations that may run, by keys of the space; clamps are named `study.enqueue[0].KEY`."""

    configurations: tuple[Mapping[str, Any], ...]
    requested: list[Mapping[str, Any]]
    """Each configuration as it was asked for."""
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

    `fixed` holds the last override of each setting that is not searched, `declared` the keys for which some
    layer declared a dimension. A value for a setting that is not searched is a problem, with two exceptions:
    it equals the value in force; or a layer declared the dimension and a later one fixed the setting. Then
    the fixed value is used and a clamp is recorded.
    """
    done = EnqueuedConfigurations((), [], [], [], [])
    configurations = [
        _clamp_one(f"study.enqueue[{number}]", item, space, policy, fixed, declared, done)
        for number, item in enumerate(node.value)
    ]
    return replace(done, configurations=tuple(found for found in configurations if found))


def repeated_configurations(configurations: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence for each configuration that repeats an earlier one, in any spelling of its numbers."""
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
    """Clamp one configuration of the queue; its clamps, problems and origin are added to `done`."""
    params: dict[str, Any] = {}
    requested: dict[str, Any] = {}
    values = {key: override.effective for key, override in fixed.items()}
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
        clamped, clamps = clamp_sampled(key, value, policy, values, space)
        done.clamps.extend(
            replace(clamp, key=name, reason=f"{clamp.reason} ({item.location})") for clamp in clamps
        )
        if key in space:
            if key in params:
                message = f"{spelt} is another name of {key}; give one of them"
                done.problems.append(Problem(node.location, message))
            params[key], requested[key] = clamped, value
        elif key in declared:
            done.clamps.extend(_clamp_to_fixed(name, clamped, fixed[key]))
        elif key not in fixed or clamped != fixed[key].effective:
            message = f"{label} sets {spelt}, which is not searched; add space.{key}, or set {key} itself"
            done.problems.append(Problem(node.location, message))
    for key in [key for key in params if why_idle(space, params, key)]:
        reason = f"idle, as {why_idle(space, params, key)}; left out ({item.location})"
        done.clamps.append(Clamp(f"{label}.{key}", requested.pop(key), None, reason, f"space.{key}"))
    params = active_params(space, params)
    if params:
        done.requested.append(requested)
        done.origins.append(str(item.location))
    return params


def _clamp_to_fixed(name: str, value: Any, fixed: Override) -> list[Clamp]:
    """The clamp of a value whose setting a later layer fixed at another one; nothing if they are equal."""
    if value == fixed.effective:
        return []
    reason = "the setting is fixed and not searched"
    return [Clamp(name, value, fixed.effective, reason, fixed.origin)]


@dataclass(frozen=True)
class WarmStartFile:
    """The trial settings of one `--warm-start` file, each checked and with its location."""

    file: Location
    settings: Mapping[str, Node]

    @property
    def origin(self) -> str:
        """The origin on record: `--warm-start best.yaml`."""
        return f"--warm-start {self.file.source}"


def read_warm_start(source: ConfigSource) -> tuple[WarmStartFile, list[Problem]]:
    """Read a configuration that was exported or written by hand; its provenance is ignored.

    Raises ConfigError for a text that cannot be read at all.
    """
    entries, problems = parse_mapping(source)
    entries.pop("provenance", None)
    reading = layer_values_of_file(Layer.CLI, entries, source.shown)
    problems += reading.problems
    searched = [layer_value for layer_value in reading.layer_values if layer_value.dimension is not None]
    for layer_value in searched[:1]:
        problems.append(
            Problem(layer_value.node.location, f"{layer_value.key} is to be searched; {_ONE_CONFIGURATION}")
        )
    settings = {
        layer_value.key: Node(layer_value.override.effective, layer_value.node.location)
        for layer_value in reading.layer_values
        if layer_value.key in TRIAL_LEAVES
    }
    return WarmStartFile(Location(source.shown), settings), problems


def enqueue_warm_start(
    warm_start: WarmStartFile, searched: Mapping[str, Any], before: LayerValue | None
) -> LayerValue | Problem:
    """Append the file's values of searched settings to `study.enqueue`, whose value so far is `before`.

    Returns a problem if the file sets no searched setting: the option would have no effect.
    """
    wanted = {key: node for key, node in warm_start.settings.items() if key in searched}
    if not wanted:
        keys = ", ".join(searched) or "nothing"
        message = f"it sets no key that this study searches ({keys}); {_ONE_CONFIGURATION}"
        return Problem(warm_start.file, message)
    requested_value = {key: node.value for key, node in wanted.items()}
    location = Location(warm_start.origin)
    queued, effective = ([], []) if before is None else (before.node.value, before.override.effective)
    reason = "the values of what is searched here, to be tried first"
    override = Override(Layer.CLI, warm_start.origin, requested_value, [*effective, requested_value], reason)
    return LayerValue("study.enqueue", override, Node([*queued, Node(wanted, location)], location))


def differing_settings_note(warm_start: WarmStartFile, fixed: Mapping[str, Any]) -> str | None:
    """One sentence on the settings that the file and the study fix differently; None if there are none.

    `fixed` holds the settings that are not searched and decide a trial's value.
    """
    differing = [
        f"{key} {format_value(node.value)} (here {format_value(fixed[key])})"
        for key, node in warm_start.settings.items()
        if key in fixed and not _same(key, node.value, fixed[key])
    ]
    if not differing:
        return None
    more = len(differing) - _MAX_SHOWN_SETTINGS
    text = ", ".join(differing[:_MAX_SHOWN_SETTINGS]) + (f" and {more} more" if more > 0 else "")
    return f"{warm_start.origin} was found with {text}: what is not searched stays as this study has it"


def _file_name(path: str) -> str:
    return Path(path).name


def _same(key: str, one: Any, other: Any) -> bool:
    if key == "data.source":  # a path is relative to the file that it stands in
        return bool(move_source(one, _file_name) == move_source(other, _file_name))
    return bool(one == other)
