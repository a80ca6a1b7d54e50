"""What a run reports while it runs: the protocol of its observers, and the one that writes log lines."""

import logging
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from search.text import duration
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

    def began(self, verdicts: Mapping[Verdict, int], best: tables.Trial | None, wanted: int) -> None:
        """The run starts where the study stands: trials by verdict, the best, and how many are wanted."""

    def trial_began(self, number: int, epochs: int) -> None:
        """A trial starts, of `epochs` epochs at most."""

    def epoch_passed(self, number: int, report: EpochReport) -> None:
        """The guard let an epoch pass."""

    def trial_ended(self, end: TrialEnd) -> None:
        """A trial has its verdict, and record and Optuna know it."""


class NoProgress:
    """Progress that nobody watches."""

    def began(self, verdicts: Mapping[Verdict, int], best: tables.Trial | None, wanted: int) -> None:
        """Say nothing."""

    def trial_began(self, number: int, epochs: int) -> None:
        """Say nothing."""

    def epoch_passed(self, number: int, report: EpochReport) -> None:
        """Say nothing."""

    def trial_ended(self, end: TrialEnd) -> None:
        """Say nothing."""


class TrialCounters:
    """What the study had when the run began, and what the run added."""

    def __init__(self, verdicts: Mapping[Verdict, int], best: tables.Trial | None, wanted: int) -> None:
        self.verdicts: Counter[Verdict | None] = Counter()
        for verdict, n in verdicts.items():
            self.verdicts[verdict] = n
        self.best: tables.Trial | TrialEnd | None = best
        self.wanted, self.here, self.looks = wanted, 0, 0
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
        """Trials that count towards the number wanted."""
        return sum(self.verdicts[verdict] for verdict in CONCLUSIVE)

    def pace(self) -> str:
        """`700 trials an hour, 42 s left`; empty before the first trial has ended."""
        each = self._seconds_per_trial
        return "" if each is None else f"{3600 / each:.0f} trials an hour, {self.time_left()} left"

    def time_left(self) -> str:
        """`42 s`, if the pace stays what it is."""
        each = self._seconds_per_trial
        return duration(None if each is None else each * max(0, self.wanted - self.done))

    @property
    def _seconds_per_trial(self) -> float | None:
        return (time.monotonic() - self._started) / self.here if self.here else None


def set_run_log_level(verbose: bool) -> None:
    """Show what a run logs; every epoch only if `verbose`, though the log of a trial has them all."""
    logging.getLogger("ballast").setLevel(logging.DEBUG)
    for handler in logging.getLogger().handlers:
        handler.setLevel(logging.DEBUG if verbose else logging.INFO)


class LogProgress:
    """One log line per trial, for pipes and log files."""

    def began(self, verdicts: Mapping[Verdict, int], best: tables.Trial | None, wanted: int) -> None:
        """Say how far the study is."""
        self._tally = TrialCounters(verdicts, best, wanted)
        log.info("%d of %d trials are done", self._tally.done, wanted)

    def trial_began(self, number: int, epochs: int) -> None:
        """Say nothing: the end will."""

    def epoch_passed(self, number: int, report: EpochReport) -> None:
        """Say it to those who ask for details."""
        log.debug(
            "trial %d epoch %d: loss %.6f, skill %+.4f",
            number,
            report.epoch,
            report.validation_loss,
            report.skill,
        )

    def trial_ended(self, end: TrialEnd) -> None:
        """Say verdict, value and what is left."""
        tally = self._tally
        tally.add(end)
        value = "" if end.value is None else f", loss {end.value:.6f}, skill {end.skill:+.4f}"
        if end.judgement.verdict is Verdict.SUSPICIOUS:
            value = ""  # its message names the number that was refused
        log.info(
            "trial %d is %s%s (%s); %d of %d, %s left",
            end.number,
            end.judgement.verdict,
            value,
            end.judgement.message,
            tally.done,
            tally.wanted,
            tally.time_left(),
        )
