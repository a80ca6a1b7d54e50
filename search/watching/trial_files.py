"""The settings of a trial of any verdict as a YAML file, for optuna-dashboard and MLflow to keep."""

from pathlib import Path

from search.selection.commented_yaml import decisive_settings, settings_yaml
from search.watching.view import TrialView
from trainer.text import printable


def trial_yaml(view: TrialView) -> str:
    """Every setting that had an effect on the trial's value, with its origin beside it.

    `ballast train` runs it as a configuration like any other, with a seed of its own; only an export knows
    which value must come out.
    """
    values, overrides = decisive_settings({setting.key: setting.overrides for setting in view.settings})
    values["data.source"] = _source(values["data.source"], view.study.study_file)
    return f"{_header(view)}\n{settings_yaml(values, overrides)}\n"


def _source(source: str, study_file: str) -> str:
    """Where the data are, for a file that may lie anywhere."""
    return source if source.startswith("sample:") else str(Path(study_file).parent / source)


def _header(view: TrialView) -> str:
    trial = view.trial
    message = "" if trial.message is None else f": {trial.message}"
    lines = (
        f"Study {view.study.name}, trial {trial.number}, seed {trial.seed}",
        f"{trial.verdict or 'still running'}{message}",
        "Beside each setting: the layer that it comes from, and where that was written.",
    )
    return "\n".join(f"# {printable(line)}" for line in lines)
