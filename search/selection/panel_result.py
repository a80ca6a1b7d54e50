"""Where in a panel a forecast has skill, and how well it orders the series of each date: figures to show.

They stand beside the answer and decide nothing: that is the interval's part, which works by date.
"""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from search.record.validation_rows import Floats, mean_forecast, trial_seed_forecasts, validation_rows
from search.selection.statistics.cross_section import CrossSection, cross_section
from search.selection.statistics.panel_skill import PanelSkill, panel_skill
from search.selection.summary import Summary
from storage.engine import Store
from trainer.inference.forecast_intervals import in_own_unit
from trainer.losses import mean_loss
from trainer.rivals.baselines import baseline_forecasts
from trainer.rivals.effective_rows import least_effective_rows
from trainer.rivals.skill import EffectiveRows

if TYPE_CHECKING:
    from search.selection.trained_candidate import TrainedCandidate


@dataclass(frozen=True)
class PanelResult:
    """The figures of one forecast of a panel. `cross_section` is None unless the target is a return and some
    date has enough series.
    """

    rows: EffectiveRows
    skill: PanelSkill
    cross_section: CrossSection | None

    def to_json(self) -> dict[str, Any]:
        """The value of `panel` in `verify --json`."""
        skill = self.skill
        return {
            **self.rows.to_json(),
            "reference": skill.reference,
            "share_better": skill.share_better,
            "by_series": [asdict(each) for each in skill.by_series],
            "by_year": [asdict(each) for each in skill.by_year],
            "by_series_and_year": [
                {"series": series, "year": year, "skill": value}
                for (series, year), value in skill.by_series_and_year.items()
            ],
        }


def verified_panel(
    trained: "TrainedCandidate", losses: Floats, reference: str, reference_losses: Floats
) -> PanelResult | None:
    """Of the test rows; `losses` and `reference_losses` are (rows,). None for a single series, or if the
    guard stopped every seed.
    """
    data, told = trained.data, trained.point_forecasts
    if len(data.series_starts) == 1 or not told:
        return None
    times, series = data.times[data.test], trained.series
    names = data.series_names or tuple(str(number + 1) for number in range(len(data.series_starts)))
    loss, target = trained.loss, trained.target
    naive = min(
        baseline_forecasts(data, data.test, loss).values(), key=lambda each: mean_loss(each, target, loss)
    )
    across = None
    if data.kind == "return":
        own = [in_own_unit(data, data.test, values) for values in (np.mean(told, axis=0), trained.target)]
        across = cross_section(times, series, *own, horizon=trained.moments.horizon)
    return PanelResult(
        rows=least_effective_rows(loss.gradient(naive, target), times, series, data.horizon),
        skill=panel_skill(times, series, names, losses, reference_losses, reference),
        cross_section=across,
    )


def validated_panel(store: Store, study: str, trial: int) -> PanelResult | None:
    """Of the validation rows of a study, for the forecasts of one trial.

    None for a single series, for a study of an older version, or if the trial's forecasts are not on record.
    A row that several folds hold out counts once, with the mean of its forecasts and losses.
    """
    rows = validation_rows(store, study)
    told = None if rows is None else trial_seed_forecasts(store, study, trial)
    if rows is None or rows.series is None or told is None or len(rows.series_names) < 2:
        return None
    reference = rows.strongest_rival or rows.baseline
    theirs = {**rows.baselines, **rows.rivals}[reference]
    distinct, first = rows.distinct_rows, rows.distinct_rows.first
    times, series, across = rows.times[first], rows.series[first], None
    if rows.kind == "return":
        own = [distinct.means(rows.own_unit(values)) for values in (mean_forecast(told), rows.target)]
        across = cross_section(times, series, *own, horizon=distinct.moments.horizon)
    return PanelResult(
        rows=least_effective_rows(
            rows.loss.gradient(rows.baselines[rows.baseline], rows.target),
            rows.times,
            rows.series,
            rows.horizon,
        ),
        skill=panel_skill(
            times,
            series,
            rows.series_names,
            distinct.means(rows.mean_row_losses(told)),
            distinct.means(rows.row_losses(theirs)),
            reference,
        ),
        cross_section=across,
    )


def best_of_panel(store: Store, summary: Summary) -> PanelResult | None:
    """`validated_panel` of the best trial; None if there is none, or the study is of a single series."""
    if summary.best is None or summary.effective_rows is None:
        return None
    return validated_panel(store, summary.study.name, summary.best.number)
