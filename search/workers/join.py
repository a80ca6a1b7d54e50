"""Joins a study that was started elsewhere, from its name and its store alone."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from search.config.resolved_study import ResolvedStudy
from search.data.study_data import StudyData, load_study_data, recall_study_data
from search.record.continuation import require_data, resolve_from_store
from search.store_files import study_files
from search.study.studies import join_study
from search.workers.loop import RunEnd, run_worker
from search.workers.progress import Progress
from storage import query
from storage.engine import Store, open_store
from storage.errors import StoreMissing, StudyUnknown
from storage.retry import TRANSIENT

log = logging.getLogger("ballast.workers")

_POLL_S = 2.0


@dataclass(frozen=True)
class JoinTarget:
    """Where the study is, and the settings that are this worker's own."""

    url: str
    name: str
    device: str | None = None
    folder: Path | None = None
    """The folder for relative paths of data; None: that of the study file at the start of the study."""
    proxy: str | None = None
    """The address of Optuna's gRPC proxy."""
    time_left: float | None = None
    """Seconds after which no trial starts; None: the study's timeout, from this worker's start."""


def join_and_work(
    target: JoinTarget, progress: Progress, should_stop: Callable[[], bool], *, wait: bool = False
) -> RunEnd:
    """Be one of the study's workers until it ends; with `wait`, wait for a study that does not exist yet.

    Raises what `search.study.studies.join_study`, `search.data.study_data.load_study_data` and
    `search.workers.loop.run_worker` raise. Without `wait` it also raises StoreMissing, StudyUnknown and the
    errors of a store that is away.
    """
    store, resolved = _find(target, should_stop, wait=wait)
    try:
        require_data(resolved)
        study = join_study(resolved, _data(resolved, store), store, device=target.device, proxy=target.proxy)
        return run_worker(study, progress, should_stop, device=target.device, time_left=target.time_left)
    finally:
        store.close()


def _data(resolved: ResolvedStudy, store: Store) -> StudyData:
    """The data as the audit stored it when the study was begun or continued; else it is audited again."""
    recorded = query.study(store, resolved.file.study.name)
    files = study_files(store.url, resolved.file.storage.files, recorded.name)
    return recall_study_data(resolved, recorded, files) or load_study_data(resolved)


def _find(target: JoinTarget, should_stop: Callable[[], bool], *, wait: bool) -> tuple[Store, ResolvedStudy]:
    reported = False
    while True:
        try:
            store = open_store(target.url, create=False)
            resolved = resolve_from_store(store, target.name, target.folder)
        except (StoreMissing, StudyUnknown, *TRANSIENT) as error:
            if not wait:
                raise
            if should_stop():
                raise KeyboardInterrupt from None
            if not reported:
                log.info("waiting for study %r: %s", target.name, error)
            reported = True
            time.sleep(_POLL_S)
        else:
            return replace(store, patience=resolved.file.storage.patience, give_up=should_stop), resolved
