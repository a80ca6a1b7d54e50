"""Progress of a run: the protocol of its observers, counters, and the observer that writes log lines."""

import logging
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from search.text import duration, hourly
from search.verdict import Judgement
from storage import tables
from storage.verdicts import CONCLUSIVE, Verdict
from trainer.training.result import EpochReport

log = logging.getLogger("ballast.run")


@dataclass(frozen=True)
class TrialEnd:
    """A trial that got its verdict."""

    number: int
    judgement: Judgement
    value: float | None
    skill: float | None
    started_at: datetime


class Progress(Protocol):
    """Called in the order of events, in the process that runs the trials."""

    def run_began(self, verdicts: Mapping[Verdict, int], best: tables.Trial | None, wanted: int) -> None:
        """The run starts: the study's trials by verdict, its best trial, and how many trials are wanted."""

    def trial_began(self, number: int, epochs: int) -> None:
        """A trial starts; it has at most `epochs` epochs."""

    def epoch_passed(self, number: int, report: EpochReport) -> None:
        """An epoch has passed the guard."""

    def finding_made(self, found: tables.FindingRow) -> None:
        """The guard has found something in a running trial."""

    def trial_ended(self, end: TrialEnd) -> None:
        """A trial has its verdict, which is on record and told to Optuna."""


class NoProgress:
    """Reports nothing."""

    def run_began(self, verdicts: Mapping[Verdict, int], best: tables.Trial | None, wanted: int) -> None:
        """Do nothing."""

    def trial_began(self, number: int, epochs: int) -> None:
        """Do nothing."""

    def epoch_passed(self, number: int, report: EpochReport) -> None:
        """Do nothing."""

    def finding_made(self, found: tables.FindingRow) -> None:
        """Do nothing."""

    def trial_ended(self, end: TrialEnd) -> None:
        """Do nothing."""


class TrialCounters:
    """Counts of the trials that the study had when the run began, and of those that the run added."""

    def __init__(self, verdicts: Mapping[Verdict, int], best: tables.Trial | None, wanted: int) -> None:
        self.verdicts: Counter[Verdict | None] = Counter()
        for verdict, n in verdicts.items():
            self.verdicts[verdict] = n
        self.best: tables.Trial | TrialEnd | None = best
        self.wanted, self.here, self.epochs = wanted, 0, 0
        self._started = time.monotonic()

    def add(self, end: TrialEnd) -> None:
        """Count a trial that ended."""
        self.here += 1
        self.verdicts[end.judgement.verdict] += 1
        if end.judgement.verdict is Verdict.ACCEPTED and (
            self.best is None or (end.value or 0) < (self.best.value or 0)
        ):
            self.best = end

    @property
    def done(self) -> int:
        """How many trials count towards the number wanted."""
        return sum(self.verdicts[verdict] for verdict in CONCLUSIVE)

    def pace(self) -> str:
        """`700 trials an hour, 42 s left`; empty before the first trial has ended."""
        each = self._seconds_per_trial
        return "" if each is None else f"{hourly(3600 / each)} trials an hour{self.time_left()}"

    def time_left(self) -> str:
        """`, 42 s left` at the present pace; empty if nothing is left, or nothing has ended."""
        each, left = self._seconds_per_trial, self.wanted - self.done
        return "" if each is None or left <= 0 else f", {duration(each * left)} left"

    @property
    def _seconds_per_trial(self) -> float | None:
        return (time.monotonic() - self._started) / self.here if self.here else None


def set_run_log_level(verbose: bool) -> None:
    """Show the log of a run, with every epoch only if `verbose`; the log file of a trial has all epochs."""
    logging.getLogger("ballast").setLevel(logging.DEBUG)
    for handler in logging.getLogger().handlers:
        handler.setLevel(logging.DEBUG if verbose else logging.INFO)


class LogProgress:
    """One log line per trial, for pipes and log files."""

    def run_began(self, verdicts: Mapping[Verdict, int], best: tables.Trial | None, wanted: int) -> None:
        """Log how many trials are done."""
        self._counters = TrialCounters(verdicts, best, wanted)
        log.info("%d of %d trials are done", self._counters.done, wanted)

    def trial_began(self, number: int, epochs: int) -> None:
        """Log nothing; the end of the trial is logged."""

    def epoch_passed(self, number: int, report: EpochReport) -> None:
        """Log the epoch at level DEBUG."""
        log.debug(
            "trial %d epoch %d: loss %.6f, skill %+.4f",
            number,
            report.epoch,
            report.validation_loss,
            report.skill,
        )

    def finding_made(self, found: tables.FindingRow) -> None:
        """Log nothing; the trainer logs it."""

    def trial_ended(self, end: TrialEnd) -> None:
        """Log verdict, value and the time left."""
        counters = self._counters
        counters.add(end)
        value = "" if end.value is None else f", loss {end.value:.6f}, skill {end.skill:+.4f}"
        if end.judgement.verdict is Verdict.SUSPICIOUS:
            value = ""  # the message has the refused number
        log.info(
            "trial %d is %s%s (%s); %d of %d%s",
            end.number,
            end.judgement.verdict,
            value,
            end.judgement.message,
            counters.done,
            counters.wanted,
            counters.time_left(),
        )
