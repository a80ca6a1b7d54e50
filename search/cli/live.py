"""What a run shows while it runs: a live view on a terminal, one plain line per trial elsewhere."""

import logging
import time
from collections import Counter
from collections.abc import Mapping

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from search.cli.show import VERDICT_STYLE
from search.progress import TrialEnd
from search.words import duration
from storage import tables
from storage.verdicts import CONCLUSIVE, Verdict
from trainer.result import EpochReport

log = logging.getLogger("ballast.run")


class _Tally:
    """Where the study stands: what it had when the run began, and what the run added."""

    def __init__(self, verdicts: Mapping[Verdict, int], best: tables.Trial | None, wanted: int) -> None:
        self.verdicts = Counter(verdicts)
        self.best: tables.Trial | TrialEnd | None = best
        self.wanted, self.here = wanted, 0
        self.started = time.monotonic()

    def add(self, end: TrialEnd) -> None:
        self.here += 1
        self.verdicts[end.judgement.verdict] += 1
        if end.judgement.verdict is Verdict.ACCEPTED and (
            self.best is None or (end.value or 0) < (self.best.value or 0)
        ):
            self.best = end

    @property
    def done(self) -> int:
        return sum(self.verdicts[verdict] for verdict in CONCLUSIVE)

    @property
    def seconds_per_trial(self) -> float | None:
        return (time.monotonic() - self.started) / self.here if self.here else None

    def time_left(self) -> str:
        each = self.seconds_per_trial
        return "–" if each is None else duration(each * max(0, self.wanted - self.done))


def log_lines(verbose: bool) -> None:
    """Show what a run logs; every epoch only if `verbose`, though the log of a trial has them all."""
    logging.getLogger("ballast").setLevel(logging.DEBUG)
    for handler in logging.getLogger().handlers:
        handler.setLevel(logging.DEBUG if verbose else logging.INFO)


class Lines:
    """One log line per trial, for pipes and log files."""

    def began(self, verdicts: Mapping[Verdict, int], best: tables.Trial | None, wanted: int) -> None:
        """Say how far the study is."""
        self._tally = _Tally(verdicts, best, wanted)
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


class LiveView:
    """Trials done, verdicts, best, rate, time left, and the running trials' epochs, redrawn in place."""

    def __init__(self, console: Console) -> None:
        self._tally = _Tally({}, None, 0)
        self._running: dict[int, Text] = {}
        self._bar = Progress(
            TextColumn("trials"), BarColumn(), MofNCompleteColumn(), console=console, auto_refresh=False
        )
        self._task = self._bar.add_task("trials", total=None)
        self._live = Live(console=console, refresh_per_second=4, get_renderable=self._draw)

    def __enter__(self) -> "LiveView":
        self._live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._running.clear()
        self._live.stop()

    def began(self, verdicts: Mapping[Verdict, int], best: tables.Trial | None, wanted: int) -> None:
        """Start where the study stands."""
        self._tally = _Tally(verdicts, best, wanted)
        self._bar.update(self._task, completed=self._tally.done, total=wanted)

    def trial_began(self, number: int, epochs: int) -> None:
        """Show the trial."""
        self._epochs = epochs
        self._running[number] = Text(f"trial {number}: epoch 0 of {epochs}")

    def epoch_passed(self, number: int, report: EpochReport) -> None:
        """Show its epoch."""
        self._running[number] = Text(
            f"trial {number}: epoch {report.epoch + 1} of {self._epochs}, "
            f"loss {report.validation_loss:.4f}, skill {report.skill:+.4f}"
        )

    def trial_ended(self, end: TrialEnd) -> None:
        """Count it."""
        self._tally.add(end)
        self._bar.update(self._task, completed=self._tally.done)
        self._running.pop(end.number, None)

    def _draw(self) -> Group:
        tally, counts = self._tally, Text()
        for verdict, n in tally.verdicts.items():
            counts.append(f"{n} {verdict}  ", style=VERDICT_STYLE[verdict])
        best = Text("")
        if tally.best is not None:
            end = tally.best
            best = Text(f"best: trial {end.number}, loss {end.value:.6f}, skill {end.skill:+.4f}")
        each = tally.seconds_per_trial
        rate = "" if each is None else f"{3600 / each:.0f} trials an hour, {tally.time_left()} left"
        return Group(self._bar, counts, best, Text(rate, style="dim"), *self._running.values())
