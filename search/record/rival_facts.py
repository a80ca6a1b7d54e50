"""The naive forecasts and fitted rivals of a study, read from its facts. Pure.

Studies of older versions have no rivals in their facts; then there are none here.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

FORECASTS = {
    "zero": "always 0",
    "train_mean": "the mean of the training rows",
    "persistence": "the last known value",
    "seasonal": "the mean of the same bar on past days",
    "har": "least squares on the last day's value and the means of 5 and 22 days",
    "lhar": "har with the negative returns of the same days",
    "ar": "least squares on the last values of the series",
    "ewma": "an exponentially weighted mean of past squared returns",
    "garch": "the variance that GARCH(1,1) forecasts from past returns",
    "linear": "a ridge regression on the same windows of the same features",
    "boosted": "gradient-boosted trees on the same windows of the same features",
    "recent_spread": "the median of the training rows, and quantiles as wide as the last errors were large",
    "train_mean_pooled": "the mean of the training rows of all series",
    "har_pooled": "har, fitted to all series together",
    "ar_pooled": "ar, fitted to all series together",
}
"""The naive forecasts and the rivals in words; trainer/rivals/ defines them."""
_POOLED = "_pooled"
_OF_EACH_SERIES = {"train_mean", "seasonal", "har", "lhar", "ar", "ewma", "garch", "recent_spread"}
_OF_ALL_SERIES = {"linear", "boosted"}

_SHORT = {
    "linear": "a ridge on these features",
    "boosted": "a model of boosted trees on these features",
}
_INSTALL = {"boosted": "pip install lightgbm"}


@dataclass(frozen=True)
class FittedRival:
    """A fitted competitor and its loss, in the unit of the study's values."""

    name: str
    loss: float

    def skill_of(self, loss: float | None) -> float | None:
        """The skill of a loss over this rival; None if one of the losses is unknown or 0."""
        return 1 - loss / self.loss if loss is not None and self.loss > 0 else None


def recorded_rival_losses(facts: Mapping[str, Any]) -> dict[str, float]:
    """Mean loss of each rival over the folds' validation rows, lowest first."""
    return dict(sorted((facts.get("rivals") or {}).items(), key=lambda pair: pair[1]))


def strongest_rival(facts: Mapping[str, Any]) -> FittedRival | None:
    """The rival with the lowest loss; None if none was fitted."""
    found = facts.get("strongest_rival")
    return None if found is None else FittedRival(found["name"], found["loss"])


def absent_rivals(facts: Mapping[str, Any]) -> dict[str, str]:
    """The reason for each rival that was not fitted, with the command that helps if there is one."""
    return {
        name: f"{reason}; {_INSTALL[name]}" if name in _INSTALL and "pip install" not in reason else reason
        for name, reason in (facts.get("rivals_absent") or {}).items()
    }


def shown_names(names: Iterable[str]) -> dict[str, str]:
    """Each name of a naive forecast or rival as it is shown. In a study of several series, which has pooled
    ones, it says whether each series has a fit of its own: `har (each series)`, `har (pooled)`.
    """
    listed = list(names)
    if not any(name.endswith(_POOLED) for name in listed):
        return {name: name for name in listed}
    return {name: _shown_of_several(name) for name in listed}


def _shown_of_several(name: str) -> str:
    if name.endswith(_POOLED) or name in _OF_ALL_SERIES:
        return f"{name.removesuffix(_POOLED)} (pooled)"
    return f"{name} (each series)" if name in _OF_EACH_SERIES else name


def rival_notes(facts: Mapping[str, Any]) -> dict[str, str]:
    """For each rival of which some series could not have a fit of their own: which, and why. Rivals with the
    same note are one entry, their names joined by commas.
    """
    notes: dict[str, str] = facts.get("rivals_notes") or {}
    shown = shown_names([*(facts.get("rivals") or {}), *notes])
    return {
        ", ".join(shown[name] for name, its in notes.items() if its == note): note
        for note in dict.fromkeys(notes.values())
    }


def describe_rival(name: str) -> str:
    """A rival as the subject of a sentence: `a ridge on these features`."""
    return _SHORT.get(name, name)


def describe_gain_over_rivals(
    verdict: str, name: str, losses: Mapping[str, float], value: float
) -> str | None:
    """What the network adds to fitted rivals on the test rows, in words without a full stop.

    `verdict` says whether the network beats the strongest rival `name`: yes, no or cannot tell. `losses` are
    the losses of all rivals, `value` is the network's. Returns None for yes. If the loss of the ridge is no
    higher than the network's, the ridge is named, as it is the simplest.
    """
    if verdict == "yes":
        return None
    shown = "linear" if losses.get("linear", math.inf) <= value else name
    if verdict == "no" and shown == name:
        return f"{describe_rival(shown)} does better; the network adds nothing"
    if losses.get(shown, math.inf) <= value:
        return f"{describe_rival(shown)} does as well; the network adds nothing that these rows can show"
    return f"these rows do not show that the network adds anything to {describe_rival(shown)}"
