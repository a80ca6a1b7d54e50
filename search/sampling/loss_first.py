"""Studies of several objectives that report, prune and rank pruned trials by the first one, the loss.

Optuna refuses reports and pruning as soon as a study has two directions, and its TPE sampler fails on a
pruned trial that has reports, because it asks the study for its single direction. All objectives here are
minimised, so that the direction of the first is that of the study.
"""

from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.study import StudyDirection


class LossFirstStudy(optuna.Study):
    """Optuna's study, whose direction is that of its first objective."""

    @property
    def direction(self) -> StudyDirection:
        """The direction of the first objective."""
        return self.directions[0]


def create_optuna_study(name: str, storage: BaseStorage, objectives: int) -> optuna.Study:
    """Create a study of so many objectives, all minimised, or load the one of this name."""
    directions = [StudyDirection.MINIMIZE] * objectives
    return _by_loss(
        optuna.create_study(study_name=name, storage=storage, directions=directions, load_if_exists=True)
    )


def load_optuna_study(name: str, storage: BaseStorage) -> optuna.Study:
    """Load the study of this name; KeyError if Optuna does not know it."""
    return _by_loss(optuna.load_study(study_name=name, storage=storage))


def _by_loss(study: optuna.Study) -> optuna.Study:
    return LossFirstStudy(study.study_name, study._storage) if len(study.directions) > 1 else study


def report_loss(trial: optuna.Trial, loss: float, epoch: int) -> None:
    """`Trial.report`, for any number of objectives."""
    if len(trial.study.directions) == 1:
        trial.report(loss, epoch)
    elif epoch not in (reported := trial._cached_frozen_trial.intermediate_values):
        trial.storage.set_trial_intermediate_value(trial._trial_id, epoch, loss)
        reported[epoch] = loss


def should_prune(trial: optuna.Trial) -> bool:
    """`Trial.should_prune`, for any number of objectives: decided by the loss alone."""
    if len(trial.study.directions) == 1:
        return trial.should_prune()
    return trial.study.pruner.prune(trial.study, trial._get_latest_trial())


def loss_first_view(study: Any) -> Any:
    """The same study of Optuna's own class, with the direction of its first objective.

    For the studies that Hyperband makes of its brackets. They hide every attribute that is not on a list, so
    that they cannot be wrapped: their class is replaced.
    """
    kind = type(study)
    study.__class__ = type(kind.__name__, (kind,), {"direction": LossFirstStudy.direction})
    return study
