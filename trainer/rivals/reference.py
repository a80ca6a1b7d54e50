"""The loss against which believable skill is measured: of the best naive forecast or of declared leaders."""

from collections.abc import Collection, Sequence
from statistics import fmean

from trainer.data.split import MIN_TRAIN
from trainer.data.windows import Dataset
from trainer.losses import Loss, mean_loss
from trainer.rivals.baselines import baseline_losses
from trainer.rivals.history_regression import history_terms, ridge_forecast, rows_with_history
from trainer.rivals.skill import best_baseline


def reference_loss(data: Dataset, leading: Collection[str], loss: Loss) -> float:
    """Mean loss on the validation rows of the best naive forecast or, if lower, of the declared leaders.

    `leading` names the features that are declared to lead the target honestly (`may_lead`). Their forecast is
    a ridge regression on their windows and the target's own history. Raises DataError if no naive forecast
    exists.
    """
    naive = best_baseline(baseline_losses(data, data.validation, loss)).loss
    declared = declared_leads_loss(data, leading, loss)
    return naive if declared is None else min(naive, declared)


def declared_leads_loss(data: Dataset, leading: Collection[str], loss: Loss) -> float | None:
    """Mean loss of the declared leaders' forecast on the validation rows; None without leaders or rows."""
    chosen = [number for number, name in enumerate(data.feature_names) if name in leading]
    terms = history_terms(data)
    train = rows_with_history(data, terms, data.train)
    if (
        not chosen
        or len(train) < MIN_TRAIN
        or len(rows_with_history(data, terms, data.validation)) < len(data.validation)
    ):
        return None
    forecast = ridge_forecast(data, terms, chosen, train, data.validation)
    return mean_loss(forecast, data.target[data.validation], data.in_units(loss))


def mean_reference_loss(
    folds: Sequence[Dataset], naive: float, leading: Collection[str], loss: Loss
) -> float:
    """`reference_loss` as a mean over folds; `naive` is the mean loss of the best naive forecast."""
    losses = [declared_leads_loss(data, leading, loss) for data in folds] if leading else [None]
    known = [each for each in losses if each is not None]
    return min(naive, fmean(known)) if len(known) == len(folds) else naive


def equivalent_ceiling(ceiling: float, reference: float, other: float) -> float:
    """The ceiling of skill over the loss `other` that allows the same loss as `ceiling` over `reference`."""
    return ceiling if reference == other else 1 - (1 - ceiling) * reference / other
