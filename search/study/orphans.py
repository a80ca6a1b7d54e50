"""Orphaned studies: on record, but deleted from Optuna's tables at a dashboard or in code.

Optuna's tables are read with SQL, because importing Optuna would delay `ballast status` by a second.
"""

import shlex

from sqlalchemy import func, inspect, select, text

from search.errors import RequestError
from storage import query
from storage.commands import ballast_command
from storage.engine import Store
from storage.retry import retry_transient
from storage.tables import StudyRow, Trial

_KNOWN_TO_OPTUNA = text(
    "SELECT studies.study_name, count(trials.trial_id) FROM studies "
    "LEFT JOIN trials ON trials.study_id = studies.study_id GROUP BY studies.study_name"
)


@retry_transient
def orphaned_studies(store: Store) -> list[str]:
    """The names of all studies on record that Optuna does not have, oldest first. A study that was created
    again in Optuna, and lacks trials that are on record, is one of them.
    """
    recorded = select(StudyRow.name, func.max(Trial.number)).outerjoin(Trial, Trial.study == StudyRow.name)
    with store.reading() as session:
        connection = session.connection()
        # The record first: a trial that a worker records in the meantime is in Optuna already.
        recorded_rows = connection.execute(
            recorded.group_by(StudyRow.name, StudyRow.created_at).order_by(StudyRow.created_at)
        ).all()
        has_tables = inspect(connection).has_table("studies")
        in_optuna: dict[str, int] = {}
        if has_tables:
            in_optuna.update((name, count) for name, count in connection.execute(_KNOWN_TO_OPTUNA))
    return [name for name, last in recorded_rows if in_optuna.get(name, -1) <= (-1 if last is None else last)]


def is_orphaned(store: Store, name: str) -> bool:
    """Whether a study on record is orphaned. Raises StudyUnknown."""
    query.next_number(store, name)
    return name in orphaned_studies(store)


def orphan_message(store: Store, name: str) -> str:
    """The sentence about an orphaned study, with the command that removes it."""
    return (
        f"{_gone(name)}. What is on record can still be read and exported; remove it with: "
        f"{ballast_command('delete', name, store=store.shown_url)}"
    )


def require_not_orphaned(store: Store, name: str) -> None:
    """Raise RequestError for an orphaned study. Optuna would create it again and number its trials from 0,
    and these numbers are taken by the trials on record.
    """
    if is_orphaned(store, name):
        raise RequestError(
            f"{_gone(name)}. Start another study: --name {shlex.quote(f'{name}-2')}; or keep what is on "
            f"record with ballast export, or remove it: "
            f"{ballast_command('delete', name, store=store.shown_url)}"
        )


def _gone(name: str) -> str:
    return (
        f"study {name!r} is on record, but Optuna does not know it any more: "
        "it was deleted at a dashboard or in code"
    )
