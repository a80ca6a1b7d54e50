"""What must hold of a study after all that happened to it; one sentence for each thing that does not."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from optuna.trial import FrozenTrial, TrialState

from benchmarks.chaos_faults.study import RETRIES, Scene, Undisturbed, opened
from search.study.studies import OpenStudy
from search.verdict import CRASHED, SIGNAL, WORKER_DIED
from search.workers.consistency import inconsistencies
from storage import query, tables, workers
from storage.check import check_store
from storage.verdicts import CONCLUSIVE, Verdict
from trainer.training.result import Outcome

WRONGS = ("lost", "doubled", "left running", "disagreements", "wrong values")
_DEAD = (Verdict.INTERRUPTED, Verdict.FAILED)


@dataclass
class Findings:
    """The outcome of one study, or of several."""

    retried: int = 0
    resumed: int = 0
    unstable: int = 0
    wrong: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in WRONGS})

    def add(self, other: "Findings") -> None:
        """Take in those of another study."""
        self.retried += other.retried
        self.resumed += other.resumed
        self.unstable += other.unstable
        for name, sentences in other.wrong.items():
            self.wrong[name] += sentences


def audit(scene: Scene, undisturbed: Undisturbed) -> Findings:
    """Look a study over that has come to its end."""
    with opened(scene) as study:
        rows = query.trials(study.store, study.name)
        told = study.optuna.get_trials(deepcopy=False)
        retries = [row for row in rows if row.retry_of is not None]
        return Findings(
            retried=len(retries),
            resumed=sum(_resumed(study, row) for row in retries),
            unstable=sum(row.verdict is Verdict.UNSTABLE for row in rows),
            wrong={
                "lost": [*_lost(scene, rows, told)],
                "doubled": [*_doubled(scene, rows)],
                "left running": [*_running(study, rows, told)],
                "disagreements": [
                    *inconsistencies(study.store),
                    *check_store(study.store),
                    *_mistaught(rows, told),
                ],
                "wrong values": [*_wrong_values(study, rows, undisturbed)],
            },
        )


def _lost(scene: Scene, rows: list[tables.Trial], told: list[FrozenTrial]) -> Iterator[str]:
    done = sum(row.verdict in CONCLUSIVE for row in rows)
    if done < scene.wanted:
        yield f"{done} of {scene.wanted} trials came to a conclusion"
    by_number = {row.number: row for row in rows}
    for trial in told:
        if trial.state is TrialState.WAITING:
            yield f"trial {trial.number} was queued, and never run"
    again = {row.retry_of for row in rows}
    for row in rows:
        always, else_limited = SIGNAL in row.reasons, {WORKER_DIED, CRASHED} & set(row.reasons)
        due = always or (else_limited and len(_ancestors(row, by_number)) < RETRIES)
        if due and row.number not in again:
            yield f"trial {row.number} ended as {row.reasons}, and was not tried again"


def _ancestors(row: tables.Trial, by_number: dict[int, tables.Trial]) -> list[tables.Trial]:
    """The trials that had a trial's parameters before, the last one first."""
    chain: list[tables.Trial] = []
    while row.retry_of is not None:
        row = by_number[row.retry_of]
        chain.append(row)
    return chain


def _doubled(scene: Scene, rows: list[tables.Trial]) -> Iterator[str]:
    done = sum(row.verdict in CONCLUSIVE for row in rows)
    if done > scene.wanted:
        yield f"{done} trials came to a conclusion, {scene.wanted} were wanted"
    for number, times in Counter(row.retry_of for row in rows if row.retry_of is not None).items():
        if times > 1:
            yield f"trial {number} was tried again {times} times"
    by_number = {row.number: row for row in rows}
    for row in rows:
        chain = _ancestors(row, by_number)
        if any(former.verdict not in _DEAD for former in chain):
            yield f"trial {row.number} tries one again that had come to a conclusion"
        if sum(SIGNAL not in former.reasons for former in chain) > RETRIES:
            yield f"trial {row.number} is one retry more than are allowed"


def _running(study: OpenStudy, rows: list[tables.Trial], told: list[FrozenTrial]) -> Iterator[str]:
    for row in rows:
        if row.verdict is None:
            yield f"trial {row.number} is without a verdict"
    for trial in told:
        if trial.state is TrialState.RUNNING:
            yield f"trial {trial.number} is RUNNING in Optuna"
    for worker in workers.registered_workers(study.store, study.name):
        yield f"worker {worker.worker} is still entered"


def _mistaught(rows: list[tables.Trial], told: list[FrozenTrial]) -> Iterator[str]:
    """What Optuna holds of a trial beside its state: died teaches nothing, unstable repels."""
    for row in rows:
        constraints = list(told[row.number].constraints.values())
        expected = {Verdict.ACCEPTED: [-1.0], Verdict.UNSTABLE: [1.0]}.get(row.verdict or Verdict.FAILED, [])
        if constraints != expected:
            yield f"trial {row.number} is {row.verdict}, and has the constraints {constraints}"
        strange = [key for key in told[row.number].system_attrs if "rung" in key]
        if strange:
            yield f"trial {row.number} has {strange} of another trial"


def _wrong_values(study: OpenStudy, rows: list[tables.Trial], undisturbed: Undisturbed) -> Iterator[str]:
    by_number = {row.number: row for row in rows}
    for row in rows:
        for former in _ancestors(row, by_number):
            shared = row.params.keys() & former.params.keys()  # who dies early has not drawn all of them
            other = [key for key in shared if row.params[key] != former.params[key]]
            if other or row.seed != former.seed:
                yield f"trial {row.number} tries {former.number} again with {row.params}, seed {row.seed}"
        if row.verdict not in (Verdict.ACCEPTED, Verdict.UNSTABLE):
            continue
        alone = undisturbed.result(study, row.params, row.seed)
        unstable = alone.outcome is Outcome.UNSTABLE
        losses = [epoch.validation_loss for epoch in query.epochs(study.store, study.name, row.number)]
        if unstable is not (row.verdict is Verdict.UNSTABLE):
            yield f"trial {row.number} is {row.verdict}, undisturbed it is {alone.outcome}"
        elif row.value != alone.value or losses != [epoch.validation_loss for epoch in alone.epochs]:
            yield f"trial {row.number} has the value {row.value!r}, undisturbed {alone.value!r}"


def _resumed(study: OpenStudy, row: tables.Trial) -> bool:
    """Whether a retry went on from a checkpoint, which its log tells."""
    log = study.files.log_of(row.number)
    return log.exists() and "resumed after epoch" in log.read_text(errors="replace")
