"""Chooses the best accepted trials: by the lower bound of skill, or by the lowest validation loss."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from search.config.objectives import LOSS, SelectionRule
from search.errors import AnswerIsNo, RequestError
from search.selection.objectives import ParetoFront, front_of, study_objectives
from search.selection.skill_bound import LowerBound, seed_spread, skill_lower_bound
from storage import query, tables
from storage.commands import ballast_command
from storage.engine import Store
from storage.verdicts import Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from search.record.validation_rows import ValidationRows


@dataclass(frozen=True)
class ChoiceReason:
    """The rule by which a trial was chosen, and the reason in one sentence."""

    by: SelectionRule | Literal["trial"]
    sentence: str
    bound: LowerBound | None = None
    """The lower bound of its configuration's skill; None if it is not known."""
    front: ParetoFront | None = None
    """The Pareto front that it was chosen from; None if it was chosen by another rule."""


ASKED_BY_NUMBER = ChoiceReason("trial", "asked for by its number")


@dataclass(frozen=True)
class ChosenTrial:
    """A trial that was chosen, and why."""

    trial: tables.Trial
    why: ChoiceReason


@dataclass(frozen=True)
class ConfigurationTrials:
    """The accepted trials of one configuration, each with its own seed, lowest validation loss first."""

    trials: Sequence[tables.Trial]
    bound: LowerBound

    @property
    def median_trial(self) -> tables.Trial:
        """The trial with the median loss (of an even number, the better of the middle two), so that neither a
        lucky nor an unlucky seed is taken.
        """
        return self.trials[(len(self.trials) - 1) // 2]


def best_trials(store: Store, name: str, top: int) -> list[tables.Trial]:
    """The `top` accepted trials of the lowest loss; AnswerIsNo if there are fewer."""
    accepted = sorted(
        query.trials(store, name, Verdict.ACCEPTED), key=lambda trial: (trial.value or 0.0, trial.number)
    )
    _require(len(accepted), "accepted trials", name, top)
    return accepted[:top]


def accepted_trial(store: Store, name: str, number: int) -> tables.Trial:
    """One trial by number; AnswerIsNo if it is not accepted."""
    trial = query.trial(store, name, number)
    if trial.verdict is not Verdict.ACCEPTED:
        reasons = f" ({', '.join(trial.reasons)})" if trial.reasons else ""
        raise AnswerIsNo(
            f"trial {number} of study {name!r} is {trial.verdict or 'still running'}{reasons}; "
            f"only accepted trials are exported: {ballast_command('trials', name, verdict='accepted')}"
        )
    return trial


def choose_trials(store: Store, name: str, top: int = 1, by: SelectionRule = "robust") -> list[ChosenTrial]:
    """The `top` best accepted trials, best first; AnswerIsNo if there are fewer.

    `robust` ranks configurations by the lower bound of their skill, and takes the median trial of each. If a
    bound cannot be computed for all of them, trials are ranked by value, and the sentence says why. `knee`
    and the name of an objective choose from the Pareto front of a study of several objectives; `loss` is
    `value` if that is the only one. Raises RequestError for an objective that the study does not have, and
    for more than one trial of a front.
    """
    if by not in ("robust", "value"):
        return choose_from_front(store, name, top, by)
    lowest = best_trials(store, name, top)
    if by == "value":
        return _by_value(lowest)
    configurations = configurations_with_bounds(store, name)
    if isinstance(configurations, str):
        return _by_value(lowest, f", and not the highest lower bound of skill, as {configurations}")
    _require(len(configurations), "accepted configurations", name, top)
    return rank_by_bound(configurations, top)


def choose_from_front(store: Store, name: str, top: int, by: SelectionRule) -> list[ChosenTrial]:
    """The trial at the knee of the Pareto front, or the one that is the lowest in an objective."""
    names = study_objectives(query.study(store, name))
    if by == LOSS and len(names) == 1:
        return _by_value(best_trials(store, name, top))
    if by not in (("knee", *names) if len(names) > 1 else names):
        has = f"minimises {', '.join(names)}" if len(names) > 1 else "has one objective, its loss,"
        rules = ["robust", *(["knee"] if len(names) > 1 else []), *names]
        raise RequestError(f"study {name!r} {has} and has no rule {by}; give --by {', '.join(rules)}")
    if top > 1:
        raise RequestError(f"--by {by} chooses one trial of the front; leave out --top {top}")
    _require(len(best_trials(store, name, 1)), "accepted trials", name, 1)
    front = front_of(names, query.trials(store, name, Verdict.ACCEPTED))
    _require(len(front.trials), "accepted trials with all objectives", name, 1)
    trial = front.knee if by == "knee" else front.lowest(by)
    what = "is the knee" if by == "knee" else f"has the lowest {by}"
    count = "is the only trial" if len(front.trials) == 1 else f"{what} of the {len(front.trials)} trials"
    sentence = f"trial {trial.number} {count} on the Pareto front of {', '.join(names)} ({front.text(trial)})"
    return [ChosenTrial(trial, ChoiceReason(by, sentence, front=front))]


def configurations_with_bounds(store: Store, name: str) -> list[ConfigurationTrials] | str:
    """The accepted configurations of a study with their bounds, or the reason why there are no bounds."""
    from search.record.validation_rows import seed_forecasts, validation_rows

    rows = validation_rows(store, name)
    if rows is None:
        return "the study was started before forecasts were kept"
    trials = query.trials(store, name, Verdict.ACCEPTED)
    return bounded_configurations(
        [trial for trial in trials if trial.source_study != name], rows, seed_forecasts(store, name)
    )


def bounded_configurations(
    trials: Sequence[tables.Trial], rows: "ValidationRows", forecasts: Mapping[int, "NDArray[np.float32]"]
) -> list[ConfigurationTrials] | str:
    """The configurations of accepted trials with their bounds, or the reason why one has no bound.

    `trials` are without copies; `forecasts` has (seeds, n) of each trial by number.
    """
    if missing := [trial.number for trial in trials if trial.number not in forecasts]:
        return f"there are no forecasts of trial {missing[0]} on record"
    groups: dict[str, list[tables.Trial]] = {}
    for trial in sorted(trials, key=lambda trial: (trial.value or 0.0, trial.number)):
        groups.setdefault(trial.configuration or f"trial {trial.number}", []).append(trial)
    losses = [
        rows.losses(np.vstack([forecasts[trial.number] for trial in group])) for group in groups.values()
    ]
    naive, moments = rows.baseline_losses, rows.moments
    spread = seed_spread(losses, naive)
    try:
        bounds = [skill_lower_bound(of_one, naive, moments.folds, moments.times, spread) for of_one in losses]
    except ValueError as error:
        return str(error)
    return [ConfigurationTrials(group, bound) for group, bound in zip(groups.values(), bounds, strict=True)]


def rank_by_bound(configurations: Sequence[ConfigurationTrials], top: int) -> list[ChosenTrial]:
    """The `top` configurations with the highest lower bounds; of equal ones the lower loss comes first."""
    ranked = sorted(configurations, key=lambda found: (-found.bound.low, found.median_trial.value or 0.0))
    lowest = min(configurations, key=lambda found: found.trials[0].value or 0.0)
    return [
        ChosenTrial(
            found.median_trial, ChoiceReason("robust", _bound_sentence(found, rank, lowest), found.bound)
        )
        for rank, found in enumerate(ranked[:top], start=1)
    ]


def _by_value(trials: Sequence[tables.Trial], remark: str = "") -> list[ChosenTrial]:
    return [
        ChosenTrial(
            trial,
            ChoiceReason("value", f"trial {trial.number} has the {_nth(rank)}lowest validation loss{remark}"),
        )
        for rank, trial in enumerate(trials, start=1)
    ]


def _bound_sentence(found: ConfigurationTrials, rank: int, lowest: ConfigurationTrials) -> str:
    chosen, best = found.median_trial, lowest.trials[0]
    seeds = f", over {found.bound.seeds} seeds" if found.bound.seeds > 1 else ""
    sentence = (
        f"trial {chosen.number} has the {_nth(rank)}highest lower bound of skill, "
        f"{found.bound.low:+.4f} (mean {found.bound.mean:+.4f}{seeds})"
    )
    if chosen is best:
        return f"{sentence}, and the lowest validation loss"
    sentence += f"; trial {best.number} has the lowest validation loss, {best.value:.6f},"
    if found is lowest:
        return f"{sentence} and is another seed of the same configuration"
    return f"{sentence} and a lower bound of {lowest.bound.low:+.4f}"


def _nth(rank: int) -> str:
    return "" if rank == 1 else f"{_ENDINGS.get(rank, f'{rank}th')} "


_ENDINGS = {2: "second", 3: "third"}


def _require(count: int, what: str, name: str, top: int) -> None:
    if count < top:
        few = f"{count} {what if count > 1 else what.removesuffix('s')}, {top} cannot be exported"
        has = few if count else f"no {what.removesuffix('s')} to export"
        raise AnswerIsNo(f"study {name!r} has {has}; see why: {ballast_command('trials', name)}")
