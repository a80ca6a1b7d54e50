"""Updates the pages of a study in optuna-dashboard and MLflow after a verification."""

from search.errors import RequestError
from search.record.continuation import recorded_value
from search.record.verification_answer import newest_verification
from search.selection.selection_evidence import SelectionEvidence
from search.selection.summary import MEASURED_FLOOR
from search.tracking.mlflow_sender import track_command
from search.tracking.mlflow_sync import sync_once
from search.tracking.mlflow_uri import MLFLOW_URI_KEY, mlflow_uri_of_study
from search.watching.publishing.study_publisher import publish_once
from storage import query, record
from storage.engine import Store
from storage.errors import StoreError, StudyUnknown


def publish_verification(store: Store, study: str, evidence: SelectionEvidence | str) -> str | None:
    """Write the study's page in optuna-dashboard again, and update MLflow if the study was sent there.

    Returns a message if MLflow could not be updated, else None. Does nothing if no trial of the study in this
    store was verified.
    """
    try:
        if newest_verification(store, study) is None:
            return None
    except StudyUnknown:
        return None
    if isinstance(evidence, SelectionEvidence):
        floor = {"skill": evidence.measured_floor, "trials": evidence.trials}
        record.set_study_facts(store, study, {MEASURED_FLOOR: floor})
    publish_once(store, study)
    return _update_mlflow(store, study)


def _update_mlflow(store: Store, study: str) -> str | None:
    if recorded_value(MLFLOW_URI_KEY, query.setting_layers(store, study)) is None:
        return None
    try:
        problem = sync_once(store, study, mlflow_uri_of_study(store, study, None), hurry=True).problem
    except (RequestError, StoreError) as failure:
        problem = str(failure)
    if problem is None:
        return None
    return f"MLflow does not have this answer ({problem}); send it later: {track_command(store, study)}"
