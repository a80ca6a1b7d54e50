"""What the fixtures of the fault matrix give to its tests."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from benchmarks.faults.fault_cases import Case
from benchmarks.faults.faults import Fault
from benchmarks.faults.study import Struck
from search.study.studies import OpenStudy


@dataclass(frozen=True)
class FaultySearch:
    """The study after its run, and its trials by the name of the fault and the moment."""

    study: OpenStudy
    folder: Path
    rows: dict[tuple[str, str], Struck]


class RunWithFault(Protocol):
    """One trial under a fault at these steps, straight through `fit`."""

    def __call__(self, fault: Fault, *steps: int, **guard: Any) -> Case:
        """Keyword arguments are settings of the guard."""
