"""Starts or continues a study; `ballast run` and `ballast.run` call it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from search.api.study_options import StudyOptions
from search.config.resolved_study import DEFAULTS_VERSION
from search.selection.summary import Summary, summarise
from search.signals import StopRequest, stop_request
from search.study.readiness import check_readiness
from search.study.studies import OpenStudy, open_study
from search.terminal.run_view import RunView
from search.tracking.tracking_process import track_while_running
from search.watching.publishing.study_publisher import publish_while_running
from search.workers.executor import Executor
from search.workers.loop import RunEnd
from storage.engine import Store, open_store


@dataclass(frozen=True)
class StudyRun:
    """A run that has ended, and how. Its study is open until the caller leaves the block."""

    study: OpenStudy
    end: RunEnd
    summary: Summary
    stop: StopRequest

    @property
    def is_interrupted(self) -> bool:
        """Whether a stop was requested, here or at a worker."""
        return self.stop.asked or self.end.interrupted


@contextmanager
def run_study(
    options: StudyOptions,
    executor: Executor,
    view: RunView,
    *,
    continue_from: str | None = None,
    proxy: str | None = None,
) -> Iterator[StudyRun]:
    """Run a study until it has all its trials, and keep its store open while the block runs.

    The first Ctrl-C asks the running trial to end, the second raises KeyboardInterrupt; the earlier signal
    handlers are restored after the block. `continue_from` names a study whose trials are imported.

    Raises ConfigError, StudyChanged and RequestError if the study is wrong, AnswerIsNo if the audit refuses
    its data or every worker failed, and StoreError if the store cannot be opened or written.
    """
    resolved, mlflow = options.resolve(DEFAULTS_VERSION)
    with stop_request() as stop, _opened(options.url_of(resolved)) as opened:
        store = replace(opened, patience=resolved.file.storage.patience, give_up=stop)
        again = options.resolve_again(store, resolved.file.study.name)
        resolved, mlflow = again or (resolved, mlflow)
        data = check_readiness(
            resolved, store, devices=executor.devices, continue_from=continue_from, strict=options.strict
        ).require()
        with executor.ready(store.url):
            study = open_study(
                resolved, data, store, devices=executor.devices, proxy=proxy, continue_from=continue_from
            )
            with (
                publish_while_running(store, study.name, shown=resolved.file.tracking.dashboard),
                track_while_running(study, mlflow, stop),
            ):
                with view(study, stop) as progress:
                    end = executor.run(study, progress, stop)
                stop.on_stop = _print_ending  # no trial runs any more
                _measure_noise_floor(study, stop)
        yield StudyRun(study, end, summarise(store, study.name), stop)


@contextmanager
def _opened(url: str) -> Iterator[Store]:
    opened = open_store(url)
    try:
        yield opened
    finally:
        opened.close()


def _print_ending() -> None:
    os.write(2, b"ending at once; nothing is lost\n")


def _measure_noise_floor(study: OpenStudy, stop: StopRequest) -> None:
    """Put the measured noise floor and what was learned about the settings on record, unless a stop was
    requested.
    """
    if stop.asked:
        return
    from search.selection.selection_evidence import record_measured_floor  # imports arch, which takes 1 s
    from search.watching.setting_facts import learn_about_settings

    record_measured_floor(study.store, study.name)
    learn_about_settings(study.store, study.name)
