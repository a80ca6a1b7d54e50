"""The curves of one trial as files: JSON with every number, and a small picture of them."""

import json
from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING, Any

from search.text import json_safe_number
from search.watching.plots.plotly_parts import verdict_text
from search.watching.view import TrialView
from storage import tables

if TYPE_CHECKING:
    from search.watching.curves_picture import CurvesPicture

_KEYS = ("study", "trial", "id")


def curves_json(view: TrialView) -> str:
    """Epochs and findings as JSON; non-finite numbers, which JSON has not, are text (`nan`, `inf`)."""
    told = {
        "study": view.study.name,
        "trial": view.trial.number,
        "verdict": verdict_text(view.trial.verdict),
        "seed": view.trial.seed,
        "epochs": [_row(epoch) for epoch in view.epochs],
        "findings": [_row(finding) for finding in view.findings],
    }
    return json.dumps(json_safe_number(told), allow_nan=False, ensure_ascii=False, indent=1)


def draw_curves(view: TrialView) -> bytes:
    """A PNG: losses by epoch; below, learning rate and gradient norm by step, with the guard's interventions.

    The same view gives the same bytes. Any thread may call it; they take turns.
    """
    return _picture().png(view)


@cache
def _picture() -> "CurvesPicture":
    """The one of this process; matplotlib is imported with it, by no one else."""
    from search.watching.curves_picture import CurvesPicture

    return CurvesPicture()


def _row(row: tables.Epoch | tables.Finding) -> dict[str, Any]:
    return {field.name: getattr(row, field.name) for field in fields(row) if field.name not in _KEYS}
