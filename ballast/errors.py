"""What Ballast raises on purpose; every message says what is wrong, where, and what to do next.

Three roots: BallastError for requests and answers, StoreError for the store, TrainerError for data, models
and devices. `except ballast.errors.ALL` catches them all.
"""

from search.errors import AnswerIsNo, BallastError, ConfigError, RequestError, StudyChanged
from storage.errors import StoreError, StoreMissing, StudyUnknown, TrialUnknown
from trainer.errors import DataError, ModelFolderError, TrainerError

ALL = (BallastError, StoreError, TrainerError)
"""The roots, for `except`."""

__all__ = [
    "ALL",
    "AnswerIsNo",
    "BallastError",
    "ConfigError",
    "DataError",
    "ModelFolderError",
    "RequestError",
    "StoreError",
    "StoreMissing",
    "StudyChanged",
    "StudyUnknown",
    "TrainerError",
    "TrialUnknown",
]
