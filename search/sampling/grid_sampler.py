"""A grid sampler that tries every point once, with any number of workers, even if some are killed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from search.config.conditions import active_params, in_order, is_complete, is_conditional, why_idle
from search.config.space import MAX_GRID, Dimension, canonical, clamp_to_space, grid_values
from search.errors import RequestError
from search.sampling.queue import queued_params
from search.sampling.retry import retry_origin

Point = tuple[tuple[str, Any], ...]
"""The values of a point by setting, in their canonical spelling, without settings that are idle in it."""


def grid_points(space: Mapping[str, Dimension]) -> list[dict[str, Any]]:
    """The distinct configurations of a space in a fixed order; a setting is missing where it is idle.

    Raises RequestError naming the keys without a short grid, or that there are too many points.
    """
    values = grid_values(space)
    keys = in_order({key: space[key] for key in sorted(space)})[0]

    def points(chosen: dict[str, Any], left: Sequence[str]) -> Iterator[dict[str, Any]]:
        if not left:
            yield chosen
        elif why_idle(space, chosen, left[0]) is not None:
            yield from points(chosen, left[1:])
        else:
            for value in values[left[0]]:
                yield from points({**chosen, left[0]: value}, left[1:])

    found: list[dict[str, Any]] = []
    for point in points({}, keys):
        if len(found) == MAX_GRID:
            raise RequestError(
                f"the grid has more than {MAX_GRID} configurations; give fewer choices or larger steps"
            )
        found.append(point)
    return found


class SharedGridSampler(BaseSampler):
    """A grid in the shuffled order of Optuna's; the point of a trial depends on the trials before it.

    Optuna assigns points by trial number, which retries and queued trials use up too, and draws the points
    that were left out at random. Here a trial gets the first point that no earlier trial has, whether that
    was drawn, queued, or imported from another study. In a conditional space Optuna's product has points that
    differ only in idle settings; here each configuration is one point.
    """

    def __init__(self, space: Mapping[str, Dimension], seed: int) -> None:
        points = grid_points(space)
        np.random.RandomState(seed).shuffle(points)  # type: ignore[arg-type]  # a list, as in Optuna
        self._space = space
        self._points: dict[Point, dict[str, Any]] = {self._as_point(point): point for point in points}
        self._drawn: dict[int, Point] = {}

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Nothing: each value is looked up in the point."""
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Nothing."""
        return {}

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Do nothing."""

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
        point = self._drawn[trial.number]
        return self._points.get(point, dict(point))[param_name]

    def is_exhausted(self, study: optuna.Study) -> bool:
        """Whether every point has a trial, ended or not."""
        trials = study._storage.get_all_trials(study._study_id, deepcopy=False)
        if len(trials) < len(self._points):
            return False
        return self._points.keys() <= {*self._used_points(trials, len(trials)).values()}

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
        known = active_params(self._space, asked) if is_conditional(self._space) else asked
        if is_complete(self._space, known):
            return self._as_point(known)
        fixed = set(self._as_point(known))
        fits = (point for point in chain(free, self._points) if fixed <= set(point))
        return next(fits, next(iter(self._points)))

    def _as_point(self, values: Mapping[str, Any]) -> Point:
        return tuple((key, canonical(values[key])) for key in self._space if key in values)
