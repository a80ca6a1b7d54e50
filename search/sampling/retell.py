"""Changes what Optuna was told about a trial that has ended; Optuna itself refuses that.

The rows of Optuna's tables are changed inside the caller's transaction. Workers keep ended trials in memory;
`search/sampling/optuna_storage.py` therefore reads voided trials again each time.
"""

from optuna.storages._rdb import models
from optuna.study._constrained_optimization import _CONSTRAINTS_KEY
from optuna.trial import TrialState
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from search.sampling.optuna_attributes import write_trial_attributes, write_trial_user_attributes
from search.sampling.tell import CONSTRAINT, TellMessage
from storage import tables

CONSTRAINT_KEY = f"{_CONSTRAINTS_KEY}:{CONSTRAINT}"
"""The attribute in which Optuna keeps our constraint."""
_RUNG = "completed_rung_"
"""The attributes in which Hyperband keeps what a trial reported at a rung."""


def retell(session: Session, study: str, number: int, message: TellMessage, reasons: str) -> bool:
    """Replace state, value, constraint and reported losses of a trial that has ended in Optuna, as if it had
    been told `message` and had reported nothing. Returns False, and changes nothing, if Optuna does not know
    the trial or holds it for unfinished.
    """
    trial = _locked(session, study, number)
    if trial is None or not trial.state.is_finished():
        return False
    of_trial = int(trial.trial_id)
    trial.state = message.state
    for table in (models.TrialValueModel, models.TrialIntermediateValueModel):
        session.execute(delete(table).where(table.trial_id == of_trial))
    attribute = models.TrialSystemAttributeModel
    rungs = (attribute.trial_id == of_trial) & attribute.key.startswith(_RUNG, autoescape=True)
    session.execute(delete(attribute).where(rungs))
    if message.value is not None:
        for objective, told in enumerate((message.value, *message.others)):
            value, kind = models.TrialValueModel.value_to_stored_repr(told)
            session.add(
                models.TrialValueModel(trial_id=of_trial, objective=objective, value=value, value_type=kind)
            )
    if message.constraint is not None:
        write_trial_attributes(session, of_trial, {CONSTRAINT_KEY: message.constraint})
    write_trial_user_attributes(session, of_trial, {"verdict": "suspicious", "reasons": reasons})
    return True


def trials_told_otherwise(session: Session, study: str) -> list[int]:
    """The voided trials of a study that have ended in Optuna and violate no constraint there, by number."""
    trial, attribute = models.TrialModel, models.TrialSystemAttributeModel
    violated = (
        select(attribute.trial_id)
        .where(attribute.trial_id == trial.trial_id)
        .where(attribute.key == CONSTRAINT_KEY, attribute.value_json.not_like("-%"))
    )
    found = (
        select(trial.number)
        .join(models.StudyModel)
        .join(tables.VoidRow, tables.VoidRow.trial == trial.number)
        .where(models.StudyModel.study_name == study, tables.VoidRow.study == study)
        .where(trial.state.in_([TrialState.COMPLETE, TrialState.PRUNED]), ~violated.exists())
    )
    return sorted(session.scalars(found))


def _locked(session: Session, study: str, number: int) -> models.TrialModel | None:
    trial = models.TrialModel
    found = select(trial).join(models.StudyModel).where(models.StudyModel.study_name == study)
    return session.scalar(found.where(trial.number == number).with_for_update(of=trial))
