"""The course of one trial by optimiser steps: learning rates, ends of epochs, the guard's interventions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from storage import tables


@dataclass(frozen=True)
class StepTimeline:
    """Steps are 0-based and count over the whole trial: over all epochs and folds, skipped ones included."""

    ends: Sequence[int]
    """Steps that were done when each recorded epoch ended."""
    rates: Sequence[tuple[int, float]]
    """(step, learning rate), in order: a cut is two points at one step."""
    marks: Sequence[tuple[int, tables.FindingRow]]
    """(step, finding)."""


def step_timeline(epochs: Sequence[tables.Epoch], findings: Sequence[tables.FindingRow]) -> StepTimeline:
    """The course of a trial; `epochs` and `findings` in the order in which they happened."""
    lengths = [epoch.steps + epoch.skipped_steps for epoch in epochs]
    ends = list(accumulate(lengths))
    folds = len(epochs[0].fold_losses) if epochs else 0
    marks = [(_step_of_trial(finding, lengths, max(1, folds)), finding) for finding in findings]
    return StepTimeline(ends, _rates(epochs, ends, marks), marks)


def _step_of_trial(finding: tables.FindingRow, lengths: Sequence[int], folds: int) -> int:
    """Where a finding lies among the steps of all folds; `lengths` are those of the recorded epochs.

    `Finding.step` counts within its fold, and an epoch trains its folds one after the other. How many steps
    each fold has is not on record: the mean is assumed, but for folds that cannot have that many. An epoch
    that is not on record is taken to be as long as the last one.
    """
    last = lengths[-1] if lengths else 0
    begin = sum(lengths[: finding.epoch]) + last * max(0, finding.epoch - len(lengths))
    length = lengths[finding.epoch] if finding.epoch < len(lengths) else last
    if finding.step is None:
        return begin + length
    if folds == 1 or not length:
        return finding.step
    mean = length / folds
    most = finding.step / finding.epoch if finding.epoch else math.inf
    of_fold = min(most, max(mean, (finding.step + 1) / (finding.epoch + 1)))
    share = finding.step / of_fold - finding.epoch
    return begin + min(length - 1, int(mean * (finding.fold + share)))


def _rates(
    epochs: Sequence[tables.Epoch], ends: Sequence[int], marks: Sequence[tuple[int, tables.FindingRow]]
) -> list[tuple[int, float]]:
    known = [(end, epoch.learning_rate, epoch.learning_rate) for end, epoch in zip(ends, epochs, strict=True)]
    known += [(step, finding.lr_before, finding.lr_after) for step, finding in marks]
    known.sort(key=lambda event: event[0])
    path = [(0, known[0][1])] if known else []
    for step, before, after in known:
        path += [(step, before), (step, after)] if before != after else [(step, after)]
    return path
