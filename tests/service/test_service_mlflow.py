"""A study told to a real MLflow server: one that is there, slow, away, killed; and a sender that is killed.

Every process of ours runs with every warning an error. The server is MLflow's own, on a SQLite file, and a
study is compared with what MLflow's client reads back.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from search.tracking.mlflow_client import connect_mlflow, mlflow_environment
from search.tracking.mlflow_uri import MLFLOW_URI_VARIABLE
from search.tracking.run_content import TRIAL_TAG, trial_params
from search.watching.view import trial_view
from storage import query, tables
from storage.engine import Store, open_store
from tests.search_fixtures import ENDLESS

if TYPE_CHECKING:
    from tests.search_fixtures import WriteStudy

ROOT = Path(__file__).parents[2]
URL = "sqlite:///ballast.db"
PATIENCE_S = 240.0
_STUDY = {"trials": 3, "sampler": "random", "startup_trials": None}
SOME: dict[str, Any] = {"study": _STUDY, "training": {"epochs": 3, "patience": 3}}
MANY: dict[str, Any] = {"study": {**_STUDY, "trials": 1000}, "training": {"epochs": 100, "patience": 100}}
"""Lasts longer than any start of MLflow, and is ended by a signal."""
_SERVER = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # eight more processes, for what is not used here
}


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Server:
    """`mlflow server`, which may be killed and started again on the same files."""

    def __init__(self, folder: Path) -> None:
        self.port = _free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self._folder / "server.log").open("a") as said:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
                    *("--host", "127.0.0.1", "--port", str(self.port)),
                    *("--backend-store-uri", f"sqlite:///{self._folder / 'mlflow.db'}"),
                    *("--artifacts-destination", str(self._folder / "artifacts")),
                ],
                env={**os.environ, **_SERVER},
                cwd=self._folder,
                stdout=said,
                stderr=said,
            )
        wait_until(self.is_healthy, "an answer of the server")

    def is_healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def kill(self) -> None:
        """The server and its workers, at once, by their ids."""
        if self._process is None:
            return
        family = psutil.Process(self._process.pid).children(recursive=True)
        for member in (self._process, *family):
            member.kill()
        self._process.wait()
        psutil.wait_procs(family, timeout=20)
        self._process = None


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "mlflow"
    folder.mkdir()
    server = Server(folder)
    server.start()
    yield server
    server.kill()


Command = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def command() -> Iterator[Command]:
    """Start `ballast` as a process of its own; what still runs at the end of the test is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: object, uri: str | None = None) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "search.cli", *map(str, arguments)],
            env={
                **{name: value for name, value in os.environ.items() if name != MLFLOW_URI_VARIABLE},
                **({} if uri is None else {MLFLOW_URI_VARIABLE: uri}),
                "PYTHONPATH": str(ROOT),
                "PYTHONWARNINGS": "error",  # of the sender that the run starts
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def finish(process: "subprocess.Popen[str]") -> tuple[int, str]:
    out, err = process.communicate(timeout=PATIENCE_S)
    assert "Traceback" not in err
    return process.returncode, out + err


def assert_all_is_there_once(uri: str, store: Store, trials: int, name: str = "small") -> None:
    """Compare every run with the record: each trial once, its params, and each of its epochs once."""
    rows = query.trials(store, name)
    assert len(rows) == trials
    with mlflow_environment(uri) as address:
        client = connect_mlflow(address)
        experiment = client.get_experiment_by_name(name)
        assert experiment is not None
        found = client.search_runs([experiment.experiment_id])
        runs = {int(run.data.tags[TRIAL_TAG]): run for run in found if TRIAL_TAG in run.data.tags}
        assert len(found) == trials + 1
        assert sorted(runs) == [row.number for row in rows]
        for row in rows:
            run, epochs = runs[row.number], query.epochs(store, name, row.number)
            assert run.data.params == trial_params(trial_view(store, name, row.number))
            assert run.data.tags["ballast.verdict"] == row.verdict
            assert run.info.status != "RUNNING"
            for key in ("train_loss", "validation_loss"):
                history = client.get_metric_history(run.info.run_id, key)
                told = sorted((metric.step, metric.value) for metric in history)
                assert told == [(epoch.epoch, getattr(epoch, key)) for epoch in epochs]
            files = {file.path for file in client.list_artifacts(run.info.run_id)}
            assert files == {"settings.yaml", "overrides.json"}


def tracking_log() -> str:
    (path,) = Path("ballast.db.files").glob("*/tracking.log")
    return path.read_text()


def sender_of(process: "subprocess.Popen[str]") -> psutil.Process | None:
    """The process that sends, of a run."""
    children = psutil.Process(process.pid).children(recursive=True)
    return next((child for child in children if "track" in child.cmdline()), None)


@pytest.fixture
def store() -> Iterator[Callable[[], Store]]:
    opened: list[Store] = []

    def open_it() -> Store:
        opened.append(open_store(URL))
        return opened[-1]

    yield open_it
    for each in opened:
        each.close()


def test_a_study_with_a_server_that_is_there(
    write_study: "WriteStudy", server: Server, command: Command, store: Callable[[], Store]
) -> None:
    code, said = finish(command("run", write_study(**SOME), "--store", URL, uri=server.uri))
    assert code == 0, said
    assert "not in MLflow" not in said
    assert_all_is_there_once(server.uri, store(), 3)
    assert tracking_log() == ""
    code, said = finish(command("track", "small", "--store", URL, "--mlflow", server.uri))
    assert (code, said) == (0, "0 trials sent, 0 left, 3 in MLflow\n")


def test_a_server_that_is_away_costs_no_trial_and_no_epoch_and_gets_all_later(
    write_study: "WriteStudy", server: Server, command: Command, store: Callable[[], Store]
) -> None:
    server.kill()
    path = write_study(**SOME)
    code, said = finish(command("run", path, "--store", URL, uri=server.uri))
    assert code == 0, said
    assert said.count("are not in MLflow") == 1
    assert f"3 trials of study 'small' are not in MLflow (MLflow at {server.uri} does not answer)" in said
    assert f"they are kept in the store, send them later: ballast track small --store {URL}\n" in said
    rows = query.trials(store(), "small")
    assert [len(query.epochs(store(), "small", row.number)) for row in rows] == [3, 3, 3]
    code, said = finish(command("track", "small", "--store", URL, uri=server.uri))
    assert (code, said.count("3 trials of study 'small' are not in MLflow")) == (1, 1), said
    server.start()
    code, said = finish(command("track", "small", "--store", URL, uri=server.uri))
    assert (code, said) == (0, "3 trials sent, 0 left, 3 in MLflow\n")
    assert_all_is_there_once(server.uri, store(), 3)


def test_a_server_that_is_killed_and_comes_back_has_all_once(
    write_study: "WriteStudy", server: Server, command: Command, store: Callable[[], Store]
) -> None:
    process = command("run", write_study(**MANY), "--store", URL, uri=server.uri)
    wait_until(lambda: metrics_of(server) > 0, "the first epochs in MLflow")
    server.kill()
    known = len(query.trials(opened := store(), "small"))
    wait_until(lambda: len(query.trials(opened, "small")) > known, "the next trial")
    server.start()
    process.send_signal(signal.SIGINT)
    code, said = finish(process)
    assert code == 130, said
    code, said = finish(command("track", "small", "--store", URL, uri=server.uri))
    assert code == 0, said
    assert_all_is_there_once(server.uri, opened, len(query.trials(opened, "small")))


def metrics_of(server: Server) -> int:
    """How many metrics the runs of the study have."""
    with mlflow_environment(server.uri) as address:
        client = connect_mlflow(address)
        experiment = client.get_experiment_by_name("small")
        if experiment is None:
            return 0
        runs = client.search_runs([experiment.experiment_id])
        return sum(len(run.data.metrics) for run in runs if TRIAL_TAG in run.data.tags)


def test_a_sender_that_is_killed_leaves_nothing_twice(
    write_study: "WriteStudy", server: Server, command: Command, store: Callable[[], Store]
) -> None:
    """In the middle of a study: whoever comes next finds what the dead one made."""
    process = command("run", write_study(**MANY), "--store", URL, uri=server.uri)
    wait_until(lambda: metrics_of(server) > 0, "the first epochs in MLflow")
    sender = sender_of(process)
    assert sender is not None
    sender.kill()
    process.send_signal(signal.SIGINT)
    code, said = finish(process)
    assert code == 130, said
    code, said = finish(command("track", "small", "--store", URL, uri=server.uri))
    assert code == 0, said
    opened = store()
    assert_all_is_there_once(server.uri, opened, len(query.trials(opened, "small")))


class Gate:
    """A proxy before the server, which delays each answer, and may hold what is asked of one path."""

    def __init__(self, server: Server, delay: float = 0.0, hold: str | None = None) -> None:
        self.held, self._stop = threading.Event(), threading.Event()
        self.asked: list[str] = []
        gate = self

        class Handler(BaseHTTPRequestHandler):
            def _pass_on(self) -> None:
                path = self.path.partition("?")[0]
                gate.asked.append(path)
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if hold is not None and path.endswith(hold):
                    gate.held.set()
                    gate._stop.wait(PATIENCE_S)
                    return
                kept = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection")}
                request = urllib.request.Request(
                    server.uri + self.path, data=body or None, headers=kept, method=self.command
                )
                try:
                    with urllib.request.urlopen(request, timeout=60) as answer:
                        status, said = answer.status, answer.read()
                except urllib.error.HTTPError as error:
                    status, said = error.code, error.read()
                gate._stop.wait(delay)
                try:
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(said)))
                    self.end_headers()
                    self.wfile.write(said)
                except OSError:
                    return  # whoever asked is gone

            do_GET = do_POST = do_PUT = do_PATCH = _pass_on  # noqa: N815 - names of http.server

            def log_message(self, *_: Any) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.uri = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> "Gate":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def outcome(row: tables.Trial) -> tuple[Any, ...]:
    """What no tracking may change."""
    return row.params, row.seed, row.verdict, row.value, row.epochs


def test_a_slow_server_takes_nothing_from_a_study(
    write_study: "WriteStudy", server: Server, command: Command, store: Callable[[], Store]
) -> None:
    """Each answer takes 5 s: what is left at the end is told, and is sent later."""
    path = write_study(**SOME)
    with Gate(server, delay=5.0) as gate:
        code, said = finish(command("run", path, "--store", URL, uri=gate.uri))
    assert code == 0, said
    assert "are not in MLflow" in said
    rows = query.trials(store(), "small")
    lasted = max(row.finished_at for row in rows if row.finished_at) - min(row.started_at for row in rows)
    assert lasted.total_seconds() < 60  # one trial alone asks more of MLflow than that would allow
    alone = command("run", path, "--store", "sqlite:///alone.db")
    assert finish(alone)[0] == 0
    undisturbed = open_store("sqlite:///alone.db")
    expected = [
        (row.params, row.verdict, row.value, row.epochs) for row in query.trials(undisturbed, "small")
    ]
    undisturbed.close()
    assert [(row.params, row.verdict, row.value, row.epochs) for row in rows] == expected
    code, said = finish(command("track", "small", "--store", URL, uri=server.uri))
    assert code == 0, said
    assert_all_is_there_once(server.uri, store(), 3)


@pytest.mark.parametrize("hold", ["runs/log-batch", "runs/update"])
def test_a_sender_that_is_killed_between_two_requests_makes_no_run_twice(
    write_study: "WriteStudy", server: Server, command: Command, store: Callable[[], Store], hold: str
) -> None:
    """After `create_run` and before `log_batch`; and with all told but the end."""
    assert finish(command("run", write_study(**SOME), "--store", URL))[0] == 0
    with Gate(server, hold=hold) as gate:
        sender = command("track", "small", "--store", URL, uri=gate.uri)
        assert gate.held.wait(PATIENCE_S)
        sender.send_signal(signal.SIGKILL)
        sender.communicate()
        assert gate.asked.count("/api/2.0/mlflow/runs/create") > 1
    code, said = finish(command("track", "small", "--store", URL, uri=server.uri))
    assert (code, said) == (0, "3 trials sent, 0 left, 3 in MLflow\n")
    assert_all_is_there_once(server.uri, store(), 3)


def test_a_second_signal_ends_the_wait_for_mlflow(
    write_study: "WriteStudy", server: Server, command: Command, store: Callable[[], Store]
) -> None:
    with Gate(server, hold="experiments/get-by-name") as gate:
        process = command("run", write_study(study=_STUDY, training=ENDLESS), "--store", URL, uri=gate.uri)
        assert gate.held.wait(PATIENCE_S)
        opened = store()
        wait_until(lambda: bool(query.running(opened, "small")), "the first trial")
        process.send_signal(signal.SIGINT)
        wait_until(lambda: not query.running(opened, "small"), "the end of the trial")
        sender = sender_of(process)
        process.send_signal(signal.SIGINT)
        code, said = finish(process)
        assert sender is None or not sender.is_running()
    assert code == 130
    assert "1 trial of study 'small' is not in MLflow; it is kept in the store" in said
