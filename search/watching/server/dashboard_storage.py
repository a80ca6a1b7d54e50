"""The storage that optuna-dashboard reads: the store, arranged so that pages are right and fast.

The dashboard knows neither verdicts nor Optuna 5's constraints, and searches all attributes of the study for
each trial's note: with 2,000 trials, that took seconds for each request.
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
    """Optuna's storage as the dashboard needs it.

    - The best trial is the best accepted one. - Constraints have the form that the dashboard reads, so that
    it marks infeasible trials. A penalty is meant for samplers only, and is not shown as a value. - Notes of
    trials are removed from the study's attributes and kept for `notes_of`.
    """

    def __init__(self, store: Store) -> None:
        super().__init__(direct_storage(store))
        self._store = store
        self._notes: dict[int, dict[int, dict[str, Any]]] = {}
        self._arranged: dict[int, tuple[FrozenTrial, FrozenTrial]] = {}
        self._names: dict[int, str] = {}

    def preload(self) -> "DashboardStorage":
        """Read the trials of all studies, so that no page waits for them, and return the storage itself."""
        for study in self.get_all_studies():
            self.get_all_trials(study._study_id, deepcopy=False)
        return self

    def notes_of(self, study_id: int) -> dict[int, dict[str, Any]]:
        """Return the notes of a study's trials by trial id, as they were at the last call of
        `get_all_studies`.
        """
        return self._notes.get(study_id, {})

    def has_record(self, study_id: int) -> bool:
        """Return whether Ballast has a record of the study. Raises KeyError if Optuna does not know it."""
        try:
            query.study(self._store, self.get_study_name_from_id(study_id))
        except StudyUnknown:
            return False
        return True

    def get_all_studies(self) -> list[FrozenStudy]:
        """Return all studies, oldest first, without the notes of their trials."""
        studies = sorted(super().get_all_studies(), key=lambda study: study._study_id)
        for study in studies:
            study.system_attrs, self._notes[study._study_id] = _split_attributes(study.system_attrs)
            if self._names.setdefault(study._study_id, study.study_name) != study.study_name:
                # SQLite gives the id of a deleted study to a new one.
                self._names[study._study_id] = study.study_name
                self._studies.pop(study._study_id, None)
        return studies

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Return the trials by number, as the dashboard should show them."""
        trials = [self._arrange(trial) for trial in super().get_all_trials(study_id, deepcopy=False)]
        chosen = [trial for trial in trials if states is None or trial.state in states]
        return copy.deepcopy(chosen) if deepcopy else chosen

    def get_best_trial(self, study_id: int) -> FrozenTrial:
        """Return the best accepted trial; if none is accepted, the complete trial with the lowest
        loss, which is the first of several values.
        """
        try:
            best = query.best_trial(self._store, self.get_study_name_from_id(study_id))
        except StudyUnknown:  # a study of Optuna without Ballast
            return super().get_best_trial(study_id)
        trials = self.get_all_trials(study_id, deepcopy=False, states=(TrialState.COMPLETE,))
        ours = [trial for trial in trials if best is not None and trial.number == best.number]
        return ours[0] if ours else min(trials, key=lambda trial: ((trial.values or [0.0])[0], trial.number))

    def _arrange(self, trial: FrozenTrial) -> FrozenTrial:
        if not trial.state.is_finished():
            return trial
        source, arranged = self._arranged.get(trial._trial_id, (None, trial))
        if source is not trial:  # a new trial, or one that got the id of a deleted trial
            arranged = _dashboard_trial(trial)
            self._arranged[trial._trial_id] = trial, arranged
        return arranged


def _dashboard_trial(trial: FrozenTrial) -> FrozenTrial:
    constraints = list(trial.constraints.values())
    if not constraints:
        return trial
    shown = copy.copy(trial)
    shown._system_attrs = {**trial._system_attrs, "constraints": constraints}
    if trial.state is TrialState.COMPLETE and any(violation > 0 for violation in constraints):
        shown.state, shown.values = TrialState.PRUNED, None
    return shown


def _split_attributes(attributes: dict[str, Any]) -> tuple[dict[str, Any], dict[int, dict[str, Any]]]:
    """Return the attributes without notes of trials and with joined plots, and the notes by trial id."""
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
