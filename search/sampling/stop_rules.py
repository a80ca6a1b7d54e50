"""Whether a search has come to its end because nothing gets better any more. Pure."""

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

    `values` are the study's own conclusive trials by number. An accepted one is better if its loss is finite,
    lower than the loss to beat, and that by `stop.min_delta` or more; its loss is then the one to beat. The
    first accepted one is better than nothing. Losses that creep down by less than `min_delta` each are better
    as soon as they have come that far together.
    `inherited` are trials taken over from another study: they can hold the loss to beat, and do not count.
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
    """The loss of a trial that can be the best; what is suspicious, unstable or unpromising cannot."""
    _, verdict, value = trial
    return value if verdict is Verdict.ACCEPTED and value is not None and math.isfinite(value) else None


def _is_better(loss: float, best: float, min_delta: float) -> bool:
    return loss < best and best - loss >= min_delta


def _sentence(trials: int, best: tuple[int, float] | None, min_delta: float) -> str:
    if best is None:
        return f"no trial was accepted in the last {trials}"
    better = f"loss better by {min_delta:g}" if min_delta else "better loss"
    return f"no {better} in the last {trials} trials: {best[1]:.4f} of trial {best[0]} stands"
