"""Continues a study from its record: its settings, which of them may change, and the rows for a change."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from search.config.conditions import idle_value
from search.config.resolve import resolve_recorded
from search.config.resolved_study import DEFAULTS_VERSION, ResolvedStudy, defaults_version, means_the_same
from search.config.schema import LEAVES
from search.errors import RequestError
from search.record.row_mapping import without_password
from storage import query, tables
from storage.commands import ballast_command
from storage.engine import Store
from storage.errors import StudyUnknown
from trainer.config import is_path, is_pattern

MAY_CHANGE = (
    "study.trials",
    "study.timeout",
    "study.retries",
    "study.enqueue",
    "study.stop.",
    "study.duplicates",
    "study.pruner_min_trials",
    "storage.",
    "tracking.",
    "training.max_seconds",
)
"""Keys, and beginnings of keys, in which a continued study may differ from the one that was started.

None of them decides the value of an accepted trial. A study of an older version has no
`study.pruner_min_trials` on record: it continues with today's default, or with 1 as before.
`training.max_seconds` is a budget like `study.timeout`: a trial that it ends is unpromising, and the epochs
until then depend on the machine. `training.device` is not among them: a worker has its own with `--device`,
and the study keeps the one that it was started with.
"""

_CHANGED = "changed when the study was continued"

SettingLayers = Mapping[str, Sequence[tables.SettingRow]]


def changed_parts(
    resolved: ResolvedStudy, fingerprints: Mapping[str, str], layers: SettingLayers, content: str
) -> list[str]:
    """What decides a trial's value and differs from the record, as parts of a sentence; maybe empty.

    `fingerprints` and `layers` (the study's own layers of each key) are those on record, `content` is the
    SHA-256 of the table as it is now. The digests of settings, space and data are not compared, as older
    versions made them from fewer keys. A key that is not on record is unchanged if it has its default.
    """
    found = []
    for key in sorted(layers.keys() | resolved.settings.keys()):
        before, after = recorded_value(key, layers), _present(key, resolved)
        if not means_the_same(key, before, after) and not key.startswith(MAY_CHANGE):
            origin = resolved.settings[key].origin if key in resolved.settings else "left out"
            found.append(f"{key} was {before!r}, is {after!r} ({origin})")
    for key in (key for key, dimension in resolved.space.items() if dimension.when):
        idle, now = idle_value(layers.get(key, ())), idle_value(resolved.settings[key].overrides)
        if not means_the_same(key, idle, now):
            found.append(f"{key}, where it is not searched, was {idle!r}, is {now!r}")
    if fingerprints["content"] != content:
        found.append(f"the rows of {resolved.trial_config.data.shown_source}")
    if fingerprints["policy"] != resolved.fingerprints()["policy"]:
        found.append(f"the safe ranges ({resolved.policy.path})")
    return found


def continuation_rows(resolved: ResolvedStudy, layers: SettingLayers) -> list[tables.SettingRow]:
    """One row for each key that may change and did, above the layers on record."""
    rows = []
    for key, setting in resolved.settings.items():
        top = without_password(setting).overrides[-1]
        if not key.startswith(MAY_CHANGE) or top.effective == recorded_value(key, layers):
            continue
        override = replace(top, reason=f"{_CHANGED}; {top.reason}" if top.reason else _CHANGED)
        rows.append(
            tables.SettingRow(
                study=resolved.file.study.name,
                key=key,
                position=len(layers.get(key, ())),
                layer=str(override.layer),
                origin=override.origin,
                requested=override.requested,
                effective=override.effective,
                reason=override.reason,
            )
        )
    return rows


def recorded_value(key: str, layers: SettingLayers) -> Any:
    """The value of a setting on record; its default if the record of an older version lacks it."""
    if key in layers:
        return layers[key][-1].effective
    return LEAVES[key].default if key in LEAVES else None


def _present(key: str, resolved: ResolvedStudy) -> Any:
    return resolved.settings[key].value if key in resolved.settings else None


def require_data(resolved: ResolvedStudy) -> None:
    """Raise RequestError if the file of the data is not on this machine, naming `--folder`."""
    for source in resolved.trial_config.data.sources:
        path = resolved.folder / source
        is_file = is_path(source) and not is_pattern(source)
        if is_file and not path.is_file():
            name = resolved.file.study.name
            advice = (
                "copy the file there"
                if Path(source).is_absolute()
                else f"name the folder that {source} starts in: "
                + ballast_command("worker", name, folder="FOLDER")
            )
            raise RequestError(
                f"the data of study {name!r} is not on this machine: there is no file {path}; {advice}"
            )


def recorded_defaults_version(store: Store, name: str) -> int:
    """The `DEFAULTS_VERSION` that a study was started with; today's if it is not in the store."""
    try:
        return defaults_version(query.study(store, name).sources)
    except StudyUnknown:
        return DEFAULTS_VERSION


def resolve_from_store(store: Store, name: str, folder: Path | None = None) -> ResolvedStudy:
    """The study's settings from its record, without any file; relative paths of data start in `folder`, and
    a kept frame is found beside the store.

    Raises RequestError for a study whose record has no sources.
    """
    sources = query.study(store, name).sources
    if sources is None:
        raise RequestError(
            f"study {name!r} in {store.shown_url} was started by a Ballast that did not keep its file; "
            "go on with it once from the file, and workers can join: "
            f"{ballast_command('run', 'STUDY.yaml', name=name)}"
        )
    return resolve_recorded(sources, folder=folder).with_frames_found(store.url)
