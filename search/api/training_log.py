"""What a Python call logs while it runs or trains; `progress=False` logs nothing."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.api.python_messages import python_message

if TYPE_CHECKING:
    from search.api.refit_configuration import LiveModel
    from search.selection.candidates import Candidate
    from search.selection.verification_report import VerificationReport
    from trainer.training.result import EpochReport, RefitResult


@contextmanager
def shown_log(progress: bool, *, verbose: bool = False) -> Iterator[None]:
    """Show the log while the block runs, if `progress` is set; `verbose`: a line for each epoch."""
    if not progress:
        yield
        return
    from search.terminal.run_view import log_lines

    with log_lines(verbose=verbose):
        yield


def log_epoch(report: "EpochReport") -> None:
    """Log the losses of an epoch of `ballast.train`."""
    logging.getLogger("ballast.train").info(
        "epoch %d: loss %.6f, skill %+.4f", report.epoch, report.validation_loss, report.skill
    )


def _log_seed(log: logging.Logger, candidate: "Candidate", refit: "RefitResult") -> None:
    log.info("%s, seed %d: %s", candidate.name, refit.seed, refit.outcome)


def verify_with_log(config: Path, *, progress: bool, **options: Any) -> "VerificationReport":
    """`verify_configuration` with its options; logs a line for each training and each notice."""
    from search.api.verify_configuration import verify_configuration

    log = logging.getLogger("ballast.verify")
    with shown_log(progress):
        return verify_configuration(
            config,
            on_seed=partial(_log_seed, log),
            on_notice=lambda sentence: log.warning("%s", python_message(sentence)),
            **options,
        )


def refit_with_log(config: Path, save: Path, *, progress: bool, **options: Any) -> "LiveModel":
    """`refit_configuration` with its options; logs a line for each training, and what is to be known."""
    from search.api.refit_configuration import refit_configuration

    log = logging.getLogger("ballast.refit")
    with shown_log(progress):
        done = refit_configuration(
            config,
            save,
            on_seed=partial(_log_seed, log),
            **options,
        )
        for sentence in done.sentences():
            log.info("%s", python_message(sentence))
    return done
