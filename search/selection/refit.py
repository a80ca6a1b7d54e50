"""Trains a configuration on every row of its table with fresh seeds: the model that goes live.

file ──► candidate ──► table up to its last whole row ──► audit ──► train each seed ──► who judged which rows
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from search.data.study_data import audit_study, blocking_findings
from search.errors import AnswerIsNo, RequestError
from search.record.verification_answer import ANSWERS, VerificationAnswer, newest_verification
from search.seeds import fresh_seed
from search.selection.candidates import Candidate, candidate_from_file, require_unedited
from search.selection.export_provenance import export_provenance
from search.selection.validation_intervals import model_intervals
from search.verdict import settings_not_applied
from storage import evaluations
from storage.commands import ballast_command
from storage.engine import Store
from trainer.data.source import Table, read_table
from trainer.data.windows import Dataset, prepare_all_rows
from trainer.inference.forecast_intervals import ForecastIntervals
from trainer.inference.gru_forward import network_of
from trainer.inference.unusable_rows import UnusableRow, without_unfinished_rows
from trainer.training.result import Outcome, RefitResult


class RefitInterrupted(Exception):
    """A refit was asked to stop before all seeds were trained."""


@dataclass(frozen=True)
class Refit:
    """A configuration that was trained on all rows, once for each seed.

    `left_out` are the unfinished rows at the end of the table. Rows from `unjudged[0]` to `unjudged[1]` were
    scored neither by the study nor by `verify`, as far as is known; None if there are none. Times are on the
    source's clock.
    """

    candidate: Candidate
    data: Dataset = field(repr=False)
    table: Table = field(repr=False)
    refits: tuple[RefitResult, ...]
    left_out: tuple[UnusableRow, ...]
    unjudged: tuple[str, str] | None
    verified: VerificationAnswer | None
    """The newest answer of `verify` about the study on record; None if there is none, or no store."""

    @property
    def finished(self) -> tuple[RefitResult, ...]:
        """The trainings that the guard did not stop."""
        return tuple(refit for refit in self.refits if refit.weights is not None)

    @property
    def first(self) -> str:
        """The time of the first row that was trained on."""
        return self.data.when(int(self.data.times.argmin()))

    @property
    def until(self) -> str:
        """The time of the last row whose target was trained on."""
        return self.data.when(int(self.data.train[self.data.times[self.data.train].argmax()]))

    @cached_property
    def intervals(self) -> ForecastIntervals | None:
        """What the bounds of its forecasts are computed from; None if there are no validation forecasts."""
        found, config = self.candidate.validated, self.candidate.trial.config
        networks = [network_of(each.weights) for each in self.finished if each.weights is not None]
        if found is None:
            return None
        return model_intervals(config.data, found, "trial", self.data, networks, config.loss)

    def to_json(self) -> dict[str, Any]:
        """The shape of `refit --json`, without `saved`."""
        return {
            "study": self.candidate.study,
            "trial": self.candidate.number,
            "epochs": self.candidate.epochs,
            "seeds": [
                {
                    "seed": refit.seed,
                    "outcome": str(refit.outcome),
                    "findings": [finding.message for finding in refit.findings],
                }
                for refit in self.refits
            ],
            "rows": {"train": len(self.data.train), "from": self.first, "until": self.until},
            "left_out": [row.to_json() for row in self.left_out],
            "unjudged": None
            if self.unjudged is None
            else {"from": self.unjudged[0], "until": self.unjudged[1]},
            "verified": None if self.verified is None else self.verified.to_json(),
            "intervals": None if self.intervals is None else self.intervals.model_dump(mode="json"),
        }


def refit_all_rows(
    path: Path,
    store: Store | None,
    *,
    seeds: int,
    policy: Path | None = None,
    on_seed: Callable[[Candidate, RefitResult], None] = lambda candidate, refit: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Refit:
    """Train the configuration of `path` on every row up to the last whole one, with `seeds` ≥ 1 fresh seeds,
    for the epochs that validation chose.

    Raises AnswerIsNo if the audit finds what must not be trained on, or if half of the seeds or more diverge;
    RefitInterrupted if it was stopped; and what `candidate_from_file` raises.
    """
    candidate = candidate_from_file(path, policy, should_stop, store)
    if store is not None:
        require_unedited(store, candidate, path)
    config = candidate.trial.config
    whole, left_out = without_unfinished_rows(
        config.data, read_table(config.data, folder=candidate.resolved.folder)
    )
    folds = _audited_folds(candidate, whole)
    data = prepare_all_rows(config.data, whole)
    if config.models.gru.batch_size > len(data.train):
        raise RequestError(
            f"{path}: models.gru.batch_size is {config.models.gru.batch_size}, and there are "
            f"{len(data.train)} training rows; use a longer table"
        )
    refits = _train_seeds(candidate, data, seeds, on_seed, should_stop)
    verified = None if store is None else newest_verification(store, candidate.study)
    return Refit(
        candidate=candidate,
        data=data,
        table=whole,
        refits=refits,
        left_out=tuple(left_out),
        unjudged=_unjudged(data, _judged_until(candidate, folds, whole, store)),
        verified=verified,
    )


def _audited_folds(candidate: Candidate, table: Table) -> tuple[Dataset, ...]:
    """The folds of the study in this table; raises AnswerIsNo with what the audit finds."""
    found = audit_study(candidate.resolved, candidate.trial.config.data, table)
    if not found.ok(False) or not found.folds:
        raise AnswerIsNo(blocking_findings(found, False))
    return found.folds


def _train_seeds(
    candidate: Candidate,
    data: Dataset,
    seeds: int,
    on_seed: Callable[[Candidate, RefitResult], None],
    should_stop: Callable[[], bool],
) -> tuple[RefitResult, ...]:
    from trainer.training.loop import refit  # imports torch, which only training needs

    refits: list[RefitResult] = []
    for number in range(seeds):
        seed = fresh_seed(candidate.resolved.file.study.seed, number)
        done = refit(
            candidate.trial.config, data, epochs=candidate.epochs, seed=seed, should_stop=should_stop
        )
        if done.outcome is Outcome.INTERRUPTED:
            raise RefitInterrupted
        if differing := settings_not_applied(done.effective, candidate.trial.values):
            raise AnswerIsNo(f"{candidate.name} was not trained as it is configured: {'; '.join(differing)}")
        refits.append(done)
        on_seed(candidate, done)
    diverged = [refit for refit in refits if refit.weights is None]
    if 2 * len(diverged) >= seeds:
        each = "; ".join(f"seed {refit.seed}: {refit.findings[-1].message}" for refit in diverged)
        raise AnswerIsNo(
            f"nothing was saved: the guard stopped {len(diverged)} of {seeds} trainings ({each}); look at "
            f"the settings: {ballast_command('check', candidate.resolved.path)}"
        )
    return tuple(refits)


def _judged_until(
    candidate: Candidate, folds: Sequence[Dataset], table: Table, store: Store | None
) -> np.datetime64:
    """The time (naive UTC) of the last row that the study validated on or that `verify` scored."""
    last: np.datetime64 = max(fold.times[fold.validation].max() for fold in folds)
    exported = export_provenance(candidate.resolved)
    split = None if exported is None else exported.data.split
    if split is not None and candidate.trial.config.data.split.fractions is not None:
        # A longer table moves these splits: the study may have validated on earlier rows.
        row = int(folds[-1].train[0]) + split.get("train", 0) + split.get("validation", 0) - 1
        last = min(last, np.sort(folds[-1].times)[row])  # in a panel the rows stand series by series
    moments = np.unique(table.times.to_numpy())
    study = candidate.study
    known = [] if store is None else evaluations.verifications_of_study(store, study, with_series=False)
    for scored in known:
        if scored.verdict in ANSWERS:
            target = np.datetime64(scored.last_time.astimezone(UTC).replace(tzinfo=None), "ns")
            row = int(np.searchsorted(moments, target, "right")) - 1 - folds[-1].horizon
            last = max(last, moments[max(row, 0)])
    return last


def _unjudged(data: Dataset, judged_until: np.datetime64) -> tuple[str, str] | None:
    """The times of the first and the last row of `data` after `judged_until`; None if there are none."""
    rows = np.flatnonzero(data.times > judged_until)
    if not len(rows):
        return None
    first, last = rows[data.times[rows].argmin()], rows[data.times[rows].argmax()]
    return data.when(int(first)), data.when(int(last))
