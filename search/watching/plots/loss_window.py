"""The part of the losses that figures of losses by setting show."""

from collections.abc import Sequence
from statistics import quantiles

from search.selection.setting_importances import scored_trials
from storage import tables
from storage.verdicts import Verdict

_ROOM = 0.06


def accepted_losses(trials: Sequence[tables.Trial]) -> list[float]:
    """The finite losses of the accepted trials, the lowest first."""
    return sorted(
        t.value for t in scored_trials(trials) if t.verdict is Verdict.ACCEPTED and t.value is not None
    )


def loss_window(trials: Sequence[tables.Trial], baseline: float) -> tuple[float, float]:
    """The range of losses to show: from the lowest accepted one to the loss of the best naive forecast, or to
    the upper quartile of the accepted ones if that is higher.

    A few trials that learned nothing would flatten all differences that matter.
    """
    accepted = accepted_losses(trials)
    if not accepted:
        return 0.0, baseline
    quarter = quantiles(accepted, n=4)[2] if len(accepted) > 1 else accepted[0]
    low, high = accepted[0], max(baseline, quarter)
    room = _ROOM * (high - low) or 0.01 * abs(high) or 0.01
    return low - room, high + room
