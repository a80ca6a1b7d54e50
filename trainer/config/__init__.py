"""The settings of one trial: the single definition of each setting, its type, unit and default.

Limits here are logical, such as a positive size. The safe ranges, which limit what is stable, are data
(`configs/safe_ranges.yaml`) and belong to `search`.
"""

from trainer.config.columns import (
    BAR_COLUMNS,
    CALENDAR,
    CHANGES,
    CROSS_SECTION,
    OF_TEXTS,
    RETURN_CLIP,
    DerivedColumn,
    Feature,
    Target,
    TargetKind,
    TransformName,
    return_clip,
)
from trainer.config.data import DataConfig
from trainer.config.section import Names, Section
from trainer.config.source import CsvConfig, is_path, is_pattern, is_remote, move_source
from trainer.config.split import (
    MOST_FOLDS,
    Fractions,
    Split,
    SplitMethod,
    end_of_date,
    has_offset,
    start_of_date,
)
from trainer.config.training import (
    BatchesName,
    GRUConfig,
    GuardConfig,
    InitName,
    KernelName,
    ModelsConfig,
    ScheduleName,
    TrainingConfig,
)
from trainer.losses import LOSSES, HuberLoss, Loss, LossName, QLike
from trainer.quantile_loss import QuantileLoss

__all__ = [
    "BAR_COLUMNS",
    "CALENDAR",
    "CHANGES",
    "CROSS_SECTION",
    "MOST_FOLDS",
    "OF_TEXTS",
    "RETURN_CLIP",
    "BatchesName",
    "CsvConfig",
    "DataConfig",
    "DerivedColumn",
    "Feature",
    "Fractions",
    "GRUConfig",
    "GuardConfig",
    "InitName",
    "KernelName",
    "ModelsConfig",
    "Names",
    "ScheduleName",
    "Section",
    "Split",
    "SplitMethod",
    "Target",
    "TargetKind",
    "TrainingConfig",
    "TransformName",
    "TrialConfig",
    "end_of_date",
    "has_offset",
    "is_path",
    "is_pattern",
    "is_remote",
    "move_source",
    "return_clip",
    "start_of_date",
]


class TrialConfig(Section):
    """Everything that determines one trial, except its seed."""

    data: DataConfig
    models: ModelsConfig = ModelsConfig()
    training: TrainingConfig = TrainingConfig()
    guard: GuardConfig = GuardConfig()

    @property
    def loss(self) -> Loss:
        """What the trial minimises; `Dataset.in_units` gives it the scale of the target.

        Raises ValueError if the target has no such loss.
        """
        return self.loss_of(self.training.loss)

    def loss_of(self, name: LossName) -> Loss:
        """The loss of this name, with the parameters that the settings give it.

        Raises ValueError if the target has no such loss.
        """
        if name == "huber":
            return HuberLoss(self.training.huber_delta)
        if name == "quantile":
            return QuantileLoss(self.training.quantiles)
        if name != "qlike":
            return LOSSES[name]
        if self.data.target_is_log_of is None:
            raise ValueError(
                "the loss qlike compares variances, and the target is not known to be the logarithm of one: "
                "forecast log_parkinson, garman_klass, rogers_satchell or the log of a volatility, say in "
                "data.target.log_of what a column holds the logarithm of, or choose another loss"
            )
        if self.data.scale == "series":
            raise ValueError(
                "the loss qlike needs one scale for all series; set data.scale to pooled, or choose another "
                "loss"
            )
        return QLike(2.0 if self.data.target_is_log_of == "volatility" else 1.0)
