"""What optuna-dashboard is given to serve: the store as it is, arranged so that the page is right and quick.

The dashboard knows neither verdicts nor Optuna 5's constraints, and looks for each trial's note through all
attributes of the study: at 2,000 trials that took seconds for each request.
"""

import copy
import re
from collections.abc import Container
from typing import Any

from optuna.storages._cached_storage import _CachedStorage
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, TrialState

from search.sampling.optuna_storage import direct_storage
from storage import query
from storage.engine import Store
from storage.errors import StudyUnknown

_PIECE_OF_PLOT = re.compile(r"(dashboard:plot_data:.*:)(\d+)")
_VERSION_OF_NOTE = re.compile(r"dashboard:(\d+):note_ver")
_PIECE_OF_NOTE = re.compile(r"dashboard:(\d+):note_str:(\d+)")


class DashboardStorage(_CachedStorage):
    """Optuna's storage to the dashboard.

    - The best trial is ours, chosen by verdict.
    - Constraints are told in the form that the dashboard reads, so that it marks infeasible trials. A
      penalty, which only samplers should take for a value, is not shown as one.
    - Notes of trials are taken out of the study's attributes, and kept for `notes_of`.
    """

    def __init__(self, store: Store) -> None:
        super().__init__(direct_storage(store))
        self._store = store
        self._notes: dict[int, dict[int, dict[str, Any]]] = {}
        self._arranged: dict[int, tuple[FrozenTrial, FrozenTrial]] = {}
        self._names: dict[int, str] = {}

    def warmed_up(self) -> "DashboardStorage":
        """Itself, after it has read the trials of all studies, so that nobody waits for them."""
        for study in self.get_all_studies():
            self.get_all_trials(study._study_id, deepcopy=False)
        return self

    def notes_of(self, study_id: int) -> dict[int, dict[str, Any]]:
        """The notes of a study's trials, by trial, as of the last time that studies were asked for."""
        return self._notes.get(study_id, {})

    def is_ours(self, study_id: int) -> bool:
        """Whether there is a record of the study; KeyError if Optuna does not know it."""
        try:
            query.study(self._store, self.get_study_name_from_id(study_id))
        except StudyUnknown:
            return False
        return True

    def get_all_studies(self) -> list[FrozenStudy]:
        """All studies, oldest first, without the notes of their trials."""
        studies = sorted(super().get_all_studies(), key=lambda study: study._study_id)
        for study in studies:
            study.system_attrs, self._notes[study._study_id] = _split_attributes(study.system_attrs)
            if self._names.setdefault(study._study_id, study.study_name) != study.study_name:
                # SQLite gives the ids of a study that was deleted to another.
                self._names[study._study_id] = study.study_name
                self._studies.pop(study._study_id, None)
        return studies

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """The trials by number, as the dashboard should take them."""
        trials = [self._arrange(trial) for trial in super().get_all_trials(study_id, deepcopy=False)]
        chosen = [trial for trial in trials if states is None or trial.state in states]
        return copy.deepcopy(chosen) if deepcopy else chosen

    def get_best_trial(self, study_id: int) -> FrozenTrial:
        """The best accepted trial; where none is accepted, the complete one of lowest value."""
        try:
            best = query.best_trial(self._store, self.get_study_name_from_id(study_id))
        except StudyUnknown:  # Optuna's alone
            return super().get_best_trial(study_id)
        trials = self.get_all_trials(study_id, deepcopy=False, states=(TrialState.COMPLETE,))
        ours = [trial for trial in trials if best is not None and trial.number == best.number]
        return ours[0] if ours else min(trials, key=lambda trial: (trial.value or 0.0, trial.number))

    def _arrange(self, trial: FrozenTrial) -> FrozenTrial:
        if not trial.state.is_finished():
            return trial
        source, arranged = self._arranged.get(trial._trial_id, (None, trial))
        if source is not trial:  # a new one, or one that got the id of another that was deleted
            arranged = _dashboard_trial(trial)
            self._arranged[trial._trial_id] = trial, arranged
        return arranged


def _dashboard_trial(trial: FrozenTrial) -> FrozenTrial:
    constraints = list(trial.constraints.values())
    if not constraints:
        return trial
    told = copy.copy(trial)
    told._system_attrs = {**trial._system_attrs, "constraints": constraints}
    if trial.state is TrialState.COMPLETE and any(violation > 0 for violation in constraints):
        told.state, told.values = TrialState.PRUNED, None
    return told


def _split_attributes(attributes: dict[str, Any]) -> tuple[dict[str, Any], dict[int, dict[str, Any]]]:
    """The attributes without notes of trials and with whole plots, and the notes by trial."""
    kept: dict[str, Any] = {}
    plots: dict[str, dict[int, str]] = {}
    versions: dict[int, int] = {}
    bodies: dict[int, dict[int, str]] = {}
    for key, value in attributes.items():
        if match := _PIECE_OF_PLOT.fullmatch(key):
            plots.setdefault(match[1], {})[int(match[2])] = value
        elif match := _VERSION_OF_NOTE.fullmatch(key):
            versions[int(match[1])] = value
        elif match := _PIECE_OF_NOTE.fullmatch(key):
            bodies.setdefault(int(match[1]), {})[int(match[2])] = value
        else:
            kept[key] = value
    whole = {f"{name}0": _joined(pieces) for name, pieces in plots.items()}
    notes = {
        trial: {"version": version, "body": _joined(bodies.get(trial, {}))}
        for trial, version in versions.items()
    }
    return {**kept, **whole}, notes


def _joined(chunks: dict[int, str]) -> str:
    return "".join(chunks[index] for index in sorted(chunks))
