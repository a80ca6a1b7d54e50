"""Watches the trials of a study as they end, reading only what is new."""

import time
from collections.abc import Callable, Mapping, Sequence

from rich.console import Console, Group, RenderableType
from rich.text import Text

from search.selection.summary import summarise
from search.study.liveness import StallDetector, stall_message
from search.terminal.console import redraw_in_place
from search.terminal.result_tables import can_redraw, trial_table
from search.terminal.study_status import StudyStatus, findings_text, read_study_status, status_rows
from search.terminal.styles import finding_line, plain_text, trial_end_line
from search.terminal.text_table import key_value_table
from storage import query, tables
from storage.engine import Store
from storage.verdicts import Verdict

_HEADER = ("trials", "verdicts", "best", "pace", "verified")


class TrialWatcher:
    """Reads the trials of a study that ended since the last call of `poll`; with `verdict`, only those."""

    def __init__(self, store: Store, name: str, verdict: Verdict | None = None) -> None:
        self._store, self._name, self._verdict = store, name, verdict
        self._seen: dict[int, bool] = {}
        self._detector, self._is_stalled = StallDetector(store, name), False
        self.ended: list[tables.Trial] = []
        """Ended trials, in the order in which `poll` found them."""
        self.suspicions: Mapping[int, tables.FindingRow] = {}
        """The finding that made a trial suspicious, by trial number."""
        self.findings: Sequence[tables.FindingRow] = ()
        """What the guard found in running trials since the call of `poll` before; none with `verdict`."""
        self._findings_seen: dict[int, int] = {}
        self.now = read_study_status(store, summarise(store, name))

    @property
    def is_over(self) -> bool:
        """Whether the study has all its trials and no active worker, or stalled before that."""
        return self._is_stalled or (self._has_its_trials and not self.now.active_workers)

    @property
    def end_message(self) -> str | None:
        """The message about a study that stalled before it had all its trials; None for any other."""
        if self._has_its_trials or not self._is_stalled:
            return None
        return stall_message(self._store, self._name)

    @property
    def _has_its_trials(self) -> bool:
        return self.now.done >= self.now.summary.study.wanted

    def poll(self) -> list[tables.Trial]:
        """The trials that ended since the last call, by number. Raises StudyUnknown.

        The status is read before the trials: if it says that the study is over, no trial is missed.
        """
        self._is_stalled = self._detector.poll()
        self.now = read_study_status(self._store, summarise(self._store, self._name))
        self.findings = () if self._verdict is not None else self._new_findings()
        rows = self._changed()
        fresh = [row for row in rows if row.verdict is not None and not self._seen.get(row.number, False)]
        self._seen.update((row.number, row.verdict is not None) for row in rows)
        wanted = [row for row in fresh if self._verdict in (None, row.verdict)]
        self.ended += wanted
        if any(row.verdict is Verdict.SUSPICIOUS for row in wanted):
            self.suspicions = query.suspicious_findings(self._store, self._name)
        return wanted

    def _new_findings(self) -> list[tables.FindingRow]:
        seen = self._findings_seen
        self._findings_seen = {one.trial.number: len(one.findings) for one in self.now.running}
        return [found for one in self.now.running for found in one.findings[seen.get(one.trial.number, 0) :]]

    def _changed(self) -> list[tables.Trial]:
        """New trials, and trials that no longer run. Numbers may be recorded out of order: if the count
        shows that a lower number came after a higher one, all trials are read.
        """
        running = {one.trial.number for one in self.now.running}
        rows = [
            query.trial(self._store, self._name, number)
            for number, has_ended in self._seen.items()
            if not has_ended and number not in running
        ]
        rows += query.trials_from(self._store, self._name, max(self._seen, default=-1) + 1)
        known = self._seen.keys() | {row.number for row in rows}
        return rows if len(known) >= self.now.summary.trials else query.trials(self._store, self._name)


def watch_trials(watcher: TrialWatcher, every: float, show: Callable[[Sequence[tables.Trial]], None]) -> None:
    """Pass new ended trials to `show` every `every` seconds, until the study is over or Ctrl-C."""
    try:
        show(watcher.poll())
        while not watcher.is_over:
            time.sleep(every)
            show(watcher.poll())
    except KeyboardInterrupt:
        return  # Ctrl-C is the normal end of a watch


def watch_on_console(screen: Console, watcher: TrialWatcher, every: float) -> None:
    """Redraw the newest trials in place; if the screen cannot redraw, write a line for each trial that ended
    and for each finding in a running one.
    """
    if not can_redraw(screen):
        watch_trials(watcher, every, lambda ended: _write(screen, ended, watcher.findings))
        return
    with redraw_in_place(screen, lambda: watched_page(screen, watcher)) as live:
        watch_trials(watcher, every, lambda _: live.refresh())


def _write(
    screen: Console, ended: Sequence[tables.Trial], findings: Sequence[tables.FindingRow] = ()
) -> None:
    for found in findings:
        screen.print(finding_line(found), soft_wrap=True)
    for row in ended:
        screen.print(
            trial_end_line(row.number, row.verdict, row.value, row.skill, row.message), soft_wrap=True
        )
    screen.file.flush()


def watched_page(screen: Console, watcher: TrialWatcher) -> RenderableType:
    """The status of the study, and as many of the newest trials as fit."""
    now = watcher.now
    known = [(word, cell) for word, cell in status_rows(now) if word in _HEADER]
    header = Group(
        plain_text(now.summary.study.name, "bold"),
        key_value_table([*known, ("running", _running(now))]),
        Text(""),
    )
    height = screen.height - _lines(screen, header) - 1
    n = max(1, min(height, len(watcher.ended)))
    while (
        n > 1 and (over := _lines(screen, trial_table(watcher.ended[-n:], watcher.suspicions)) - height) > 0
    ):
        n = max(1, n - over)
    return Group(header, trial_table(watcher.ended[-n:], watcher.suspicions))


def _running(now: StudyStatus) -> tuple[Text, ...]:
    """`14 (3/15)`: each running trial and its epoch; after a semicolon, what the guard has found in it."""
    cells = (
        f"{one.trial.number} ({'; '.join(filter(None, (one.epoch_text, findings_text(one.findings))))})"
        for one in now.running
    )
    return tuple(map(Text, cells)) or (Text("none"),)


def _lines(screen: Console, part: RenderableType) -> int:
    return len(screen.render_lines(part, pad=False))
