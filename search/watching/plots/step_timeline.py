"""The course of one trial by optimiser steps: learning rates, ends of epochs, the guard's interventions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from search.config.layers import Setting
from search.data.study_data import FOLD_TRAINING_ROWS
from storage import tables

_BATCH_SIZE, _SEQ_LEN, _BATCHES = "models.gru.batch_size", "data.seq_len", "training.batches"


@dataclass(frozen=True)
class StepTimeline:
    """Steps are 0-based and count over the whole trial: over all epochs, seeds and folds, skipped ones
    included.
    """

    ends: Sequence[int]
    """Steps that were done when each recorded epoch ended."""
    rates: Sequence[tuple[int, float]]
    """(step, learning rate), in order: a cut is two points at one step."""
    marks: Sequence[tuple[int, tables.FindingRow]]
    """(step, finding)."""


def step_timeline(
    epochs: Sequence[tables.Epoch],
    findings: Sequence[tables.FindingRow],
    fold_steps: Sequence[int] = (),
) -> StepTimeline:
    """The course of a trial; `epochs` and `findings` in the order in which they happened.

    With `fold_steps`, the steps of each fold in one epoch, every finding is at its exact step. Without them,
    or if the epochs on record have another number of steps, a finding has its exact epoch, but its place
    among the steps of several folds is an estimate.
    """
    lengths = [epoch.steps + epoch.skipped_steps for epoch in epochs]
    ends = list(accumulate(lengths))
    folds = max(1, len(epochs[0].fold_losses) if epochs else 0)
    seeds = max(1, len(epochs[0].seed_losses) if epochs else 0)
    is_exact = bool(fold_steps) and all(length == seeds * sum(fold_steps) for length in lengths)
    marks = [
        (
            _exact_step(found, fold_steps, seeds)
            if is_exact
            else _estimated_step(found, lengths, seeds * folds, found.seed * folds + found.fold),
            found,
        )
        for found in findings
    ]
    return StepTimeline(ends, _rates(epochs, ends, marks), marks)


def fold_steps(study: tables.StudyRow, trial: tables.Trial, settings: Sequence[Setting]) -> tuple[int, ...]:
    """The steps of each fold in one epoch of a trial, from the training rows of the study's folds and the
    trial's batch size; () for a study from before the rows of each fold were recorded.

    `settings` are those of the study or of the trial. A window that is n rows shorter than the longest of the
    study gives each fold n more rows to train on.
    """
    rows = study.facts.get(FOLD_TRAINING_ROWS)
    values = {setting.key: setting.value for setting in settings} | trial.params
    batch_size, seq_len = values.get(_BATCH_SIZE), values.get(_SEQ_LEN)
    if rows is None or not batch_size or not seq_len or values.get(_BATCHES, "rows") != "rows":
        return ()  # a batch of whole dates has any number of rows
    more = rows["seq_len"] - seq_len
    return tuple(math.ceil((each + more) / batch_size) for each in rows["rows"])


def _exact_step(finding: tables.FindingRow, steps: Sequence[int], seeds: int) -> int:
    """Where a finding lies among the steps of all folds and seeds; `steps` are those of each fold in one
    epoch.

    `Finding.step` counts within its seed and fold, and an epoch trains them one after the other, seed by
    seed.
    """
    begin = finding.epoch * seeds * sum(steps)
    if finding.step is None:
        return begin + seeds * sum(steps)
    begin += finding.seed * sum(steps) + sum(steps[: finding.fold])
    return begin + finding.step - finding.epoch * steps[finding.fold]


def _estimated_step(finding: tables.FindingRow, lengths: Sequence[int], folds: int, fold: int) -> int:
    """As `_exact_step`, if the steps of each fold are not known; `lengths` are those of the recorded epochs,
    and the finding is in the `fold` of all `folds` of all seeds.

    Each fold is taken to have the mean number of steps, unless it cannot have that many. An epoch that is not
    on record is taken to be as long as the last one.
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
    return begin + min(length - 1, int(mean * (fold + share)))


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
