"""Sorts the trials of a study by a column, and picks the best of them. Pure functions."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from search.errors import RequestError
from storage.verdicts import Verdict
from trainer.text import did_you_mean

_FIELDS = {
    "number": "number",
    "loss": "value",
    "skill": "skill",
    "seconds": "duration_s",
    "epochs": "epochs",
    "value": "value",
    "duration_s": "duration_s",
}
"""Columns to sort by and the fields of a trial; the last two are their names in JSON and data frames."""
_HIGHEST_FIRST = "skill"


class SortableTrial(Protocol):
    """A trial of a list: a row of the record or a shorter one."""

    @property
    def number(self) -> int:
        """Its number."""

    @property
    def verdict(self) -> Verdict | None:
        """Its verdict; None while it runs."""

    @property
    def value(self) -> float | None:
        """Its validation loss; None before its first epoch."""

    @property
    def objectives(self) -> dict[str, Any] | None:
        """The values of several objectives by name; None for a study of one."""

    @property
    def params(self) -> dict[str, Any]:
        """Its searched settings."""


_Trial = TypeVar("_Trial", bound=SortableTrial)


def ordered_trials(
    trials: Sequence[_Trial], sort: str | None = None, best: int | None = None
) -> list[_Trial]:
    """The trials in order of `sort`; with `best`, only so many accepted ones, those of the lowest loss.

    `sort` is `loss`, `skill`, `number`, `seconds`, `epochs`, an objective, or a searched setting by its key
    or the end of it. Low values come first, of `skill` high ones, and trials without a value last; numbers
    come before text. None: in order of numbers, the `best` in order of loss. Raises RequestError for another
    `sort`.
    """
    chosen = sorted(trials, key=lambda trial: trial.number)
    if best is not None:
        accepted = [trial for trial in chosen if trial.verdict is Verdict.ACCEPTED]
        chosen = sorted(accepted, key=lambda trial: _rank(trial.value))[:best]
    if sort is None:
        return chosen
    if sort in _FIELDS:
        values = {trial.number: getattr(trial, _FIELDS[sort]) for trial in chosen}
    elif any(sort in (trial.objectives or {}) for trial in trials):
        values = {trial.number: (trial.objectives or {}).get(sort) for trial in chosen}
    else:
        setting = _searched_setting(trials, sort)
        values = {trial.number: trial.params.get(setting) for trial in chosen}
    sign = -1 if sort == _HIGHEST_FIRST else 1
    return sorted(chosen, key=lambda trial: _rank(values[trial.number], sign))


def _rank(value: Any, sign: int = 1) -> tuple[int, float, str]:
    """A key that sorts numbers, then text and lists, then None; numbers by `sign` times their value."""
    if value is None or value != value:  # NaN
        return (2, 0.0, "")
    if isinstance(value, int | float):
        return (0, sign * value, "")
    return (1, 0.0, str(value))


def _searched_setting(trials: Sequence[SortableTrial], sort: str) -> str:
    """The searched setting of this key, or whose key ends so; RequestError if it is none or several."""
    keys = sorted({key for trial in trials for key in trial.params})
    found = [key for key in keys if key == sort] or [key for key in keys if key.endswith(f".{sort}")]
    if len(found) == 1:
        return found[0]
    if found:
        raise RequestError(f"--sort {sort} is the end of {' and '.join(found)}; name one of them")
    columns = ["loss", "skill", "number", "seconds", "epochs"]
    ends = [key.rpartition(".")[2] for key in keys]
    near = did_you_mean(sort, [*columns, *keys, *ends])
    known = near or f"; sort by {', '.join(columns)} or a searched setting: {', '.join(keys) or 'none yet'}"
    raise RequestError(f"--sort {sort}: trials have no such column{known}")
