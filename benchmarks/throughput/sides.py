"""The two sides: a worker of Ballast, and one of Optuna alone, that run trials when they are told to."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import optuna
from optuna.pruners import MedianPruner

import trainer.training.loop
from benchmarks.throughput.meter import Meter
from benchmarks.throughput.study import EPOCHS, NAME, Subject, bare_storage, losses
from search.sampling.queue import suggest_value
from search.sampling.samplers import make_sampler
from search.study.studies import join_study
from search.workers.loop import run_worker
from search.workers.progress import NoProgress
from storage.engine import open_store
from trainer.config import TrialConfig
from trainer.training.result import EpochReport, Outcome, TrialResult


@dataclass(frozen=True)
class Spent:
    """What some trials took of one worker: CPU time in seconds, and of the store."""

    cpu: float
    statements: int
    commits: int


@dataclass
class Gate:
    """Lets a worker pass once a trial, as often as whoever holds the other end of the pipe says."""

    pipe: Connection
    meter: Meter = field(default_factory=Meter)
    _left: int = 0
    _began: tuple[float, int, int] | None = None

    def is_shut(self) -> bool:
        """Whether it is over. After the last trial of a turn it gives account and waits for the next."""
        if self._left == 0:
            if self._began is not None:
                spent = (now - then for now, then in zip(self._reading(), self._began, strict=True))
                self.pipe.send(Spent(*spent))  # type: ignore[arg-type]
            self._left = self.pipe.recv()
            self._began = self._reading()
        self._left -= 1
        return self._left < 0

    def _reading(self) -> tuple[float, int, int]:
        return time.process_time(), self.meter.statements, self.meter.commits


Side = Callable[[str, Subject, Connection], None]


def ballast(url: str, subject: Subject, pipe: Connection) -> None:
    """The worker as it is, but for the training."""
    trainer.training.loop.fit = imitated  # type: ignore[assignment]
    gate = Gate(pipe)
    study = join_study(subject.resolved, subject.data, open_store(url, patience=60.0))
    gate.meter.watch(study.store.engine, study.optuna._storage._backend.engine)  # type: ignore[attr-defined]
    run_worker(study, NoProgress(), gate.is_shut)


def tuned(url: str, subject: Subject, pipe: Connection) -> None:
    """Optuna on a store with Ballast's settings of SQLite."""
    _bare(url, subject, pipe, tuned=True)


def untuned(url: str, subject: Subject, pipe: Connection) -> None:
    """Optuna on a store as Optuna makes it."""
    _bare(url, subject, pipe, tuned=False)


def _bare(url: str, subject: Subject, pipe: Connection, *, tuned: bool) -> None:
    section, gate, storage = subject.resolved.file.study, Gate(pipe), bare_storage(url, tuned=tuned)
    gate.meter.watch(storage.engine)
    study = optuna.load_study(
        study_name=NAME,
        storage=storage,
        sampler=make_sampler(section, subject.resolved.space, 0),
        pruner=MedianPruner(section.startup_trials, n_warmup_steps=section.pruner_warmup),
    )
    while not gate.is_shut():
        trial = study.ask()
        for name, distribution in subject.distributions.items():
            suggest_value(trial, name, distribution)
        told = losses(_value(trial.params["models.gru.learning_rate"]))
        for epoch, loss in enumerate(told):
            trial.report(loss, epoch)
            trial.should_prune()
        study.tell(trial, told[-1])


def _value(learning_rate: float) -> float:
    return 1 + learning_rate


def imitated(
    config: TrialConfig, data: Any, *, on_epoch: Any, ceiling: float, seed: int, **_: Any
) -> TrialResult:
    """What `trainer.training.loop.fit` hands back, without training; the pruner is asked and not heeded."""
    rate = config.models.gru.learning_rate
    reports = tuple(_report(epoch, loss, rate) for epoch, loss in enumerate(losses(_value(rate))))
    for report in reports:
        on_epoch(report)
    return TrialResult(
        outcome=Outcome.FINISHED,
        value=reports[-1].validation_loss,
        skill=reports[-1].skill,
        best_epoch=EPOCHS - 1,
        baseline="zero",
        baseline_loss=1.0,
        skill_ceiling=ceiling,
        epochs=reports,
        findings=(),
        effective={"models.gru.learning_rate": rate},
        final_learning_rates=(rate,),
        seed=seed,
        seconds=0.0,
    )


def _report(epoch: int, loss: float, rate: float) -> EpochReport:
    return EpochReport(
        epoch=epoch,
        train_loss=loss,
        validation_loss=loss,
        skill=1 - loss,
        learning_rate=rate,
        grad_norm_mean=0.5,
        grad_norm_max=1.0,
        output_max=1.0,
        steps=50,
        skipped_steps=0,
        movement=0.1,
        prediction_std_ratio=0.1,
        seconds=0.1,
    )
