"""Whether a search has come to its end because nothing gets better any more. Pure."""

import math
from collections.abc import Sequence

from search.config.schema import StopSection
from storage.verdicts import Verdict

EndedTrial = tuple[int, Verdict, float | None]
"""A conclusive trial: its number, verdict and value."""


def stop_reason(
    values: Sequence[EndedTrial], stop: StopSection, inherited: Sequence[EndedTrial] = ()
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
    standing: tuple[int, float] | None = None
    in_a_row = 0
    for trial, counts in [*((t, False) for t in inherited), *((t, True) for t in values)]:
        loss = _loss(trial)
        if loss is not None and (standing is None or _is_better(loss, standing[1], stop.min_delta)):
            standing, in_a_row = (trial[0], loss), 0
        else:
            in_a_row += counts
    return None if in_a_row < stop.no_better_for else _sentence(in_a_row, standing, stop.min_delta)


def _loss(trial: EndedTrial) -> float | None:
    """The loss of a trial that can be the best; what is suspicious, unstable or unpromising cannot."""
    _, verdict, value = trial
    return value if verdict is Verdict.ACCEPTED and value is not None and math.isfinite(value) else None


def _is_better(loss: float, standing: float, min_delta: float) -> bool:
    return loss < standing and standing - loss >= min_delta


def _sentence(trials: int, standing: tuple[int, float] | None, min_delta: float) -> str:
    if standing is None:
        return f"no trial was accepted in the last {trials}"
    better = f"loss better by {min_delta:g}" if min_delta else "better loss"
    return f"no {better} in the last {trials} trials: {standing[1]:.4f} of trial {standing[0]} stands"
