"""Checks of features and target: broken values, constants, outliers, poor targets, transforms that look
ahead.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from trainer.audit.audit_findings import AuditFinding, Severity
from trainer.audit.series_findings import in_series, series_with
from trainer.config import CHANGES, DataConfig, GuardConfig
from trainer.data.arrays import Rows
from trainer.data.constant_columns import constant_message, constant_series
from trainer.data.features import FeaturesAndTarget, build_features
from trainer.data.input_drift import InputDrift, input_drifts, training_spacing, training_statistics
from trainer.data.panel import span_of_row
from trainer.data.source import Table
from trainer.data.split import FoldRows
from trainer.data.windows import Dataset

OUTLIER_STD = 10.0
"""Training runs that diverged had inputs above 10."""
MOST_OUTLIERS = 5
"""Rows that a finding names besides the farthest."""
MAX_CLIPPED = 0.05
"""At 3 standard deviations 0.3 % of a normal and 1 to 2 % of a heavy-tailed series are clipped. If more than
5 % are, the bound or the unit is wrong."""
MAX_ZERO = 0.5
"""A target that is mostly exactly 0 rewards a forecast of 0."""
MIN_DISTINCT = 20
"""A target with fewer distinct values is a class label, for which the squared error is the wrong loss."""
TRUNCATIONS = 5


def look_ahead_findings(config: DataConfig, table: Table, built: FeaturesAndTarget) -> list[AuditFinding]:
    """Truncate and recompute: a value at t must be the same, bit by bit, without the rows after t. All series
    are truncated at the same moments, because a feature may compare them.
    """
    times = table.times.asi8
    moments = np.unique(times)
    ends = moments[np.linspace(1, len(moments), TRUNCATIONS + 1, dtype=int)[:-1] - 1]
    found: dict[str, AuditFinding] = {}
    for end in ends:
        shorter, kept = table.heads([int((times[span] <= end).sum()) for span in table.spans])
        again = build_features(config, shorter)
        pairs = {
            name: (built.features[name].to_numpy()[kept], again.features[name].to_numpy())
            for name in again.features
        }
        pairs["target"] = (built.unshifted[kept], again.unshifted)
        for name, (whole, part) in pairs.items():
            differs = np.flatnonzero(~((whole == part) | (np.isnan(whole) & np.isnan(part))))
            if len(differs) and name not in found:
                at = int(differs[0])
                row, last = int(kept[at]), span_of_row(shorter.series_starts, len(kept), at).stop - 1
                message = (
                    f"{table.place(row)}: {name} is {whole[at]:g} at {table.when(row)}, but {part[at]:g} "
                    f"without the rows after {shorter.when(last)}; it looks ahead, use a causal transform"
                )
                found[str(name)] = AuditFinding(
                    "looks_ahead",
                    "error",
                    str(name),
                    float(whole[at]),
                    None,
                    message,
                    series_with(table, kept[differs]),
                )
    return list(found.values())


def constant_findings(
    config: DataConfig, table: Table, built: FeaturesAndTarget, splits: Sequence[FoldRows]
) -> list[AuditFinding]:
    """Features and targets that are constant in the training rows of a fold; each is reported for the first
    such fold.
    """
    found: dict[str, AuditFinding] = {}
    for split in splits:
        if not len(split.train):
            continue
        for made in constant_series(config, built, split.fitting):
            name = "target" if made is None else made
            values = built.target if made is None else built.features[made]
            cells = values.to_numpy(np.float64)[split.fitting]
            cells = cells[np.isfinite(cells)]
            if name in found or not len(cells):
                continue
            fold = split.name and f" {split.name}:"
            message = f"{table.source}:{fold} {name} {constant_message(cells)}"
            found[name] = AuditFinding("constant_series", "error", name, float(cells[0]), None, message)
    return list(found.values())


def outlier_findings(config: DataConfig, built: FeaturesAndTarget, data: Dataset) -> list[AuditFinding]:
    """Outliers of the standardised features before clipping, and the shares of clipped values."""
    held = np.concatenate([data.fitting, data.validation])
    values = built.features.to_numpy(np.float64)[built.rows][held]
    mean, std = data.scaler.feature_moments(data.series_numbers[held])
    scaled = np.abs(values - mean) / std
    of_prices = {each.name for each in config.features if each.transform in CHANGES and each.column}
    found: list[AuditFinding] = []
    for name, column in zip(data.feature_names, scaled.T, strict=True):
        farthest = np.argsort(-column)[: int((column > OUTLIER_STD).sum())]
        if len(farthest):
            worst, value = int(held[farthest[0]]), float(column[farthest[0]])
            advice = "check that cell for a wrong unit or digit"
            if name in of_prices:
                advice += ", or for prices that are not adjusted for a split"
            message = (
                f"feature {name} is {value:.1f} training standard deviations from its mean at "
                f"{data.when(worst)} (usual: at most {OUTLIER_STD:g}"
                f"{_further(data, held[farthest[1:]])}); {advice}"
            )
            finding = AuditFinding("outlier", "warning", name, value, OUTLIER_STD, message)
            found += in_series(data.series_of(worst), [finding])
        found += _clip_finding(
            "feature_clipped",
            name,
            data.feature_clipped[name],
            f"±{data.scaler.feature_clip:g} standard deviations",
        )
    if data.scaler.target_clip is not None:
        bound = f"±{data.scaler.target_clip:g}"
        found += _clip_finding("target_clipped", "target", data.target_clipped, bound)
    return found


def _further(data: Dataset, rows: Rows) -> str:
    """The other rows beyond the bound, the largest first."""
    if not len(rows):
        return ""
    named = [data.where(int(row)) for row in rows[:MOST_OUTLIERS]]
    more = len(rows) - len(named)
    return f"; beyond it too: {', '.join(named)}" + (f" and {more} more" if more else "")


def drift_findings(table: Table, built: FeaturesAndTarget, data: Dataset) -> list[AuditFinding]:
    """Why `predict` would refuse this table for a model of the training rows of `data`: by its own rules, on
    all rows of a series before its first incomplete one.
    """
    looks, spaced = training_statistics(built, data), training_spacing(data)
    cells, times = built.features.to_numpy(np.float64), table.times.to_numpy()
    found: list[tuple[int, InputDrift]] = []
    for usable, span in zip(built.usable, built.spans, strict=True):
        features = cells[usable.start : span.stop]
        whole = int(np.argmin([*np.isfinite(features).all(axis=1), False]))
        if whole:
            odds = input_drifts(looks, spaced, features[:whole], times[usable.start :][:whole])
            found += [(usable.start, odd) for odd in odds]
    return [
        finding
        for first, odd in found
        for finding in in_series(table.series_of(first), [_unlike_training(table, first, odd)])
    ]


def _unlike_training(table: Table, first: int, odd: InputDrift) -> AuditFinding:
    message = (
        f"{odd.message} up to {table.place(first + odd.until)}; a column that changes its unit or "
        "leaves its range makes forecasts of nothing, and predict would refuse this table for a model of "
        "these training rows: correct the column, or use a return or a ratio of it"
    )
    return AuditFinding("unlike_training", "warning", odd.feature, odd.found, odd.limit, message)


def _clip_finding(code: str, where: str, share: float, bound: str) -> list[AuditFinding]:
    if share == 0:
        return []
    usual = share <= MAX_CLIPPED
    severity: Severity = (
        "info" if usual else "error" if where == "target" and share > MOSTLY_CLIPPED else "warning"
    )
    advice = "nothing to do" if usual else "check the bound and the unit"
    message = (
        f"{where}: {share:.2%} of the training and validation values lie beyond {bound} and are clipped "
        f"(usual: at most {MAX_CLIPPED:.0%}); {advice}"
    )
    return [AuditFinding(code, severity, where, share, MAX_CLIPPED, message)]


def target_findings(
    config: DataConfig, guard: GuardConfig, built: FeaturesAndTarget, seen: npt.NDArray[np.int64]
) -> list[AuditFinding]:
    """Degenerate targets, in their own unit before clipping, over `seen`: training and validation rows."""
    values = built.target.to_numpy(np.float64)[seen]
    values = values[np.isfinite(values)]
    if not len(values):
        return []
    with np.errstate(over="ignore"):
        largest, spread = float(np.abs(values).max()), float(values.std())
    zero, distinct = float((values == 0).mean()), len(np.unique(values))
    found: list[AuditFinding] = []
    if config.target.kind == "return" and largest < guard.target_max_floor:
        found.append(_poor_target("target_tiny", "largest |value|", largest, guard.target_max_floor))
    if config.target.kind == "return" and spread < guard.target_std_floor:
        found.append(_poor_target("target_flat", "standard deviation", spread, guard.target_std_floor))
    if zero > MAX_ZERO:
        found.append(_poor_target("target_zeros", "share of zeros", zero, MAX_ZERO))
    if distinct < MIN_DISTINCT:
        found.append(_poor_target("target_few_values", "number of distinct values", distinct, MIN_DISTINCT))
    return found


def _poor_target(code: str, what: str, value: float, bound: float) -> AuditFinding:
    usual = "at most" if value > bound else "at least"
    message = (
        f"target: its {what} is {value:.3g} in the training and validation rows (usual: {usual} {bound:g}); "
        "a loss on such a target says little, check its column, unit and transform"
    )
    return AuditFinding(code, "warning", "target", float(value), float(bound), message)


MOSTLY_CLIPPED = 0.5
"""If more than half of the target is clipped, its bound is in another unit."""
