"""Resolves a study file: reads its layers, merges, clamps and validates them, and keeps their provenance."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from search.config.enqueue import WarmStartFile, read_warm_start
from search.config.files.passwords import masked_set, masked_yaml
from search.config.files.reader import ConfigSource, Node, parse_mapping, plain_value, read_source
from search.config.files.shipped import CONFIGS, study_file
from search.config.layer_values import LayerReading, layer_values_of_file, layer_values_of_sets
from search.config.layers import Layer
from search.config.leaves import format_value
from search.config.one_hot import TextReader, read_texts
from search.config.resolved_study import DEFAULTS_VERSION, ResolvedStudy, defaults_version
from search.config.resolver import Resolver
from search.config.safe_ranges import policy_from, policy_sources
from search.config.wildcards import ColumnReader, read_columns
from search.errors import ConfigError, Location, Problem

_WATCHED = frozenset({Layer.STUDY, Layer.CLI})
_Read = TypeVar("_Read")
_From = ParamSpec("_From")


@dataclass(frozen=True)
class TableReader:
    """What expanding features needs to know of the table."""

    columns: ColumnReader
    texts: TextReader


@dataclass(frozen=True)
class _Texts:
    """The texts that a study is resolved from; None for one that could not be read."""

    study: ConfigSource | None
    base: ConfigSource | None
    policy: tuple[ConfigSource, ...] | None
    sets: tuple[str, ...]
    warm_starts: tuple[ConfigSource, ...]


def resolve(
    study: Path | ConfigSource,
    sets: Sequence[str] = (),
    *,
    policy: Path | None = None,
    base: Path | None = None,
    warm_starts: Sequence[Path] = (),
    defaults: int = DEFAULTS_VERSION,
    wildcards: bool = True,
) -> ResolvedStudy:
    """Resolve a study file, or `sample:NAME`, with the `--set KEY=VALUE` of a command line.

    `study` may also be the text itself: its relative paths start in the current folder.
    Without `base` and `policy` the bundled `base.yaml` and `safe_ranges.yaml` are used. `warm_starts` are
    files with one configuration each, which are tried first. `defaults` is the `DEFAULTS_VERSION` on record
    of a study that is continued. `wildcards`: whether those in `data.features` are expanded, for which the
    header of the table is read.
    Raises ConfigError with every problem of every file and `--set`.
    """
    problems: list[Problem] = []
    texts = _Texts(
        study=_or_problems(problems, _study_source, study),
        base=_or_problems(problems, read_source, *_file(base, "base.yaml")),
        policy=_or_problems(problems, policy_sources, *_file(policy, "safe_ranges.yaml")),
        sets=tuple(sets),
        warm_starts=tuple(
            source for file in warm_starts if (source := _or_problems(problems, read_source, file, str(file)))
        ),
    )
    folder = study.parent if isinstance(study, Path) else Path()
    reader = TableReader(partial(read_columns, folder=folder), partial(read_texts, folder=folder))
    return _resolved(texts, folder, problems, defaults, reader if wildcards else None).with_frames_found()


def resolve_recorded(sources: Mapping[str, Any], *, folder: Path | None = None) -> ResolvedStudy:
    """Resolve `ResolvedStudy.sources` again, on any machine: no file is read.

    The study is as it was, but passwords of URLs are missing: the sources do not have them. Its relative
    paths start in `folder`; None: where they started before. Raises ConfigError if this version of Ballast
    refuses the texts.
    """
    texts = _Texts(
        study=ConfigSource(**sources["study"]),
        base=ConfigSource(**sources["base"]),
        policy=tuple(ConfigSource(**source) for source in sources["policy"]),
        sets=tuple(sources["sets"]),
        warm_starts=tuple(ConfigSource(**source) for source in sources.get("warm_starts", ())),
    )
    folder = Path(sources["folder"]) if folder is None else folder
    columns, read = sources.get("columns", ()), sources.get("texts", {})
    reader = TableReader(lambda _: columns, lambda _, column: read[column or ""])
    is_expanded = "columns" in sources or "texts" in sources
    resolved = _resolved(texts, folder, [], defaults_version(sources), reader if is_expanded else None)
    if (stored := sources["stored_at"]) is not None:
        resolved = resolved.stored_at(stored["url"], stored["origin"])
    if (tracked := sources.get("tracked_at")) is not None:  # older records do not have it
        resolved = resolved.tracked_at(tracked["url"], tracked["origin"])
    return resolved


def _resolved(
    texts: _Texts, folder: Path, problems: list[Problem], defaults: int, table: TableReader | None
) -> ResolvedStudy:
    """Resolve texts; `problems` are those found while reading them. `table` gives what wildcards and one_hot
    in `data.features` stand for; None: there are none.
    """
    safe = None if texts.policy is None else _or_problems(problems, policy_from, texts.policy)
    entries = _entries(texts.study, problems)
    provenance = _provenance(entries.pop("provenance", None) if entries else None, problems)
    reading = _layer_values(Layer.BASE, texts.base, _entries(texts.base, problems))
    reading += _layer_values(Layer.STUDY, texts.study, entries)
    reading += layer_values_of_sets(texts.sets)
    problems += reading.problems
    if texts.study is None or texts.base is None or texts.policy is None or entries is None or safe is None:
        raise ConfigError(problems)
    safe = replace(safe, clip_grows=defaults > 1)
    resolver = Resolver(
        reading.layer_values, safe, problems, _warm_starts(texts.warm_starts, problems), defaults
    )
    expanded = {} if table is None else resolver.expand_features(table.columns, table.texts)
    watched = frozenset({Layer.CLI}) if provenance else _WATCHED
    resolver.resolve(reading.broken, Location(texts.study.shown), watched)
    sources = {
        "folder": str(folder.resolve()),
        "study": _masked(texts.study),
        "base": _masked(texts.base),
        "policy": [_masked(source) for source in texts.policy],
        "sets": [masked_set(text) for text in texts.sets],
        "warm_starts": [_masked(source) for source in texts.warm_starts],
        "stored_at": None,
        "tracked_at": None,
        "defaults": defaults,
    } | expanded
    return resolver.study(Path(texts.study.shown), folder, provenance, sources)


def _study_source(study: Path | ConfigSource) -> ConfigSource:
    return read_source(study_file(study), str(study)) if isinstance(study, Path) else study


def _file(given: Path | None, bundled: str) -> tuple[Path, str]:
    """Return a path and its form in messages."""
    return (CONFIGS / bundled, f"configs/{bundled}") if given is None else (given, str(given))


def _masked(source: ConfigSource) -> dict[str, str]:
    return {"shown": source.shown, "text": masked_yaml(source.text)}


def _or_problems(
    problems: list[Problem], read: Callable[_From, _Read], *arguments: _From.args, **named: _From.kwargs
) -> _Read | None:
    """Return what `read` returns; if it raises ConfigError, add its problems and return None."""
    try:
        return read(*arguments, **named)
    except ConfigError as error:
        problems += error.problems
        return None


def _entries(source: ConfigSource | None, problems: list[Problem]) -> dict[str, Node] | None:
    found = None if source is None else _or_problems(problems, parse_mapping, source)
    if found is None:
        return None
    entries, wrong = found
    problems += wrong
    return entries


def _layer_values(layer: Layer, source: ConfigSource | None, entries: dict[str, Node] | None) -> LayerReading:
    if source is None or entries is None:
        return LayerReading([], [], set())
    return layer_values_of_file(layer, entries, source.shown)


def _warm_starts(sources: Sequence[ConfigSource], problems: list[Problem]) -> list[WarmStartFile]:
    read = [found for source in sources if (found := _or_problems(problems, read_warm_start, source))]
    problems += [problem for _, wrong in read for problem in wrong]
    return [warm_start for warm_start, _ in read]


def _provenance(node: Node | None, problems: list[Problem]) -> dict[str, Any]:
    value = {} if node is None or node.value is None else plain_value(node)
    if isinstance(value, dict):
        return value
    assert node is not None
    message = f"provenance is {format_value(value)}; it is a section that export writes"
    problems.append(Problem(node.location, message))
    return {}
