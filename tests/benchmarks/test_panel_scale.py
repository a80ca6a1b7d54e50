"""The benchmark of large panels runs on a small one, and its parts hold what it prints."""

import os
import subprocess
import sys

import pytest

from benchmarks import panel_scale


@pytest.mark.slow
def test_the_benchmark_prints_every_goal_for_a_small_panel() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.panel_scale", "--series", "5", "--days", "400", "--features", "3"],
        stdout=subprocess.PIPE,
        text=True,
        check=False,  # a busy machine may miss a goal
        cwd=panel_scale.ROOT,
        env=os.environ | {"PYTHONPATH": str(panel_scale.ROOT)},
    )
    for told in ("2,000 rows", "preparation", "(goal 60)", "file of prepared folds", "(goal 1.2)"):
        assert told in done.stdout
    assert "0 MB of them copied by a worker" in done.stdout
