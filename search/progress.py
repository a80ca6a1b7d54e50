"""What a run tells whoever watches it; the command line draws it, tests count it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from search.verdict import Judgement
from storage import tables
from storage.verdicts import Verdict
from trainer.result import EpochReport


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


class Silence:
    """Progress that nobody watches."""

    def began(self, verdicts: Mapping[Verdict, int], best: tables.Trial | None, wanted: int) -> None:
        """Say nothing."""

    def trial_began(self, number: int, epochs: int) -> None:
        """Say nothing."""

    def epoch_passed(self, number: int, report: EpochReport) -> None:
        """Say nothing."""

    def trial_ended(self, end: TrialEnd) -> None:
        """Say nothing."""
