"""A grid whose every point is tried once, however many workers there are and whatever becomes of them."""

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
    """Optuna's grid, in its shuffled order; which point a trial has follows from the trials before it.

    Optuna gives out points by the number of a trial, which retries and queued trials take too, and draws at
    random what that left out. Here a trial has the first point that no trial before it has: drawn, asked for
    in the queue, or taken over from another study.
    """

    def __init__(self, space: Mapping[str, Dimension], seed: int) -> None:
        super().__init__(grid_values(space), seed=seed)
        self._space = space
        self._points: list[Point] = self._all_grids
        self._known = {tuple(map(canonical, point)): point for point in self._points}
        self._drawn: dict[int, Point] = {}

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Do nothing: the point is found when it is asked for."""

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Do nothing: Optuna's calls `study.stop`, which works inside `optimize` alone."""

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """The value of one dimension in the point of this trial."""
        if trial.number not in self._drawn:
            trials = study._storage.get_all_trials(study._study_id, deepcopy=False)
            self._drawn[trial.number] = self._taken(trials, retry_origin(trial).first)[
                retry_origin(trial).first
            ]
        return self._drawn[trial.number][self._param_names.index(param_name)]

    def is_exhausted(self, study: optuna.Study) -> bool:
        """Whether every point has a trial, ended or not."""
        trials = study._storage.get_all_trials(study._study_id, deepcopy=False)
        if len(trials) < len(self._points):
            return False
        return len({*self._taken(trials, len(trials)).values()} & {*self._points}) == len(self._points)

    def _taken(self, trials: Iterable[FrozenTrial], until: int) -> dict[int, Point]:
        """The point of each trial up to number `until`, without those of retries."""
        taken: dict[int, Point] = {}
        free = dict.fromkeys(self._points)
        for trial in trials:
            if trial.number > until:
                break
            if not retry_origin(trial).is_retry:
                point = self._point_of(trial, free)
                free.pop(point, None)
                taken[trial.number] = point
        return taken

    def _point_of(self, trial: FrozenTrial, free: Mapping[Point, None]) -> Point:
        """What is on record of a trial, else the first free point that agrees with what was asked for.

        Where no free point does, one that is tried already is tried again.
        """
        asked = clamp_to_space(self._space, queued_params(trial) or {})[0] | trial.params
        known = {name: canonical(value) for name, value in asked.items()}
        if len(known) == len(self._param_names):
            whole = tuple(known[name] for name in self._param_names)
            return self._known.get(whole, whole)
        fixed = [(self._param_names.index(name), value) for name, value in known.items()]
        fits = (
            point
            for points in (free, self._points)
            for point in points
            if all(canonical(point[i]) == value for i, value in fixed)
        )
        return next(fits, self._points[0])
