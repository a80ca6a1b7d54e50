"""Where a run stands, counted from what it tells: verdicts, best, and the pace."""

import time
from collections import Counter
from collections.abc import Mapping

from search.progress import TrialEnd
from search.words import duration
from storage import tables
from storage.verdicts import CONCLUSIVE, Verdict


class Tally:
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
