"""The pruners by the names that a study file uses.

They compare a trial with a minimum number of others, never with a single one.
"""

from statistics import median

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, NopPruner, PatientPruner
from optuna.trial import FrozenTrial, TrialState

from search.config.schema import StudySection
from search.sampling.loss_first import loss_first_view
from search.sampling.tell import silence_optuna_warnings
from storage.verdicts import Verdict


class BestLossMedianPruner(BasePruner):
    """Stops a trial whose best loss so far is above the median loss of the others at the same epoch.

    A trial that early stopping ended counts at later epochs with its best loss. Optuna's median ignores it
    there, so that only the few trials that ran so long judge the last epochs. A pruned trial counts only up
    to its last epoch.

    Nothing is pruned before `startup_trials` have ended, `min_trials` count at the epoch, and the epoch is at
    least `warmup` (0-based).
    """

    def __init__(self, startup_trials: int, warmup: int, min_trials: int) -> None:
        self._startup, self._warmup, self._min = startup_trials, warmup, min_trials

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Whether to stop the trial after its last epoch."""
        step = trial.last_step
        if step is None or step < self._warmup:
            return False
        others = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if len(others) < self._startup:
            return False
        losses = [loss for other in others if (loss := _loss_at(other, step)) is not None]
        return len(losses) >= self._min and min(trial.intermediate_values.values()) > median(losses)


def _loss_at(trial: FrozenTrial, step: int) -> float | None:
    """The loss of a trial at a step, or its best loss if it was accepted before that; else None."""
    losses = trial.intermediate_values
    if step in losses or not losses:
        return losses.get(step)
    ended = max(losses) < step and trial.user_attrs.get("verdict") == Verdict.ACCEPTED
    return min(losses.values()) if ended else None


class MinTrialsHyperbandPruner(HyperbandPruner):
    """Optuna's Hyperband, without stops at a rung that fewer than `min_trials` others have reached.

    Optuna stops the second trial at a rung unless it is better than the first.
    """

    def __init__(self, min_resource: int, max_resource: int, min_trials: int) -> None:
        super().__init__(min_resource=min_resource, max_resource=max_resource)
        self._min = min_trials

    def _create_bracket_study(self, study: optuna.Study, bracket_id: int) -> optuna.Study:
        bracket = super()._create_bracket_study(study, bracket_id)
        return loss_first_view(bracket) if len(study.directions) > 1 else bracket

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Whether to stop the trial at the rung that it has just reached."""
        if not super().prune(study, trial):
            return False
        reached = study._storage.get_trial_system_attrs(trial._trial_id)
        rung = max(key for key in reached if key.startswith("completed_rung_"))
        bracket = self._get_bracket_id(study, trial)
        others = (
            other
            for other in study.get_trials(deepcopy=False)
            if other.number != trial.number and rung in other.system_attrs
        )
        return sum(self._get_bracket_id(study, other) == bracket for other in others) >= self._min


def make_pruner(section: StudySection, epochs: int) -> BasePruner:
    """The pruner of a study whose trials report once per epoch, for `epochs` epochs at most."""
    beside_others = BestLossMedianPruner(
        section.startup_trials, section.pruner_warmup, section.pruner_min_trials
    )
    match section.pruner:
        case "median":
            return beside_others
        case "patient":
            with silence_optuna_warnings():
                return PatientPruner(beside_others, patience=section.pruner_patience)
        case "hyperband":
            warmup = min(section.pruner_warmup or 1, epochs)
            return MinTrialsHyperbandPruner(warmup, epochs, section.pruner_min_trials)
        case "none":
            return NopPruner()
