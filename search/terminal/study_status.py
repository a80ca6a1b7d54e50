"""Status of a study: trials done and wanted, running trials and their workers, pace, and time left."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.text import Text

from search.process_identity import is_dead
from search.record.rival_facts import absent_rivals, recorded_rival_losses, rival_notes, shown_names
from search.record.setting_facts import importance_text
from search.record.voided_trials import void_text
from search.selection.summary import Summary
from search.study.liveness import active_workers
from search.terminal.styles import count_cells, plain_text
from search.terminal.text_table import TableCell, TableColumn, TableRow, TextTable
from search.text import dimension_text, duration, hourly, short_value
from search.verdict import DUPLICATE
from search.watching.pages.trial_sections import seed_spread_text
from storage import query, tables
from storage.engine import Store
from storage.verdicts import Verdict
from trainer.losses import MSE

EPOCHS_KEY = "training.epochs"
_SPACE = "space."
RUNNING_COLUMNS = (
    TableColumn("running", right=True),
    TableColumn("epoch", right=True),
    TableColumn("loss", right=True),
    TableColumn("skill", right=True),
    TableColumn("lr", right=True),
)
"""The columns of running trials; `epoch_count_text` and `epoch_cells` fill them."""
_FRONT_LINES = 10
"""Trials of the Pareto front that are listed."""
_FINDING_KEYS = (
    *("seed", "fold", "epoch", "step", "kind", "action", "value", "threshold", "lr_before", "lr_after"),
    *("message", "parameter", "cell"),
)


@dataclass(frozen=True)
class RunningTrial:
    """A trial that has no verdict yet, and its newest epoch."""

    trial: tables.Trial
    epochs: int | None
    """The most epochs that it may train; None if unknown."""
    last: tables.Epoch | None
    is_worker_gone: bool
    """Whether its worker is known to be dead."""
    findings: Sequence[tables.FindingRow] = ()
    """What the guard has found in it so far."""

    @property
    def epoch_text(self) -> str:
        """`3/15`: how many of its epochs it has trained."""
        return epoch_count_text(0 if self.last is None else self.last.epoch + 1, self.epochs)

    def to_json(self) -> dict[str, Any]:
        """The shape of a running trial in `status --json`."""
        return {
            "number": self.trial.number,
            "worker": self.trial.worker,
            "epoch": None if self.last is None else self.last.epoch,
            "epochs": self.epochs,
            "findings": [{key: getattr(found, key) for key in _FINDING_KEYS} for found in self.findings],
        }


@dataclass(frozen=True)
class StudyStatus:
    """The present status of a study. `active_workers` are the workers that are not known to be dead."""

    summary: Summary
    done: int
    active_workers: Sequence[tables.Worker]
    running: Sequence[RunningTrial]
    repeated: int = 0
    """Queued trials that were not run, because another trial has the same point of the grid."""
    conditions: Sequence[str] = ()
    """A sentence for each setting that is searched only in some trials: when, and in how many so far."""

    @property
    def trials_per_hour(self) -> float | None:
        """Trials an hour, if all workers keep the pace of the trials that ended; None without workers."""
        each = self.summary.seconds_per_trial
        return 3600 * len(self.active_workers) / each if each and self.active_workers else None

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the study has all its trials at that pace."""
        return (
            None
            if self.trials_per_hour is None
            else 3600 * max(0, self.summary.study.wanted - self.done) / self.trials_per_hour
        )


def read_study_status(store: Store, summary: Summary) -> StudyStatus:
    """Read the present status of a study from the store; `summary` is its summary."""
    name = summary.study.name
    return StudyStatus(
        summary,
        query.count_conclusive(store, name),
        active_workers(store, name),
        _running(store, name),
        sum(DUPLICATE in line.reasons for line in query.list_trials(store, name, Verdict.INTERRUPTED)),
        _conditions(store, name),
    )


def _conditions(store: Store, name: str) -> list[str]:
    """What `StudyStatus.conditions` holds, from the record alone."""
    layers = query.setting_layers(store, name)
    dimensions = {key: stack[-1].effective for key, stack in layers.items() if key.startswith(_SPACE)}
    tied = {key.removeprefix(_SPACE): each for key, each in dimensions.items() if each and "when" in each}
    if not tied:
        return []
    trials = query.list_trials(store, name)
    return [
        f"{key} {dimension_text(each)}: in {sum(key in trial.params for trial in trials)} of {len(trials)} "
        "trials, – in the others"
        for key, each in tied.items()
    ]


def status_to_json(store: Store, summary: Summary, *, known_to_optuna: bool) -> dict[str, Any]:
    """The JSON of `status --json` and `run --json`; `known_to_optuna` says whether the study has Optuna's
    part.
    """
    running = [one.to_json() for one in _running(store, summary.study.name)]
    return {**summary.to_json(), "known_to_optuna": known_to_optuna, "running": running}


def _running(store: Store, name: str) -> list[RunningTrial]:
    trials = query.running(store, name)
    if not trials:
        return []
    epochs = query.epochs_by_trial(store, name, [trial.number for trial in trials])
    findings = query.findings_of_running_trials(store, name)
    layers = query.setting_layers(store, name).get(EPOCHS_KEY)
    fixed = layers[-1].effective if layers else None
    return [
        RunningTrial(
            trial,
            _whole(trial.params.get(EPOCHS_KEY, fixed)),
            epochs[trial.number][-1] if trial.number in epochs else None,
            is_dead(trial.worker),
            findings.get(trial.number, ()),
        )
        for trial in trials
    ]


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) else None


def verdict_count_cells(summary: Summary) -> tuple[Text, ...]:
    """The counts by verdict, and how many accepted trials are above the best naive forecast."""
    counts = {None if word == "running" else Verdict(word): n for word, n in summary.verdicts.items()}
    return count_cells(counts, f" {summary.above_naive_text()}")


def status_rows(now: StudyStatus) -> list[tuple[str, TableCell]]:
    """The rows that `ballast status NAME` prints first."""
    summary, best = now.summary, now.summary.best
    study = summary.study
    return [
        ("study", plain_text(study.name)),
        ("started", plain_text(f"{study.created_at:%Y-%m-%d %H:%M} UTC from {study.study_file}")),
        ("trials", _trials_text(now)),
        ("verdicts", verdict_count_cells(summary)),
        ("workers", _worker_cells(now.active_workers)),
        *_loss_row(summary),
        ("best", "none yet" if best is None else f"{best_trial_text(best)} on validation rows"),
        *_front_rows(summary),
        *_seed_row(summary),
        *_rival_rows(summary),
        ("pace", _pace(now)),
        *_row_counts(summary),
        *([("searched if", tuple(map(plain_text, now.conditions)))] if now.conditions else []),
        ("noise floor", summary.floors_text()),
        ("verified", _verified_text(summary)),
        *_setting_rows(summary),
        *_voided_rows(summary),
    ]


def _front_rows(summary: Summary) -> list[tuple[str, TableCell]]:
    """The Pareto front, a line for each trial; nothing for a study of one objective."""
    front = summary.front
    if front is None:
        return []
    if not front.trials:
        return [("front", "none yet")]
    shown, left = front.trials[:_FRONT_LINES], len(front.trials) - _FRONT_LINES
    knee = front.knee.number
    lines = [
        f"trial {trial.number}{' (knee)' if trial.number == knee else ''}: {front.text(trial)}"
        for trial in shown
    ]
    more = [f"and {left} more: see --json"] if left > 0 else []
    return [("front", tuple(map(plain_text, [*lines, *more])))]


def _loss_row(summary: Summary) -> list[tuple[str, TableCell]]:
    """The loss by which trials are judged; nothing for the usual one."""
    metric = summary.metric
    return [] if metric.name == MSE.name else [("loss", metric.label)]


def _seed_row(summary: Summary) -> list[tuple[str, TableCell]]:
    """The losses of the best trial's seeds; nothing for one seed."""
    losses = summary.best_seed_losses
    return [("its seeds", seed_spread_text(losses))] if losses else []


def _row_counts(summary: Summary) -> list[tuple[str, TableCell]]:
    """The validation rows of a panel, and what they are worth; nothing for a single series."""
    found = summary.effective_rows
    return [] if found is None else [("validation", found.text)]


def _trials_text(now: StudyStatus) -> str:
    text = f"{now.done} of {now.summary.study.wanted} done, {now.summary.trials} in all"
    if now.repeated == 0:
        return text
    if now.repeated == 1:
        return f"{text}; 1 that was queued repeats a point of the grid and does not count"
    return f"{text}; {now.repeated} that were queued repeat points of the grid and do not count"


def _rival_rows(summary: Summary) -> list[tuple[str, TableCell]]:
    """The fitted rivals with their losses, lowest first, those that are absent, and the best trial's skill
    over the strongest.
    """
    losses, absent = recorded_rival_losses(summary.study.facts), absent_rivals(summary.study.facts)
    shown, notes = shown_names([*losses, *absent]), rival_notes(summary.study.facts)
    rows: list[tuple[str, TableCell]] = []
    if losses:
        texts = tuple(plain_text(f"{shown[name]} {loss:.6f}") for name, loss in losses.items())
        rows.append(("rivals", texts))
    if absent:
        rows.append(
            ("not fitted", tuple(plain_text(f"{shown[name]}: {why}") for name, why in absent.items()))
        )
    if notes:
        rows.append(("pooled fit", tuple(plain_text(f"{names}: {note}") for names, note in notes.items())))
    if summary.rival is not None and summary.skill_over_rival is not None:
        rows.append(("over rival", f"skill {summary.skill_over_rival:+.4f} over {summary.rival.name}"))
    return rows


def _verified_text(summary: Summary) -> str:
    found = summary.verified
    if found is None:
        return "not yet"
    return f"{found.verdict} (trial {found.trial}, {found.at:%Y-%m-%d}).{found.refuted_before()}".rstrip(".")


def _setting_rows(summary: Summary) -> list[tuple[str, TableCell]]:
    """Which setting matters, and which of the best trial lie at an end; nothing before a run has ended."""
    found = summary.learned
    if found is None:
        return []
    ends = [("at an end", tuple(map(plain_text, found.ends)))] if found.ends else []
    return [("importance", plain_text(importance_text(found.importances, found.scored))), *ends]


def _voided_rows(summary: Summary) -> list[tuple[str, TableCell]]:
    """The voided trials; nothing if there are none."""
    voided = tuple(plain_text(void_text(void)) for void in summary.voided)
    return [("voided", voided)] if voided else []


def best_trial_text(best: Any) -> str:
    """`trial 11, loss 0.461701, skill +0.1594`."""
    skill = "" if best.skill is None else f", skill {best.skill:+.4f}"
    return f"trial {best.number}, loss {best.value:.6f}{skill}"


def _worker_cells(workers: Sequence[tables.Worker]) -> TableCell:
    if not workers:
        return "none at work"
    return tuple(
        plain_text(short_worker(row.worker) + (f" on {row.device}" if row.device else "")) for row in workers
    )


def short_worker(worker: str) -> str:
    """`machine:pid`, without the part that distinguishes it from a later process of the same id."""
    return worker.rpartition(":")[0] or worker


def _pace(now: StudyStatus) -> str:
    if now.summary.seconds_per_trial is None:
        return "–"
    text = f"{duration(now.summary.seconds_per_trial)} a trial"
    if now.trials_per_hour is None:
        return text
    left = f", {duration(now.seconds_left)} left" if now.seconds_left else ""
    return f"{text}, {hourly(now.trials_per_hour)} an hour{left}"


def running_table(running: Sequence[RunningTrial]) -> TextTable:
    """A row per running trial, and below it what the guard has found in it."""
    rows = [
        TableRow(
            (
                str(one.trial.number),
                one.epoch_text,
                *epoch_cells(one.last),
                plain_text(short_worker(one.trial.worker) + (" (gone)" if one.is_worker_gone else "")),
            ),
            (findings_text(one.findings),) if one.findings else (),
        )
        for one in running
    ]
    columns = (*RUNNING_COLUMNS, TableColumn("worker", folds=True))
    return TextTable(columns, rows, elsewhere="see a wider terminal")


def findings_text(findings: Sequence[tables.FindingRow]) -> str:
    """`2 findings, the last in epoch 3: loss_explosion, skip_and_cut`; empty without findings."""
    if not findings:
        return ""
    last = findings[-1]
    told = "1 finding," if len(findings) == 1 else f"{len(findings)} findings, the last"
    return f"{told} in epoch {last.epoch}: {last.kind}, {last.action}"


def epoch_count_text(passed: int, epochs: int | None) -> str:
    """`3/15`."""
    return f"{passed}/{'?' if epochs is None else epochs}"


def epoch_cells(last: Any) -> tuple[str, str, str]:
    """Loss, skill and learning rate of an epoch, recorded or reported; dashes before the first epoch."""
    if last is None:
        return "–", "–", "–"
    return (
        f"{last.validation_loss:.4f}",
        f"{last.skill:+.4f}",
        short_value(float(f"{last.learning_rate:.3g}")),
    )
