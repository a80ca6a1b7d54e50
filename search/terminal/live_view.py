"""The view of a run on a terminal, redrawn in place while trials run."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from search.terminal.console import redraw_in_place
from search.terminal.study_status import RUNNING_COLUMNS, best_trial_text, epoch_cells, epoch_count_text
from search.terminal.styles import count_cells, trial_end_line
from search.terminal.text_table import TableCell, key_value_table, make_table
from search.workers.progress import TrialCounters, TrialEnd
from storage import tables
from storage.verdicts import Verdict
from trainer.training.result import EpochReport

_EVENTS = 4
"""How many of the trials that ended last are told of."""
_FRAME = 8 + _EVENTS
"""Lines of the live view beside those of the running trials, roughly."""


@dataclass(frozen=True)
class _LiveTrial:
    epochs: int
    last: EpochReport | None = None


class LiveView:
    """Trials done, verdicts, best, pace, running trials and what happened last, redrawn in place.

    A thread draws while another tells what happens: what is looped over is replaced, never changed.
    `floor` is the noise floor after so many epochs of this run.
    """

    def __init__(self, console: Console, floor: Callable[[int], float]) -> None:
        self._console, self._floor = console, floor
        self._tally = TrialCounters({}, None, 0)
        self._running: dict[int, _LiveTrial] = {}
        self._events: tuple[Text, ...] = ()
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
        self._stopping = False
        self._open.close()

    def stopping(self) -> None:
        """Somebody asked for the end. Fit for a signal handler: it takes no lock and writes nothing."""
        self._stopping = True

    def run_began(self, verdicts: Mapping[Verdict, int], best: tables.Trial | None, wanted: int) -> None:
        """Start where the study stands."""
        self._tally = TrialCounters(verdicts, best, wanted)
        self._bar.update(self._task, completed=self._tally.done, total=wanted)

    def trial_began(self, number: int, epochs: int) -> None:
        """Show the trial."""
        self._running = {**self._running, number: _LiveTrial(epochs)}

    def epoch_passed(self, number: int, report: EpochReport) -> None:
        """Show its epoch."""
        self._tally.looks += 1
        self._running = {**self._running, number: _LiveTrial(self._running[number].epochs, report)}

    def trial_ended(self, end: TrialEnd) -> None:
        """Count it."""
        self._tally.add(end)
        self._bar.update(self._task, completed=self._tally.done)
        self._running = {number: row for number, row in self._running.items() if number != end.number}
        judgement = end.judgement
        told = trial_end_line(end.number, judgement.verdict, end.value, end.skill, judgement.message)
        self._events = (*self._events, told)[-_EVENTS:]

    def _draw(self) -> RenderableType:
        tally = self._tally
        known: list[tuple[str, TableCell]] = [
            ("verdicts", count_cells(tally.verdicts)),
            ("best", self._best()),
            ("pace", tally.pace() or "–"),
        ]
        parts: list[RenderableType] = [self._bar, key_value_table(known)]
        running = self._running
        shown = dict(list(running.items())[: max(1, self._console.height - _FRAME)])
        if running:
            parts += [Text(""), _table(shown)]
        if len(running) > len(shown):
            parts.append(Text(f"and {len(running) - len(shown)} more are running", style="dim"))
        if events := self._events:
            parts += [Text(""), *events]
        if self._stopping:
            parts.append(
                Text("stopping: the running trials end and will be tried again; Ctrl-C to stop at once")
            )
        return Group(*parts)

    def _best(self) -> str:
        best = self._tally.best
        if best is None:
            return "none yet"
        if best.skill is None:
            return best_trial_text(best)
        floor = self._floor(self._tally.looks)
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
