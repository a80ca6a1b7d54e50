"""What the trials of a study say about its searched settings, among the facts of the study, and in words.

`status` reads it from there, because computing it needs numpy and Optuna, which `status` must not import.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from storage import record
from storage.engine import Store

SETTING_FACTS = "settings_learned"
"""The name of the fact; a study of an older version lacks it."""
FEWEST_TRIALS = 20
"""With fewer trials the best tenth is a single one, which has no density."""
LEVEL = 90
"""Per cent of the resamples of the trials in which a share lies within its interval."""
_MOST_NAMED = 5


@dataclass(frozen=True)
class SettingImportance:
    """`share` is Optuna's importance, of which all settings together have 1; `low` and `high` are its 5 % and
    95 % quantiles over resamples of the trials. `luck` is the highest one that the setting gets, on the same
    scale, if the losses are shuffled among the trials.
    """

    key: str
    share: float
    low: float
    high: float
    luck: float

    @property
    def matters(self) -> bool:
        """Whether the share is above what luck reaches."""
        return self.share > self.luck

    def text(self) -> str:
        """`models.gru.hidden_size 0.62 (0.41 to 0.80)`, and whether that is more than luck."""
        doubt = "" if self.matters else ", no more than luck"
        return f"{self.key} {self.share:.2f} ({self.low:.2f} to {self.high:.2f}{doubt})"


@dataclass(frozen=True)
class SettingImportances:
    """The settings by importance, the highest first, from `trials` of which `top` are the best tenth."""

    settings: tuple[SettingImportance, ...]
    trials: int
    top: int


@dataclass(frozen=True)
class SettingFacts:
    """The importances, or None if the trials are too few to tell; the number of trials with a loss; and, for
    the best trial, a sentence about each setting that lies at an end of its range.
    """

    importances: SettingImportances | None
    scored: int
    best: int | None
    ends: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The shape of `settings` in `status --json`."""
        found = self.importances
        return {
            "trials": self.scored,
            "importances": None
            if found is None
            else [asdict(each) | {"matters": each.matters} for each in found.settings],
            "at_an_end": list(self.ends),
        }


def importance_text(found: SettingImportances | None, scored: int) -> str:
    """The importances in words, or why there are none; `scored` is the number of trials with a loss."""
    if found is None and scored < FEWEST_TRIALS:
        return f"too few trials to tell: {scored} with a loss, {FEWEST_TRIALS} are needed"
    if found is None:
        return f"nothing tells the settings apart over {scored} trials"
    named = "; ".join(each.text() for each in found.settings[:_MOST_NAMED])
    more = len(found.settings) - _MOST_NAMED
    others = f"; {more} more" if more > 0 else ""
    return f"{named}{others}, over {found.trials} trials, {LEVEL} % of resamples within the brackets"


def record_setting_facts(store: Store, study: str, found: SettingFacts) -> None:
    """Put them on record, in place of those that were there. Raises StudyUnknown."""
    record.set_study_facts(store, study, {SETTING_FACTS: asdict(found)})


def recorded_setting_facts(facts: Mapping[str, Any], best: int | None) -> SettingFacts | None:
    """Those on record; None if there are none. Ends of ranges are those of the trial `best`, and are left out
    if another trial was the best when they were recorded.
    """
    known = facts.get(SETTING_FACTS)
    if known is None:
        return None
    ends: Sequence[str] = known["ends"] if known["best"] == best else ()
    found = known["importances"]
    return SettingFacts(
        None
        if found is None
        else SettingImportances(
            tuple(SettingImportance(**each) for each in found["settings"]), found["trials"], found["top"]
        ),
        known["scored"],
        best,
        tuple(ends),
    )
