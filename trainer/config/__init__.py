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
from trainer.config.split import MOST_FOLDS, Fractions, Split, SplitMethod, end_of_date
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
from trainer.losses import MSE, Loss

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
    "is_path",
    "is_pattern",
    "is_remote",
    "move_source",
    "return_clip",
]


class TrialConfig(Section):
    """Everything that determines one trial, except its seed."""

    data: DataConfig
    models: ModelsConfig = ModelsConfig()
    training: TrainingConfig = TrainingConfig()
    guard: GuardConfig = GuardConfig()

    @property
    def loss(self) -> Loss:
        """What the trial minimises and is judged by."""
        return MSE
