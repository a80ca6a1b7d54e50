"""Draws a trial of a study again, from the list of trials that its sampler saw. Nothing is written."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import RandomSampler
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from search.config.schema import StudySection
from search.config.space import Dimension, to_distributions
from search.sampling.ask import draw
from search.sampling.loss_first import load_optuna_study
from search.sampling.seen_trials import as_started, trials_as_seen


class Redraw:
    """Draws trials of one study again, with the function that drew them.

    `trials` are those of the study as they are now, by number; `voided` has the voided ones as they were
    before, as far as they shall be replayed.
    """

    def __init__(
        self,
        study: optuna.Study,
        section: StudySection,
        space: Mapping[str, Dimension],
        voided: Mapping[int, FrozenTrial],
    ) -> None:
        self.trials = study.get_trials(deepcopy=False)
        self._section, self._space, self._voided = section, space, voided
        self._keys = [*to_distributions(space)]
        self._storage = _StorageOfOneTrial(study)
        self._study = load_optuna_study(study.study_name, cast(BaseStorage, self._storage))

    def draw(self, number: int, saw: Mapping[str, Any]) -> Mapping[str, Any]:
        """The values that the sampler chooses for a trial if it sees what `saw` says; see `describe_seen`."""
        trials = trials_as_seen(number, self.trials, saw, self._keys, self._voided)
        self._storage.trial = as_started(self.trials[number])
        self._study.sampler = RandomSampler()  # none whose search space could come from a longer list
        return draw(self._study, self._section, self._space, trials, number).params


class _StorageOfOneTrial:
    """Stands in for Optuna's storage while a trial is drawn again: it keeps what is written to that trial.

    `study` is the study on record, which is only read.
    """

    trial: FrozenTrial

    def __init__(self, study: optuna.Study) -> None:
        self._id, self._directions, self._user_attrs = study._study_id, study.directions, study.user_attrs
        self._system_attrs = study._storage.get_study_system_attrs(self._id)

    def get_study_id_from_name(self, name: str) -> int:
        """The id on record."""
        return self._id

    def get_study_directions(self, study_id: int) -> Sequence[StudyDirection]:
        """Those on record."""
        return self._directions

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """Those on record."""
        return self._user_attrs

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """Those on record."""
        return self._system_attrs

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """The trial that is drawn."""
        return self.trial

    def get_trial_system_attrs(self, trial_id: int) -> dict[str, Any]:
        """Those of the trial that is drawn."""
        return dict(self.trial.system_attrs)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Keep an attribute of the trial that is drawn."""
        self.trial.system_attrs[key] = value

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        """Do nothing: the trial keeps its values itself."""
