"""What a study has come to: counts by verdict, the best trial, its newest verification, and the headline.

`Summary.sentence` is the headline of every page that mentions a study: the newest answer of `ballast verify`,
or before there is one, what the validation rows show.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from search.record.rival_facts import FittedRival, recorded_rival_losses, strongest_rival
from search.record.verification_answer import HOLDS, VerificationAnswer, newest_verification
from search.selection.leak_warnings import leak_warning_sentence, leak_warnings
from storage import query, tables
from storage.engine import Store
from storage.verdicts import CONCLUSIVE, Verdict
from trainer.rivals.skill import noise_floor

MEASURED_FLOOR = "measured_floor"
"""The fact under which a study's measured noise floor is kept; search/selection/selection_evidence.py
measures it."""


@dataclass(frozen=True)
class MeasuredFloor:
    """The noise floor as measured on the forecasts of so many trials."""

    skill: float
    trials: int


@dataclass(frozen=True)
class Summary:
    """The best is chosen by us, from verdicts: Optuna's own best ignores constraints."""

    study: tables.Study
    verdicts: dict[str, int]
    """Counts by verdict, and of those still `running`."""
    best: tables.Trial | None
    noise_floor: float
    """Skill that the luckiest of as many useless epochs would show, by the formula."""
    seconds_per_trial: float | None
    """Mean time of the trials that ended."""
    above_naive: int = 0
    """Accepted trials whose loss is below that of the best naive forecast."""
    measured: MeasuredFloor | None = None
    """The noise floor as it was last measured; None before."""
    verified: VerificationAnswer | None = None
    """The newest answer of `ballast verify`."""

    @property
    def trials(self) -> int:
        """All trials, whatever became of them."""
        return sum(self.verdicts.values())

    @property
    def conclusive(self) -> int:
        """Trials that came to a conclusion, of which the best is one; those taken over from another study are
        among them, and count towards no number asked for.
        """
        return sum(self.verdicts.get(verdict, 0) for verdict in CONCLUSIVE)

    @property
    def accepted(self) -> int:
        """Trials that the best is chosen from."""
        return self.verdicts.get(Verdict.ACCEPTED, 0)

    @property
    def baseline(self) -> str:
        """The name of the best naive forecast."""
        return str(self.study.facts["baseline"]["name"])

    @property
    def floor(self) -> float:
        """The higher of the noise floors by formula and as measured."""
        return max(self.noise_floor, 0.0 if self.measured is None else self.measured.skill)

    @property
    def rival(self) -> FittedRival | None:
        """The strongest rival on the validation rows."""
        return strongest_rival(self.study.facts)

    @property
    def skill_over_rival(self) -> float | None:
        """Skill of the best trial over the strongest rival, on the validation rows."""
        if self.best is None or self.rival is None:
            return None
        return self.rival.skill_of(self.best.value)

    @property
    def above_floor(self) -> bool:
        """Whether the best trial's skill on the validation rows is above both noise floors."""
        return self.best is not None and self.best.skill is not None and self.best.skill > self.floor

    @property
    def skill_shown(self) -> bool:
        """Whether the newest evidence shows skill.

        After a verification this is its answer: true for *holds*, false for *does not hold* and for *cannot
        tell*. Before one it is whether the best skill on the validation rows is above the noise floors.
        """
        return self.above_floor if self.verified is None else self.verified.verdict == HOLDS

    def sentence(self) -> str:
        """The headline: the newest verification's answer, else what the validation rows show; then what the
        audit warned of.
        """
        return f"{self._answer()} {leak_warning_sentence(self.warnings)}".rstrip()

    @property
    def warnings(self) -> list[dict[str, str]]:
        """What the audit warned of that may be a leak."""
        return leak_warnings(self.study.facts.get("audit") or ())

    def _answer(self) -> str:
        if self.verified is None:
            return self._on_validation()
        told = self.verified.sentence(self.study.facts.get("skill_ceiling"))
        if self.verified.strongest_rival is None:
            told += self._over_rival()
        best = self.best
        if best is None or best.number == self.verified.trial or best.skill is None:
            return told
        return (
            f"{told} Trial {best.number} has the lowest validation loss (skill {best.skill:+.4f}) and is not "
            "the one that was verified."
        )

    def _on_validation(self) -> str:
        best = self.best
        if best is None:
            return "No trial was accepted: there is no best configuration."
        if best.skill is None or best.value is None or not self.above_floor:
            skill = "no skill" if best.skill is None else f"skill {best.skill:+.4f}"
            return (
                f"No skill shown: on validation rows, not yet verified, the best of {self.conclusive} trials "
                f"has {skill} over {self.baseline}, and luck alone reaches {self.floors_told()}."
            )
        loss = self.study.facts["baseline"]["loss"]
        return (
            f"Skill {best.skill:+.4f} over {self.baseline} on validation rows, not yet verified (loss "
            f"{best.value:.6f} against {loss:.6f}), above the noise floor of {self.floors_told()}."
            f"{self._over_rival()}"
        )

    def _over_rival(self) -> str:
        rival, skill = self.rival, self.skill_over_rival
        if rival is None or skill is None:
            return ""
        return (
            f" Over {rival.name}, the strongest rival on validation rows (loss {rival.loss:.6f}), the best "
            f"trial's skill is {skill:+.4f}."
        )

    def floors_told(self) -> str:
        """`0.0122`, and where it was measured `0.0122 by the formula, 0.0515 as measured on 20 trials`."""
        if self.measured is None:
            return f"{self.noise_floor:.4f}"
        return (
            f"{self.noise_floor:.4f} by the formula, {self.measured.skill:.4f} as measured on "
            f"{self.measured.trials} trials"
        )

    def above_naive_told(self) -> str:
        """`(12 above har)`: how many of the accepted trials are above the best naive forecast."""
        return f"({self.above_naive} above {self.baseline})"

    def to_json(self) -> dict[str, Any]:
        """The shape that `status --json` promises."""
        best = self.best
        return {
            "study": self.study.name,
            "trials": self.trials,
            "verdicts": self.verdicts,
            "best": None
            if best is None
            else {"number": best.number, "value": best.value, "skill": best.skill},
            "skill_shown": self.skill_shown,
            "verified": None if self.verified is None else self.verified.to_json(),
            "rivals_losses": recorded_rival_losses(self.study.facts),
            "above_naive": self.above_naive,
            "leak_warnings": self.warnings,
        }


def summarise(store: Store, name: str) -> Summary:
    """Read one study's summary; StudyUnknown if there is none of that name."""
    study = query.study(store, name)
    counts = query.verdict_counts(store, name)
    looks = max(1, query.epoch_count(store, name))
    return Summary(
        study=study,
        verdicts={"running" if verdict is None else str(verdict): n for verdict, n in counts.items()},
        best=query.best_trial(store, name),
        noise_floor=noise_floor(looks, study.facts["rows"]["validation"], study.facts["horizon"]),
        seconds_per_trial=query.mean_duration(store, name),
        above_naive=query.count_above_naive(store, name),
        measured=_measured(study.facts),
        verified=newest_verification(store, name),
    )


def _measured(facts: Mapping[str, Any]) -> MeasuredFloor | None:
    found = facts.get(MEASURED_FLOOR)
    return None if found is None else MeasuredFloor(found["skill"], found["trials"])
