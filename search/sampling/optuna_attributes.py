"""Writes many Optuna attributes in one transaction, so that no reader sees half of a note or plot.

Optuna uses one transaction per attribute, and a note or a plot has many. Here the functions of Optuna and its
dashboard write to a buffer, which is then stored in one transaction.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from optuna.storages import BaseStorage
from optuna.storages._rdb import models
from sqlalchemy import Connection, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session


@dataclass
class AttributeBuffer:
    """Stands in for Optuna's storage and collects the attributes that are written to it.

    `existing` has the attributes of the study that a writer may read.
    """

    inner: BaseStorage | None = None
    existing: Mapping[str, Any] = field(default_factory=dict)
    study_attributes: dict[str, Any] = field(default_factory=dict)
    trial_attributes: dict[str, Any] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def as_storage(self) -> BaseStorage:
        """Itself, typed as a storage."""
        return cast(BaseStorage, self)

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """The existing attributes, overridden by those written here."""
        return {**self.existing, **self.study_attributes}

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """Collect an attribute."""
        self.study_attributes[key] = value

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Collect an attribute."""
        self.trial_attributes[key] = value


def read_study_attributes(session: Session, study_id: int, *prefixes: str) -> dict[str, Any]:
    """The attributes of a study whose keys begin with one of these."""
    table = models.StudySystemAttributeModel
    begins = or_(*(table.key.startswith(prefix, autoescape=True) for prefix in prefixes))
    rows = session.execute(select(table.key, table.value_json).where(table.study_id == study_id, begins))
    return {key: json.loads(value) for key, value in rows}


def trials_with_notes(session: Session, study_id: int) -> set[int]:
    """The ids of the trials that have a note."""
    table = models.StudySystemAttributeModel
    of_study = select(table.key).where(table.study_id == study_id, table.key.like("dashboard:%:note_ver"))
    return {int(key.split(":")[1]) for key in session.scalars(of_study)}


def ids_of_trial(session: Session, study: str, number: int) -> tuple[int, int] | None:
    """Optuna's ids of a study and of its trial; None if Optuna does not know the trial."""
    trial = models.TrialModel
    found = select(trial.study_id, trial.trial_id).join(models.StudyModel)
    row = session.execute(found.where(models.StudyModel.study_name == study, trial.number == number)).first()
    return None if row is None else (row[0], row[1])


def lock_study(session: Session, study_id: int) -> None:
    """Lock the study until the transaction ends, against others that ask for this lock; SQLite needs none."""
    study = models.StudyModel
    session.execute(select(study.study_id).where(study.study_id == study_id).with_for_update())


def write_study_attributes(session: Session, study_id: int, attributes: Mapping[str, Any]) -> None:
    """Write system attributes of a study; existing ones are replaced."""
    _upsert(session.connection(), models.StudySystemAttributeModel, {"study_id": study_id}, attributes)


def write_user_attributes(session: Session, study_id: int, attributes: Mapping[str, Any]) -> None:
    """Write user attributes of a study; existing ones are replaced."""
    _upsert(session.connection(), models.StudyUserAttributeModel, {"study_id": study_id}, attributes)


def write_trial_user_attributes(session: Session, trial_id: int, attributes: Mapping[str, Any]) -> None:
    """Write user attributes of a trial; existing ones are replaced."""
    _upsert(session.connection(), models.TrialUserAttributeModel, {"trial_id": trial_id}, attributes)


def write_trial_attributes(session: Session, trial_id: int, attributes: Mapping[str, Any]) -> None:
    """Write system attributes of a trial; existing ones are replaced."""
    _upsert(session.connection(), models.TrialSystemAttributeModel, {"trial_id": trial_id}, attributes)


def _upsert(
    connection: Connection, model: Any, owner: Mapping[str, int], attributes: Mapping[str, Any]
) -> None:
    if not attributes:
        return
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(model)
    keys: Sequence[str] = [*owner, "key"]
    statement = statement.on_conflict_do_update(
        index_elements=keys, set_={"value_json": statement.excluded.value_json}
    )
    rows = [{**owner, "key": key, "value_json": json.dumps(value)} for key, value in attributes.items()]
    connection.execute(statement, rows)
