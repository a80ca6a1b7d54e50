"""The settings of a trial of any verdict as a YAML file, for optuna-dashboard and MLflow to keep."""

from pathlib import Path

from search.config.layers import Layer, Override, Setting
from search.config.settings_without_effect import keys_without_effect
from search.selection.commented_yaml import settings_yaml
from search.selection.export import DECISIVE
from search.watching.view import TrialView
from trainer.text import printable


def trial_yaml(view: TrialView) -> str:
    """Every setting that had an effect on the trial's value, with its origin beside it.

    `ballast train` runs it as a configuration like any other, with a seed of its own; only an export knows
    which value must come out.
    """
    acts = {
        setting.key: starting_override(setting)
        for setting in view.settings
        if setting.key.startswith(DECISIVE)
    }
    values = {key: act.effective for key, act in acts.items() if act.effective is not None}
    for key in keys_without_effect(values):
        values.pop(key, None)
    values["data.source"] = _source(values["data.source"], view.study.study_file)
    return f"{_header(view)}\n{settings_yaml(values, acts)}\n"


def starting_override(setting: Setting) -> Override:
    """The act that the trial was started with: what the guard did in training came after."""
    return [act for act in setting.overrides if act.layer is not Layer.GUARD][-1]


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
