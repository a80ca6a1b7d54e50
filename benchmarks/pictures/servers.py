"""The servers whose pages are looked at, as users start them: each ends with its block, by its own id."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_START_S = 120.0


def ballast(store: str, *words: str) -> str:
    """Run a command of `ballast` on this store to its end; what it printed. Raises CalledProcessError."""
    command = [sys.executable, "-m", "search.cli", *words]
    return subprocess.run(
        command, env=surroundings(store), check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def surroundings(store: str) -> dict[str, str]:
    """The environment of a command that works on this store."""
    return {**os.environ, "BALLAST_STORE": store}


@contextmanager
def dashboard(store: str, *options: str) -> Iterator[str]:
    """`ballast dashboard`; its address, which ends with a slash."""
    command = [sys.executable, "-m", "search.cli", "dashboard", "--port", "0", *options]
    with subprocess.Popen(
        command, env=surroundings(store), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().split()[0]
        finally:
            server.terminate()


@contextmanager
def mlflow(folder: Path) -> Iterator[str]:
    """`mlflow server`, which keeps its things in `folder`; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    kept = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder)]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        [sys.executable, "-m", *words, *kept],
        env=environment,
        stdout=quiet,
        stderr=quiet,
        start_new_session=True,  # it starts processes of its own, and all of them must end
    ) as server:
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_for(f"{address}/health")
            yield address
        finally:
            os.killpg(server.pid, signal.SIGTERM)


def _wait_for(address: str) -> None:
    until = time.monotonic() + _START_S
    while True:
        try:
            urllib.request.urlopen(address, timeout=5).read()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)
