"""What Ballast raises on purpose; every message says what is wrong, where, and what to do next.

Three roots: BallastError for requests and answers, StoreError for the store, TrainerError for data, models
and devices. `except ballast.errors.ALL` catches them all.
"""

from ballast.packages import require_own_packages

require_own_packages()  # before the first import of ours

from search.errors import AnswerIsNo, BallastError, ConfigError, RequestError, StudyChanged  # noqa: E402
from storage.errors import StoreError, StoreMissing, StudyUnknown, TrialUnknown  # noqa: E402
from trainer.errors import DataError, ModelFolderError, TrainerError  # noqa: E402

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
