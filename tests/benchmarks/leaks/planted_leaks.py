"""The S&P 500 with a leak in it, by the leak's name in the catalogue."""

import numpy as np

from benchmarks.leaks.catalogue import BY_NAME
from benchmarks.leaks.studies import Kind, Study, real_study


def plant(name: str, kind: Kind) -> Study:
    """Return the real study with this leak in its table."""
    return BY_NAME[name].plant(real_study("sp500", kind), np.random.default_rng(0))
