"""The course of one trial by optimiser steps: learning rates, ends of epochs, the guard's interventions."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from storage import tables


@dataclass(frozen=True)
class StepTimeline:
    """Steps are 0-based and count over the whole trial, skipped ones too, as `Finding.step` does."""

    ends: Sequence[int]
    """Steps that were done when each recorded epoch ended."""
    rates: Sequence[tuple[int, float]]
    """(step, learning rate), in order: a cut is two points at one step."""
    marks: Sequence[tuple[int, tables.Finding]]
    """(step, finding). An epoch at whose end the guard stops a trial is not on record: its end is taken to be
    as far from the last one as that is from the one before."""


def step_timeline(epochs: Sequence[tables.Epoch], findings: Sequence[tables.Finding]) -> StepTimeline:
    """The course of a trial; `epochs` and `findings` in the order in which they happened."""
    lengths = [epoch.steps + epoch.skipped_steps for epoch in epochs]
    ends = list(accumulate(lengths))
    end = ends[-1] + lengths[-1] if ends else 0
    marks = [(end if finding.step is None else finding.step, finding) for finding in findings]
    return StepTimeline(ends, _rates(epochs, ends, marks), marks)


def _rates(
    epochs: Sequence[tables.Epoch], ends: Sequence[int], marks: Sequence[tuple[int, tables.Finding]]
) -> list[tuple[int, float]]:
    known = [(end, epoch.learning_rate, epoch.learning_rate) for end, epoch in zip(ends, epochs, strict=True)]
    known += [(step, finding.lr_before, finding.lr_after) for step, finding in marks]
    known.sort(key=lambda event: event[0])
    path = [(0, known[0][1])] if known else []
    for step, before, after in known:
        path += [(step, before), (step, after)] if before != after else [(step, after)]
    return path
