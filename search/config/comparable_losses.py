"""Refuses studies whose trials could not be compared by one loss."""

from collections.abc import Mapping
from typing import Any

from search.config.leaves import to_nested
from search.config.schema import StudyFile
from search.config.space import Choices, Dimension

LOSS, DELTA, METRIC = "training.loss", "training.huber_delta", "study.metric"
QUANTILE = "quantile"


def incomparable_losses(values: Mapping[str, Any], space: Mapping[str, Dimension]) -> tuple[str, str] | None:
    """The key of the setting that is wrong, and why; None if all trials can be judged by one loss."""
    metric, searched = values.get(METRIC), space.get(LOSS)
    losses = searched.choices if isinstance(searched, Choices) else (values[LOSS],)
    if searched is not None and searched.when:
        losses = tuple(dict.fromkeys((*losses, values[LOSS])))  # where it is idle
    if searched is not None and metric is None:
        name = next((each for each in losses if each != QUANTILE), losses[0])
        return LOSS, (
            f"{LOSS} is searched, and the losses of trials that differ in it cannot be compared; "
            f"say by which loss all are judged: --set {METRIC}={name}"
        )
    if DELTA in space and (metric or values[LOSS]) == "huber":
        return DELTA, (
            f"{DELTA} is searched, and Huber losses with different deltas cannot be compared; say by which "
            f"other loss all are judged: --set {METRIC}=mae"
        )
    if metric == QUANTILE and (others := [name for name in losses if name != QUANTILE]):
        return METRIC, (
            f"{METRIC} quantile compares forecasts of quantiles, and a trial with {LOSS} {others[0]} gives "
            f"none; say by which other loss all are judged: --set {METRIC}=mae"
        )
    config = StudyFile.model_validate(to_nested(values)).trial_config
    for key, names in ((LOSS, losses), (METRIC, () if metric is None else (metric,))):
        for name in names:
            try:
                config.loss_of(name)
            except ValueError as error:
                return key, f"{key}: {error}"
    return None
