"""One real study under faults, and single trials that are struck where a test wants it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.faults.catalogue import FAULTS, moments
from benchmarks.faults.fault_cases import Case, Moment, tampered
from benchmarks.faults.faults import Fault
from benchmarks.faults.study import on_record, resolved_study, steps_per_epoch, struck_study
from search.config.resolve import resolve
from search.config.resolved_study import ResolvedStudy
from search.data.study_data import StudyData, load_study_data
from tests.benchmarks.faults.faulty_search import FaultySearch, RunWithFault
from trainer.training import loop
from trainer.training.result import TrialResult

TOLD = ("step 1", "validation")
"""The moments that are run here; `python -m benchmarks.fault_matrix` runs all of them."""


@pytest.fixture(scope="session", params=[pytest.param("torch", marks=pytest.mark.slow), "fused"])
def kernel(request: pytest.FixtureRequest) -> str:
    """Each kernel in turn, one of them with the slow tests: the guard sees the same on every path."""
    return f"training.kernel={request.param}"


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory, kernel: str) -> Path:
    return tmp_path_factory.mktemp(kernel.replace("=", "-"))


@pytest.fixture(scope="session")
def resolved(folder: Path, kernel: str) -> ResolvedStudy:
    return resolved_study(folder, 0, kernel)


@pytest.fixture(scope="session")
def data(resolved: ResolvedStudy) -> StudyData:
    return load_study_data(resolved)


@pytest.fixture(scope="session")
def steps(data: StudyData) -> int:
    """Updates of an epoch."""
    return steps_per_epoch(data)


@pytest.fixture(scope="session")
def ruin(
    resolved: ResolvedStudy, data: StudyData, steps: int, folder: Path, kernel: str
) -> Iterator[FaultySearch]:
    """Every fault at two moments."""
    planted = [
        Case(fault, moment)
        for fault in FAULTS
        for moment in moments(steps)
        if moment.name in TOLD and (moment.steps or fault.in_validation)
    ]
    sized = resolve(resolved.path, (f"study.trials={len(planted)}", kernel))
    with struck_study(sized, load_study_data(sized), folder, planted) as study:
        rows = {(row.case.fault.name, row.case.moment.name): row for row in on_record(study, planted)}
        yield FaultySearch(study, folder, rows)


@pytest.fixture
def strike(resolved: ResolvedStudy, data: StudyData) -> RunWithFault:
    """One trial under a fault at these steps, straight through `fit`."""

    def struck(fault: Fault, *steps: int, **guard: Any) -> Case:
        config = resolved.trial({"models.gru.learning_rate": 8e-3}).config
        config = config.model_copy(update={"guard": config.guard.model_copy(update=guard)})
        case = Case(fault, Moment("asked for", steps))
        with tampered([case]):
            loop.fit(config, data.base, baseline=data.baseline, ceiling=data.ceiling, seed=0)
        return case

    return struck


@pytest.fixture
def unharmed(strike: RunWithFault) -> TrialResult:
    """The trial of `strike` with nothing wrong."""
    result = strike(Fault()).result
    assert result is not None
    return result
