"""Brings the pages of a study that are kept elsewhere up to its newest verification."""

from search.errors import RequestError
from search.record.continuation import recorded_value
from search.record.verified import newest
from search.selection.evidence import Evidence
from search.selection.summary import MEASURED_FLOOR
from search.tracking.address import KEY, of_study
from search.tracking.following import send_once
from search.tracking.sender import send_command
from search.watching.publisher import publish_once
from storage import query, record
from storage.engine import Store
from storage.errors import StoreError, StudyUnknown


def announce(store: Store, study: str, evidence: Evidence | str) -> str | None:
    """Write the study's page in optuna-dashboard anew, and tell MLflow, if it was sent there.

    Returns what is to be said where MLflow could not be told, else None. Does nothing where no trial of the
    study in this store was verified.
    """
    try:
        if newest(store, study) is None:
            return None
    except StudyUnknown:
        return None
    if isinstance(evidence, Evidence):
        floor = {"skill": evidence.measured_floor, "trials": evidence.trials}
        record.set_study_facts(store, study, {MEASURED_FLOOR: floor})
    publish_once(store, study)
    return _tell_mlflow(store, study)


def _tell_mlflow(store: Store, study: str) -> str | None:
    if recorded_value(KEY, query.setting_stacks(store, study)) is None:
        return None
    try:
        problem = send_once(store, study, of_study(store, study, None), hurry=True).problem
    except (RequestError, StoreError) as failure:
        problem = str(failure)
    if problem is None:
        return None
    return f"MLflow does not have this answer ({problem}); send it later: {send_command(store, study)}"
