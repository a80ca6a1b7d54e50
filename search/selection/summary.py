"""Summary of a study: counts by verdict, the best trial, its newest verification, and the headline.

`Summary.sentence` is the headline of every page that mentions a study: the newest answer of `ballast verify`,
or what the validation rows show if there is none yet.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from search.record.effective_rows import recorded_effective_rows, recorded_noise_floor
from search.record.rival_facts import FittedRival, recorded_rival_losses, strongest_rival
from search.record.setting_facts import SettingFacts, recorded_setting_facts
from search.record.verification_answer import HOLDS, VerificationAnswer, newest_verification
from search.record.voided_trials import void_to_json, voided_sentence
from search.selection.leak_warnings import leak_warning_sentence, leak_warnings
from search.selection.objectives import ParetoFront, study_front
from storage import query, tables, voids
from storage.engine import Store
from storage.verdicts import CONCLUSIVE, Verdict
from trainer.losses import MSE, Loss, recorded_loss
from trainer.rivals.skill import EffectiveRows

MEASURED_FLOOR = "measured_floor"
"""The key of the measured noise floor in a study's facts; see search/selection/selection_evidence.py."""


@dataclass(frozen=True)
class MeasuredFloor:
    """The noise floor, measured on the forecasts of `trials` trials."""

    skill: float
    trials: int


@dataclass(frozen=True)
class Summary:
    """Summary of a study. `best` follows our verdicts, as Optuna's own best trial ignores constraints."""

    study: tables.StudyRow
    verdicts: dict[str, int]
    """Number of trials by verdict, and of those still `running`."""
    best: tables.Trial | None
    noise_floor: float
    """Skill that the luckiest of as many epochs without skill would show, by the formula."""
    seconds_per_trial: float | None
    """Mean duration of the ended trials."""
    above_naive: int = 0
    """Number of accepted trials whose loss is below that of the best naive forecast."""
    measured: MeasuredFloor | None = None
    """The noise floor as last measured; None if it was not measured yet."""
    verified: VerificationAnswer | None = None
    """The newest answer of `ballast verify` about a trial that was not voided."""
    best_seed_losses: tuple[float, ...] = ()
    """The losses of the best trial's seeds; empty for one seed."""
    voided: Sequence[tables.VoidRow] = ()
    """The trials that somebody has voided, by number."""
    front: ParetoFront | None = None
    """The Pareto front of a study of several objectives."""

    def __repr__(self) -> str:
        return f"<Summary of study {self.study.name!r}: {self.sentence()}>"

    @property
    def trials(self) -> int:
        """Number of all trials."""
        return sum(self.verdicts.values())

    @property
    def conclusive(self) -> int:
        """Number of conclusive trials, imported ones included; those do not count as trials wanted."""
        return sum(self.verdicts.get(verdict, 0) for verdict in CONCLUSIVE)

    @property
    def accepted(self) -> int:
        """Number of accepted trials, which the best is chosen from."""
        return self.verdicts.get(Verdict.ACCEPTED, 0)

    @property
    def baseline(self) -> str:
        """The name of the best naive forecast."""
        return str(self.study.facts["baseline"]["name"])

    @property
    def floor(self) -> float:
        """The higher of the two noise floors, by the formula and as measured. The formula is of squared
        errors: with another loss the measured one counts alone, once there is one.
        """
        if self.measured is not None and self.metric.name != MSE.name:
            return self.measured.skill
        return max(self.noise_floor, 0.0 if self.measured is None else self.measured.skill)

    @property
    def metric(self) -> Loss:
        """The loss by which the trials are compared and judged."""
        return recorded_loss(self.study.facts.get("metric"))

    @property
    def effective_rows(self) -> EffectiveRows | None:
        """What the validation rows of a panel are worth; None for a single series."""
        return recorded_effective_rows(self.study.facts)

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
    def learned(self) -> SettingFacts | None:
        """What the trials said about the settings when a run ended last."""
        return recorded_setting_facts(self.study.facts, None if self.best is None else self.best.number)

    @property
    def above_floor(self) -> bool:
        """Whether the best trial's skill on the validation rows is above both noise floors."""
        return self.best is not None and self.best.skill is not None and self.best.skill > self.floor

    @property
    def skill_shown(self) -> bool:
        """Whether the newest evidence shows skill.

        With a verification, this is its answer: true for *holds*, false for *does not hold* and *cannot
        tell*. Without one, it is whether the best skill on the validation rows is above both noise floors.
        """
        return self.above_floor if self.verified is None else self.verified.verdict == HOLDS

    def sentence(self) -> str:
        """The newest verification's answer, else what validation rows show; then the voided trials and the
        leak warnings.
        """
        parts = self._answer(), voided_sentence(self.voided), leak_warning_sentence(self.warnings)
        return " ".join(part for part in parts if part)

    @property
    def warnings(self) -> list[dict[str, str]]:
        """The audit's warnings that may mean a leak."""
        return leak_warnings(self.study.facts.get("audit") or ())

    def _answer(self) -> str:
        if self.verified is None:
            return self._on_validation()
        answer = self.verified.sentence(self.study.facts.get("skill_ceiling"))
        if self.verified.strongest_rival is None:
            answer += self._over_rival()
        best = self.best
        if best is None or best.number == self.verified.trial or best.skill is None:
            return answer
        return (
            f"{answer} Trial {best.number} has the lowest validation loss (skill {best.skill:+.4f}) and "
            "is not the one that was verified."
        )

    def _on_validation(self) -> str:
        best = self.best
        if best is None:
            return "No trial was accepted: there is no best configuration."
        if best.skill is None or best.value is None or not self.above_floor:
            skill = "no skill" if best.skill is None else f"skill {best.skill:+.4f}"
            return (
                f"No skill shown: on validation rows, not yet verified, the best of {self.conclusive} trials "
                f"has {skill} over {self.baseline}, and luck alone reaches {self.floors_text()}."
            )
        loss = self.study.facts["baseline"]["loss"]
        return (
            f"Skill {best.skill:+.4f} over {self.baseline} on validation rows, not yet verified (loss "
            f"{best.value:.6f} against {loss:.6f}), above the noise floor of {self.floors_text()}."
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

    def floors_text(self) -> str:
        """`0.0122`, or if it was measured `0.0122 by the formula, 0.0515 as measured on 20 trials`."""
        of_squares = "" if self.metric.name == MSE.name else " of squared errors"
        if self.measured is None:
            return f"{self.noise_floor:.4f}" + (of_squares and f" by the formula{of_squares}")
        return (
            f"{self.noise_floor:.4f} by the formula{of_squares}, {self.measured.skill:.4f} as measured on "
            f"{self.measured.trials} trials"
        )

    def above_naive_text(self) -> str:
        """`(12 above har)`: how many accepted trials are better than the best naive forecast."""
        return f"({self.above_naive} above {self.baseline})"

    def to_json(self) -> dict[str, Any]:
        """The JSON of `status --json`."""
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
            "best_seed_losses": list(self.best_seed_losses),
            "voided": [void_to_json(void) for void in self.voided],
            "settings": None if self.learned is None else self.learned.to_json(),
            "effective_rows": None if self.effective_rows is None else self.effective_rows.to_json(),
            "pareto": None if self.front is None else self.front.to_json(),
        }


def summarise(store: Store, name: str) -> Summary:
    """Read one study's summary; StudyUnknown if there is none of that name."""
    study = query.study(store, name)
    counts = query.verdict_counts(store, name)
    epochs, best = max(1, query.epoch_count(store, name)), query.best_trial(store, name)
    of_seeds = {} if best is None else query.best_seed_losses(store, name, best.number)
    return Summary(
        study=study,
        verdicts={"running" if verdict is None else str(verdict): n for verdict, n in counts.items()},
        best=best,
        noise_floor=recorded_noise_floor(study.facts, epochs),
        seconds_per_trial=query.mean_duration(store, name),
        above_naive=query.count_above_naive(store, name),
        measured=_measured(study.facts),
        verified=newest_verification(store, name),
        front=study_front(store, study),
        best_seed_losses=tuple(losses for each in of_seeds.values() for losses in each),
        voided=voids.voids(store, name),
    )


def _measured(facts: Mapping[str, Any]) -> MeasuredFloor | None:
    found = facts.get(MEASURED_FLOOR)
    return None if found is None else MeasuredFloor(found["skill"], found["trials"])
