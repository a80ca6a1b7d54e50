"""Tells MLflow of a study while it runs, from a process beside it: `ballast track NAME --follow`.

MLflow's import, its slow answers and its memory are that process's. The address, which may hold a password,
goes to it in the environment: a command line can be read by everybody.
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
_LOOK_S = 0.1
_ATTEMPTS = 2


@contextmanager
def track_while_running(
    study: OpenStudy, uri: str | None, should_stop: Callable[[], bool] = lambda: False
) -> Iterator[None]:
    """Send the study to MLflow while the block runs, and up to 20 s after it; None: do nothing.

    A `should_stop` that turns true in these 20 s ends them, and a KeyboardInterrupt in the block leaves none
    of them. After the first of them the log says what is waited for; what is not sent in the end is told in
    one warning.
    Raises nothing of its own.
    """
    if uri is None:
        yield
        return
    with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
        companion = _TrackingProcess(study, uri, said)
        companion.start("--follow")
        at_once = False
        try:
            yield
        except KeyboardInterrupt:
            at_once = True
            raise
        finally:
            try:
                if not at_once:
                    companion.finish(should_stop)
            finally:
                companion.kill()
                companion.report()


class _TrackingProcess:
    """The process; `said` is what it says of its standing, a line of JSON for each change."""

    def __init__(self, study: OpenStudy, uri: str, said: IO[str]) -> None:
        self._study, self._uri, self._said = study, uri, said
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
                    stdout=self._said,
                    stderr=log_file,
                    start_new_session=True,  # Ctrl-C is for the study
                )
        except OSError as error:
            log.debug("nobody sends the study to MLflow: %s", error)  # `report` warns of what comes of it

    def finish(self, should_stop: Callable[[], bool]) -> None:
        """Let it send the rest. One that was killed, or was asked too early to know, is started again."""
        began, asked_before = time.monotonic(), should_stop()
        deadline, silent_until = began + _LAST_WAIT_S, began + _SILENCE_S
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
            time.sleep(_LOOK_S)
        self._is_late = time.monotonic() >= deadline

    def kill(self) -> None:
        """End it, if it has not ended."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def report(self) -> None:
        """Warn of what is not there."""
        there, problem = self._standing()
        if problem is None and self._is_late:
            problem = f"MLflow at {self._shown} did not answer in time"
        try:
            counts = query.verdict_counts(self._study.store, self._study.name)
        except StoreError:
            return  # of which the run itself has told
        left = sum(n for verdict, n in counts.items() if verdict is not None) - there
        if left > 0:
            log.warning("%s", not_sent_message(self._study.store, self._study.name, left, problem))

    def _standing(self) -> tuple[int, str | None]:
        """What it said last, if anything; the last line may be half a line."""
        self._said.seek(0)
        for line in reversed(self._said.readlines()):
            try:
                standing = json.loads(line)
            except ValueError:
                continue
            return standing["there"], standing["problem"]
        return 0, None
