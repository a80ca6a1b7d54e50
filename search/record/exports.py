"""Puts on record which files and models were made from which trial, so that a voided trial can name them."""

from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path

from search.record.evaluations import this_user
from search.record.row_mapping import now
from search.record.voided_trials import void_text
from storage import query, tables, voids
from storage.engine import Store, open_store
from storage.errors import StoreError


def keep_exports(store: Store, exported: Iterable[tuple[str, int, Path]]) -> None:
    """Record exported files: study, number and file of each trial."""
    rows = [_row(study, trial, "file", str(path.absolute())) for study, trial, path in exported]
    voids.record_exports(store, rows)


def keep_registered(store: Store, study: str, trial: int, model: str) -> None:
    """Record a model that was registered in MLflow; `model` names it with its version."""
    voids.record_exports(store, [_row(study, trial, "registered", model)])


def keep_model(url: str, study: str, trial: int, folder: Path) -> None:
    """Record the folder of a model that was trained from an exported file.

    Does nothing if the store or the trial is not there: files are taken to machines that have no store.
    """
    with suppress(StoreError), closing(open_store(url, create=False)) as store:
        name = query.current_name(store, study)
        query.trial(store, name, trial)
        voids.record_exports(store, [_row(name, trial, "model", str(folder.absolute()))])


def voided_notice(url: str, study: str, trial: int) -> str | None:
    """A warning if the exported trial of a file was voided; None if it was not, or the store is not there."""
    with suppress(StoreError), closing(open_store(url, create=False)) as store:
        void = voids.void_of(store, query.current_name(store, study), trial)
        if void is not None:
            return f"warning: this file comes from a voided trial of study {void.study!r}: {void_text(void)}"
    return None


def _row(study: str, trial: int, kind: str, place: str) -> tables.ExportRow:
    return tables.ExportRow(
        study=study, trial=trial, kind=kind, place=place, made_at=now(), made_by=this_user()
    )
