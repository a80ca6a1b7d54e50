"""Tells a progress of what other processes do, by looking at the record."""

from search.data.study_data import max_epochs
from search.record import row_mapping as recording
from search.study.studies import OpenStudy
from search.verdict import Judgement
from search.workers.progress import Progress, TrialEnd
from storage import query, tables


class RecordFollower:
    """Remembers what it has told: each trial begins once, passes each epoch once, and ends once."""

    def __init__(self, study: OpenStudy, progress: Progress) -> None:
        self._study, self._progress = study, progress
        self._most = max_epochs(study.resolved)
        self._open: dict[int, int] = {}
        known = {row.number for row in query.trials(study.store, study.name)}
        self._next = max(known, default=-1) + 1
        self._late = set(range(self._next)) - known
        """Numbers below `_next` that are not on record: workers record their trials in any order."""

    def look(self) -> None:
        """Tell what has happened since the last look."""
        wanted = self._open.keys() | self._late
        for row in query.trials_from(self._study.store, self._study.name, self._next, wanted):
            if row.number >= self._next or row.number in self._late:
                self._late |= set(range(self._next, row.number))
                self._late.discard(row.number)
                self._next = max(self._next, row.number + 1)
                self._open[row.number] = 0
                self._progress.trial_began(row.number, self._most)
            if row.number in self._open:
                self._follow(row)

    def _follow(self, row: tables.Trial) -> None:
        if row.verdict is not None:
            del self._open[row.number]
            judgement = Judgement(row.verdict, tuple(row.reasons), row.message or "")
            self._progress.trial_ended(TrialEnd(row.number, judgement, row.value, row.skill, row.started_at))
            return
        passed = query.epochs(self._study.store, self._study.name, row.number)[self._open[row.number] :]
        for epoch in passed:
            self._progress.epoch_passed(row.number, recording.epoch_report_of(epoch))
        self._open[row.number] += len(passed)
