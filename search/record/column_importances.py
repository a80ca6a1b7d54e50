"""The importance of the columns for the best trial of a study, among the facts of the study."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from storage import record
from storage.engine import Store
from trainer.inference.column_importance import ColumnImportance, ColumnImportances

COLUMN_IMPORTANCES = "column_importances"
"""The name of the fact; a study of an older version lacks it."""


@dataclass(frozen=True)
class TrialImportances:
    """The importances of the columns for a trial, and the name of the loss that they are about."""

    trial: int
    loss_name: str
    found: ColumnImportances


def record_importances(store: Store, study: str, importances: TrialImportances) -> None:
    """Put them on record, in place of those that were there. Raises StudyUnknown."""
    record.set_study_facts(store, study, {COLUMN_IMPORTANCES: asdict(importances)})


def recorded_importances(facts: Mapping[str, Any], trial: int | None) -> TrialImportances | None:
    """Those of a trial, from the facts of its study; None if none are on record for it."""
    known = facts.get(COLUMN_IMPORTANCES)
    if known is None or known["trial"] != trial:
        return None
    columns = tuple(
        ColumnImportance(**{**each, "by_fold": tuple(each["by_fold"])}) for each in known["found"]["columns"]
    )
    return TrialImportances(
        known["trial"], known["loss_name"], ColumnImportances(**{**known["found"], "columns": columns})
    )
