"""All naive forecasts and rivals, in the order in which they are reported."""

from trainer.data.windows import Dataset
from trainer.rivals.autoregression import Autoregression
from trainer.rivals.boosted import Boosted
from trainer.rivals.forecaster import Forecaster, Pooled, Role
from trainer.rivals.garch import Garch
from trainer.rivals.har import Har, LeverageHar
from trainer.rivals.linear import Linear
from trainer.rivals.naive import Persistence, Seasonal, TrainMean, Zero
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
    Pooled(TrainMean()),
    Pooled(Har()),
    Pooled(Autoregression()),
)


def forecasters(role: Role, data: Dataset) -> tuple[Forecaster, ...]:
    """The forecasters with this role that make sense for `data`."""
    return tuple(each for each in FORECASTERS if role in each.roles and each.suits(data))
