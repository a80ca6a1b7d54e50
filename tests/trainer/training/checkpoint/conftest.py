"""The data of the interrupted trial, and the same trial without an interruption."""

from pathlib import Path

import pytest

from tests.trainer.training.checkpoint.interrupted_trial import market, trial
from trainer.data.windows import Dataset
from trainer.training.result import TrialResult


@pytest.fixture(scope="module")
def data() -> Dataset:
    return market()


@pytest.fixture(scope="module")
def unbroken(data: Dataset) -> TrialResult:
    """The trial, left alone."""
    return trial(data)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "7.checkpoint"
