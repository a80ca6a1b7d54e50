"""The leak probe for single series: a column may leak in one series of many, which pooled skill hides.

Every series is screened by a ridge regression on its last rows alone. Series whose skill is out of line, or
in which a lead was found, are probed with whole windows.
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from statistics import median

from trainer.audit.audit_findings import AuditFinding
from trainer.audit.leaks.leak_probe import LeakProbe, leaking_features
from trainer.audit.series_findings import in_series
from trainer.data.split import MIN_HELD_OUT, MIN_TRAIN
from trainer.data.windows import Dataset
from trainer.errors import DataError
from trainer.rivals.skill import noise_floor

_NEAR = 0.5
"""Series whose screening skill reaches this share of what is believable are probed."""
_MOST_PROBED = 50
_DEVIATIONS = 5.0
"""A series must be so many robust standard deviations above the median series: what every series can do is
the pooled probe's matter."""

Blame = Callable[[LeakProbe, float, float], AuditFinding]
"""Makes the finding of a probe from the skill that it reached and the ceiling."""


def series_probe_findings(
    data: Dataset, ceiling: float, leading: Collection[str], suspected: Collection[str], blame: Blame
) -> list[AuditFinding]:
    """A finding for each series in which alone a ridge regression exceeds what is believable.

    `suspected` names the series that are probed in any case. The bar is the `ceiling`, but at least the skill
    that the best of all series reaches by chance once in twenty on its validation rows.
    """
    series = [one for _, one in data.each_series()] if len(data.series_starts) > 1 else []
    screened = [(one, skill) for one in series if (skill := _screened(one, leading)) is not None]
    if len(screened) < 2:
        return []
    usual = median(skill for _, skill in screened)
    spread = 1.4826 * median(abs(skill - usual) for _, skill in screened)

    def bar(one: Dataset) -> float:
        chance = noise_floor(len(screened), len(one.validation), one.horizon)
        return max(ceiling, chance, usual + _DEVIATIONS * spread)

    near = [
        (one, skill) for one, skill in screened if skill > _NEAR * bar(one) or one.series_of(0) in suspected
    ]
    near.sort(key=lambda pair: -pair[1])
    return [finding for one, _ in near[:_MOST_PROBED] for finding in _probed(one, bar(one), leading, blame)]


def _screened(one: Dataset, leading: Collection[str]) -> float | None:
    """The skill of a regression on the last row of each window; None if the series is too short."""
    if len(one.train) < MIN_TRAIN or len(one.validation) < MIN_HELD_OUT:
        return None
    probe = _probe(replace(one, seq_len=1), leading)
    return None if probe is None else probe.skill(range(len(one.feature_names)))


def _probe(one: Dataset, leading: Collection[str]) -> LeakProbe | None:
    try:
        return LeakProbe.of(one, leading)
    except DataError:
        return None  # a naive forecast is perfect or lacks its past


def _probed(one: Dataset, bar: float, leading: Collection[str], blame: Blame) -> list[AuditFinding]:
    probes = [_probe(replace(one, seq_len=length), leading) for length in sorted({1, one.seq_len})]
    reached = [(probe.skill(range(len(one.feature_names))), probe) for probe in probes if probe is not None]
    skill, probe = max(reached, key=lambda pair: pair[0], default=(0.0, None))
    # History alone may exceed the bar in a series of few rows, whose target then hardly varies.
    if probe is None or skill <= bar or not leaking_features(probe, bar):
        return []
    return in_series(one.series_of(0), [blame(probe, skill, bar)])
