"""Which searched settings separate the best trials from the others: PED-ANOVA, beside what luck reaches.

Watanabe, Bansal & Hutter (2023, "PED-ANOVA"), as Optuna computes it: for each setting alone, how much the
density of its values among the best tenth of the trials differs from that among all of them. It does not see
settings that matter only together, and it tells of the values that were tried, not of the whole range.
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from search.config.conditions import why_idle
from search.config.space import Dimension, only_value, to_distributions
from search.record.setting_facts import (
    FEWEST_TRIALS,
    LEVEL,
    SettingImportance,
    SettingImportances,
)
from storage import tables
from storage.verdicts import Verdict

MOST_TRIALS = 1_000
"""Of more trials every n-th is used: the shares change no more, and the page must not take long."""
SHUFFLES = 19
"""A setting without effect is above all of so many shuffles with probability 1 / 20."""
RESAMPLES = 40
"""Bootstrap samples of the trials, for the interval of each share (Efron 1979); each costs one evaluation."""
_TOP = 0.1
_SCORED = (Verdict.ACCEPTED, Verdict.UNPROMISING)


def scored_trials(trials: Sequence[tables.Trial]) -> list[tables.Trial]:
    """The trials with a loss that counts: accepted ones, and unpromising ones with their loss when they were
    stopped; never a suspicious one.
    """
    return [t for t in trials if t.verdict in _SCORED and t.value is not None and np.isfinite(t.value)]


def setting_importances(
    trials: Sequence[tables.Trial], space: Mapping[str, Dimension]
) -> SettingImportances | None:
    """Of the settings of `space` that have several values; None with less than FEWEST_TRIALS scored trials
    that have them all, or if nothing tells them apart. The same trials give the same numbers. A setting with
    conditions counts in the trials that have it, as Optuna weighs it.
    """
    searched = {key: each for key, each in space.items() if only_value(each) is None}
    known = [
        t
        for t in scored_trials(trials)
        if all(
            _is_in(t.params, *each) for each in searched.items() if why_idle(space, t.params, each[0]) is None
        )
    ]
    known = known[:: -(-len(known) // MOST_TRIALS) or 1]
    if len(known) < FEWEST_TRIALS or not searched:
        return None
    losses = np.array([trial.value for trial in known], float)
    cut = np.sort(losses)[math.ceil(_TOP * len(losses)) - 1]
    top = int((losses <= cut).sum())
    if top == len(known):  # all losses are the same
        return None
    evaluate = _evaluator(known, searched)
    found, total = evaluate(losses), sum(evaluate(losses).values())
    if total <= 0:
        return None
    random = np.random.default_rng(0)
    shuffled = [evaluate(random.permutation(losses)) for _ in range(SHUFFLES)]
    resampled = [evaluate(losses, random.integers(len(known), size=len(known))) for _ in range(RESAMPLES)]
    settings = [
        SettingImportance(
            key, found[key] / total, *_interval(resampled, key), max(each[key] for each in shuffled) / total
        )
        for key in sorted(found, key=lambda key: (-found[key], key))
    ]
    return SettingImportances(tuple(settings), len(known), top)


def _interval(resampled: Sequence[Mapping[str, float]], key: str) -> tuple[float, float]:
    """The quantiles of a setting's share over resamples; a sample that tells nothing apart counts as 0."""
    shares = [each[key] / total if (total := sum(each.values())) > 0 else 0.0 for each in resampled]
    outside = (100 - LEVEL) / 200
    low, high = np.quantile(shares, [outside, 1 - outside])
    return float(low), float(high)


def _is_in(params: Mapping[str, Any], key: str, dimension: Dimension) -> bool:
    return key in params and dimension.accepts_type(params[key]) and dimension.contains(params[key])


def _evaluator(trials: Sequence[tables.Trial], space: Mapping[str, Dimension]) -> Any:
    """A function of losses (trials,), and of the indices of a sample of the trials if not of all. It returns
    Optuna's importance of each setting, not divided by their sum.
    """
    import optuna
    from optuna.importance import PedAnovaImportanceEvaluator

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # else it prints that there is a new study
    try:
        study = optuna.create_study()
    finally:
        optuna.logging.set_verbosity(verbosity)
    distributions = to_distributions(space)
    study.add_trials(
        optuna.trial.create_trial(
            params={key: trial.params[key] for key in space if key in trial.params},
            distributions={key: each for key, each in distributions.items() if key in trial.params},
            value=trial.value,
        )
        for trial in trials
    )
    kept = study.get_trials(deepcopy=False)
    evaluator = PedAnovaImportanceEvaluator(target_quantile=_TOP)
    tried = [key for key in space if any(key in trial.params for trial in trials)]

    def evaluate(
        losses: np.ndarray[Any, np.dtype[np.float64]], chosen: Sequence[int] | None = None
    ) -> dict[str, float]:
        for trial, loss in zip(kept, losses.tolist(), strict=True):
            trial.value = loss
        drawn = kept if chosen is None else [kept[index] for index in chosen]
        # A trial may be drawn several times, which no study of Optuna's can hold.
        setattr(study, "get_trials", lambda *arguments, **named: drawn)  # noqa: B010
        with warnings.catch_warnings():  # of settings that few trials have
            warnings.simplefilter("ignore", UserWarning)
            return evaluator.evaluate(study, tried)

    return evaluate
