"""The audit: everything that is wrong with the data of a study, told at once, before anything is trained."""

import numpy as np

from trainer.baselines import baseline_losses
from trainer.config import DataConfig, GuardConfig
from trainer.data.check_leaks import leak_findings
from trainer.data.check_series import (
    ahead_findings,
    constant_findings,
    made_findings,
    range_findings,
    target_findings,
)
from trainer.data.check_split import count_findings, overlap_findings
from trainer.data.check_table import table_findings
from trainer.data.features import BuiltSeries, build_series
from trainer.data.findings import Audit, AuditFinding
from trainer.data.source import Table
from trainer.data.split import SplitRows, cut_rows
from trainer.data.windows import Dataset, prepare
from trainer.errors import DataError
from trainer.skill import best_baseline, noise_floor, skill_ceiling


def audit(config: DataConfig, guard: GuardConfig, table: Table, *, deep: bool = False) -> Audit:
    """Check the table, the series made from it, the split, the baselines, leaks; never raises for bad data.

    `deep` adds the refits on targets that were moved in time.

    Where times are not in order, rows are counted as if they were, so that a short table is told as well.
    """
    built = build_series(config, table)
    split = cut_rows(config, table.times.sort_values(), built)
    findings = [
        *table_findings(config, table),
        *made_findings(config, table, built),
        *ahead_findings(config, table, built),
        *_split_findings(config, guard, table, built, split),
    ]
    dataset, problem = _prepared(config, table)
    if dataset is not None:
        findings += range_findings(built, dataset)
        findings += _skill_findings(guard, dataset, deep)
    elif problem is not None and not any(finding.severity == "error" for finding in findings):
        findings.append(AuditFinding("unprepared", "error", "data", None, None, problem))
    return Audit(tuple(findings), split.counts, dataset)


def _split_findings(
    config: DataConfig, guard: GuardConfig, table: Table, built: BuiltSeries, split: SplitRows
) -> list[AuditFinding]:
    """Findings on the split and on the series within it; a split without rows leaves the latter out."""
    found = count_findings(config, split, built.first)
    found += overlap_findings(split, table.times.sort_values(), config.target.horizon)
    if len(split.train):
        end = int(split.train[-1]) + 1
        found += constant_findings(table, built, slice(built.first, end))
        seen = np.concatenate([np.arange(built.first, end), split.validation])
        found += target_findings(config, guard, built, seen)
    return found


def _prepared(config: DataConfig, table: Table) -> tuple[Dataset | None, str | None]:
    try:
        return prepare(config, table), None
    except DataError as error:
        return None, str(error)


def _skill_findings(guard: GuardConfig, data: Dataset, deep: bool) -> list[AuditFinding]:
    """Whether skill can be measured, and if so, whether more of it can be had than is believable."""
    found: list[AuditFinding] = []
    try:
        best_baseline(baseline_losses(data, data.validation))
    except DataError as error:
        found.append(AuditFinding("no_baseline", "error", "validation", None, None, str(error)))
    try:
        floor = noise_floor(1, len(data.validation), data.horizon)  # a probe looks once
        ceiling = skill_ceiling(data.kind, floor, guard.max_skill)
    except DataError as error:
        found.append(AuditFinding("no_skill_ceiling", "error", "target", None, None, str(error)))
    return found or leak_findings(data, ceiling, deep=deep)
