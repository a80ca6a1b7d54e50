"""Findings as events of a trial: when they are reported, what they name, and how a checkpoint keeps them."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.trainer.training.checkpoint.interrupted_trial import halted, settings, trial
from trainer.data.windows import Dataset
from trainer.training import checkpoint
from trainer.training.result import Action, EpochReport, Finding, FindingKind


def events_of(data: Dataset, path: Path | None = None) -> list[tuple[str, int]]:
    """What is reported, in order: (`epoch` or `finding`, number of the epoch)."""
    events: list[tuple[str, int]] = []

    def on_epoch(report: EpochReport) -> bool:
        events.append(("epoch", report.epoch))
        return False

    trial(data, path, on_epoch=on_epoch, on_finding=lambda f: events.append(("finding", f.epoch)))
    return events


def test_each_finding_is_reported_before_its_epoch_and_once(data: Dataset) -> None:
    assert events_of(data) == [(kind, number) for number in range(6) for kind in ("finding", "epoch")]


def test_a_resumed_trial_reports_the_findings_of_its_checkpoint_in_their_order(
    data: Dataset, path: Path
) -> None:
    halted(data, path)
    assert events_of(data, path) == events_of(data)


def test_the_findings_of_both_kernels_are_equal(data: Dataset) -> None:
    torch, fused = (
        trial(data, config=settings(training={"kernel": name, "device": "cpu"})).findings
        for name in ("torch", "fused")
    )
    assert [repr(finding) for finding in torch] == [repr(finding) for finding in fused]
    assert len(torch) == 6


def test_a_finding_names_the_line_of_every_bad_row_of_the_batch(data: Dataset) -> None:
    assert data.positions is not None
    target = data.target.copy()
    target[data.train] = math.nan
    first = trial(replace(data, target=target)).findings[0]
    assert first.cell is not None
    bad = sorted(first.rows)
    lines = [f"(line {data.positions[row]})" for row in bad]
    assert sum(line in first.message for line in lines) == 6
    assert f"{len(bad) - 1} further rows" in first.message


def test_a_checkpoint_of_before_that_nests_the_intervention_is_read() -> None:
    old: dict[str, Any] = {
        "kind": "nonfinite_loss",
        "epoch": 2,
        "step": 11,
        "value": "NaN",
        "threshold": None,
        "message": "the loss is nan",
        "intervention": {"action": "rewind", "lr_before": 1e-3, "lr_after": 5e-4},
        "parameter": None,
        "rows": [4, 5],
        "cell": None,
        "fold": 1,
    }
    (finding,) = checkpoint._FINDINGS.validate_json(json.dumps([old]))
    expected = Finding(
        kind=FindingKind.NONFINITE_LOSS,
        value=math.nan,
        threshold=None,
        message="the loss is nan",
        action=Action.REWIND,
        lr_before=1e-3,
        lr_after=5e-4,
        fold=1,
        epoch=2,
        step=11,
        rows=(4, 5),
    )
    assert repr(finding) == repr(expected)
