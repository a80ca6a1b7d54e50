"""Scores a candidate on the test rows of series that no trial trained on, beside the main answer.

The networks are those of the verification, which did not train on these series either. Their test rows lie in
the period of the others, and are on record as scored with them.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from search.record.validation_rows import Floats
from search.selection.statistics.conclusion import bootstrap_draws
from search.selection.statistics.interval import SkillInterval, skill_interval
from search.selection.statistics.panel_skill import PanelSkill, panel_skill
from search.selection.trained_candidate import TrainedCandidate
from trainer.data.moments import moments_of
from trainer.inference.gru_forward import forecast_rows, network_of
from trainer.losses import judged_forecasts
from trainer.rivals.baselines import baseline_forecasts
from trainer.rivals.fitted import rival_forecasts


@dataclass(frozen=True)
class UnseenSeries:
    """Skill over `reference`, the best naive forecast or rival on these rows, and its interval by date; None
    if the dates are too few. `by_series` has the figures of each series.
    """

    series: tuple[str, ...]
    rows: int
    times: int
    loss: float
    reference: str
    reference_loss: float
    interval: SkillInterval | None
    by_series: PanelSkill

    @property
    def skill(self) -> float:
        """1 − loss / loss of the reference, on all rows of these series."""
        return 1 - self.loss / self.reference_loss

    def to_json(self) -> dict[str, Any]:
        """The value of `unseen_series` in `verify --json`."""
        return {
            "series": list(self.series),
            "rows": self.rows,
            "times": self.times,
            "value": self.loss,
            "reference": {"name": self.reference, "loss": self.reference_loss},
            "skill": self.skill,
            "interval": None if self.interval is None else asdict(self.interval),
            "by_series": [asdict(each) for each in self.by_series.by_series],
        }


def score_unseen_series(trained: TrainedCandidate, level: float) -> UnseenSeries | None:
    """The figures of the unseen series at a confidence `level`; None if there are none, or if the guard
    stopped every seed.
    """
    data, loss = trained.data, trained.loss
    rows, weights = data.unseen, [refit.weights for refit in trained.refits if refit.weights is not None]
    if not len(rows) or not weights:
        return None
    target = data.target[rows].astype(np.float64)
    trained_by = trained.candidate.trial.config.loss
    told = [
        judged_forecasts(
            forecast_rows([network_of(each)], data.features, data.seq_len, rows), trained_by, loss
        )
        for each in weights
    ]
    losses: Floats = np.mean([loss.value(each, target) for each in told], axis=0)
    known = {
        **baseline_forecasts(data, rows, loss),
        **rival_forecasts(data, rows, loss).forecasts,
    }
    theirs = {name: loss.value(each, target) for name, each in known.items()}
    reference = min(theirs, key=lambda name: float(theirs[name].mean()))
    numbers = data.series_numbers[rows]
    moments = moments_of(data.times[rows], numbers, data.horizon)
    return UnseenSeries(
        series=tuple(data.series_names[number] for number in np.unique(numbers).tolist()),
        rows=len(rows),
        times=len(moments.times),
        loss=float(losses.mean()),
        reference=reference,
        reference_loss=float(theirs[reference].mean()),
        interval=_interval(moments.means(losses), moments.means(theirs[reference]), moments.horizon, level),
        by_series=panel_skill(
            data.times[rows], numbers, data.series_names, losses, theirs[reference], reference
        ),
    )


def _interval(losses: Floats, reference: Floats, horizon: int, level: float) -> SkillInterval | None:
    try:
        return skill_interval(losses, reference, level=level, horizon=horizon, draws=bootstrap_draws(level))
    except ValueError:  # too few dates, or a reference with too few errors
        return None
