"""Studies on Ray clusters of several nodes: a node dies in the middle of a trial, and nothing is lost."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from optuna.trial import TrialState
from sqlalchemy import make_url

from search import child_process
from search.sampling.optuna_storage import optuna_storage
from search.verdict import SIGNAL, WORKER_DIED
from search.workers.consistency import inconsistencies
from search.workers.ray_cluster import has_ray
from storage import query, tables, workers
from storage.engine import Store, open_store
from storage.errors import StudyUnknown
from storage.verdicts import CONCLUSIVE, Verdict
from tests.ray.small_cluster import SmallCluster
from tests.search_fixtures import Result, WriteStudy

if not has_ray():
    pytest.skip("Ray is not installed; run: make test-ray", allow_module_level=True)

TRIALS = 6
SLOW: dict[str, Any] = {"study": {"trials": TRIALS}, "training": {"epochs": 600, "patience": 600}}

Process = subprocess.Popen[str]


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """The store that a test watches a study by."""
    store = open_store(store_url)
    yield store
    store.close()


@contextmanager
def ballast_run(study: Path, store: Store, *options: str) -> Iterator[Process]:
    """`ballast run --engine ray` in a process of its own."""
    process = subprocess.Popen(
        child_process.command("run", str(study), "--engine", "ray", "--json", *options),
        env=child_process.environment(BALLAST_STORE=store.url),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def result_of(process: Process) -> Result:
    out, err = process.communicate()
    return Result(process.returncode, out, err)


def under_way(
    store: Store, process: Process, is_meant: Callable[[tables.Trial], bool] = lambda row: True
) -> None:
    """Wait for a trial that is meant and has no verdict."""
    while process.poll() is None:
        with suppress(StudyUnknown):
            if any(row.verdict is None and is_meant(row) for row in query.trials(store, "small")):
                return
        time.sleep(0.05)
    raise AssertionError(f"the run has ended: {result_of(process)}")


def pid_of(row: tables.Trial) -> int:
    return int(row.worker.rsplit(":", 2)[1])


def assert_in_order(store: Store) -> None:
    """Nothing lost, nothing counted twice, nobody at work, and both accounts agree."""
    rows = query.trials(store, "small")
    states = [trial.state for trial in optuna_storage(store).get_all_trials(1)]
    assert [row.number for row in rows] == list(range(len(states)))
    assert sum(row.verdict in CONCLUSIVE for row in rows) == TRIALS
    assert not {TrialState.RUNNING, TrialState.WAITING} & set(states)
    assert workers.registered_workers(store, "small") == []
    assert inconsistencies(store) == []


def assert_tried_again(store: Store, reason: str) -> None:
    """Trials were interrupted for this reason, and of each, one later trial has parameters and seed."""
    rows = query.trials(store, "small")
    lost = [row for row in rows if row.verdict is Verdict.INTERRUPTED]
    assert lost
    for row in lost:
        (again,) = [other for other in rows if other.retry_of == row.number]
        assert row.reasons == [reason]
        assert again.verdict in CONCLUSIVE
        assert (again.params, again.seed) == (row.params, row.seed)


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_a_study_outlives_a_node_that_dies_in_the_middle_of_a_trial(
    cluster: SmallCluster, store: Store, write_study: WriteStudy, ray_home: Path
) -> None:
    _, doomed = cluster.add_node(2), cluster.add_node(2)
    study = write_study(**SLOW)
    with ballast_run(study, store, "--address", cluster.address, "--workers", "3") as process:
        under_way(store, process, lambda row: pid_of(row) in cluster.processes(doomed))
        cluster.kill(doomed)
        result = result_of(process)
    assert result.code == 0, result.err
    assert_in_order(store)
    assert_tried_again(store, WORKER_DIED)
    password = make_url(store.url).password
    assert password
    told = [path for path in ray_home.rglob("logs/**/*") if path.is_file()]
    assert told
    assert [path for path in told if password.encode() in path.read_bytes()] == []


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
@pytest.mark.usefixtures("ray_home")
def test_workers_are_not_led_astray_by_files_of_the_current_folder(
    store: Store, write_study: WriteStudy
) -> None:
    for name in ("search.py", "trainer.py", "yaml.py", "optuna.py", "torch.py"):
        Path(name).write_text("raise ImportError('not the package')")
    with ballast_run(write_study(study={"trials": TRIALS}), store, "--workers", "1") as process:
        result = result_of(process)
    assert result.code == 0, result.err
    assert_in_order(store)


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_workers_of_a_dead_node_begin_again_on_one_that_comes_later(
    cluster: SmallCluster, store: Store, write_study: WriteStudy
) -> None:
    doomed = cluster.add_node(2)
    study = write_study(**SLOW)
    with ballast_run(study, store, "--address", cluster.address, "--workers", "2") as process:
        under_way(store, process)
        cluster.kill(doomed)
        cluster.add_node(2)
        result = result_of(process)
    assert result.code == 0, result.err
    assert_in_order(store)
    assert_tried_again(store, WORKER_DIED)


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_ctrl_c_ends_the_workers_of_a_cluster_of_its_own_and_the_next_run_goes_on(
    store: Store, write_study: WriteStudy, ray_home: Path
) -> None:
    study = write_study(**SLOW)
    with ballast_run(study, store, "--workers", "2", "--cpus", "0.5") as process:
        under_way(store, process)
        process.send_signal(signal.SIGINT)
        result = result_of(process)
    assert result.code == 130, result.err
    assert not [row for row in query.trials(store, "small") if row.verdict is None]
    assert workers.registered_workers(store, "small") == []
    with ballast_run(study, store) as process:
        assert result_of(process).code == 0
    assert_in_order(store)
    assert_tried_again(store, SIGNAL)


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here, and the node only claims one")
def test_a_worker_with_a_part_of_a_gpu_trains_on_it_or_says_why_it_cannot(
    cluster: SmallCluster, store: Store, write_study: WriteStudy
) -> None:
    cluster.add_node(1, gpus=1)
    study = write_study(**SLOW)
    with ballast_run(study, store, "--address", cluster.address, "--gpus", "0.5") as process:
        result = result_of(process)
    assert result.code == 1
    assert "every worker failed, the last with: " in result.told[-1]
    assert "cuda" in result.told[-1]
