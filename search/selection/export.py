"""Exports an accepted trial as a readable file that `ballast train` reruns to the same bits."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from search.atomic_text import write_text_atomically
from search.config.kept_frames import frames_found
from search.config.layers import Layer
from search.errors import RequestError
from search.record.continuation import recorded_value
from search.record.evaluations import evaluation_to_json
from search.record.row_mapping import clamp_to_json
from search.selection.choice import ASKED_BY_NUMBER, ChoiceReason
from search.selection.commented_yaml import decisive_settings, dump_yaml, in_sections, settings_yaml
from search.selection.selection_evidence import with_measured_floor
from search.selection.summary import Summary, summarise
from search.text import json_safe_number
from storage import evaluations, query, tables
from storage.commands import ballast_command
from storage.engine import Store
from trainer.config import move_source

_FROM_FILES = (Layer.DEFAULT, Layer.BASE, Layer.STUDY)


def write_export(
    store: Store, trial: tables.Trial, target: Path, why: ChoiceReason = ASKED_BY_NUMBER
) -> None:
    """Write one accepted trial, and why it was chosen; the file is written whole or not at all.

    RequestError if the name does not end in `.yaml`, `.yml` or `.json`, or the file cannot be written.
    """
    content = _content(store, trial, target, why)
    if target.suffix == ".json":
        text = _json(content)
    elif target.suffix in (".yaml", ".yml") or (target.exists() and not target.is_file()):
        text = _yaml(content)  # a target that is not a file gets a clearer error below
    else:
        raise RequestError(
            f"cannot write {target}: an export ends in .yaml, .yml or .json; name it like "
            f"-o {target.with_suffix('.yaml')}"
        )
    write_text_atomically(text, target, "best.yaml")


@dataclass(frozen=True)
class _Content:
    """The content of the file, whether YAML or JSON."""

    about: Sequence[str]
    values: Mapping[str, Any]
    layers: Mapping[str, tables.SettingRow]
    """The layer that set each value."""
    provenance: Mapping[str, Any]


def _content(store: Store, trial: tables.Trial, target: Path, why: ChoiceReason) -> _Content:
    """The content of a file at `target`: relative paths in it start at the target's folder."""
    summary = with_measured_floor(store, summarise(store, trial.study))
    layers = query.setting_layers(store, trial.study, trial.number)
    values, started_with = decisive_settings(layers)
    values["data.source"] = _source_seen_from(values["data.source"], store, layers, summary.study, target)
    verifications = [
        evaluation
        for evaluation in evaluations.verifications_of_study(store, trial.study, with_series=False)
        if evaluation.trial == trial.number
    ]
    about = (
        f"Study {summary.study.name}, trial {trial.number}: validation loss {trial.value:.6f}",
        summary.sentence(),
        f"Chosen: {why.sentence}.",
        _verification_line(verifications, target, store),
        f"Run it again:  {ballast_command('train', target.name)}",
    )
    provenance = _provenance(store, summary, trial, why, layers)
    return _Content(
        about,
        values,
        started_with,
        {**provenance, "looks": [_evaluation_to_json(evaluation) for evaluation in verifications]},
    )


def _verification_line(verifications: Sequence[tables.Evaluation], target: Path, store: Store) -> str:
    """The answer of the last verification."""
    last = verifications[-1] if verifications else None
    if last is None or last.report is None:
        return f"Not verified on unseen rows:  {ballast_command('verify', target.name, store=store.url)}"
    return f"On {last.looked_at:%Y-%m-%d}: {last.verdict}: {last.report['reason']}."


def _evaluation_to_json(evaluation: tables.Evaluation) -> dict[str, Any]:
    report = evaluation.report or {}
    answer = {key: report.get(key) for key in ("reason", "value", "skill", "interval", "baseline")}
    return {**evaluation_to_json(evaluation), **answer}


def _yaml(content: _Content) -> str:
    lines = (*content.about, "Beside each setting: the layer that it comes from, and where that was written.")
    header = "\n".join(f"# {line}" for line in lines)
    provenance = dump_yaml({"provenance": content.provenance}, width=100)
    return f"{header}\n{settings_yaml(content.values, content.layers)}\n\n{provenance}"


def _json(content: _Content) -> str:
    """The same as JSON, which has no comments: the layers of the settings are in the provenance."""
    settings = {
        key: {"layer": row.layer, "origin": row.origin, "requested": row.requested, "reason": row.reason}
        for key, row in content.layers.items()
        if key in content.values
    }
    provenance = {"about": content.about, **content.provenance, "settings": settings}
    whole = {**in_sections(content.values), "provenance": provenance}
    return json.dumps(json_safe_number(whole), indent=2, allow_nan=False) + "\n"


def _source_seen_from(
    source: Any,
    store: Store,
    layers: Mapping[str, Sequence[tables.SettingRow]],
    study: tables.StudyRow,
    target: Path,
) -> Any:
    """The source as a file at `target` names it; a frame is named where it lies now."""

    folder = Path(study.study_file).parent

    def seen_from(path: str) -> str:
        if Path(path).is_absolute():
            return path
        return os.path.relpath(folder / path, target.parent.resolve())

    return move_source(
        frames_found(source, folder, store.url, recorded_value("storage.files", layers)), seen_from
    )


def _provenance(
    store: Store,
    summary: Summary,
    trial: tables.Trial,
    why: ChoiceReason,
    layers: Mapping[str, list[tables.SettingRow]],
) -> dict[str, Any]:
    study, facts = summary.study, summary.study.facts
    data = query.data_fingerprint(store, study.name)
    return {
        "study": study.name,
        "trial": trial.number,
        "chosen_by": why.by,
        "lower_bound": None if why.bound is None else asdict(why.bound),
        **_objectives(trial, why),
        "seed": trial.seed,
        "value": trial.value,
        "skill": trial.skill,
        "skill_shown": summary.skill_shown,
        "best_epoch": trial.best_epoch,
        "baseline": facts["baseline"],
        "noise_floor": summary.noise_floor,
        "measured_noise_floor": None if summary.measured is None else summary.measured.skill,
        "verified": None if summary.verified is None else summary.verified.to_json(),
        "strongest_rival": facts.get("strongest_rival"),
        "skill_ceiling": facts["skill_ceiling"],
        "data": {"source": data.source, "sha256": data.sha256, "rows": data.rows, "split": facts["rows"]},
        "policy": {"file": study.policy_file, "fingerprint": study.fingerprints["policy"]},
        "versions": study.versions,
        "machine": trial.machine,
        "finished_at": None if trial.finished_at is None else trial.finished_at.isoformat(),
        "clamps": [clamp_to_json(clamp) for clamp in query.clamps(store, study.name)],
        "interventions": [
            {"kind": f.kind, "epoch": f.epoch, "step": f.step, "action": f.action, "message": f.message}
            for f in query.findings(store, study.name, trial.number)
        ],
        "overrides": {key: notable for key, stack in layers.items() if (notable := _notable_layers(stack))},
    }


def _objectives(trial: tables.Trial, why: ChoiceReason) -> dict[str, Any]:
    """The trial's objectives, and the front that it was chosen from; nothing for a study of one objective."""
    values = {} if trial.objectives is None else {"objectives": trial.objectives}
    return values if why.front is None else {**values, "pareto": why.front.to_json()}


def _notable_layers(stack: list[tables.SettingRow]) -> list[dict[str, Any]]:
    """The layers that the study's files do not show: command line, sampler, clamps, guard, and any change."""
    return [
        {
            "layer": row.layer,
            "origin": row.origin,
            "requested": row.requested,
            "effective": row.effective,
            "reason": row.reason,
        }
        for position, row in enumerate(stack)
        if row.layer not in _FROM_FILES
        or row.requested != row.effective
        or any(below.layer == Layer.SAMPLED for below in stack[:position])  # it is idle in this trial
    ]
