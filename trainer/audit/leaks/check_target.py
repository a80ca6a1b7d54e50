"""Checks of the target for filled values, overlaps and rows out of order.

They warn, because each has honest causes too; the leak probe measures whether a forecast gains from it. Only
a target that repeats in more than every fourth row blocks in any case. They read only training and validation
targets.
"""

import math
from dataclasses import dataclass

import numpy as np

from trainer.audit.audit_findings import AuditFinding, Severity
from trainer.audit.series_findings import in_series
from trainer.data.arrays import Floats
from trainer.data.split import MIN_TRAIN
from trainer.data.windows import Dataset
from trainer.rivals.skill import RETURN_CEILING

MAX_REPEATED = RETURN_CEILING
"""Share of targets that may equal the one before: forecasting the last value earns about that skill."""
MOSTLY_REPEATED = 0.25
"""Above this share the study is refused: if every fourth target is known before, losses mostly measure how
often it was filled. The sample series have 0.023 at most."""
_CONTINUOUS = 0.01
"""If two random targets are equal with more than this probability, the target is a class, which repeats
honestly."""

MIN_SPIKE = 0.1
"""Smallest size of the single negative spike, in the autocorrelation of the differences, that shows an
overlap. It is 0.5 for overlapping means of independent values and (1 − ρ)/2 if these correlate by ρ, so that
ρ up to 0.8 is found."""
_SPIKE_ERRORS = 4.0
"""Standard errors, 1/√n, that the spike must reach: the lowest of 264 random values does so once in 100."""
_LONGEST = 66
"""Longest overlap that is searched for: a quarter of trading days."""

_CLUSTER_LAGS = 10
_CLUSTER_BAR = 3.0
"""Standard errors that the autocorrelation of sizes must reach; rows in random order do so once in 700."""
_CLUSTER_ROWS = 1500
"""Fewest rows of the order check: six years of days. Of 426 such stretches of the sample series the lowest
reaches 7.7 standard errors; of stretches of 1000 rows one in 240 stays below 3, of one year every third."""


@dataclass(frozen=True)
class TargetChecks:
    """The findings on each series, and the rows over which the target extends, in the series where it is
    longest (None: in no series beyond its horizon).
    """

    findings: tuple[AuditFinding, ...]
    overlap: int | None


def check_target(data: Dataset) -> TargetChecks:
    """All checks of the target, of each series with enough rows."""
    long_enough = [one for _, one in data.each_series() if one.seen >= MIN_TRAIN]
    checks = [_check_series(one, len(long_enough)) for one in long_enough]
    overlaps = [each.overlap for each in checks if each.overlap is not None]
    return TargetChecks(
        tuple(finding for each in checks for finding in each.findings), max(overlaps, default=None)
    )


def _check_series(data: Dataset, among: int) -> TargetChecks:
    target = data.target[: data.seen].astype(np.float64)
    overlap = overlap_beyond(target, data.horizon, among)
    found = [*_repeated_findings(target, clipped=data.target_clipped > 0), *_order_findings(data, target)]
    if overlap is not None:
        found.append(_overlap_finding(overlap, data.horizon))
    return TargetChecks(tuple(in_series(data.series_of(0), found)), overlap)


def _repeated_findings(target: Floats, *, clipped: bool) -> list[AuditFinding]:
    """A finding if a continuous target (n,) often equals the one before, as if it had been filled forward.

    Values on the bounds of a `clipped` target are equal for another reason and do not count.
    """
    inside = (target > target.min()) & (target < target.max()) if clipped else np.ones(len(target), bool)
    counts = np.unique(target[inside], return_counts=True)[1]
    repeated = float(((np.diff(target) == 0) & inside[1:]).mean())
    if repeated <= MAX_REPEATED or float(((counts / len(target)) ** 2).sum()) > _CONTINUOUS:
        return []
    advice = "leave such rows out, or forecast at the times at which the target is observed"
    message = (
        f"target: {repeated:.1%} of its values equal the one before (usual: at most {MAX_REPEATED:.0%}), as "
        f"if gaps had been filled forward; carrying the last value over is right there: {advice}"
    )
    severity: Severity = "error" if repeated > MOSTLY_REPEATED else "warning"
    return [AuditFinding("repeated_target", severity, "target", repeated, MAX_REPEATED, message)]


def overlap_beyond(target: Floats, horizon: int, among: int = 1) -> int | None:
    """Rows k > horizon over which a target (n,) extends; None if it shows no such overlap. With `among`
    series the bar is as much higher as keeps the chance of a false alarm in any of them.

    The differences of a mean over k rows are (x[t+k] − x[t]) / k: their autocorrelation has one negative
    spike, at lag k. In an honest series the lowest value is at lag 1 (noise), occurs at several lags
    (seasons) or is small enough for chance.
    """
    lags = min(4 * _LONGEST, len(target) // 4)
    correlations = np.array([_autocorrelation(np.diff(target), lag) for lag in range(1, lags + 1)])
    k = int(np.argmin(correlations)) + 1
    errors = math.sqrt(_SPIKE_ERRORS**2 + 2 * math.log(among))
    spike = max(MIN_SPIKE, errors / math.sqrt(len(target)))
    if k <= max(horizon, 1) or k > _LONGEST or correlations[k - 1] > -spike:
        return None
    others = np.delete(correlations[: 4 * k], k - 1)
    return k if others.min() >= correlations[k - 1] / 2 else None


def _overlap_finding(overlap: int, horizon: int) -> AuditFinding:
    message = (
        f"target: it looks like a mean or sum over {overlap} rows, but its horizon is {horizon}: part of "
        "each target is known before, and the last training targets may reach into the validation rows; set "
        f"data.target.horizon to {overlap}"
    )
    return AuditFinding("target_overlaps", "warning", "target", float(overlap), float(horizon), message)


def _order_findings(data: Dataset, target: Floats) -> list[AuditFinding]:
    """Sizes of market moves cluster (Mandelbrot 1963; Cont 2001): if they do not, rows may have been
    shuffled.
    """
    if data.kind == "other" or len(target) < _CLUSTER_ROWS:
        return []
    sizes = np.abs(target - np.median(target)) if data.kind == "return" else target
    mean = float(np.mean([_autocorrelation(sizes, lag) for lag in range(1, _CLUSTER_LAGS + 1)]))
    errors = mean * math.sqrt(_CLUSTER_LAGS * len(target))
    if errors >= _CLUSTER_BAR:
        return []
    message = (
        f"target: large and small values follow each other as if by chance ({errors:.2f} standard errors, "
        f"market series show more than {_CLUSTER_BAR:g}); make sure that the rows stand in the order of time"
    )
    return [AuditFinding("no_clustering", "warning", "target", errors, _CLUSTER_BAR, message)]


def _autocorrelation(series: Floats, lag: int) -> float:
    """Autocorrelation of a series (n,), n > lag; 0 for a constant."""
    centred = series - series.mean()
    power = float(centred @ centred)
    return float(centred[lag:] @ centred[:-lag]) / power if power > 0 else 0.0
