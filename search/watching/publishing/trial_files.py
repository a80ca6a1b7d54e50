"""The files of one trial: its settings as YAML, its curves as JSON, and a small picture of the curves."""

import json
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.selection.commented_yaml import decisive_settings, settings_yaml
from search.text import json_safe_number
from search.watching.plots.plotly_parts import verdict_text
from search.watching.view import TrialView
from storage import tables
from trainer.config import move_source
from trainer.text import printable

if TYPE_CHECKING:
    from search.watching.publishing.curves_picture import CurvesPicture

_KEYS = ("study", "trial", "id")


def trial_yaml(view: TrialView) -> str:
    """Return every setting that affected the trial's value as YAML, with its origin beside it.

    `ballast train` runs the file like any other configuration, with its own seed; only an export also names
    the value that must come out.
    """
    values, overrides = decisive_settings({setting.key: setting.overrides for setting in view.settings})
    values["data.source"] = _source(values["data.source"], view.study.study_file)
    return f"{_header(view)}\n{settings_yaml(values, overrides)}\n"


def _source(source: Any, study_file: str) -> Any:
    """Return the source as paths that are valid in any folder, or names of samples."""
    return move_source(source, lambda path: str(Path(study_file).parent / path))


def _header(view: TrialView) -> str:
    trial = view.trial
    message = "" if trial.message is None else f": {trial.message}"
    lines = (
        f"Study {view.study.name}, trial {trial.number}, seed {trial.seed}",
        f"{trial.verdict or 'still running'}{message}",
        "Beside each setting: the layer that it comes from, and where that was written.",
    )
    return "\n".join(f"# {printable(line)}" for line in lines)


def curves_json(view: TrialView) -> str:
    """Return epochs and findings as JSON; non-finite numbers, which JSON does not have, are text (`nan`,
    `inf`).
    """
    content = {
        "study": view.study.name,
        "trial": view.trial.number,
        "verdict": verdict_text(view.trial.verdict),
        "seed": view.trial.seed,
        "epochs": [_row(epoch) for epoch in view.epochs],
        "findings": [_row(finding) for finding in view.findings],
    }
    return json.dumps(json_safe_number(content), allow_nan=False, ensure_ascii=False, indent=1)


def draw_curves(view: TrialView) -> bytes:
    """Return a PNG: losses by epoch; below, learning rate and gradient norm by step, with the guard's
    interventions.

    The same view gives the same bytes. Any thread may call it; one draws at a time.
    """
    return _picture().png(view)


@cache
def _picture() -> "CurvesPicture":
    """Return the one picture of this process; only this function imports matplotlib."""
    from search.watching.publishing.curves_picture import CurvesPicture

    return CurvesPicture()


def _row(row: tables.Epoch | tables.FindingRow) -> dict[str, Any]:
    return {field.name: getattr(row, field.name) for field in fields(row) if field.name not in _KEYS}
