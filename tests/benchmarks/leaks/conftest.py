"""The S&P 500 with a leak in it, by the leak's name in the catalogue."""

from collections.abc import Callable

import numpy as np
import pytest

from benchmarks.leaks.catalogue import BY_NAME
from benchmarks.leaks.studies import Kind, Study, real_study

Plant = Callable[[str, Kind], Study]


@pytest.fixture
def plant() -> Plant:
    def planted(name: str, kind: Kind) -> Study:
        return BY_NAME[name].plant(real_study("sp500", kind), np.random.default_rng(0))

    return planted
