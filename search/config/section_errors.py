"""What is wrong between settings: pydantic's findings in whole sections, told at the line to mend."""

from collections.abc import Mapping, Sequence

from pydantic import ValidationError

from search.config.layer_values import LayerValue
from search.config.leaves import format_value, sections_of
from search.config.schema import LEAVES
from search.errors import Location, Problem


def section_problems(
    error: ValidationError, winners: Mapping[str, LayerValue], broken: set[str], study: Location
) -> list[Problem]:
    """Tell what pydantic found in whole sections, at the line of the key or of the section's first key."""
    problems = []
    for detail in error.errors(include_url=False, include_context=False):
        key = _key_of(detail["loc"])
        if any(_related(key, other) for other in broken):
            continue  # The broken leaf has been told already.
        place = _place_of(key, winners, study)
        message = detail["msg"].removeprefix("Value error, ")
        if detail["type"] == "missing":
            told = f"{key} is missing; add it"
        elif key in LEAVES:
            told = f"{key} is {format_value(detail['input'])}: {message}"
        else:
            told = f"{key}: {message}"
        problems.append(Problem(place, told))
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


def _place_of(key: str, winners: Mapping[str, LayerValue], study: Location) -> Location:
    """Return the line of the key, or of the section's first key in the highest layer that sets one."""
    claims = [claim for name, claim in winners.items() if _within(name, key)]
    highest = max((claim.layer.rank for claim in claims), default=0)
    return min((claim.node.place for claim in claims if claim.layer.rank == highest), default=study)
