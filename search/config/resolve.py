"""From layers of YAML to one resolved study: read, merge, clamp, validate, and account for every value."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from search.config.claims import Reading, claims_of_file, claims_of_sets
from search.config.draft import Draft
from search.config.layers import Layer
from search.config.leaves import show
from search.config.reader import Node, plain, read_mapping
from search.config.resolved import ResolvedStudy
from search.errors import ConfigError, Place, Problem
from search.safety import Policy, read_policy

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
"""The bundled files, beside the packages in a checkout and in an installation."""

_WATCHED = frozenset({Layer.STUDY, Layer.CLI})


def resolve(
    path: Path, sets: Sequence[str] = (), *, policy: Path | None = None, base: Path | None = None
) -> ResolvedStudy:
    """Resolve a study file with the `--set KEY=VALUE` of a command line.

    `base` and `policy` stand for the bundled `base.yaml` and `safe_ranges.yaml` where they are None.
    Raises ConfigError with every problem of every file and `--set`.
    """
    problems: list[Problem] = []
    safe = _read_policy(policy, problems)
    shown = str(path)
    base_reading = _read_base(base)
    entries, study_problems = _read_study(path, shown)
    provenance, wrong = _provenance(entries.pop("provenance", None) if entries is not None else None)
    reading = base_reading + Reading([], study_problems + wrong, set())
    if entries is not None:
        reading += claims_of_file(Layer.STUDY, entries, shown)
    reading += claims_of_sets(sets)
    problems += reading.problems
    if entries is None or safe is None:
        raise ConfigError(problems)
    draft = Draft(reading.claims, safe, problems)
    draft.settle(reading.broken, Place(shown), frozenset({Layer.CLI}) if provenance else _WATCHED)
    return draft.study(path, provenance)


def _read_policy(policy: Path | None, problems: list[Problem]) -> Policy | None:
    try:
        if policy is None:
            return read_policy(CONFIGS / "safe_ranges.yaml", "configs/safe_ranges.yaml")
        return read_policy(policy)
    except ConfigError as error:
        problems += error.problems
        return None


def _read_base(base: Path | None) -> Reading:
    path, shown = (CONFIGS / "base.yaml", "configs/base.yaml") if base is None else (base, str(base))
    entries, problems = _read_study(path, shown)
    reading = claims_of_file(Layer.BASE, entries or {}, shown)
    return replace(reading, problems=problems + reading.problems)


def _read_study(path: Path, shown: str) -> tuple[dict[str, Node] | None, list[Problem]]:
    try:
        return read_mapping(path, shown)
    except ConfigError as error:
        return None, error.problems


def _provenance(node: Node | None) -> tuple[dict[str, Any], list[Problem]]:
    value = {} if node is None or node.value is None else plain(node)
    if isinstance(value, dict):
        return value, []
    assert node is not None
    return {}, [Problem(node.place, f"provenance is {show(value)}; it is a section that export writes")]
