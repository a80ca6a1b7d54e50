"""Sends a study to MLflow while it runs, from a second process: `ballast track NAME --follow`.

The import of MLflow, its slow answers and its memory stay in that process. It gets the address, which may
hold a password, in the environment, because every user can read a command line.
"""

import json
import logging
import math
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

from search import child_process
from search.study.studies import OpenStudy
from search.tracking.mlflow_sync import not_sent_message
from search.tracking.mlflow_uri import MLFLOW_URI_VARIABLE
from storage import query
from storage.commands import masked_url
from storage.errors import StoreError

log = logging.getLogger("ballast.mlflow")

_LAST_WAIT_S = 20.0
_SILENCE_S = 1.0
_CHECK_S = 0.1
_ATTEMPTS = 2


@contextmanager
def track_while_running(
    study: OpenStudy, uri: str | None, should_stop: Callable[[], bool] = lambda: False
) -> Iterator[None]:
    """Send the study to MLflow at `uri` while the block runs and up to 20 s after it; do nothing if it is
    None.

    A `should_stop` that turns true ends these 20 s, and after a KeyboardInterrupt in the block there are
    none. After one second the log says what the run waits for; one warning says what was not sent. Raises
    nothing of its own.
    """
    if uri is None:
        yield
        return
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        process = _TrackingProcess(study, uri, output)
        process.start("--follow")
        interrupted = False
        try:
            yield
        except KeyboardInterrupt:
            interrupted = True
            raise
        finally:
            try:
                if not interrupted:
                    process.finish(should_stop)
            finally:
                process.kill()
                process.warn_of_unsent()


class _TrackingProcess:
    """The process; `output` receives its status, one line of JSON for each change."""

    def __init__(self, study: OpenStudy, uri: str, output: IO[str]) -> None:
        self._study, self._uri, self._output = study, uri, output
        self._process: subprocess.Popen[bytes] | None = None
        self._shown, self._is_late = masked_url(uri), False

    def start(self, *options: str) -> None:
        command = child_process.command("track", "--json", "--attached", str(os.getpid()))
        path = self._study.files.folder / "tracking.log"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a") as log_file:
                self._process = subprocess.Popen(
                    [*command, *options, "--", self._study.name],
                    env=child_process.environment(
                        **{"BALLAST_STORE": self._study.store.url, MLFLOW_URI_VARIABLE: self._uri}
                    ),
                    stdin=subprocess.DEVNULL,
                    stdout=self._output,
                    stderr=log_file,
                    start_new_session=True,  # Ctrl-C goes to the study only
                )
        except OSError as error:
            log.debug("nobody sends the study to MLflow: %s", error)  # `warn_of_unsent` warns of the trials

    def finish(self, should_stop: Callable[[], bool]) -> None:
        """Let it send the rest. Start it again if a signal ended it, as happens before it handles signals."""
        started, asked_before = time.monotonic(), should_stop()
        deadline, silent_until = started + _LAST_WAIT_S, started + _SILENCE_S
        if self._process is not None:
            self._process.terminate()
        attempts = 1
        while self._process is not None and time.monotonic() < deadline:
            code = self._process.poll()
            if (code is not None and code >= 0) or (should_stop() and not asked_before):
                return
            if code is not None:
                if attempts == _ATTEMPTS:
                    return
                attempts += 1
                self.start()
            if time.monotonic() > silent_until:
                silent_until = math.inf
                log.info(
                    "waiting up to %.0f s for MLflow at %s; Ctrl-C leaves it, and nothing is lost",
                    _LAST_WAIT_S,
                    self._shown,
                )
            time.sleep(_CHECK_S)
        self._is_late = time.monotonic() >= deadline

    def kill(self) -> None:
        """End it if it still runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def warn_of_unsent(self) -> None:
        """Warn if trials are not in MLflow."""
        there, problem = self._last_status()
        if problem is None and self._is_late:
            problem = f"MLflow at {self._shown} did not answer in time"
        try:
            counts = query.verdict_counts(self._study.store, self._study.name)
        except StoreError:
            return  # the run itself reports it
        left = sum(n for verdict, n in counts.items() if verdict is not None) - there
        if left > 0:
            log.warning("%s", not_sent_message(self._study.store, self._study.name, left, problem))

    def _last_status(self) -> tuple[int, str | None]:
        """Return the last status that it wrote, zero trials if none; its last line may be incomplete."""
        self._output.seek(0)
        for line in reversed(self._output.readlines()):
            try:
                status = json.loads(line)
            except ValueError:
                continue
            return status["there"], status["problem"]
        return 0, None
