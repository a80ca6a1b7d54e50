"""What a study has come to: counts by verdict, the best trial, and whether its skill is more than luck."""

from dataclasses import dataclass
from typing import Any

from storage import query, tables
from storage.engine import Store
from storage.verdicts import CONCLUSIVE
from trainer.skill import noise_floor


@dataclass(frozen=True)
class Summary:
    """The best is chosen by us, from verdicts: Optuna's own best ignores constraints."""

    study: tables.Study
    verdicts: dict[str, int]
    """Counts by verdict, and of those still `running`."""
    best: tables.Trial | None
    noise_floor: float
    """Skill that the luckiest of as many useless epochs would show."""
    seconds_per_trial: float | None
    """Mean time of the trials that ended."""

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
    def skill_shown(self) -> bool:
        """Whether the best skill stands above the noise floor."""
        return self.best is not None and self.best.skill is not None and self.best.skill > self.noise_floor

    def sentence(self) -> str:
        """The study's result in one sentence."""
        baseline = self.study.facts["baseline"]
        if self.best is None:
            return "No trial was accepted: there is no best configuration."
        if self.best.skill is None or not self.skill_shown:
            return (
                f"No skill shown: the best of {self.conclusive} trials has skill {self.best.skill:+.4f} over "
                f"{baseline['name']}, and luck alone reaches {self.noise_floor:.4f}."
            )
        return (
            f"Skill {self.best.skill:+.4f} over {baseline['name']} (loss {self.best.value:.6f} against "
            f"{baseline['loss']:.6f}), above the noise floor of {self.noise_floor:.4f}."
        )

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
        }


def summarise(store: Store, name: str) -> Summary:
    """Read one study's summary; StudyUnknown if there is none of that name."""
    study = query.study(store, name)
    counts = query.verdict_counts(store, name)
    verdicts = {"running" if verdict is None else str(verdict): n for verdict, n in counts.items()}
    looks = max(1, query.epoch_count(store, name))
    floor = noise_floor(looks, study.facts["rows"]["validation"], study.facts["horizon"])
    return Summary(study, verdicts, query.best_trial(store, name), floor, query.mean_duration(store, name))
