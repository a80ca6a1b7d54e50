"""Scores a configuration on unseen rows; `ballast verify` and `ballast.verify` call it."""

import os
from collections.abc import Callable
from pathlib import Path

from search.api.stores import store_url
from search.config.objectives import SelectionRule
from search.record.exports import voided_notice
from search.selection.candidates import Candidate, VerificationInterrupted
from search.selection.export_provenance import export_provenance
from search.selection.rerun import resolve_configuration
from search.selection.trained_candidate import VerificationCallbacks
from search.selection.verification import verify
from search.selection.verification_report import VerificationReport
from search.signals import stop_request
from search.tracking.verification_pages import publish_verification
from storage.engine import Store, open_store
from storage.errors import StoreMissing
from trainer.training.result import RefitResult


def verify_configuration(
    config: Path,
    *,
    seeds: int = 5,
    top: int = 1,
    by: SelectionRule = "robust",
    store: str | None = None,
    policy: Path | None = None,
    on_seed: Callable[[Candidate, RefitResult], None] | None = None,
    on_notice: Callable[[str], None] = lambda sentence: None,
) -> VerificationReport:
    """Train with fresh seeds on all rows before the test rows, and score those once.

    The evaluation is put on record and added to the pages of its study. `on_seed` is called after each
    training, `on_notice` with each sentence that the user should know. A first Ctrl-C raises
    KeyboardInterrupt before any test row is scored, and then nothing is on record.
    """
    resolved = resolve_configuration(config, policy=policy)
    opened = _opened(store_url(store, resolved.file.storage.url), on_notice)
    exported = export_provenance(resolved)
    if exported is not None:
        warning = voided_notice(opened.url, resolved.file.study.name, exported.trial)
        if warning is not None:
            on_notice(warning)
    try:
        with stop_request() as stop:
            stop.on_stop = _print_stopping
            progress = VerificationCallbacks(on_seed or _ignore, stop)
            report = verify(config, opened, seeds=seeds, top=top, by=by, policy=policy, progress=progress)
        if (problem := publish_verification(opened, resolved.file.study.name, report.evidence)) is not None:
            on_notice(f"ballast: {problem}")
        return report
    except VerificationInterrupted:
        os.write(2, b"interrupted before the test rows were scored: no evaluation is on record\n")
        raise KeyboardInterrupt from None
    finally:
        opened.close()


def _opened(url: str, on_notice: Callable[[str], None]) -> Store:
    """Open the store at `url`, or make it; a notice then says that it knows no earlier evaluation."""
    try:
        return open_store(url, create=False)
    except StoreMissing:
        opened = open_store(url)
        on_notice(f"{opened.shown_url} is new and knows of no earlier evaluation; another store: --store")
        return opened


def _ignore(candidate: Candidate, refit: RefitResult) -> None:
    """Do nothing."""


def _print_stopping() -> None:
    os.write(2, b"stopping before the test rows are scored; once more to stop at once\n")
