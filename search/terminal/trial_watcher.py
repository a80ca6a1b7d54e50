"""Watches the trials of a study as they end, reading only what is new."""

import time
from collections.abc import Callable, Mapping, Sequence

from rich.console import Console, Group, RenderableType
from rich.text import Text

from search.selection.summary import summarise
from search.study.liveness import StallDetector, stall_message
from search.terminal.console import redraw_in_place
from search.terminal.result_tables import can_redraw, trial_table
from search.terminal.study_status import StudyStatus, epoch_count_text, read_study_status, status_rows
from search.terminal.styles import plain_text, trial_end_line
from search.terminal.text_table import key_value_table
from storage import query, tables
from storage.engine import Store
from storage.verdicts import Verdict

_HEADER = ("trials", "verdicts", "best", "pace", "verified")


class TrialWatcher:
    """A study and the trials of it that have ended, as far as they were seen; `verdict` leaves out others."""

    def __init__(self, store: Store, name: str, verdict: Verdict | None = None) -> None:
        self._store, self._name, self._verdict = store, name, verdict
        self._seen: dict[int, bool] = {}
        self._detector, self._is_left = StallDetector(store, name), False
        self.ended: list[tables.Trial] = []
        """In the order in which they were seen to end."""
        self.suspicions: Mapping[int, tables.Finding] = {}
        """What made those suspicious that are."""
        self.now = read_study_status(store, summarise(store, name))

    @property
    def is_over(self) -> bool:
        """Whether the study has its trials, and nobody is at work on more; or was left before it has them."""
        return self._is_left or (self._has_its_trials and not self.now.at_work)

    @property
    def last_words(self) -> str | None:
        """What is to be said of a study that was left before it had its trials."""
        if self._has_its_trials or not self._is_left:
            return None
        return stall_message(self._store, self._name)

    @property
    def _has_its_trials(self) -> bool:
        return self.now.done >= self.now.summary.study.wanted

    def look(self) -> list[tables.Trial]:
        """The trials that have ended since the last look, by number. Raises StudyUnknown.

        How the study stands is read first: when that says that it is over, no trial is missing.
        """
        self._is_left = self._detector.poll()
        self.now = read_study_status(self._store, summarise(self._store, self._name))
        rows = self._changed()
        fresh = [row for row in rows if row.verdict is not None and not self._seen.get(row.number, False)]
        self._seen.update((row.number, row.verdict is not None) for row in rows)
        wanted = [row for row in fresh if self._verdict in (None, row.verdict)]
        self.ended += wanted
        if any(row.verdict is Verdict.SUSPICIOUS for row in wanted):
            self.suspicions = query.suspicious_findings(self._store, self._name)
        return wanted

    def _changed(self) -> list[tables.Trial]:
        """New trials, and those that ran. Numbers are not recorded in their order: where one came late, after
        a higher one, the count says that it is missing, and all are read.
        """
        at_work = {one.trial.number for one in self.now.running}
        rows = [
            query.trial(self._store, self._name, number)
            for number, has_ended in self._seen.items()
            if not has_ended and number not in at_work
        ]
        rows += query.trials_from(self._store, self._name, max(self._seen, default=-1) + 1)
        known = self._seen.keys() | {row.number for row in rows}
        return rows if len(known) >= self.now.summary.trials else query.trials(self._store, self._name)


def watch_trials(watched: TrialWatcher, every: float, tell: Callable[[Sequence[tables.Trial]], None]) -> None:
    """Tell what has ended, every so many seconds, until the study is over or somebody interrupts."""
    try:
        tell(watched.look())
        while not watched.is_over:
            time.sleep(every)
            tell(watched.look())
    except KeyboardInterrupt:
        return  # how a watch is meant to end


def watch_on_console(screen: Console, watched: TrialWatcher, every: float) -> None:
    """Redraw the newest trials in place; elsewhere than on such a terminal, write a line for each."""
    if not can_redraw(screen):
        watch_trials(watched, every, lambda ended: _write(screen, ended))
        return
    with redraw_in_place(screen, lambda: _page(screen, watched)) as live:
        watch_trials(watched, every, lambda _: live.refresh())


def _write(screen: Console, ended: Sequence[tables.Trial]) -> None:
    for row in ended:
        screen.print(
            trial_end_line(row.number, row.verdict, row.value, row.skill, row.message), soft_wrap=True
        )
    screen.file.flush()


def _page(screen: Console, watched: TrialWatcher) -> RenderableType:
    """How the study stands, and as many of the newest trials as there is room for."""
    now = watched.now
    known = [(word, cell) for word, cell in status_rows(now) if word in _HEADER]
    header = Group(
        plain_text(now.summary.study.name, "bold"),
        key_value_table([*known, ("running", _running(now))]),
        Text(""),
    )
    room = screen.height - _lines(screen, header) - 1
    n = max(1, min(room, len(watched.ended)))
    while n > 1 and (over := _lines(screen, trial_table(watched.ended[-n:], watched.suspicions)) - room) > 0:
        n = max(1, n - over)
    return Group(header, trial_table(watched.ended[-n:], watched.suspicions))


def _running(now: StudyStatus) -> tuple[Text, ...]:
    """`14 (3/15)`: the trial and its epoch."""
    told = (
        f"{one.trial.number} ({epoch_count_text(0 if one.last is None else one.last.epoch + 1, one.epochs)})"
        for one in now.running
    )
    return tuple(map(Text, told)) or (Text("none"),)


def _lines(screen: Console, part: RenderableType) -> int:
    return len(screen.render_lines(part, pad=False))
