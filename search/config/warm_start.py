"""What a file of `--warm-start` has to offer a study: one configuration to try before the sampler chooses."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.config.layer_values import LayerValue, layer_values_of_file
from search.config.layers import Layer, Override
from search.config.leaves import format_value
from search.config.reader import ConfigSource, Node, parse_mapping
from search.config.schema import TRIAL_LEAVES
from search.errors import Location, Problem

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
