"""A study that goes on: what may differ from its record, and what is put on record of that. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from search.config.resolved_study import ResolvedStudy, means_the_same
from search.config.schema import LEAVES
from search.errors import RequestError
from search.record import row_mapping as recording
from storage import tables
from storage.commands import ballast_command

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

None decides the value of an accepted trial. A study of an older Ballast has no `study.pruner_min_trials` on
record: it goes on with today's default, or with 1 as before. `training.max_seconds` is a budget as
`study.timeout` is: a trial that it ends is unpromising, and how far one comes in a time is the machine's
doing. `training.device` is not among them: a worker has its own with `--device`, and the study keeps the one
that it was started with.
"""

_CHANGED = "changed when the study was continued"

SettingLayers = Mapping[str, Sequence[tables.SettingRow]]


def changed_parts(
    resolved: ResolvedStudy, fingerprints: Mapping[str, str], stacks: SettingLayers, content: str
) -> list[str]:
    """What decides a trial's value and is not as on record, as parts of a sentence; empty if nothing is.

    `fingerprints` and `stacks` (the study's own layers of each key) are those on record, `content` is the
    SHA-256 of the table as it is now. The digests of settings, space and data are not compared: an older
    Ballast made them of fewer keys. A key that the record does not know is unchanged at its default.
    """
    found = []
    for key in sorted(stacks.keys() | resolved.settings.keys()):
        before, after = recorded_value(key, stacks), _present(key, resolved)
        if not means_the_same(key, before, after) and not key.startswith(MAY_CHANGE):
            origin = resolved.settings[key].origin if key in resolved.settings else "left out"
            found.append(f"{key} was {before!r}, is {after!r} ({origin})")
    if fingerprints["content"] != content:
        found.append(f"the rows of {resolved.trial_config.data.source}")
    if fingerprints["policy"] != resolved.fingerprints()["policy"]:
        found.append(f"the safe ranges ({resolved.policy.path})")
    return found


def continuation_rows(resolved: ResolvedStudy, stacks: SettingLayers) -> list[tables.SettingRow]:
    """One row for each key that may change and did, on top of the stack that is on record."""
    rows = []
    for key, setting in resolved.settings.items():
        top = recording.without_password(setting).overrides[-1]
        if not key.startswith(MAY_CHANGE) or top.effective == recorded_value(key, stacks):
            continue
        act = replace(top, reason=f"{_CHANGED}; {top.reason}" if top.reason else _CHANGED)
        rows.append(
            tables.SettingRow(
                study=resolved.file.study.name,
                key=key,
                position=len(stacks.get(key, ())),
                layer=str(act.layer),
                origin=act.origin,
                requested=act.requested,
                effective=act.effective,
                reason=act.reason,
            )
        )
    return rows


def recorded_value(key: str, stacks: SettingLayers) -> Any:
    """The value of a setting on record; its default where an older Ballast did not know it."""
    if key in stacks:
        return stacks[key][-1].effective
    return LEAVES[key].default if key in LEAVES else None


def _present(key: str, resolved: ResolvedStudy) -> Any:
    return resolved.settings[key].value if key in resolved.settings else None


def require_data(resolved: ResolvedStudy) -> None:
    """Raise RequestError if the file of the data is not on this machine, naming `--folder`."""
    source = resolved.trial_config.data.source
    path = resolved.folder / source
    if not source.startswith("sample:") and not path.is_file():
        name = resolved.file.study.name
        raise RequestError(
            f"the data of study {name!r} is not on this machine: there is no file {path}; "
            f"name the folder that {source} starts in: {ballast_command('worker', name, folder='FOLDER')}"
        )
