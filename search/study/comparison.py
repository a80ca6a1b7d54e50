"""Compares two trials: the settings that differ, and the skill of one over the other on common rows.

names ──► trials on record ──► rows that both validated on ──► losses by moment ──► skill with its interval
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from search.errors import AnswerIsNo, RequestError
from search.record.common_rows import TrialForecasts, common_rows
from search.record.row_mapping import recorded_settings
from search.record.validation_rows import Floats, trial_seed_forecasts, validation_rows
from search.selection.choice import best_trials
from search.selection.statistics.interval import SkillInterval
from search.selection.statistics.rival_comparison import (
    RivalComparison,
    RivalVerdict,
    compare_with_strongest_rival,
)
from search.selection.statistics.stationary_bootstrap import few_rows_note, min_interval_rows
from storage import query, tables
from storage.commands import ballast_command
from storage.engine import Store

if TYPE_CHECKING:
    import pandas as pd

_TRIAL = re.compile(r"(?P<study>.+):(?P<trial>\d+)")
_NOT_COMPARED = frozenset({"study.name"})


@dataclass(frozen=True)
class ComparedTrial:
    """A trial of a comparison; `loss` is its mean loss on the common rows, in units of A's target."""

    record: tables.Trial
    loss: float

    @property
    def name(self) -> str:
        """`STUDY:TRIAL`."""
        return _name(self.record)

    def to_json(self) -> dict[str, Any]:
        """Its part of `compare --json`: `value` and `skill` are those on record, of all its own rows."""
        record = self.record
        return {
            "study": record.study,
            "trial": record.number,
            "verdict": record.verdict,
            "value": record.value,
            "skill": record.skill,
            "epochs": record.epochs,
            "seed": record.seed,
            "loss": self.loss,
        }


@dataclass(frozen=True)
class SettingDifference:
    """A setting with two values; None is also that of a setting that a study of an older version lacks."""

    key: str
    a: Any
    b: Any


@dataclass(frozen=True)
class Comparison:
    """Whether trial B forecasts better than trial A on the validation rows that both have.

    `rows` are at `moments` distinct times. `skill` is 1 − loss of B / loss of A; None if A makes no error.
    `interval` is its 95 % confidence interval; None if there are too few rows for one. The rows chose the
    epochs of both trials, and which of them is the best of its study: `ballast verify` judges on others.
    """

    a: ComparedTrial
    b: ComparedTrial
    rows: int
    moments: int
    skill: float | None
    interval: SkillInterval | None
    verdict: RivalVerdict
    """`yes`, `no` or `cannot tell`."""
    reason: str
    differences: tuple[SettingDifference, ...]

    def __repr__(self) -> str:
        return f"<Comparison: {self.sentence()}>"

    def sentence(self) -> str:
        """The answer and its reason."""
        return f"Does {self.b.name} forecast better than {self.a.name}? {self.verdict}: {self.reason}."

    def settings(self) -> "pd.DataFrame":
        """The settings that differ, a row each: columns key, a and b."""
        import pandas as pd

        return pd.DataFrame([vars(each) for each in self.differences], columns=["key", "a", "b"])

    def to_json(self) -> dict[str, Any]:
        """The shape that `compare --json` promises."""
        return {
            "a": self.a.to_json(),
            "b": self.b.to_json(),
            "rows": self.rows,
            "moments": self.moments,
            "skill": self.skill,
            "interval": None
            if self.interval is None
            else {"low": self.interval.low, "high": self.interval.high, "level": self.interval.level},
            "verdict": str(self.verdict),
            "reason": self.reason,
            "settings": [vars(each) for each in self.differences],
        }


def compare_trials(store: Store, a: str, b: str) -> Comparison:
    """Compare two trials, each `NAME` (the best trial of the study) or `NAME:TRIAL`.

    Raises StudyUnknown and TrialUnknown, and RequestError if a study has no accepted trial, a trial no
    forecasts on record, or if both have different targets or losses, or no common validation rows.
    """
    trials = _trial(store, a), _trial(store, b)
    common = common_rows(*(_forecasts(store, each) for each in trials))
    losses = [common.moments.means(each) for each in common.losses]
    names = [_name(each) for each in trials]
    rows, moments = len(common.moments.number), len(common.moments.times)
    found = _skill(losses, names, common.moments.horizon)
    return Comparison(
        a=ComparedTrial(trials[0], float(losses[0].mean())),
        b=ComparedTrial(trials[1], float(losses[1].mean())),
        rows=rows,
        moments=moments,
        skill=None if found is None else found.skill,
        interval=None if found is None else found.interval,
        verdict=RivalVerdict.CANNOT_TELL if found is None else found.verdict,
        reason=_reason(found, names, rows, moments, common.moments.horizon),
        differences=_differences(store, *trials),
    )


def _name(trial: tables.Trial) -> str:
    return f"{trial.study}:{trial.number}"


def _trial(store: Store, text: str) -> tables.Trial:
    """The trial of `NAME:TRIAL`; of `NAME` the accepted one of the lowest loss. A name may hold a colon."""
    known = {study.name for study in query.studies(store)}
    named = None if text in known else _TRIAL.fullmatch(text)
    name = query.current_name(store, text if named is None else named["study"])
    if named is not None:
        return query.trial(store, name, int(named["trial"]))
    query.study(store, name)
    try:
        return best_trials(store, name, 1)[0]
    except AnswerIsNo:
        raise RequestError(
            f"study {name!r} has no accepted trial yet; name another one, such as {name}:0: "
            f"{ballast_command('trials', name)}"
        ) from None


def _forecasts(store: Store, trial: tables.Trial) -> TrialForecasts:
    rows, values = validation_rows(store, trial.study), trial_seed_forecasts(store, trial.study, trial.number)
    if rows is None:
        raise RequestError(f"study {trial.study!r} was started before forecasts were kept: {_name(trial)}")
    if values is None:
        how = "still runs" if trial.verdict is None else "completed no epoch"
        raise RequestError(f"{_name(trial)} {how}, so that it has no forecasts on record; name another trial")
    return TrialForecasts(_name(trial), rows, values.astype(np.float64))


def _skill(losses: list[Floats], names: list[str], horizon: int) -> RivalComparison | None:
    """B against A, from losses (m,) by moment; None if there are too few for an interval."""
    if len(losses[0]) < min_interval_rows(horizon):
        return None
    return compare_with_strongest_rival(losses[1], {names[0]: losses[0]}, horizon=horizon)


def _reason(found: RivalComparison | None, names: list[str], rows: int, moments: int, horizon: int) -> str:
    """The reason of the answer, a sentence without a full stop."""
    a, b = names
    at = "" if rows == moments else f" at {moments} times"
    where = f"{rows} common validation rows{at}{few_rows_note(moments, horizon)}"
    if found is None:
        return f"they have {where}, and an interval needs {min_interval_rows(horizon)}"
    if found.skill is None:
        return f"{a} makes no error on {where}"
    told = f"the skill of {b} over {a} on {where} is {found.skill:+.4f}"
    if found.interval is None:
        return f"{told}, and it has no interval"
    low, high, level = found.interval.low, found.interval.high, found.interval.level
    told += f", with {100 * level:.4g} % confidence between {low:+.4f} and {high:+.4f}"
    if found.verdict is RivalVerdict.CANNOT_TELL and low > 0:
        return f"{told}, but Diebold–Mariano is not sure (p = {found.comparisons[a].p_better:.3f})"
    return told


def _differences(store: Store, a: tables.Trial, b: tables.Trial) -> tuple[SettingDifference, ...]:
    """The settings whose values differ, by key."""
    values = [
        {setting.key: setting.value for setting in recorded_settings(store, trial.study, trial.number)}
        for trial in (a, b)
    ]
    keys = sorted({*values[0], *values[1]} - _NOT_COMPARED)
    found = (SettingDifference(key, *(of_one.get(key) for of_one in values)) for key in keys)
    return tuple(each for each in found if each.a != each.b)
