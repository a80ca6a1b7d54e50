"""The result of a verification: of each candidate, and of all together."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from statistics import median, stdev
from typing import Any

from search.record.evaluations import UNRECORDED_EVALUATIONS_NOTE, ScoredRows, evaluation_to_json
from search.record.scored_forecasts import ScoredForecasts
from search.record.searched_rows import EarlierSearch
from search.record.validation_rows import Floats
from search.selection.candidates import Candidate
from search.selection.interval_coverage import IntervalCoverage
from search.selection.panel_result import PanelResult
from search.selection.selection_evidence import SelectionEvidence
from search.selection.statistics.conclusion import Conclusion, SkillVerdict
from search.selection.statistics.confidence_set import ConfidenceSet
from search.selection.statistics.diebold_mariano import DieboldMariano
from search.selection.statistics.interval import SkillInterval
from search.selection.statistics.rival_comparison import RivalComparison
from search.selection.unseen_series import UnseenSeries
from storage import tables
from trainer.rivals.skill import skill
from trainer.training.result import RefitResult


@dataclass(frozen=True)
class CandidateResult:
    """The result of one candidate on the test rows.

    Losses are in units of the target, standardised by all rows before the test.
    """

    candidate: Candidate
    refits: tuple[RefitResult, ...]
    rows: Mapping[str, int]
    naive: Mapping[str, float]
    """Mean loss of each naive forecast."""
    baseline: str
    """The naive forecast that is best on these rows."""
    values: tuple[float, ...]
    """Mean loss of each seed whose training the guard did not stop."""
    losses: Floats = field(repr=False)
    """Losses (rows,), the mean over these seeds; empty if there is none."""
    interval: SkillInterval | None
    comparisons: Mapping[str, DieboldMariano]
    rivals: Mapping[str, float]
    """Mean loss of each fitted rival."""
    rivals_absent: Mapping[str, str]
    """Why each of the other rivals could not be fitted."""
    strongest_rival: RivalComparison | None
    """Whether the model beats the strongest rival; None if no training ended or no rival was fitted."""
    evaluation_number: int
    """Which configuration these rows judge, counted from 1; see `evaluations.configuration_number`."""
    searches: tuple[EarlierSearch, ...]
    """Studies that have searched on some of these rows before."""
    conclusion: Conclusion
    panel: PanelResult | None = None
    """Figures by series and by date; None for a single series."""
    coverage: IntervalCoverage | None = None
    """How often the test rows lay within the bounds of their forecasts; None if there are no bounds."""
    unseen_series: UnseenSeries | None = None
    """The figures of series that no trial trained on; None if none were held back."""
    rivals_notes: Mapping[str, str] = field(default_factory=dict)
    """For some rivals, which series are forecast by the fit to all series, and why."""
    rows_kept: ScoredForecasts | None = field(default=None, repr=False)
    """The test rows with the mean forecast of the seeds; None if the guard stopped all of them."""

    @property
    def value(self) -> float | None:
        """The mean loss over the seeds."""
        return float(self.losses.mean()) if self.values else None

    @property
    def skill(self) -> float | None:
        """Skill of the mean loss over the best naive forecast."""
        return None if self.value is None else skill(self.value, self.naive[self.baseline])

    def to_json(self) -> dict[str, Any]:
        """One configuration as `verify --json` prints it."""
        best = self.naive[self.baseline]
        return {
            "name": self.candidate.name,
            "trial": self.candidate.number,
            "verdict": str(self.conclusion.verdict),
            "reason": self.conclusion.reason,
            "value": self.value,
            "skill": self.skill,
            "median_value": median(self.values) if self.values else None,
            "interval": None if self.interval is None else asdict(self.interval),
            "validation": {"value": self.candidate.value, "skill": self.candidate.skill},
            "epochs": self.candidate.epochs,
            "baseline": {"name": self.baseline, "loss": best},
            "baselines": {
                name: {
                    "loss": loss,
                    "skill": None if self.value is None else skill(self.value, loss),
                    **(asdict(self.comparisons[name]) if name in self.comparisons else {}),
                }
                for name, loss in self.naive.items()
            },
            "strongest_rival": rival_to_json(self.strongest_rival),
            "rivals_losses": dict(self.rivals),
            "rivals_absent": dict(self.rivals_absent),
            "seeds": [_seed_to_json(refit, value, best) for refit, value in self.by_seed()],
            "spread": stdev(self.values) if len(self.values) > 1 else None,
            "look": self.evaluation_number,
            "searched_by": [search.to_json() for search in self.searches],
            "rows": dict(self.rows),
            "panel": None if self.panel is None else self.panel.to_json(),
            "cross_section": None
            if self.panel is None or self.panel.cross_section is None
            else asdict(self.panel.cross_section),
            "unseen_series": None if self.unseen_series is None else self.unseen_series.to_json(),
            "coverage": None if self.coverage is None else self.coverage.to_json(),
            **({"rivals_notes": dict(self.rivals_notes)} if self.rivals_notes else {}),
        }

    def by_seed(self) -> list[tuple[RefitResult, float | None]]:
        """Each training with its mean loss; None for one that the guard stopped."""
        left = iter(self.values)
        return [(refit, None if refit.forecasts is None else next(left)) for refit in self.refits]


@dataclass(frozen=True)
class VerificationReport:
    """The result of a verification; the first of `scored` is the configuration that was asked for."""

    scored: tuple[CandidateResult, ...]
    unseen: ScoredRows
    earlier: tuple[tables.Evaluation, ...]
    """Earlier evaluations on these rows."""
    confidence_set: ConfidenceSet | None
    """Which of the candidates and naive forecasts may be the best; None if there is one candidate only."""
    evidence: SelectionEvidence | str
    """Evidence from the whole study, or the reason why there is none."""
    changes: tuple[str, ...]
    """What has changed since the configuration was exported."""
    warnings: tuple[Mapping[str, str], ...] = ()
    """Warnings of the data audit that may mean a leak."""

    def __repr__(self) -> str:
        first = self.scored[0]
        return f"<VerificationReport of {first.candidate.name}: {first.conclusion.verdict}>"

    @property
    def holds(self) -> bool:
        """Whether the answer is yes."""
        return self.scored[0].conclusion.verdict is SkillVerdict.HOLDS

    def to_json(self) -> dict[str, Any]:
        """The JSON of `verify --json`."""
        confidence_set = self.confidence_set
        return {
            **self.scored[0].to_json(),
            "reproduced": None,
            "rivals": [each.to_json() for each in self.scored[1:]],
            "confidence_set": None if confidence_set is None else asdict(confidence_set),
            "test": {
                "source": self.unseen.source,
                "first": self.unseen.first_time.isoformat(),
                "last": self.unseen.last_time.isoformat(),
                "earlier_looks": [evaluation_to_json(each) for each in self.earlier],
                "not_known": UNRECORDED_EVALUATIONS_NOTE,
            },
            "study": self.evidence if isinstance(self.evidence, str) else self.evidence.to_json(),
            "changes": list(self.changes),
            "leak_warnings": list(self.warnings),
        }


def rival_to_json(answer: RivalComparison | None) -> dict[str, Any] | None:
    """A comparison with the strongest rival as `verify --json` prints it."""
    if answer is None:
        return None
    return {
        "name": answer.name,
        "loss": answer.loss,
        "skill": answer.skill,
        "interval": None if answer.interval is None else asdict(answer.interval),
        "verdict": str(answer.verdict),
        "reason": answer.reason,
        "p_better": {name: test.p_better for name, test in answer.comparisons.items()},
    }


def _seed_to_json(refit: RefitResult, value: float | None, baseline_loss: float) -> dict[str, Any]:
    return {
        "seed": refit.seed,
        "outcome": str(refit.outcome),
        "value": value,
        "skill": None if value is None else skill(value, baseline_loss),
        "findings": [finding.message for finding in refit.findings],
    }
