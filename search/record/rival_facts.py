"""What a study's skill is measured against: naive forecasts and fitted rivals, as its facts say. Pure.

Studies of an older Ballast have no rivals in their facts; then there are none here.
"""

import math
from collections.abc import Mapping
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
}
"""The naive forecasts and the rivals in words; trainer/rivals/ has them in full."""

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
        """The skill of a loss over this rival; None where it cannot be said."""
        return 1 - loss / self.loss if loss is not None and self.loss > 0 else None


def recorded_rival_losses(facts: Mapping[str, Any]) -> dict[str, float]:
    """Mean loss of each rival over the folds' validation rows, lowest first."""
    return dict(sorted((facts.get("rivals") or {}).items(), key=lambda pair: pair[1]))


def strongest_rival(facts: Mapping[str, Any]) -> FittedRival | None:
    """The rival of the lowest loss; None where none was fitted."""
    found = facts.get("strongest_rival")
    return None if found is None else FittedRival(found["name"], found["loss"])


def absent_rivals(facts: Mapping[str, Any]) -> dict[str, str]:
    """Why each rival that was not fitted was not, with the command that helps, where there is one."""
    return {
        name: f"{reason}; {_INSTALL[name]}" if name in _INSTALL and "pip install" not in reason else reason
        for name, reason in (facts.get("rivals_absent") or {}).items()
    }


def describe_rival(name: str) -> str:
    """A rival as the subject of a sentence: `a ridge on these features`."""
    return _SHORT.get(name, name)


def describe_gain_over_rivals(
    verdict: str, name: str, losses: Mapping[str, float], value: float
) -> str | None:
    """What the network adds to fitted rivals on the test rows, in words without a full stop.

    `verdict` answers whether it beats the strongest rival `name`: yes, no or cannot tell. `losses` are those
    of all rivals and `value` is the network's. None for yes. The ridge is named if its loss is no higher than
    the network's, as it is the simplest.
    """
    if verdict == "yes":
        return None
    told = "linear" if losses.get("linear", math.inf) <= value else name
    if verdict == "no" and told == name:
        return f"{describe_rival(told)} does better; the network adds nothing"
    if losses.get(told, math.inf) <= value:
        return f"{describe_rival(told)} does as well; the network adds nothing that these rows can show"
    return f"these rows do not show that the network adds anything to {describe_rival(told)}"
