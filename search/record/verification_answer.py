"""The newest answer of `ballast verify` about a study, for every page that mentions the study."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from storage import evaluations, query, tables
from storage.engine import Store
from storage.errors import TrialUnknown
from storage.verdicts import VOIDED

HOLDS, DOES_NOT_HOLD, CANNOT_TELL = ANSWERS = ("holds", "does not hold", "cannot tell")
"""The values of search.selection.statistics.conclusion.SkillVerdict, whose module imports numpy; `status`
must not."""


@dataclass(frozen=True)
class VerificationAnswer:
    """One answer. `report` has the shape of `verify --json`; one of an older version lacks some keys."""

    verdict: str
    """One of ANSWERS."""
    trial: int
    at: datetime
    report: Mapping[str, Any]
    refuted: "VerificationAnswer | None" = None
    """The newest earlier answer *does not hold* about the same trial; no later answer removes it."""
    evaluation: int | None = None
    """The id of the evaluation, which keeps the rows."""

    @property
    def skill(self) -> float | None:
        """Skill on the test rows over the best naive forecast there; None if no seed finished."""
        found: float | None = self.report.get("skill")
        return found

    @property
    def strongest_rival(self) -> Mapping[str, Any] | None:
        """`{name, loss, skill, interval, verdict}`; None if no rival was scored."""
        found: Mapping[str, Any] | None = self.report.get("strongest_rival")
        return found

    def sentence(self, ceiling: float | None = None) -> str:
        """The answer with its figures, in one or two sentences; `ceiling` is the highest believable skill."""
        answer, before = self.verdict.capitalize(), self.refuted_before()
        if self.skill is None:
            reason = self.report.get("reason")
            return f"{answer}: {reason}. Trial {self.trial}, verified {self._day}.{before}"
        claimed = (self.report.get("validation") or {}).get("skill")
        was = "" if claimed is None else f"; on validation rows it was {claimed:+.4f}"
        text = (
            f"{answer}: on {self._rows_text} skill {self.skill:+.4f} over {self._baseline}"
            f"{_between(self.report.get('interval'))}, trial {self.trial}, verified {self._day}{was}.{before}"
        )
        if ceiling is not None and self.skill > ceiling:
            text += f" It is above the ceiling of {ceiling:.4f} for what is believable: look for a leak."
        return text + self._rival_text()

    def refuted_before(self) -> str:
        """` On 2026-11-29 it did not hold (5 seeds, 95 %).`; or empty."""
        return (
            "" if self.refuted is None else f" {refutation_sentence(self.refuted.at, self.refuted.report)}."
        )

    def to_json(self) -> dict[str, Any]:
        """The shape that `status --json` promises."""
        return {
            "verdict": self.verdict,
            "skill": self.skill,
            "strongest_rival": self.strongest_rival,
            "at": self.at.isoformat(),
            "did_not_hold": None if self.refuted is None else self.refuted.at.isoformat(),
        }

    @property
    def _day(self) -> str:
        return f"{self.at:%Y-%m-%d}"

    @property
    def rows(self) -> str:
        """`unseen rows` if no evaluation and no other study had used them before; else `the test rows`."""
        return "the test rows" if self._used else "unseen rows"

    @property
    def _rows_text(self) -> str:
        return "test rows that were used before" if self._used else "unseen rows"

    @property
    def _used(self) -> bool:
        return bool(self.report.get("look", 1) > 1 or self.report.get("searched_by"))

    @property
    def _baseline(self) -> str:
        baseline = self.report.get("baseline") or {}
        return str(baseline.get("name", "the best naive forecast"))

    def _rival_text(self) -> str:
        rival = self.strongest_rival
        if rival is None:
            return ""
        skill = "as it makes no error" if rival["skill"] is None else f"skill {rival['skill']:+.4f}"
        return (
            f" Better than {rival['name']}, the strongest rival: {rival['verdict']}, "
            f"{skill}{_between(rival.get('interval'))}."
        )


def newest_verification(store: Store, study: str) -> VerificationAnswer | None:
    """The newest answer about a trial of this study; None if there is none.

    Left out: evaluations that were interrupted, configurations that `--top` only compared, those of trials
    that were voided, and those of a study of the same name in another store, whose value is not the trial's
    on record. A later answer about
    the same trial keeps an earlier *does not hold* in `refuted`: each attempt is another chance to be lucky.
    """
    text = map(_answer, reversed(evaluations.verifications_of_study(store, study, with_series=False)))
    found = [each for each in text if each is not None and _is_of_study(store, study, each)]
    if not found:
        return None
    first, *earlier = found
    if first.verdict == DOES_NOT_HOLD:
        return first
    of_trial = (each for each in earlier if (each.trial, each.verdict) == (first.trial, DOES_NOT_HOLD))
    return replace(first, refuted=next(of_trial, None))


def refutation_sentence(at: datetime, report: Mapping[str, Any]) -> str:
    """`On 2026-11-29 it did not hold (5 seeds, 95 %)`, of an answer that was *does not hold*."""
    count, interval = len(report.get("seeds") or ()), report.get("interval")
    seeds = "1 seed" if count == 1 else f"{count} seeds"
    level = "" if interval is None else f", {100 * interval['level']:.4g} %"
    return f"On {at:%Y-%m-%d} it did not hold ({seeds}{level})"


def _answer(evaluation: tables.Evaluation) -> VerificationAnswer | None:
    if evaluation.verdict not in ANSWERS or evaluation.report is None or evaluation.trial is None:
        return None
    if not evaluation.report.get("asked_for", True):
        return None
    return VerificationAnswer(
        evaluation.verdict,
        evaluation.trial,
        evaluation.looked_at,
        evaluation.report,
        evaluation=evaluation.id,
    )


def _is_of_study(store: Store, study: str, found: VerificationAnswer) -> bool:
    try:
        row = query.trial(store, study, found.trial)
    except TrialUnknown:
        return False
    validation = found.report.get("validation")
    return VOIDED not in row.reasons and (
        not validation or (row.value, row.skill) == (validation.get("value"), validation.get("skill"))
    )


def _between(interval: Mapping[str, Any] | None) -> str:
    """` (95 % between -0.0709 and +0.1187)`; empty without an interval."""
    if interval is None:
        return ""
    level = 100 * interval["level"]
    return f" ({level:.4g} % between {interval['low']:+.4f} and {interval['high']:+.4f})"
