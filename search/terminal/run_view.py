"""Shows a run while it runs: redrawn in place on a terminal, as log lines elsewhere, or not at all."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from rich.console import Console

from search.record.effective_rows import recorded_noise_floor
from search.record.verification_answer import newest_verification
from search.signals import StopRequest
from search.study.studies import OpenStudy
from search.terminal.live_view import LiveView
from search.terminal.result_tables import audit_table, can_redraw, clamp_table, console
from search.workers.progress import LogProgress, NoProgress, Progress
from storage import query
from trainer.text import PlainFormatter

RunView = Callable[[OpenStudy, StopRequest], AbstractContextManager[Progress]]
"""A context manager that shows a study while its block runs; it yields the Progress to report to."""


@contextmanager
def no_view(study: OpenStudy, stop: StopRequest) -> Iterator[Progress]:
    """Show nothing."""
    yield NoProgress()


@contextmanager
def run_view(study: OpenStudy, stop: StopRequest) -> Iterator[Progress]:
    """Print the data and clamps, then show the trials: redrawn in place on a terminal, else as log lines."""
    screen = console()
    print_study_start(study, screen)
    if not can_redraw(screen):
        yield LogProgress()
        return
    with LiveView(screen, _noise_floor(study)) as view:
        stop.on_stop = view.show_stopping  # a line on stderr would garble the drawing
        yield view


@contextmanager
def log_lines(*, verbose: bool = False) -> Iterator[None]:
    """Write the log of `ballast` to standard error while the block runs, unless it has a handler.

    With `verbose`, every epoch is a line.
    """
    logger = logging.getLogger("ballast")
    before, handler = logger.level, logging.StreamHandler(sys.stderr)
    handler.setFormatter(PlainFormatter("%(asctime)s %(name)s: %(message)s", "%H:%M:%S"))
    handler.setLevel(logging.DEBUG if verbose else logging.INFO)
    is_ours = not logger.hasHandlers()
    if is_ours:
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        if is_ours:
            logger.removeHandler(handler)
            logger.setLevel(before)


def print_study_start(study: OpenStudy, screen: Console) -> None:
    """Print the data, clamps and notable findings of the audit, before anything is trained."""
    data, resolved = study.data, study.resolved
    rows = data.audit.rows
    screen.print(
        f"data {data.table.source}: {rows['train']} training, {rows['validation']} validation, "
        f"{rows['test']} test rows; the best naive forecast is {data.baseline.name} "
        f"(loss {data.baseline.loss:.6f})",
        markup=False,
    )
    if (verified := newest_verification(study.store, study.name)) is not None:
        screen.print(verified.sentence(), markup=False)
    for note in resolved.notes:
        screen.print(note, markup=False, soft_wrap=True)
    if resolved.clamps:
        screen.print(clamp_table(resolved.clamps))
    notable = [f for f in data.audit.findings if f.severity != "info"]
    if notable:
        screen.print(audit_table(notable))


def _noise_floor(study: OpenStudy) -> Callable[[int], float]:
    """A function: the noise floor after a number of further epochs."""
    facts = query.study(study.store, study.name).facts
    before = query.epoch_count(study.store, study.name)
    return lambda epochs: recorded_noise_floor(facts, max(1, before + epochs))
