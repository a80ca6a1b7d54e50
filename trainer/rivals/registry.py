"""All naive forecasts and rivals, in the order in which they are reported."""

from trainer.data.windows import Dataset
from trainer.losses import Loss
from trainer.rivals.autoregression import Autoregression
from trainer.rivals.boosted import Boosted
from trainer.rivals.forecaster import Forecaster, Pooled, Role
from trainer.rivals.garch import Garch
from trainer.rivals.har import Har, LeverageHar
from trainer.rivals.linear import Linear
from trainer.rivals.naive import Persistence, Seasonal, TrainMean, Zero
from trainer.rivals.quantile_fits import RecentSpread
from trainer.rivals.weighted_mean import WeightedMean

FORECASTERS: tuple[Forecaster, ...] = (
    Zero(),
    TrainMean(),
    Persistence(),
    Har(),
    Autoregression(),
    Seasonal(),
    LeverageHar(),
    WeightedMean(),
    Garch(),
    Linear(),
    Boosted(),
    RecentSpread(),
    Pooled(TrainMean()),
    Pooled(Har()),
    Pooled(Autoregression()),
)


def forecasters(role: Role, data: Dataset, loss: Loss) -> tuple[Forecaster, ...]:
    """The forecasters with this role that make sense for `data` and `loss`."""
    return tuple(
        each
        for each in FORECASTERS
        if role in each.roles and each.suits(data) and (loss.outputs > 1 or not each.of_quantiles)
    )
