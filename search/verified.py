"""The newest answer of `ballast verify` about a study, as its pages tell it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from storage import evaluations, query, tables
from storage.engine import Store
from storage.errors import TrialUnknown

HOLDS, DOES_NOT_HOLD, CANNOT_TELL = ANSWERS = ("holds", "does not hold", "cannot tell")
"""The values of search.trust.conclusion.Answer, which takes numpy to import; `status` does without."""


@dataclass(frozen=True)
class Verified:
    """One answer. `report` is in the shape of `verify --json`; one of an older Ballast lacks some keys."""

    verdict: str
    """One of ANSWERS."""
    trial: int
    at: datetime
    report: Mapping[str, Any]

    @property
    def skill(self) -> float | None:
        """Skill on the test rows over the naive forecast that is best there; None where no seed ended."""
        found: float | None = self.report.get("skill")
        return found

    @property
    def strongest_rival(self) -> Mapping[str, Any] | None:
        """`{name, loss, skill, interval, verdict}`; None where no rival was scored."""
        found: Mapping[str, Any] | None = self.report.get("strongest_rival")
        return found

    def sentence(self, ceiling: float | None = None) -> str:
        """The answer with its figures, in one or two sentences; `ceiling` is that of believable skill."""
        answer = self.verdict.capitalize()
        if self.skill is None:
            return f"{answer}: {self.report.get('reason')}. Trial {self.trial}, verified {self._day}."
        claimed = (self.report.get("validation") or {}).get("skill")
        was = "" if claimed is None else f"; on validation rows it was {claimed:+.4f}"
        told = (
            f"{answer}: on {self._rows} skill {self.skill:+.4f} over {self._baseline}"
            f"{_between(self.report.get('interval'))}, trial {self.trial}, verified {self._day}{was}."
        )
        if ceiling is not None and self.skill > ceiling:
            told += f" It is above the ceiling of {ceiling:.4f} for what is believable: look for a leak."
        return told + self._rival_told()

    def to_json(self) -> dict[str, Any]:
        """The shape that `status --json` promises."""
        return {
            "verdict": self.verdict,
            "skill": self.skill,
            "strongest_rival": self.strongest_rival,
            "at": self.at.isoformat(),
        }

    @property
    def _day(self) -> str:
        return f"{self.at:%Y-%m-%d}"

    @property
    def _rows(self) -> str:
        """Unseen only where no evaluation and no other study's search had used them before."""
        used = self.report.get("look", 1) > 1 or self.report.get("searched_by")
        return "test rows that were used before" if used else "unseen rows"

    @property
    def _baseline(self) -> str:
        baseline = self.report.get("baseline") or {}
        return str(baseline.get("name", "the best naive forecast"))

    def _rival_told(self) -> str:
        rival = self.strongest_rival
        if rival is None:
            return ""
        return (
            f" Better than {rival['name']}, the strongest rival: {rival['verdict']}, "
            f"skill {rival['skill']:+.4f}{_between(rival.get('interval'))}."
        )


def newest(store: Store, study: str) -> Verified | None:
    """The newest answer about a trial of this study; None where there is none.

    Left out are scorings that broke off, configurations that `--top` only compared, and those of another
    store's study of the same name: their value is not the trial's on record.
    """
    for evaluation in reversed(evaluations.of_study(store, study)):
        found = _answer(evaluation)
        if found is not None and _is_of_study(store, study, found):
            return found
    return None


def _answer(evaluation: tables.Evaluation) -> Verified | None:
    if evaluation.verdict not in ANSWERS or evaluation.report is None or evaluation.trial is None:
        return None
    if not evaluation.report.get("asked_for", True):
        return None
    return Verified(evaluation.verdict, evaluation.trial, evaluation.looked_at, evaluation.report)


def _is_of_study(store: Store, study: str, found: Verified) -> bool:
    try:
        row = query.trial(store, study, found.trial)
    except TrialUnknown:
        return False
    validation = found.report.get("validation")
    return not validation or (row.value, row.skill) == (validation.get("value"), validation.get("skill"))


def _between(interval: Mapping[str, Any] | None) -> str:
    """` (95 % between -0.0709 and +0.1187)`; empty without an interval."""
    if interval is None:
        return ""
    level = 100 * interval["level"]
    return f" ({level:.4g} % between {interval['low']:+.4f} and {interval['high']:+.4f})"
