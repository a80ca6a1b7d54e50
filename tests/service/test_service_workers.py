"""Several workers on one study: real processes, which share its trials, and of which any may be killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from optuna.trial import TrialState

from search.workers.consistency import inconsistencies
from storage import query, workers
from storage.check import check_store
from storage.engine import Store, open_store
from storage.verdicts import CONCLUSIVE, Verdict
from tests.search_fixtures import ENDLESS

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast, Launch, WriteStudy

URL = "sqlite:///ballast.db"

Command = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def command() -> Iterator[Command]:
    """Start `ballast` as a process of its own; what still runs at the end of the test is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: object, folder: Path | None = None) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "search.cli", *map(str, arguments)],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.1)


def at_work(name: str = "small") -> list[int]:
    """The process ids of the workers that have a trial."""
    if not Path("ballast.db").exists():
        return []
    store = open_store(URL)
    try:
        known = {study.name for study in query.studies(store)}
        present = workers.registered_workers(store, name) if name in known else []
        return [int(worker.worker.split(":")[-2]) for worker in present if worker.busy]
    finally:
        store.close()


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def in_order(store: Store, name: str = "small") -> None:
    assert inconsistencies(store) == []
    assert check_store(store) == []
    assert workers.registered_workers(store, name) == []


def test_workers_share_the_trials_and_the_results_are_those_of_one(
    write_study: "WriteStudy", launch: "Launch", command: Command
) -> None:
    path = write_study(study={"trials": 6, "sampler": "random", "startup_trials": None})
    process = command("run", path, "--workers", 3, "--store", URL, "--name", "many")
    alone = launch(path)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    shared = query.trials(alone.store, "many")
    assert [row.number for row in shared] == list(range(6))
    assert [(row.params, row.seed, row.value) for row in shared] == [
        (row.params, row.seed, row.value) for row in alone.trials
    ]
    in_order(alone.store, "many")


def test_a_killed_worker_is_replaced_and_its_trial_goes_on_from_its_checkpoint(
    write_study: "WriteStudy", command: Command
) -> None:
    path = write_study(study={"trials": 2}, training={"epochs": 1500, "patience": 1500})
    process = command("run", path, "--workers", 2, "--store", URL)
    folder = Path("ballast.db.files")
    wait_until(lambda: len(list(folder.glob("*/*.checkpoint"))) == 2, "a checkpoint of each")
    os.kill(at_work()[0], signal.SIGKILL)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert "was killed by SIGKILL; another takes its place" in said
    store = open_store(URL)
    rows = query.trials(store, "small")
    died, again = rows[0 if rows[0].verdict is Verdict.INTERRUPTED else 1], rows[-1]
    assert sorted(row.verdict in CONCLUSIVE for row in rows) == [False, True, True]
    assert (again.retry_of, again.params, again.seed) == (died.number, died.params, died.seed)
    log = next(folder.glob("*/trial-00002.log")).read_text()
    assert "resumed" in log
    assert list(folder.glob("*/*.checkpoint")) == []
    in_order(store)


def test_the_workers_of_a_killed_run_end_by_themselves(
    write_study: "WriteStudy", launch: "Launch", command: Command
) -> None:
    path = write_study(training=ENDLESS)
    process = command("run", path, "--workers", 2, "--store", URL)
    wait_until(lambda: len(at_work()) == 2, "both workers being busy")
    pids = at_work()
    process.kill()
    wait_until(lambda: not any(runs(pid) for pid in pids), "the end of both workers")
    done = launch(path, should_stop=lambda: True)
    assert {row.verdict for row in done.trials} == {Verdict.INTERRUPTED}
    states = [trial.state for trial in done.study.optuna.trials]
    assert states == [TrialState.FAIL, TrialState.FAIL, TrialState.WAITING, TrialState.WAITING]
    in_order(done.store)


def test_sigterm_to_the_run_ends_every_trial_and_loses_none(
    write_study: "WriteStudy", command: Command
) -> None:
    process = command("run", write_study(training=ENDLESS), "--workers", 2, "--store", URL)
    wait_until(lambda: len(at_work()) == 2, "both workers being busy")
    process.terminate()
    out, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "0 of 2 trials: it was interrupted." in out
    store = open_store(URL)
    assert [(row.verdict, row.reasons) for row in query.trials(store, "small")] == [
        (Verdict.INTERRUPTED, ["signal"]),
        (Verdict.INTERRUPTED, ["signal"]),
    ]
    in_order(store)


def test_a_worker_needs_nothing_but_the_name_and_the_store(
    write_study: "WriteStudy",
    launch: "Launch",
    ballast: "Ballast",
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = write_study(study={"trials": 3})
    launch(path, should_stop=lambda: True)
    path.unlink()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    done = ballast("worker", "small", "--store", f"sqlite:///{tmp_path / 'ballast.db'}", "--device", "cpu")
    assert (done.code, done.out) == (0, "3 of 3 trials: nothing is left to do.\n")
    store = open_store(f"sqlite:///{tmp_path / 'ballast.db'}")
    device = query.setting_layers(store, "small", 0)["training.device"][-1]
    assert (device.layer, device.origin, device.effective) == ("cli", "--devices", "cpu")
    in_order(store)


def test_a_worker_of_an_unknown_study_is_told_so_in_one_sentence(
    write_study: "WriteStudy", launch: "Launch", ballast: "Ballast"
) -> None:
    launch(write_study(study={"trials": 1}))
    refused = ballast("worker", "smal")
    assert refused.code == 2
    assert "did you mean 'small'?" in refused.told[0]


def test_a_device_that_is_not_there_is_refused_before_anything_runs(
    write_study: "WriteStudy", ballast: "Ballast"
) -> None:
    refused = ballast("run", write_study(), "--devices", "cpu,tpu:9")
    assert refused.code == 2
    assert "tpu:9" in refused.told[-1]
    assert not Path("ballast.db.files").exists()
