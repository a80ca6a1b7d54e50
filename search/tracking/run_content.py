"""What MLflow is told of a study and of a trial, made of the record alone. Pure, and without MLflow.

Everything is the same whenever it is made, so that what is sent twice is there once.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, NamedTuple

from search.config.layers import Layer, Setting
from search.config.schema import TRIAL_LEAVES
from search.selection.commented_yaml import starting_layer
from search.selection.summary import Summary
from search.text import short_value
from search.watching.publishing.trial_files import trial_yaml
from search.watching.view import TrialView
from storage import tables
from storage.verdicts import Verdict
from trainer.training.result import EpochReport

STUDY_TAG = "ballast.study"
CREATED_AT_TAG = "ballast.created_at"
TRIAL_TAG = "ballast.trial"
PARENT_RUN_TAG = "mlflow.parentRunId"

_MAX_PARAM = 6000
_MAX_TAG = 5000
"""Characters. MLflow 3.17 takes 6000 and 8000; databases of older servers hold 5000 of a tag."""

_SIGNALS = tuple(field.name for field in fields(EpochReport) if field.name not in ("epoch", "fold_losses"))
_FILE_LAYERS = (Layer.DEFAULT, Layer.BASE, Layer.STUDY)

_STATUS: Mapping[Verdict, str] = {
    Verdict.ACCEPTED: "FINISHED",
    Verdict.UNPROMISING: "KILLED",
    Verdict.INTERRUPTED: "KILLED",
    Verdict.UNSTABLE: "FAILED",
    Verdict.SUSPICIOUS: "FAILED",
    Verdict.FAILED: "FAILED",
}


class MetricPoint(NamedTuple):
    """One value of a metric; `timestamp` in milliseconds since 1970."""

    key: str
    value: float
    timestamp: int
    step: int


class RunContent(NamedTuple):
    """What a run is told at once: a param is written once, a tag as often as one likes."""

    params: Mapping[str, str]
    tags: Mapping[str, str]
    points: Sequence[MetricPoint]


def milliseconds(moment: datetime) -> int:
    """As MLflow keeps time."""
    return round(moment.timestamp() * 1000)


def run_status(verdict: Verdict) -> str:
    """MLflow's status for a verdict; the verdict itself is a tag."""
    return _STATUS[verdict]


def study_identity_tags(study: tables.Study) -> dict[str, str]:
    """What tells a study from one of the same name in another store."""
    return {STUDY_TAG: study.name, CREATED_AT_TAG: study.created_at.isoformat()}


def trial_start_tags(view: TrialView, parent: str) -> dict[str, str]:
    """The tags that a trial has from its first moment; `parent` is the id of the study's run."""
    trial = view.trial
    tags = {
        **study_identity_tags(view.study),
        TRIAL_TAG: str(trial.number),
        PARENT_RUN_TAG: parent,
        "ballast.verdict": "running",
        "ballast.seed": str(trial.seed),
        "ballast.worker": trial.worker,
        **logged_tables_tag("overrides.json"),
    }
    if trial.retry_of is not None:
        tags["ballast.retry_of"] = str(trial.retry_of)
    if trial.source_trial is not None:
        tags["ballast.copy_of"] = f"{trial.source_study}, trial {trial.source_trial}"
    return _tags(tags)


def trial_params(view: TrialView) -> dict[str, str]:
    """Every setting of the trial that has a value, as it was started with it."""
    return {
        setting.key: _param(value)
        for setting in view.settings
        if setting.key in TRIAL_LEAVES and (value := starting_layer(setting.overrides).effective) is not None
    }


def epoch_metrics(trial: tables.Trial, epochs: Iterable[tables.Epoch]) -> list[MetricPoint]:
    """The signals of epochs from the first on; what is not finite is left out, as SQL has no word for it.

    The time of an epoch is what the trainer counted, which does not change when a trial is taken up again.
    """
    points, at = [], milliseconds(trial.started_at)
    for epoch in epochs:
        at += round(epoch.seconds * 1000) if math.isfinite(epoch.seconds) else 0
        points += [
            MetricPoint(name, float(value), at, epoch.epoch)
            for name in _SIGNALS
            if math.isfinite(value := getattr(epoch, name))
        ]
    return points


def trial_end_content(view: TrialView, finished_at: datetime) -> tuple[dict[str, str], list[MetricPoint]]:
    """The tags and metrics of a trial's end: verdict, reasons, overrides that changed a value.

    A result is among them only where it is to be believed: MLflow's tables are sorted by it.
    """
    trial = view.trial
    changes = {
        f"ballast.override.{row[0]}": f"{short_value(row[3])} → {short_value(row[4])}: {row[5]} "
        f"({row[1]}, {row[2]})"
        for row in override_rows(view.settings)
        if row[3] != row[4]
    }
    tags = {
        "ballast.verdict": str(trial.verdict),
        "ballast.reasons": ", ".join(trial.reasons) or "none",
        "ballast.message": trial.message or "",
    }
    believed = trial.verdict is Verdict.ACCEPTED
    numbers = {
        "best_loss": trial.value if believed else None,
        "best_skill": trial.skill if believed else None,
        "best_epoch": trial.best_epoch if believed else None,
        "duration_s": trial.duration_s,
    }
    return _tags(tags | changes), _points(numbers, milliseconds(finished_at), trial.epochs)


def trial_files(view: TrialView) -> dict[str, str]:
    """The files of a trial that has ended, by name."""
    return {
        "settings.yaml": trial_yaml(view),
        "overrides.json": table_json(OVERRIDE_COLUMNS, override_rows(view.settings)),
    }


OVERRIDE_COLUMNS = ("setting", "layer", "origin", "asked for", "used", "why")


def override_rows(settings: Iterable[Setting]) -> list[list[Any]]:
    """A row for each act of the command line, the sampler, a clamp or the guard, and for any that changed a
    value; columns are OVERRIDES.
    """
    return [
        [setting.key, str(act.layer), act.origin, act.requested, act.effective, act.reason]
        for setting in settings
        for act in setting.overrides
        if act.layer not in _FILE_LAYERS or act.requested != act.effective
    ]


def table_json(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table as `MlflowClient.log_table` writes it. That one adds its rows to those of an earlier time."""
    return json.dumps({"columns": columns, "data": [[short_value(value) for value in row] for row in rows]})


def logged_tables_tag(*files: str) -> dict[str, str]:
    """The tag that has MLflow's pages show these files as tables."""
    return {"mlflow.loggedArtifacts": json.dumps([{"path": file, "type": "table"} for file in files])}


def study_content(summary: Summary, data: tables.DataFingerprint, ended_at: datetime | None) -> RunContent:
    """What is known of a study; `ended_at` is when the last of its trials ended, None while none has."""
    study, facts, best = summary.study, summary.study.facts, summary.best
    ended = summary.trials - summary.verdicts.get("running", 0)
    params = {
        "baseline": facts["baseline"]["name"],
        "baseline_loss": facts["baseline"]["loss"],
        "skill_ceiling": facts["skill_ceiling"],
        "target_kind": facts["kind"],
        "horizon": facts["horizon"],
        "seed": study.seed,
        "policy": study.policy_file,
        "data": data.source,
        "data_sha256": data.sha256,
        **{f"rows.{split}": rows for split, rows in facts["rows"].items()},
    }
    tags = {
        "ballast.best_trial": "none" if best is None else str(best.number),
        "ballast.skill_shown": str(summary.skill_shown).lower(),
        "ballast.verified": "not yet" if summary.verified is None else summary.verified.verdict,
        "ballast.strongest_rival": "none" if summary.rival is None else summary.rival.name,
        "mlflow.note.content": summary.sentence(),  # what MLflow shows as the description
        **{f"ballast.version.{name}": version for name, version in study.versions.items()},
    }
    numbers = {
        "noise_floor": summary.noise_floor,
        "measured_noise_floor": None if summary.measured is None else summary.measured.skill,
        "best_loss": None if best is None else best.value,
        "best_skill": None if best is None else best.skill,
        "best_skill_over_rival": summary.skill_over_rival,
        "verified_skill": None if summary.verified is None else summary.verified.skill,
        "trials_ended": ended,
        "trials_above_naive": summary.above_naive,
        **{f"trials_{verdict}": summary.verdicts.get(verdict, 0) for verdict in Verdict},
    }
    at = milliseconds(study.created_at if ended_at is None else ended_at)
    return RunContent(
        {key: _param(value) for key, value in params.items()}, _tags(tags), _points(numbers, at, ended)
    )


def study_files(
    study: tables.Study, clamps: Iterable[tables.ClampRow], settings: Iterable[Setting]
) -> dict[str, str]:
    """The files of a study, by name; its own file is as the record keeps it, without passwords."""
    rows = [[c.key, c.declared, c.effective, c.reason, c.origin] for c in clamps]
    files = {
        "clamps.json": table_json(("setting", "asked for", "used", "why", "origin"), rows),
        "overrides.json": table_json(OVERRIDE_COLUMNS, override_rows(settings)),
    }
    return files if study.sources is None else {"study.yaml": study.sources["study"]["text"], **files}


def _points(numbers: Mapping[str, float | None], at: int, step: int) -> list[MetricPoint]:
    return [
        MetricPoint(key, float(value), at, step)
        for key, value in numbers.items()
        if value is not None and math.isfinite(value)
    ]


def _tags(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: _cut(value, _MAX_TAG) for key, value in tags.items()}


def _param(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return _cut(text, _MAX_PARAM)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
