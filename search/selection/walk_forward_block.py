"""Forecasts the rows of one block of a walk-forward with what its study, which never saw them, has chosen.

study ──► robust best ──► fresh seeds on all rows before the block ──► forecasts ──► beside naive and rivals
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from search.errors import AnswerIsNo
from search.record.continuation import resolve_from_store
from search.record.walk_forward_rows import WalkForwardRows
from search.selection.candidates import Candidate, chosen_candidate
from search.selection.choice import choose_trials
from search.selection.interval_coverage import interval_coverage
from search.selection.summary import Summary, summarise
from search.selection.trained_candidate import (
    TrainedCandidate,
    VerificationCallbacks,
    train_on,
)
from storage import query
from storage.engine import Store
from trainer.config import DataConfig
from trainer.data.arrays import Floats
from trainer.data.source import read_table
from trainer.data.windows import Dataset, prepare_refit
from trainer.inference.forecast_intervals import in_own_unit
from trainer.losses import point_forecast
from trainer.rivals.baselines import baseline_forecasts
from trainer.rivals.fitted import rival_forecasts
from trainer.rivals.skill import skill

_MIN_BOUND_ROWS = 20
"""Fewest rows of a block whose forecasts get bounds."""


@dataclass(frozen=True)
class BlockForecast:
    """The result of a block, as it is recorded, and its rows."""

    result: Mapping[str, Any]
    rows: WalkForwardRows = field(repr=False)


def forecast_block(
    store: Store,
    study: str,
    last: np.datetime64,
    until: str | None,
    *,
    seeds: int,
    began: float,
    progress: VerificationCallbacks,
) -> BlockForecast:
    """Forecast the rows of the block behind the rows of `study`, up to the time `last` (naive UTC).

    `until` is the `data.until` of the whole walk-forward, `began` when this process began with the block, as
    `time.monotonic` tells it. If no trial of the study was accepted, or the guard
    stops more than half of the seeds, the naive forecast that was best on the study's validation rows stands
    in: that is what a user would have been left with. Raises VerificationInterrupted if it was stopped.
    """
    started = time.monotonic()
    summary, candidate = summarise(store, study), _chosen(store, study)
    if candidate is None:
        config = resolve_from_store(store, study).trial_config.data
    else:
        config = candidate.trial.config.data
    data = _data_of_block(store, study, config, last, until)
    trained: TrainedCandidate | None = None
    why: str | None = "no trial was accepted"
    if candidate is not None:
        trained = train_on(candidate, data, summary.study.facts["skill_ceiling"], seeds, progress)
        why = _too_many_stopped(trained)
    rows = _rows(summary, data, None if why else trained)
    return BlockForecast(
        {
            **_choice(store, summary, candidate),
            **_skill(rows),
            "fallback": None if why is None else f"{why}: {summary.baseline} forecasts",
            "seeds": [] if trained is None else [each.seed for each in trained.refits],
            "seconds": {
                "trials": query.trial_seconds(store, study),
                "refits": time.monotonic() - started,
                "wall": time.monotonic() - began,
            },
        },
        rows,
    )


def _chosen(store: Store, study: str) -> Candidate | None:
    """The robust best of a study; None if no trial was accepted."""
    try:
        return chosen_candidate(store, study, choose_trials(store, study)[0])
    except AnswerIsNo:
        return None


def _data_of_block(
    store: Store, study: str, config: DataConfig, last: np.datetime64, until: str | None
) -> Dataset:
    """The rows of the study as training rows, and those of the block as test rows.

    The table ends with the last target of the block: `horizon` rows after its last row, in every series.
    """
    resolved = resolve_from_store(store, study)
    table = read_table(config.model_copy(update={"until": until}), folder=resolved.folder)
    lengths = [
        min(
            int(table.times[span].searchsorted(last, side="right")) + config.target.horizon,
            span.stop - span.start,
        )
        for span in table.spans
    ]
    return prepare_refit(config, table.heads(lengths)[0])


def _too_many_stopped(trained: TrainedCandidate) -> str | None:
    stopped = len(trained.refits) - len(trained.forecasts)
    if 2 * stopped < len(trained.refits):
        return None
    return f"the guard stopped {stopped} of {len(trained.refits)} trainings"


def _rows(summary: Summary, data: Dataset, trained: TrainedCandidate | None) -> WalkForwardRows:
    """The rows of the block; without a training the forecasts are those of the study's best naive one."""
    rows, loss = data.test, data.in_units(summary.metric)
    target = data.target[rows].astype(np.float64)
    naive = baseline_forecasts(data, rows, summary.metric)
    rivals = rival_forecasts(data, rows, summary.metric)
    mine = [naive[summary.baseline]] if trained is None else trained.forecasts
    tested = None if trained is None or len(rows) < _MIN_BOUND_ROWS else interval_coverage(trained)

    def own_unit(forecasts: Mapping[str, Floats]) -> dict[str, Floats]:
        return {name: in_own_unit(data, rows, point_forecast(each, loss)) for name, each in forecasts.items()}

    return WalkForwardRows(
        horizon=data.horizon,
        kind=data.kind,
        seeds=len(mine),
        times=data.times[rows],
        target=in_own_unit(data, rows, target),
        forecast=in_own_unit(data, rows, point_forecast(np.mean(mine, axis=0), loss)),
        loss=np.mean([loss.value(each, target) for each in mine], axis=0),
        naive=own_unit(naive),
        naive_losses={name: loss.value(each, target) for name, each in naive.items()},
        rivals=own_unit(rivals.forecasts),
        rival_losses=rivals.row_losses(target, loss),
        series=data.series_numbers[rows],
        blocks=np.zeros(len(rows), np.int64),
        series_names=data.series_names,
        offsets=None if data.offsets is None else data.offsets[rows],
        bounds={} if tested is None else tested.bounds,
    )


def _choice(store: Store, summary: Summary, candidate: Candidate | None) -> dict[str, Any]:
    """What the study has chosen, and what it said about it."""
    found: dict[str, Any] = {
        "trials": summary.conclusive,
        "trial": None,
        "settings": {},
        "epochs": None,
        "validation": None,
        "noise_floor": summary.floor,
        "ceiling": summary.study.facts["skill_ceiling"],
        "said_skill": False,
    }
    if candidate is None or candidate.number is None:
        return found
    bound = candidate.skill_lower_bound
    return found | {
        "trial": candidate.number,
        "settings": query.trial(store, candidate.study, candidate.number).params,
        "epochs": candidate.epochs,
        "validation": {"value": candidate.value, "skill": candidate.skill, "lower_bound": bound},
        "said_skill": summary.above_floor,
    }


def _skill(rows: WalkForwardRows) -> dict[str, Any]:
    """The skill on the rows of the block, over the naive forecast and the rival that are best there."""
    value, best, rival = float(rows.loss.mean()), rows.baseline, rows.rival
    naive = float(rows.naive_losses[best].mean())
    found: dict[str, Any] = {
        "rows": len(rows.times),
        "value": value,
        "skill": skill(value, naive) if naive > 0 else None,
        "baseline": {"name": best, "loss": naive},
        "rival": None,
    }
    if rival is not None:
        loss = float(rows.rival_losses[rival].mean())
        found["rival"] = {"name": rival, "loss": loss, "skill": skill(value, loss) if loss > 0 else None}
    return found
