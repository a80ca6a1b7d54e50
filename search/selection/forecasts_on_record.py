"""The forecasts on record of the configuration that a study shows: on validation rows and, verified, on test
rows.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from search.record.scored_forecasts import ScoredForecasts, validated_forecasts
from search.record.validation_rows import Floats
from search.selection.summary import Summary
from storage import evaluations
from storage.engine import Store
from trainer.inference.forecast_intervals import in_own_unit
from trainer.losses import point_forecast

if TYPE_CHECKING:
    from search.selection.trained_candidate import TrainedCandidate


def tested_forecasts(
    trained: "TrainedCandidate",
    baseline: tuple[str, Floats],
    rival: tuple[str, Floats] | None,
    bounds: Mapping[str, Floats],
) -> ScoredForecasts | None:
    """The test rows of a candidate, as `verify` keeps them; None if the guard stopped every seed.

    `baseline` and `rival` are the names of the strongest ones on these rows and their standardised forecasts,
    as the candidate's loss judges them; `bounds` are in the target's own unit.
    """
    told, data, rows = trained.point_forecasts, trained.data, trained.data.test
    if not told:
        return None
    return ScoredForecasts(
        split="test",
        trial=trained.candidate.number,
        seeds=len(told),
        horizon=data.horizon,
        kind=data.kind,
        baseline_name=baseline[0],
        rival_name=None if rival is None else rival[0],
        times=data.times[rows],
        target=in_own_unit(data, rows, trained.target),
        forecast=in_own_unit(data, rows, np.mean(told, axis=0)),
        baseline=in_own_unit(data, rows, point_forecast(baseline[1], trained.loss)),
        loss=np.mean(trained.row_losses_by_seed(), axis=0),
        baseline_loss=trained.loss.value(baseline[1], trained.target),
        rival=None if rival is None else in_own_unit(data, rows, point_forecast(rival[1], trained.loss)),
        rival_loss=None if rival is None else trained.loss.value(rival[1], trained.target),
        offsets=None if data.offsets is None else data.offsets[rows],
        series=trained.series if data.series_names else None,
        series_names=data.series_names,
        bounds=bounds,
    )


def verified_forecasts(store: Store, summary: Summary) -> ScoredForecasts | None:
    """The test rows of the newest verification; None if there is none, or its rows were not kept."""
    if summary.verified is None or summary.verified.evaluation is None:
        return None
    packed = evaluations.scored_series(store, summary.verified.evaluation)
    return None if packed is None else ScoredForecasts.unpacked(packed)


def forecasts_on_record(store: Store, summary: Summary) -> tuple[ScoredForecasts, ...]:
    """The validation rows of the verified trial, or of the best one if none was verified; then the test rows
    of the verification. Empty if no forecasts are on record.
    """
    tested = verified_forecasts(store, summary)
    best = None if summary.best is None else summary.best.number
    trial = tested.trial if tested is not None and tested.trial is not None else best
    validated = None if trial is None else validated_forecasts(store, summary.study.name, trial)
    return tuple(each for each in (validated, tested) if each is not None)
