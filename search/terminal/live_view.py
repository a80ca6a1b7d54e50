"""The view of a run on a terminal, redrawn in place while trials run."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from search.terminal.console import redraw_in_place
from search.terminal.study_status import RUNNING_COLUMNS, best_trial_text, epoch_cells, epoch_count_text
from search.terminal.styles import count_cells, finding_line, trial_end_line
from search.terminal.text_table import TableCell, key_value_table, make_table
from search.workers.progress import TrialCounters, TrialEnd
from storage import tables
from storage.verdicts import Verdict
from trainer.training.result import EpochReport

_EVENTS = 4
"""How many of the trials that ended last are shown."""
_FINDINGS = 3
"""How many of the newest findings of the guard in running trials are shown."""
_FRAME = 9 + _EVENTS + _FINDINGS
"""Roughly how many lines the live view needs besides those of the running trials."""


@dataclass(frozen=True)
class _LiveTrial:
    epochs: int
    last: EpochReport | None = None


class LiveView:
    """Shows trials done, verdicts, best trial, pace, running trials and the last events, redrawn in place.

    One thread draws while another reports events, so collections are replaced and never changed.
    `floor` returns the noise floor after a number of epochs of this run.
    """

    def __init__(self, console: Console, floor: Callable[[int], float]) -> None:
        self._console, self._floor = console, floor
        self._counters = TrialCounters({}, None, 0)
        self._running: dict[int, _LiveTrial] = {}
        self._events: tuple[Text, ...] = ()
        self._findings: tuple[tables.FindingRow, ...] = ()
        self._stopping = False
        self._bar = Progress(
            TextColumn("trials"),
            BarColumn(style="dim", complete_style="none", finished_style="none"),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            console=console,
            auto_refresh=False,
        )
        self._task = self._bar.add_task("trials", total=0)
        self._open = ExitStack()

    def __enter__(self) -> "LiveView":
        self._open.enter_context(redraw_in_place(self._console, self._draw, per_second=4))
        return self

    def __exit__(self, *exc: object) -> None:
        self._running = {}
        self._events = ()
        self._findings = ()
        self._stopping = False
        self._open.close()

    def show_stopping(self) -> None:
        """Show that a stop was requested. Safe in a signal handler: it takes no lock and writes nothing."""
        self._stopping = True

    def run_began(self, verdicts: Mapping[Verdict, int], best: tables.Trial | None, wanted: int) -> None:
        """Start with the counts of the study."""
        self._counters = TrialCounters(verdicts, best, wanted)
        self._bar.update(self._task, completed=self._counters.done, total=wanted)

    def trial_began(self, number: int, epochs: int) -> None:
        """Show the trial."""
        self._running = {**self._running, number: _LiveTrial(epochs)}

    def epoch_passed(self, number: int, report: EpochReport) -> None:
        """Show the newest epoch of the trial."""
        self._counters.epochs += 1
        self._running = {**self._running, number: _LiveTrial(self._running[number].epochs, report)}

    def finding_made(self, found: tables.FindingRow) -> None:
        """Show the finding, until its trial ends."""
        self._findings = (*self._findings, found)

    def trial_ended(self, end: TrialEnd) -> None:
        """Count the trial, and show how it ended."""
        self._counters.add(end)
        self._bar.update(self._task, completed=self._counters.done)
        self._running = {number: row for number, row in self._running.items() if number != end.number}
        self._findings = tuple(found for found in self._findings if found.trial != end.number)
        judgement = end.judgement
        line = trial_end_line(end.number, judgement.verdict, end.value, end.skill, judgement.message)
        self._events = (*self._events, line)[-_EVENTS:]

    def _draw(self) -> RenderableType:
        counters = self._counters
        pairs: list[tuple[str, TableCell]] = [
            ("verdicts", count_cells(counters.verdicts)),
            ("best", self._best()),
            ("pace", counters.pace() or "–"),
        ]
        parts: list[RenderableType] = [self._bar, key_value_table(pairs)]
        running = self._running
        shown = dict(list(running.items())[: max(1, self._console.height - _FRAME)])
        if running:
            parts += [Text(""), _table(shown)]
        if len(running) > len(shown):
            parts.append(Text(f"and {len(running) - len(shown)} more are running", style="dim"))
        if findings := self._findings:
            parts += [Text(""), *map(finding_line, findings[-_FINDINGS:])]
        if events := self._events:
            parts += [Text(""), *events]
        if self._stopping:
            parts.append(
                Text("stopping: the running trials end and will be tried again; Ctrl-C to stop at once")
            )
        return Group(*parts)

    def _best(self) -> str:
        best = self._counters.best
        if best is None:
            return "none yet"
        if best.skill is None:
            return best_trial_text(best)
        floor = self._floor(self._counters.epochs)
        shown = "above" if best.skill > floor else "not above"
        return f"{best_trial_text(best)}, {shown} noise floor {floor:.4f}"


def _table(running: Mapping[int, _LiveTrial]) -> RenderableType:
    return make_table(
        RUNNING_COLUMNS,
        (
            (
                str(number),
                epoch_count_text(0 if row.last is None else row.last.epoch + 1, row.epochs),
                *epoch_cells(row.last),
            )
            for number, row in running.items()
        ),
    )
