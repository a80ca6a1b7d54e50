"""A grid sampler that tries every point once, with any number of workers, even if some are killed."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import GridSampler
from optuna.trial import FrozenTrial, TrialState

from search.config.space import Dimension, canonical, clamp_to_space, grid_values
from search.sampling.queue import queued_params
from search.sampling.retry import retry_origin

Point = tuple[Any, ...]


class SharedGridSampler(GridSampler):
    """Optuna's grid in its shuffled order; the point of a trial depends on the trials before it.

    Optuna assigns points by trial number, which retries and queued trials use up too, and draws the points
    that were left out at random. Here a trial gets the first point that no earlier trial has, whether that
    was drawn, queued, or imported from another study.
    """

    def __init__(self, space: Mapping[str, Dimension], seed: int) -> None:
        super().__init__(grid_values(space), seed=seed)
        self._space = space
        self._points: list[Point] = self._all_grids
        self._by_value = {tuple(map(canonical, point)): point for point in self._points}
        self._drawn: dict[int, Point] = {}

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Do nothing: the point is chosen when its first value is needed."""

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Do nothing: Optuna's method calls `study.stop`, which works only inside `optimize`."""

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """The value of one dimension in the point of this trial."""
        if trial.number not in self._drawn:
            trials = study._get_trials(deepcopy=False, use_cache=True)
            first = retry_origin(trial).first
            self._drawn[trial.number] = self._used_points(trials, first)[first]
        return self._drawn[trial.number][self._param_names.index(param_name)]

    def is_exhausted(self, study: optuna.Study) -> bool:
        """Whether every point has a trial, ended or not."""
        trials = study._storage.get_all_trials(study._study_id, deepcopy=False)
        if len(trials) < len(self._points):
            return False
        return len({*self._used_points(trials, len(trials)).values()} & {*self._points}) == len(self._points)

    def _used_points(self, trials: Iterable[FrozenTrial], until: int) -> dict[int, Point]:
        """The point of each trial up to number `until`, without those of retries."""
        used: dict[int, Point] = {}
        free = dict.fromkeys(self._points)
        for trial in trials:
            if trial.number > until:
                break
            if not retry_origin(trial).is_retry:
                point = self._point_of(trial, free)
                free.pop(point, None)
                used[trial.number] = point
        return used

    def _point_of(self, trial: FrozenTrial, free: Mapping[Point, None]) -> Point:
        """The point on record of a trial, else the first free point that matches its queued values.

        If no free point matches, a used one that matches is tried again.
        """
        asked = clamp_to_space(self._space, queued_params(trial) or {})[0] | trial.params
        known = {name: canonical(value) for name, value in asked.items()}
        if len(known) == len(self._param_names):
            whole = tuple(known[name] for name in self._param_names)
            return self._by_value.get(whole, whole)
        fixed = [(self._param_names.index(name), value) for name, value in known.items()]
        fits = (
            point
            for points in (free, self._points)
            for point in points
            if all(canonical(point[i]) == value for i, value in fixed)
        )
        return next(fits, self._points[0])
