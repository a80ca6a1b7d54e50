"""Trains a candidate of a verification with fresh seeds on all rows before the test rows."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from search.data.study_data import StudyData
from search.errors import AnswerIsNo, RequestError
from search.record.validation_rows import Floats
from search.seeds import fresh_seed
from search.selection.candidates import Candidate, VerificationInterrupted
from search.selection.statistics.stationary_bootstrap import min_interval_rows
from search.verdict import settings_not_applied
from trainer.data.arrays import Rows
from trainer.data.moments import Moments, moments_of
from trainer.data.windows import Dataset, prepare_refit
from trainer.losses import Loss, judged_forecasts, point_forecast
from trainer.rivals.baselines import baseline_forecasts
from trainer.training.result import Outcome, RefitResult

_EXACT = 1e-12
"""Mean loss of the standardised target below which a forecast counts as exact, apart from rounding."""


@dataclass(frozen=True)
class VerificationCallbacks:
    """Called after each training, and to ask whether to stop."""

    trained: Callable[[Candidate, RefitResult], None] = lambda candidate, refit: None
    should_stop: Callable[[], bool] = lambda: False


@dataclass(frozen=True)
class TrainedCandidate:
    """A candidate, its prepared `data`, the skill `ceiling` of its study, and its trainings."""

    candidate: Candidate
    data: Dataset
    ceiling: float
    refits: tuple[RefitResult, ...]

    @property
    def loss(self) -> Loss:
        """What the candidate is judged by: the metric of its study, in the unit of the data."""
        return self.data.in_units(self.candidate.resolved.metric)

    @cached_property
    def moments(self) -> Moments:
        """The times of the test rows: rows of one moment depend on one another, so that statistics take one
        value per moment. The moments of one series are its rows.
        """
        return moments_of_test(self.data)

    @property
    def series(self) -> Rows:
        """The number of the series of each test row, (rows,)."""
        return self.data.series_numbers[self.data.test]

    @property
    def target(self) -> Floats:
        """The targets (rows,) of the test rows, standardised."""
        return self.data.target[self.data.test].astype(np.float64)

    @property
    def forecasts(self) -> list[Floats]:
        """The forecasts of each seed whose training the guard did not stop, as `loss` judges them: (rows,) or
        (rows, outputs).
        """
        trained_by = self.candidate.trial.config.loss
        return [
            judged_forecasts(refit.forecasts.astype(np.float64), trained_by, self.loss)
            for refit in self.refits
            if refit.forecasts is not None
        ]

    @property
    def point_forecasts(self) -> list[Floats]:
        """The same in one number each, (rows,)."""
        return [point_forecast(each, self.loss) for each in self.forecasts]

    def row_losses_by_seed(self) -> list[Floats]:
        """The losses (rows,) of each of these seeds."""
        return [self.loss.value(each, self.target) for each in self.forecasts]

    def losses_by_seed(self) -> list[Floats]:
        """The losses (moments,) of each of these seeds."""
        return [self.moments.means(each) for each in self.row_losses_by_seed()]


def train_candidate(
    candidate: Candidate, study_data: StudyData, seeds: int, progress: VerificationCallbacks
) -> TrainedCandidate:
    """Train with fresh seeds on all rows before the test, for the epochs that validation chose."""
    config = candidate.trial.config.data
    data = prepare_refit(config, study_data.table)
    _require_rows(config.shown_source, data)
    _require_naive_errors(config.shown_source, data, data.in_units(candidate.resolved.metric))
    return train_on(candidate, data, study_data.ceiling, seeds, progress)


def train_on(
    candidate: Candidate, data: Dataset, ceiling: float, seeds: int, progress: VerificationCallbacks
) -> TrainedCandidate:
    """Train with fresh seeds on the training rows of `data`, and forecast its test rows.

    Raises VerificationInterrupted if it was stopped, and AnswerIsNo if the trainer did not do as configured.
    """
    from trainer.training.loop import refit  # imports torch, which only training needs

    config, refits = candidate.trial.config, []
    for number in range(seeds):
        seed = fresh_seed(candidate.resolved.file.study.seed, number)
        done = refit(config, data, epochs=candidate.epochs, seed=seed, should_stop=progress.should_stop)
        if done.outcome is Outcome.INTERRUPTED:
            raise VerificationInterrupted
        if differing := settings_not_applied(done.effective, candidate.trial.values):
            raise AnswerIsNo(f"{candidate.name} was not trained as it is configured: {'; '.join(differing)}")
        refits.append(done)
        progress.trained(candidate, done)
    return TrainedCandidate(candidate, data, ceiling, tuple(refits))


def _require_rows(source: str, data: Dataset) -> None:
    """Raise RequestError if the test rows are too few for an interval: the evaluation would be wasted."""
    moments = moments_of_test(data)
    needed, found = min_interval_rows(moments.horizon), len(moments.times)
    if found < needed:
        has = f"{found} test rows at a horizon of {data.horizon}"
        if len(data.series_starts) > 1:
            has = (
                f"{len(data.test)} test rows at {found} times, of which a target spans {moments.horizon} "
                "(rows of one time depend on one another)"
            )
        raise RequestError(
            f"{source} has {has}, and an interval needs {needed}; move data.split.validation_until earlier, "
            "or use a longer series"
        )


def _require_naive_errors(source: str, data: Dataset, loss: Loss) -> None:
    """Raise RequestError if a naive forecast is exact in every test row: no skill over it exists."""
    naive = naive_losses(data, loss)
    exact = next((name for name, losses in naive.items() if float(losses.mean()) <= _EXACT), None)
    if exact is not None:
        raise RequestError(
            f"{source}: the naive forecast {exact} is exact in all {len(data.test)} test rows, so that no "
            "skill over it exists; verify on rows in which the target varies"
        )


def naive_losses(data: Dataset, loss: Loss) -> dict[str, Floats]:
    """The losses (rows,) of each naive forecast on the test rows."""
    target = data.target[data.test].astype(np.float64)
    naive = baseline_forecasts(data, data.test, loss)
    return {name: loss.value(forecasts, target) for name, forecasts in naive.items()}


def moments_of_test(data: Dataset) -> Moments:
    """The times of the test rows."""
    return moments_of(data.times[data.test], data.series_numbers[data.test], data.horizon)
