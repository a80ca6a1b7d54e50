"""The audit: lists everything that is wrong with the data of a study, before any training."""

from collections.abc import Callable, Sequence

import numpy as np

from trainer.audit.audit_findings import Audit, AuditFinding
from trainer.audit.check_broken_values import broken_value_findings
from trainer.audit.check_series import (
    constant_findings,
    drift_findings,
    look_ahead_findings,
    outlier_findings,
    target_findings,
)
from trainer.audit.check_split import count_findings, few_rows_findings, max_gap_findings, overlap_findings
from trainer.audit.check_table import table_findings
from trainer.audit.leaks.check_columns import countdown_findings
from trainer.audit.leaks.check_leaks import leak_findings
from trainer.audit.panel_coverage import panel_coverage, panel_findings
from trainer.audit.series_findings import told_once
from trainer.audit.worked_row import find_worked_row
from trainer.config import DataConfig, GuardConfig
from trainer.data.arrays import Rows
from trainer.data.features import FeaturesAndTarget, build_features
from trainer.data.source import Table
from trainer.data.split import FoldRows, cut_folds
from trainer.data.windows import Dataset, prepare_folds
from trainer.errors import DataError
from trainer.losses import MSE
from trainer.rivals.baselines import mean_baseline_losses
from trainer.rivals.effective_rows import effective_validation_rows
from trainer.rivals.reference import equivalent_ceiling, mean_reference_loss
from trainer.rivals.skill import EffectiveRows, best_baseline, skill_ceiling


def audit(
    config: DataConfig,
    guard: GuardConfig,
    table: Table,
    *,
    deep: bool = False,
    ceiling: float | None = None,
    on_refit: Callable[[int, int], None] | None = None,
) -> Audit:
    """Check the table, its features and target, the split, the baselines and leaks; bad data raise no error.

    `deep` adds the refits on targets that are shifted in time; `on_refit` is as in `leak_findings`. `ceiling`
    is the skill over the best naive forecast above which the trials of an exported study were suspicious;
    None: that of `skill_ceiling`.

    If times are not in order, rows are counted as if they were sorted, so that too few rows are reported too.
    """
    built = build_features(config, table)
    order = _in_time_order(table)
    times, offsets = table.times[order], None if table.offsets is None else table.offsets[order]
    splits = cut_folds(config, times, built, offsets)
    findings = [
        *table_findings(config, table),
        *countdown_findings(table),
        *broken_value_findings(config, table, built),
        *look_ahead_findings(config, table, built),
        *_split_findings(config, guard, table, built, splits),
    ]
    folds, problem = _prepared(config, table)
    counts, believed, worth = _counts(splits), None, None
    if config.max_gap is not None:
        whole = cut_folds(config.model_copy(update={"max_gap": None}), times, built, offsets)
        findings += max_gap_findings(config, counts, _counts(whole))
    if folds:
        findings += outlier_findings(config, built, folds[-1])
        findings += drift_findings(table, built, folds[-1])
        found, believed, worth = _skill_findings(config, guard, folds, ceiling, deep, on_refit)
        findings += found
    elif problem is not None and not any(finding.severity == "error" for finding in findings):
        findings.append(AuditFinding("unprepared", "error", "data", None, None, problem))
    panel = panel_coverage(table, splits)
    if panel is not None:
        findings += panel_findings(table, splits, panel)
    train = splits[-1].train
    worked = find_worked_row(config, table, built, int(train[-1]) if len(train) else None)
    told = tuple(told_once(findings, len(table.series_starts)))
    return Audit(told, counts, folds, worked, believed, table.detected, table.empty_rows, worth, panel)


def _in_time_order(table: Table) -> Rows:
    """The rows of the table, those of each series sorted by time."""
    return np.concatenate([span.start + np.argsort(table.times[span]) for span in table.spans])


def _counts(splits: Sequence[FoldRows]) -> dict[str, int]:
    """Number of rows by name of the split: the training rows of the last fold; a validation row of several
    folds counts once.
    """
    validation = np.unique(np.concatenate([split.validation for split in splits]))
    return {**splits[-1].counts, "validation": len(validation)}


def _split_findings(
    config: DataConfig, guard: GuardConfig, table: Table, built: FeaturesAndTarget, splits: Sequence[FoldRows]
) -> list[AuditFinding]:
    """Findings on the folds and, if the last fold has training rows, on its target."""
    found = count_findings(config, splits, built.first)
    times = table.times[_in_time_order(table)]
    found += [
        each
        for split in splits
        for each in overlap_findings(split, times, table.series_starts, config.target.horizon)
    ]
    found += constant_findings(config, table, built, splits)
    fitting, validation = splits[-1].fitting, splits[-1].validation
    if len(splits[-1].train):
        found += target_findings(config, guard, built, np.concatenate([fitting, validation]))
    return found


def _prepared(config: DataConfig, table: Table) -> tuple[tuple[Dataset, ...], str | None]:
    try:
        return prepare_folds(config, table), None
    except DataError as error:
        return (), str(error)


def _skill_findings(
    config: DataConfig,
    guard: GuardConfig,
    folds: Sequence[Dataset],
    exported: float | None,
    deep: bool,
    on_refit: Callable[[int, int], None] | None,
) -> tuple[list[AuditFinding], float | None, EffectiveRows | None]:
    """Findings on whether skill can be measured, and on more skill than is believable; the ceiling of skill
    over the best naive forecast, None if there is none; and what the validation rows of a panel are worth.

    `exported` is the ceiling of an exported study. Moments are counted, not rows, because the rows of several
    series at one moment are not independent.
    """
    found: list[AuditFinding] = []
    data, over_naive, worth = folds[-1], None, None
    counted: tuple[float, int] = (
        len(np.unique(np.concatenate([fold.times[fold.validation] for fold in folds]))),
        data.horizon,
    )
    try:
        best = best_baseline(mean_baseline_losses(folds, MSE))
        naive, worth = best.loss, effective_validation_rows(folds, best.name, MSE)
        if worth is not None:
            counted = worth.uncorrelated, worth.horizon
    except DataError as error:
        found.append(AuditFinding("no_baseline", "error", "validation", None, None, str(error)))
    try:
        ceiling = skill_ceiling(data.kind, rows=counted[0], horizon=counted[1], max_skill=guard.max_skill)
    except DataError as error:
        found.append(AuditFinding("no_skill_ceiling", "error", "target", None, None, str(error)))
    if found:
        return found, None, worth
    reference = mean_reference_loss(folds, naive, config.leading, MSE)
    if exported is None:
        over_naive = equivalent_ceiling(ceiling, reference, naive)
    else:
        over_naive, ceiling = exported, equivalent_ceiling(exported, naive, reference)
    found += few_rows_findings(*counted, ceiling)
    found += leak_findings(data, ceiling, config, deep=deep, on_refit=on_refit)
    return found, over_naive, worth
