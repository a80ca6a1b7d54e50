"""Turns expected errors into a sentence and an exit code; any other error is a bug with a traceback."""

import errno
import sys

from search.errors import AnswerIsNo, BallastError
from search.memory import memory_shortage
from search.text import shortened_line
from storage.commands import mask_passwords
from storage.errors import StoreError
from storage.file_descriptors import descriptor_message
from trainer.errors import TrainerError
from trainer.text import printable_lines

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_NOT_IN_TABLES = "Record does not exist."
"""Optuna's message for an id that is not in its tables."""


def explain_failure(error: Exception) -> tuple[str | None, int]:
    """The message, one line per problem, and the exit code; for an unexpected error the message is None."""
    sentence, code = _explained(error)
    if sentence is None:
        return None, code
    return "\n".join(map(shortened_line, printable_lines(sentence).split("\n"))), code


def _explained(error: Exception) -> tuple[str | None, int]:
    if isinstance(error, BallastError | StoreError | TrainerError):
        # The location of a problem may be a `--set storage.url=…` with a password.
        return mask_passwords(str(error)), 1 if isinstance(error, AnswerIsNo) else 2
    if isinstance(error, OSError) and (exhausted := descriptor_message(error.errno)) is not None:
        return exhausted, 2
    if isinstance(error, OSError) and (error.filename is not None or error.errno in _DISK_FULL):
        hint = (
            "free some space and run it again"
            if error.errno in _DISK_FULL
            else "check the path and its rights"
        )
        return f"{error.filename or 'the output'}: {error.strerror}; {hint}", 2
    if isinstance(error, UnicodeEncodeError) and error.reason == "surrogates not allowed":
        # Python represents a byte of the command line that is not UTF-8 as half a surrogate pair.
        return f"{error.object!r} holds what is not text; write it in UTF-8", 2
    if (shortage := memory_shortage(error)) is not None:
        return shortage, 2
    if isinstance(error, RuntimeError) and str(error).startswith("Symlink loop from"):  # Path.resolve
        return f"{error}: the link leads back to itself; name another file", 2
    if isinstance(error, KeyError) and error.args == (_NOT_IN_TABLES,):
        return (
            "Optuna does not know this study or a trial of it any more: somebody has deleted it, at a "
            "dashboard or in code; start another one: --name NAME"
        ), 2
    return _from_optuna(error), 2


def _from_optuna(error: Exception) -> str | None:
    """The message for a database error that Optuna has wrapped; ours says what to do."""
    if "optuna" not in sys.modules:
        return None
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    from storage.driver_errors import to_store_error

    if isinstance(error, StorageInternalError) and isinstance(error.__cause__, SQLAlchemyError):
        return str(to_store_error(error.__cause__, "Optuna's part of the store"))
    if isinstance(error, SQLAlchemyError):
        return str(to_store_error(error, "Optuna's part of the store"))
    return None
