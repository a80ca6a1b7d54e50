"""The content of MLflow runs of a study and of a trial, made from the record. Pure; does not import MLflow.

The same record always gives the same content, so that MLflow stores once what is sent twice.
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
from search.selection.panel_result import PanelResult
from search.selection.summary import Summary
from search.text import short_value
from search.watching.publishing.trial_files import trial_yaml
from search.watching.view import TrialView
from storage import tables
from storage.verdicts import Verdict
from trainer.text import shortened
from trainer.training.result import EpochReport

STUDY_TAG = "ballast.study"
CREATED_AT_TAG = "ballast.created_at"
TRIAL_TAG = "ballast.trial"
PARENT_RUN_TAG = "mlflow.parentRunId"

_MAX_PARAM = 6000
_MAX_TAG = 5000
"""Characters. MLflow 3.17 takes 6000 and 8000; databases of older servers hold 5000 of a tag."""

_SIGNALS = tuple(
    field.name for field in fields(EpochReport) if field.name not in ("epoch", "fold_losses", "seed_losses")
)
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
    """What is logged to a run at once: a param can be written once, a tag many times."""

    params: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: Sequence[MetricPoint]


def milliseconds(moment: datetime) -> int:
    """Return a time in milliseconds since 1970, as MLflow stores it."""
    return round(moment.timestamp() * 1000)


def run_status(verdict: Verdict) -> str:
    """Return MLflow's status for a verdict; the verdict itself is a tag."""
    return _STATUS[verdict]


def study_identity_tags(study: tables.StudyRow) -> dict[str, str]:
    """Return the tags that tell a study from one of the same name in another store."""
    return {STUDY_TAG: study.name, CREATED_AT_TAG: study.created_at.isoformat()}


def trial_start_tags(view: TrialView, parent: str) -> dict[str, str]:
    """Return the tags of a trial that has just begun; `parent` is the id of the study's run."""
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
    """Return every setting with a value, as the trial started with it."""
    return {
        setting.key: _param(value)
        for setting in view.settings
        if setting.key in TRIAL_LEAVES and (value := starting_layer(setting.overrides).effective) is not None
    }


def epoch_metrics(trial: tables.Trial, epochs: Iterable[tables.Epoch]) -> list[MetricPoint]:
    """Return the signals of all epochs; values that are not finite are left out, since SQL cannot hold them.

    An epoch's time is the start of the trial plus the seconds that the trainer counted: it stays the same if
    the trial is resumed.
    """
    metrics, at = [], milliseconds(trial.started_at)
    for epoch in epochs:
        at += round(epoch.seconds * 1000) if math.isfinite(epoch.seconds) else 0
        metrics += [
            MetricPoint(name, float(value), at, epoch.epoch)
            for name in _SIGNALS
            if math.isfinite(value := getattr(epoch, name))
        ]
    return metrics


def trial_end_content(view: TrialView, finished_at: datetime) -> tuple[dict[str, str], list[MetricPoint]]:
    """Return the tags and metrics of a trial's end: verdict, reasons, overrides that changed a value.

    Only an accepted trial has a result: people sort MLflow's tables by it.
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
    return _tags(tags | changes), _metric_points(numbers, milliseconds(finished_at), trial.epochs)


def trial_files(view: TrialView) -> dict[str, str]:
    """Return the files of an ended trial by name."""
    return {
        "settings.yaml": trial_yaml(view),
        "overrides.json": table_json(OVERRIDE_COLUMNS, override_rows(view.settings)),
    }


OVERRIDE_COLUMNS = ("setting", "layer", "origin", "asked for", "used", "why")


def override_rows(settings: Iterable[Setting]) -> list[list[Any]]:
    """Return a row for each override by the command line, the sampler, a clamp or the guard, and for any
    other that changed a value. The columns are OVERRIDE_COLUMNS.
    """
    return [
        [
            setting.key,
            str(override.layer),
            override.origin,
            override.requested,
            override.effective,
            override.reason,
        ]
        for setting in settings
        for override in setting.overrides
        if override.layer not in _FILE_LAYERS or override.requested != override.effective
    ]


def table_json(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table as `MlflowClient.log_table` writes it; that function would add its rows to earlier
    ones.
    """
    return json.dumps({"columns": columns, "data": [[short_value(value) for value in row] for row in rows]})


def logged_tables_tag(*files: str) -> dict[str, str]:
    """Return the tag with which MLflow's pages show these files as tables."""
    return {"mlflow.loggedArtifacts": json.dumps([{"path": file, "type": "table"} for file in files])}


def study_content(
    summary: Summary,
    data: tables.DataFingerprint,
    ended_at: datetime | None,
    panel: PanelResult | None = None,
) -> RunContent:
    """Return the content of a study's run; `ended_at` is the end of its last trial, None if none ended."""
    ended = summary.trials - summary.verdicts.get("running", 0)
    at = milliseconds(summary.study.created_at if ended_at is None else ended_at)
    params = {key: _param(value) for key, value in _study_params(summary.study, data).items()}
    return RunContent(
        params,
        _tags(_study_tags(summary)),
        _metric_points(_study_numbers(summary, ended) | _panel_numbers(panel), at, ended),
    )


def _study_params(study: tables.StudyRow, data: tables.DataFingerprint) -> dict[str, Any]:
    facts = study.facts
    return {
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


def _study_tags(summary: Summary) -> dict[str, str]:
    return {
        "ballast.best_trial": "none" if summary.best is None else str(summary.best.number),
        "ballast.skill_shown": str(summary.skill_shown).lower(),
        "ballast.verified": "not yet" if summary.verified is None else summary.verified.verdict,
        "ballast.strongest_rival": "none" if summary.rival is None else summary.rival.name,
        "mlflow.note.content": summary.sentence(),  # MLflow shows it as the description
        **{f"ballast.version.{name}": version for name, version in summary.study.versions.items()},
    }


def _study_numbers(summary: Summary, ended: int) -> dict[str, float | None]:
    best = summary.best
    return {
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


def _panel_numbers(panel: PanelResult | None) -> dict[str, float | None]:
    """The figures of a panel: of the best trial, on the validation rows."""
    if panel is None:
        return {}
    numbers: dict[str, float | None] = {
        "panel_series": panel.rows.series,
        "panel_times": panel.rows.times,
        "panel_independent_rows": panel.rows.independent,
        "panel_share_of_series_better": panel.skill.share_better,
    }
    across = panel.cross_section
    if across is None:
        return numbers
    return numbers | {
        "panel_ic": across.ic.mean,
        "panel_rank_ic": across.rank_ic.mean,
        "panel_icir": across.icir,
        "panel_long_short": across.long_short.net.mean,
    }


def study_files(
    study: tables.StudyRow, clamps: Iterable[tables.ClampRow], settings: Iterable[Setting]
) -> dict[str, str]:
    """Return the files of a study by name; the study file is as stored, without passwords."""
    rows = [[c.key, c.declared, c.effective, c.reason, c.origin] for c in clamps]
    files = {
        "clamps.json": table_json(("setting", "asked for", "used", "why", "origin"), rows),
        "overrides.json": table_json(OVERRIDE_COLUMNS, override_rows(settings)),
    }
    return files if study.sources is None else {"study.yaml": study.sources["study"]["text"], **files}


def _metric_points(numbers: Mapping[str, float | None], at: int, step: int) -> list[MetricPoint]:
    return [
        MetricPoint(key, float(value), at, step)
        for key, value in numbers.items()
        if value is not None and math.isfinite(value)
    ]


def _tags(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: shortened(value, _MAX_TAG) for key, value in tags.items()}


def _param(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return shortened(text, _MAX_PARAM)
