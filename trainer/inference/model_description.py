"""What `model.json` says of a saved model; written and read as JSON of this shape."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from trainer.config import DataConfig, ModelsConfig, Section
from trainer.config.section import as_tuple
from trainer.data.input_drift import FeatureStatistics
from trainer.inference.forecast_intervals import ForecastIntervals
from trainer.losses import LOSSES, Loss, recorded_loss
from trainer.quantile_loss import QuantileLoss, wrong_quantiles

FORMAT: Final = 4
QUANTILE_FORMAT: Final = 5
"""Of what is written; the second of a model with an output for each of several quantiles. Folders of format 1
(one network) and 2 (a refit) have no intervals and no end of the test rows; the intervals of format 3 do not
follow the size of the last errors."""
_MOST_ROWS = 2**31


def _is_a_moment(text: str) -> str:
    datetime.fromisoformat(text)
    if not set(text) <= set("0123456789-T:+."):  # fromisoformat allows any character between date and time
        raise ValueError("it is no time")
    return text


IsoTime = Annotated[str, AfterValidator(_is_a_moment)]


class TargetScale(Section):
    """Converts a standardised forecast to the target's own unit: forecast · std + mean."""

    mean: float
    std: Annotated[float, Field(gt=0)]
    unit: str
    clip: Annotated[float, Field(gt=0)] | None = Field(default=None, exclude_if=lambda bound: bound is None)
    """Targets of the training lie within ± this; None if they are not clipped, and in a folder of before."""


_Tuple = BeforeValidator(as_tuple)


class SeriesScale(Section):
    """One series of the training rows. With `data.scale: series` it has moments of its own, of the features
    in their order and of the target; without, none.
    """

    name: str
    feature_mean: Annotated[tuple[float, ...], _Tuple] = Field(default=(), exclude_if=lambda v: not v)
    feature_std: Annotated[tuple[Annotated[float, Field(gt=0)], ...], _Tuple] = Field(
        default=(), exclude_if=lambda v: not v
    )
    target_mean: float | None = Field(default=None, exclude_if=lambda value: value is None)
    target_std: Annotated[float, Field(gt=0)] | None = Field(default=None, exclude_if=lambda v: v is None)


class TrainingPeriod(Section):
    """The rows that the model was trained and chosen on. Times are ISO text, with the offset of the source
    or in naive UTC. `spacing` is the median number of seconds between rows.
    """

    train_from: IsoTime
    train_until: IsoTime
    train: int
    validation: int
    until: IsoTime
    """The last row that was used to train or choose the model."""
    spacing: float
    moments: int | None = Field(default=None, exclude_if=lambda count: count is None)
    """The different times of these rows, of all series of a panel; None for one series without a name."""
    test_until: IsoTime | None = Field(default=None, exclude_if=lambda until: until is None)
    """The last row that the study kept for `verify`; None for a refit, and for a folder of before."""


class ModelProvenance(Section):
    """The origin of the model. `trial` and `reproduced` are None if it is not the model of an exported
    trial.
    """

    study: str
    trial: int | None
    seed: int
    value: float | None
    """Validation loss of the best epoch, in units of the standardised target; None without validation."""
    metric: str | None = Field(default=None, exclude_if=lambda metric: metric is None)
    """The loss that this is; None: the squared error."""
    skill: float | None
    baseline: str | None
    best_epoch: int | None
    reproduced: str | None
    seeds: tuple[int, ...] = Field(default=(), exclude_if=lambda seeds: not seeds)
    """The seeds of the networks of a refit, which was trained on all rows, or of a training with several;
    empty for any other model."""
    data_sha256: str
    """SHA-256 (hex) of the bytes of the table that the model was trained on."""
    versions: Mapping[str, str]
    machine: Mapping[str, str]


class ModelDescription(Section):
    """The content of `model.json`."""

    format: Literal[1, 2, 3, 4, 5]
    provenance: ModelProvenance
    target: TargetScale
    rows: TrainingPeriod
    features: tuple[FeatureStatistics, ...]
    data: DataConfig
    """The data section of the configuration, with the source and split of the training."""
    models: ModelsConfig
    weights_sha256: str
    series: Annotated[tuple[SeriesScale, ...], _Tuple] = Field(
        default=(), exclude_if=lambda series: not series
    )
    """The series of a panel that the model was trained on; empty for one series without a name."""
    loss: Mapping[str, str | float | tuple[float, ...]] | None = Field(
        default=None, exclude_if=lambda loss: loss is None
    )
    """What training minimised, as `Loss.to_json` says it; None: the squared error."""
    intervals: ForecastIntervals | None = Field(default=None, exclude_if=lambda found: found is None)
    """What the bounds of a forecast are computed from; None for a folder of before."""

    @property
    def is_refit(self) -> bool:
        """Whether it was trained on all rows of its table, none of them kept for a judgement."""
        return bool(self.provenance.seeds) and self.provenance.value is None

    @property
    def trained_by(self) -> Loss:
        """What training minimised, in the unit of standardised forecasts if `loss` has it."""
        return recorded_loss(self.loss)

    @property
    def quantiles(self) -> tuple[float, ...]:
        """The quantiles that it forecasts; empty if it forecasts one number."""
        loss = self.trained_by
        return loss.quantiles if isinstance(loss, QuantileLoss) else ()

    @property
    def networks(self) -> int:
        """How many networks it has; its forecast is the mean of theirs."""
        return len(self.provenance.seeds) or 1

    @model_validator(mode="after")
    def _format_is_that_of_the_networks(self) -> Self:
        if self.format < 3 and self.format != (2 if self.provenance.seeds else 1):
            raise ValueError("in the formats 1 and 2 a model of several networks has format 2")
        return self

    @model_validator(mode="after")
    def _features_are_those_of_the_data(self) -> Self:
        if [look.name for look in self.features] != [feature.name for feature in self.data.features]:
            raise ValueError("features are not those of data, in their order")
        return self

    @model_validator(mode="after")
    def _series_have_the_moments_of_the_scale(self) -> Self:
        lengths = {len(each) for one in self.series for each in (one.feature_mean, one.feature_std)}
        has_target = {one.target_mean is not None and one.target_std is not None for one in self.series}
        of_series = self.data.scale == "series" and bool(self.series)
        if of_series and (lengths != {len(self.features)} or has_target != {True}):
            raise ValueError("a series lacks its moments")
        return self

    @model_validator(mode="after")
    def _loss_is_known(self) -> Self:
        try:
            loss = self.trained_by
        except (KeyError, TypeError):
            raise ValueError(f"loss is none of {', '.join(LOSSES)}") from None
        if isinstance(loss, QuantileLoss) and (wrong := wrong_quantiles(loss.quantiles)):
            raise ValueError(wrong)
        if (loss.outputs > 1) != (self.format == QUANTILE_FORMAT):
            raise ValueError("the format is not that of the loss")
        bounds = None if self.intervals is None else self.intervals.quantiles
        if bounds is not None and bounds.quantiles != self.quantiles:
            raise ValueError("the bounds are not those of the quantiles")
        return self

    @model_validator(mode="after")
    def _rows_can_be_counted(self) -> Self:
        windows = [feature.window or 0 for feature in self.data.features]
        if max(self.data.seq_len, self.data.target.horizon, *windows) > _MOST_ROWS:
            raise ValueError("no table has so many rows")
        return self
