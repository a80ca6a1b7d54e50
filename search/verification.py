"""Verifies configurations on rows that no search has seen: fresh seeds, one look, and an answer in words.

file ──► candidates ──► train with fresh seeds on train + validation ──► record the look ──► score the test
                                                                             rows ──► conclude ──► record it
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median, stdev
from typing import Any

import numpy as np

from search.candidates import Candidate, candidate_of, is_on_record, rivals_of
from search.data import StudyData, load
from search.errors import AnswerIsNo
from search.evidence import Evidence, study_evidence
from search.looks import UnseenRows, earlier_looks, look_to_json, new_look, number_of, unseen_rows
from search.rerun import changes_since, exported_from
from search.rows import Floats
from search.seeds import fresh_seed
from search.trust.conclusion import Answer, Claim, Conclusion, conclude, confidence, draws_for
from search.trust.confidence_set import ConfidenceSet, confidence_set
from search.trust.diebold_mariano import DieboldMariano, diebold_mariano
from search.trust.interval import Interval, skill_interval
from search.verdict import not_applied
from storage import looks, tables
from storage.engine import Store
from trainer.baselines import baseline_forecasts
from trainer.data.windows import Dataset, prepare_final
from trainer.result import Outcome, Refit
from trainer.skill import skill


@dataclass(frozen=True)
class Progress:
    """Who is told of each training that ended, and asked whether to go on."""

    trained: Callable[[Candidate, Refit, int], None] = lambda candidate, refit, of: None
    should_stop: Callable[[], bool] = lambda: False


class Interrupted(Exception):
    """Somebody asked for the end before the test rows were looked at."""


@dataclass(frozen=True)
class Scored:
    """What one candidate did on the test rows. Losses are in units of the target that was standardised by all
    rows before the test.
    """

    candidate: Candidate
    refits: tuple[Refit, ...]
    rows: Mapping[str, int]
    naive: Mapping[str, float]
    """Loss of each naive forecast."""
    baseline: str
    """The best of them on these rows."""
    values: tuple[float, ...]
    """Loss of each seed that came to its end."""
    losses: Floats = field(repr=False)
    """Squared errors (rows,), the mean over the seeds; empty where no seed came to its end."""
    interval: Interval | None
    comparisons: Mapping[str, DieboldMariano]
    look: int
    """The how-manieth configuration it is that is judged by these rows."""
    conclusion: Conclusion

    @property
    def value(self) -> float | None:
        """The mean loss over the seeds."""
        return float(self.losses.mean()) if self.values else None

    @property
    def skill(self) -> float | None:
        """Of the mean loss, over the best naive forecast."""
        return None if self.value is None else skill(self.value, self.naive[self.baseline])

    def to_json(self) -> dict[str, Any]:
        """One configuration in the shape that `verify --json` promises."""
        best = self.naive[self.baseline]
        return {
            "name": self.candidate.name,
            "trial": self.candidate.number,
            "verdict": str(self.conclusion.answer),
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
            "seeds": [_seed_to_json(refit, value, best) for refit, value in self.by_seed()],
            "spread": stdev(self.values) if len(self.values) > 1 else None,
            "look": self.look,
            "rows": dict(self.rows),
        }

    def by_seed(self) -> list[tuple[Refit, float | None]]:
        """Each training, with its loss; None for one that the guard stopped."""
        left = iter(self.values)
        return [(refit, None if refit.forecasts is None else next(left)) for refit in self.refits]


@dataclass(frozen=True)
class Report:
    """What came of a verification; the first of `scored` is what was asked for."""

    scored: tuple[Scored, ...]
    unseen: UnseenRows
    earlier: tuple[tables.Look, ...]
    """Looks at these rows before."""
    best_set: ConfidenceSet | None
    """Which of the candidates and naive forecasts may be the best; None unless several were compared."""
    evidence: Evidence | str
    """What the whole study says, or why nothing is known."""
    changes: tuple[str, ...]
    """What is not as it was when the configuration was exported."""

    @property
    def holds(self) -> bool:
        """Whether the answer is yes."""
        return self.scored[0].conclusion.answer is Answer.HOLDS

    def to_json(self) -> dict[str, Any]:
        """The shape that `verify --json` promises."""
        best_set = self.best_set
        return {
            **self.scored[0].to_json(),
            "reproduced": None,
            "rivals": [each.to_json() for each in self.scored[1:]],
            "confidence_set": None if best_set is None else asdict(best_set),
            "test": {
                "source": self.unseen.source,
                "first": self.unseen.first_time.isoformat(),
                "last": self.unseen.last_time.isoformat(),
                "earlier_looks": [look_to_json(look) for look in self.earlier],
            },
            "study": self.evidence if isinstance(self.evidence, str) else self.evidence.to_json(),
            "changes": list(self.changes),
        }


def verify(
    path: Path,
    store: Store,
    *,
    seeds: int = 5,
    top: int = 1,
    policy: Path | None = None,
    progress: Progress | None = None,
) -> Report:
    """Score the configuration of `path`, and its best `top` - 1 rivals, on the test rows; 1 ≤ `seeds`.

    The look is put on record before anything is scored. Raises Interrupted before that, RequestError and
    AnswerIsNo as the candidates do.
    """
    progress = Progress() if progress is None else progress
    chosen = candidate_of(path, policy, progress.should_stop)
    rivals = [] if top == 1 else rivals_of(store, chosen, top)
    study_data = load(chosen.resolved)
    trained = [_trained(candidate, study_data, seeds, progress) for candidate in (chosen, *rivals)]
    first = trained[0]
    unseen = unseen_rows(chosen.resolved, chosen.trial.config.data, first.data)
    earlier, scored = tuple(earlier_looks(store, unseen)), []
    for each in trained:
        look = looks.begin(store, _look(unseen, each))
        place = number_of(each.candidate.trial.digest, earlier_looks(store, unseen))
        found = _score(each, place)
        looks.conclude(store, look, str(found.conclusion.answer), found.to_json())
        scored.append(found)
    return Report(
        scored=tuple(scored),
        unseen=unseen,
        earlier=earlier,
        best_set=_best_set(scored, first) if top > 1 else None,
        evidence=_evidence(store, chosen),
        changes=_changes(chosen, study_data.table.sha256),
    )


@dataclass(frozen=True)
class _Trained:
    candidate: Candidate
    data: Dataset
    ceiling: float
    refits: tuple[Refit, ...]


def _trained(candidate: Candidate, study_data: StudyData, seeds: int, progress: Progress) -> _Trained:
    """Train with fresh seeds on all rows before the test, for the epochs that validation chose."""
    from trainer.loop import refit  # torch is imported where it trains, and nowhere before

    config = candidate.trial.config
    data, refits = prepare_final(config.data, study_data.table), []
    for number in range(seeds):
        seed = fresh_seed(candidate.resolved.file.study.seed, number)
        done = refit(config, data, epochs=candidate.epochs, seed=seed, should_stop=progress.should_stop)
        if done.outcome is Outcome.INTERRUPTED:
            raise Interrupted
        if differing := not_applied(done.effective, candidate.trial.values):
            raise AnswerIsNo(f"{candidate.name} was not trained as it is configured: {'; '.join(differing)}")
        refits.append(done)
        progress.trained(candidate, done, seeds)
    return _Trained(candidate, data, study_data.ceiling, tuple(refits))


def _look(unseen: UnseenRows, trained: _Trained) -> tables.Look:
    candidate = trained.candidate
    return new_look(
        unseen,
        study=candidate.study,
        trial=candidate.number,
        configuration=candidate.trial.digest,
        seeds=[refit.seed for refit in trained.refits],
    )


def _score(trained: _Trained, look: int) -> Scored:
    """Everything that one look shows."""
    data, candidate = trained.data, trained.candidate
    target = data.target[data.test].astype(np.float64)
    naive = {
        name: (target - told) ** 2 for name, told in baseline_forecasts(data, data.test).items()
    }  # name → (rows,)
    baseline = min(naive, key=lambda name: float(naive[name].mean()))
    told = [refit.forecasts for refit in trained.refits if refit.forecasts is not None]
    by_seed = [(target - each.astype(np.float64)) ** 2 for each in told]
    losses = np.mean(by_seed, axis=0) if by_seed else np.empty(0)
    interval, comparisons = None, {}
    if by_seed:
        level = confidence(look)
        interval = skill_interval(
            losses, naive[baseline], level=level, horizon=data.horizon, draws=draws_for(level)
        )
        comparisons = {
            name: diebold_mariano(losses, each, horizon=data.horizon) for name, each in naive.items()
        }
    reached = skill(float(losses.mean()), float(naive[baseline].mean())) if by_seed else None
    claim = Claim(
        baseline=baseline,
        skill=reached,
        interval=interval,
        comparisons=comparisons,
        claimed=candidate.skill,
        ceiling=trained.ceiling,
        seeds=len(trained.refits),
        stopped=len(trained.refits) - len(by_seed),
        rows=len(target),
    )
    return Scored(
        candidate=candidate,
        refits=trained.refits,
        rows={"train": len(data.train), "test": len(data.test)},
        naive={name: float(each.mean()) for name, each in naive.items()},
        baseline=baseline,
        values=tuple(float(each.mean()) for each in by_seed),
        losses=losses,
        interval=interval,
        comparisons=comparisons,
        look=look,
        conclusion=conclude(claim),
    )


def _best_set(scored: Sequence[Scored], first: _Trained) -> ConfidenceSet | None:
    """Which of the candidates and the naive forecasts may be the best, on the same rows and in one unit."""
    data = first.data
    target = data.target[data.test].astype(np.float64)
    losses = {name: (target - told) ** 2 for name, told in baseline_forecasts(data, data.test).items()}
    losses |= {each.candidate.name: each.losses for each in scored if each.values}
    return confidence_set(losses, horizon=data.horizon)


def _evidence(store: Store, chosen: Candidate) -> Evidence | str:
    if chosen.number is None:
        return "no study chose this configuration"
    if not is_on_record(store, chosen):
        return (
            f"study {chosen.study!r} is not in {store.shown_url} as it was exported; name its store: --store"
        )
    return study_evidence(store, chosen.study, chosen.number)


def _changes(chosen: Candidate, sha256: str) -> tuple[str, ...]:
    exported = exported_from(chosen.resolved)
    return () if exported is None else changes_since(exported, chosen.resolved, sha256)


def _seed_to_json(refit: Refit, value: float | None, baseline_loss: float) -> dict[str, Any]:
    return {
        "seed": refit.seed,
        "outcome": str(refit.outcome),
        "value": value,
        "skill": None if value is None else skill(value, baseline_loss),
        "findings": [finding.message for finding in refit.findings],
    }
