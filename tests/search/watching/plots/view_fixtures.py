"""Views of made-up studies, and what is asked of their figures."""

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from search.config.safe_ranges import SafeRange
from search.config.space import Choices, Dimension, FloatRange
from search.selection.summary import Summary
from search.watching.blocks import Plot
from search.watching.plots.figures import PLOT_IDS, figures
from search.watching.view import SearchedDimension, StudyView
from storage import tables
from storage.verdicts import Verdict
from trainer.rivals.skill import noise_floor

if TYPE_CHECKING:
    pass


NOON = datetime(2024, 5, 17, 12, tzinfo=UTC)


RATE, UNITS = "models.gru.learning_rate", "models.gru.hidden_size"


IDS = {"learning-curves", "skill", "space", "safe-ranges", "interventions", "seconds"}
"""Those that every study has."""


ROWS = 1000


CALIBRATION = [{"level": level / 100, "covered": level / 120} for level in (10, 50, 80, 95)]


COVERAGE: dict[str, Any] = {"levels": [{"level": 0.8, "rows": 1005}], "calibration": CALIBRATION}


def a_trial(number: int, verdict: Verdict | None = Verdict.ACCEPTED, **more: Any) -> tables.Trial:
    known: dict[str, Any] = {"study": "s", "number": number, "seed": 1, "started_at": NOON, "worker": "w"}
    known |= {"params": {RATE: 1e-3, UNITS: 32}, "verdict": verdict, "duration_s": 2.0 if verdict else None}
    known |= {"skill": 0.1 if verdict else None, "value": 0.5, "epochs": 2, "best_epoch": 1}
    return tables.Trial(**(known | more))


def an_epoch(trial: int, epoch: int, **more: Any) -> tables.Epoch:
    known: dict[str, Any] = dict.fromkeys(
        ("output_max", "movement", "prediction_std_ratio", "seconds", "skill"), 0.5
    )
    known |= {"train_loss": 0.9, "validation_loss": 0.8, "learning_rate": 1e-3, "grad_norm_mean": 0.3}
    return tables.Epoch(
        study="s",
        trial=trial,
        epoch=epoch,
        **(known | {"grad_norm_max": 0.7, "steps": 99, "skipped_steps": 1} | more),
    )


def a_finding(trial: int, **more: Any) -> tables.FindingRow:
    known: dict[str, Any] = {
        "kind": "nonfinite_loss",
        "epoch": 1,
        "step": 120,
        "value": math.nan,
        "message": "the loss is nan",
    }
    cut = {"action": "skip_and_cut", "lr_before": 1e-3, "lr_after": 1e-4}
    return tables.FindingRow(study="s", trial=trial, **(known | cut | more))


def searched(
    key: str,
    declared: Mapping[str, Any],
    effective: Dimension,
    low: float | None = None,
    high: float | None = None,
) -> SearchedDimension:
    safe = SafeRange(key, low, high, None, {}, "because", "a test", "policy.yaml:1")
    return SearchedDimension(key, declared, effective, safe)


LOG_RATE = searched(
    RATE, {"low": 1e-5, "high": 1e-1, "log": True}, FloatRange(1e-5, 1e-2, log=True), low=1e-8, high=1e-2
)
FEW_UNITS = searched(UNITS, {"choices": [16, 32, 64, 256]}, Choices((16, 32, 64)), high=128)


def a_view(
    trials: Sequence[tables.Trial] = (),
    epochs: Mapping[int, Sequence[tables.Epoch]] | None = None,
    findings: Sequence[tables.FindingRow] = (),
    space: Sequence[SearchedDimension] = (LOG_RATE, FEW_UNITS),
    clamps: Sequence[tables.ClampRow] = (),
    baseline: str = "har",
) -> StudyView:
    facts = {"baseline": {"name": baseline, "loss": 0.6}, "skill_ceiling": 0.3, "horizon": 1}
    study = tables.StudyRow(
        name="s",
        created_at=NOON,
        study_file="study.yaml",
        policy_file="policy.yaml",
        seed=0,
        fingerprints={},
        versions={},
        facts=facts | {"rows": {"train": 3000, "validation": ROWS, "test": ROWS}},
    )
    data = tables.DataFingerprint(
        study="s", source="x.csv", sha256="0", rows=9, first_time="1", last_time="2", columns=[]
    )
    accepted = [t for t in trials if t.verdict is Verdict.ACCEPTED and t.value is not None]
    best = min(accepted, key=lambda trial: trial.value or 0.0, default=None)
    floor = noise_floor(max(1, sum(trial.epochs for trial in trials)), ROWS, 1)
    return StudyView(
        summary=Summary(study, {}, best, floor, None),
        conclusive=len(trials),
        data=data,
        settings=[],
        clamps=clamps,
        space=space,
        trials=trials,
        findings=findings,
        epochs={t.number: [an_epoch(t.number, e) for e in range(2)] for t in trials}
        if epochs is None
        else epochs,
    )


def plot(view: StudyView, which: str) -> Plot:
    (found,) = [plot for plot in figures(view) if plot.id == which]
    return found


def trace(found: Plot, name: str) -> dict[str, Any]:
    (one,) = [t for t in found.figure["data"] if t["name"] == name and t.get("showlegend", True)]
    return dict(one)


def assert_readable(view: StudyView) -> None:
    """All are JSON of plain values without NaN, in their order, and plotly finds nothing wrong with them."""
    drawn = figures(view)
    ids = [found.id for found in drawn]
    assert ids == [known for known in PLOT_IDS if known in ids]
    assert set(ids) >= IDS
    for found in drawn:
        assert json.loads(json.dumps(found.figure, allow_nan=False)) == found.figure
        go.Figure(found.figure)  # raises for any name or value that plotly does not know
        assert "width" not in found.figure["layout"]
