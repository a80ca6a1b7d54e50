"""Whether to end a search because its trials no longer get better. Pure."""

import math
from collections.abc import Sequence

from search.config.schema import StopSection
from storage.verdicts import Verdict

EndedTrial = tuple[int, Verdict, float | None]
"""A conclusive trial: its number, verdict and value."""


def stop_reason(
    values: Sequence[EndedTrial], stop: StopSection, imported: Sequence[EndedTrial] = ()
) -> str | None:
    """Why the search should end, in a sentence; None if it should go on.

    `values` are the study's own conclusive trials by number. An accepted one is better if its loss is finite
    and at least `stop.min_delta` below the loss to beat; its loss is then the one to beat. The first accepted
    one is always better. Several steps of less than `min_delta` count as soon as they sum up to it.
    `imported` are trials of another study: they can set the loss to beat, but do not count.
    """
    if stop.no_better_for is None:
        return None
    best: tuple[int, float] | None = None
    without_progress = 0
    for trial, counts in [*((t, False) for t in imported), *((t, True) for t in values)]:
        loss = _loss(trial)
        if loss is not None and (best is None or _is_better(loss, best[1], stop.min_delta)):
            best, without_progress = (trial[0], loss), 0
        else:
            without_progress += counts
    return (
        None if without_progress < stop.no_better_for else _sentence(without_progress, best, stop.min_delta)
    )


def _loss(trial: EndedTrial) -> float | None:
    """The loss of an accepted trial; other trials cannot be the best."""
    _, verdict, value = trial
    return value if verdict is Verdict.ACCEPTED and value is not None and math.isfinite(value) else None


def _is_better(loss: float, best: float, min_delta: float) -> bool:
    return loss < best and best - loss >= min_delta


def _sentence(trials: int, best: tuple[int, float] | None, min_delta: float) -> str:
    if best is None:
        return f"no trial was accepted in the last {trials}"
    better = f"loss better by {min_delta:g}" if min_delta else "better loss"
    return f"no {better} in the last {trials} trials: {best[1]:.4f} of trial {best[0]} stands"
