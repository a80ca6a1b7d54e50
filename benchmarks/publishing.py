"""What the pages cost: publishing beside the study's own time, and the dashboard's answers for 2,000 trials.

Run it with `python -m benchmarks.publishing`; it takes about five minutes and exits with 1 where a goal is
missed. First two studies run in this process, one worker each, and the wall time of everything that
publishes, waiting for the store and the disk included, is summed up beside that of the whole; the goal is
that of the first. Then two servers serve one store of 2,000 trials with all notes and plots:
`ballast dashboard`, and `optuna-dashboard URL` as its own users start it. Answers are timed by wall clock, in
turns, each of which waits until the server looks at the store again (10 s).
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.throughput.study import NAME, fill_ballast, subject
from search.config.resolve import resolve
from search.data.study_data import load_study_data
from search.sampling.optuna_storage import direct_storage
from search.study.studies import open_study
from search.watching.publishing import study_page, study_publisher
from search.watching.publishing.trial_publisher import TrialPublisher
from search.workers.loop import run_worker
from search.workers.progress import NoProgress
from storage.engine import open_store

GOAL_SHARE = 0.02
"""Of a study's wall time that publishing may take."""
STUDIES = (("configs/studies/sp500-holdout.yaml", 20), ("configs/studies/smoke.yaml", 200))
"""A study as people run them, and one whose trials are too short for a page each."""
GOAL_OPEN_S = 3.0
"""Until the page of a study has its trials."""
TRIALS = 2_000
_TURNS = 3
_STALE_S = 11.0
_START_S = 90.0


@dataclass
class Clock:
    """Wall seconds spent inside functions."""

    calls: list[float] = field(default_factory=list)

    def timed(self, act: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, on the clock."""

        def call(*args: Any, **kwargs: Any) -> Any:
            began = time.monotonic()
            try:
                return act(*args, **kwargs)
            finally:
                self.calls.append(time.monotonic() - began)

        return call

    def told(self) -> str:
        """How often, and how long as a median."""
        return f"{len(self.calls):4} x {1e3 * statistics.median(self.calls):4.0f} ms"


def share_of_a_study(folder: Path, file: str, trials: int) -> float:
    """Run a study, print what its pages took, and return that as a share of the study's wall time."""
    of_trials, of_study = Clock(), Clock()
    genuine = TrialPublisher._publish, study_page.publish_study
    TrialPublisher._publish = of_trials.timed(genuine[0])  # type: ignore[method-assign]
    setattr(study_publisher, "publish_study", of_study.timed(genuine[1]))  # noqa: B010
    resolved = resolve(Path(file), [f"study.trials={trials}"])
    store = open_store(f"sqlite:///{folder / 'study.db'}")
    data = load_study_data(resolved)
    began = time.monotonic()
    study = open_study(resolved, data, store)
    with study_publisher.publish_while_running(study.store, study.name):
        run_worker(study, NoProgress(), lambda: False)
    whole = time.monotonic() - began
    store.close()
    TrialPublisher._publish = genuine[0]  # type: ignore[method-assign]
    setattr(study_publisher, "publish_study", genuine[1])  # noqa: B010
    share = (sum(of_trials.calls) + sum(of_study.calls)) / whole
    told = f"{of_trials.told():>14} {of_study.told():>14} {share:7.2%}"
    print(f"{study.name:18} {trials:6} {whole / trials:10.2f} {told}", flush=True)
    return share


def fill(folder: Path) -> str:
    """A store with a study of many trials, each with its note, as if it had been published; its URL."""
    url = f"sqlite:///{folder / 'many.db'}"
    fill_ballast(url, subject(folder), TRIALS)
    store = open_store(url)
    storage = direct_storage(store)
    while not study_page.publish_study(store, storage, NAME):
        pass  # some notes at a time
    store.close()
    return url


@contextmanager
def serving(command: list[str], url: str, port: int) -> Iterator[str]:
    """A dashboard, until the block ends; its address."""
    said = subprocess.DEVNULL
    server = subprocess.Popen(command, env={**os.environ, "BALLAST_STORE": url}, stdout=said, stderr=said)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{address}/api/meta")
        yield address
    finally:
        server.terminate()
        server.wait()


def _wait_for(address: str) -> None:
    until = time.monotonic() + _START_S
    while time.monotonic() < until:
        try:
            urllib.request.urlopen(address, timeout=5).read()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise TimeoutError(f"nobody answers at {address}")


def answer(address: str) -> float:
    """Wall seconds of what a study's page waits for."""
    began = time.monotonic()
    with urllib.request.urlopen(f"{address}/api/studies/1?after=0", timeout=120) as response:
        response.read()
    return time.monotonic() - began


def answers(url: str) -> tuple[list[float], list[float]]:
    """First answer and the later ones of both servers, in turns: ours, Optuna's."""
    here = [sys.executable, "-m", "search.cli", "dashboard", "--port", "18080", "--read-only"]
    there = [str(Path(sys.executable).with_name("optuna-dashboard")), url, "--port", "18081"]
    with serving(here, url, 18080) as ours, serving(there, url, 18081) as theirs:
        found: tuple[list[float], list[float]] = [], []
        for turn in range(1 + _TURNS):
            if turn:
                time.sleep(_STALE_S)
            for seconds, address in zip(found, (ours, theirs), strict=True):
                seconds.append(answer(address))
    return found


def main() -> int:
    """Print both tables and the verdicts."""
    print(
        f"{'study':18} {'trials':>6} {'s a trial':>10} {'trial pages':>14} {'study pages':>14} {'share':>7}"
    )
    with tempfile.TemporaryDirectory() as name:
        shares = [share_of_a_study(Path(name), file, trials) for file, trials in STUDIES]
        ours, theirs = answers(fill(Path(name)))
    print(f"\na study of {TRIALS} trials, each with its note: seconds to answer")
    print(f"{'':28} {'first':>7} {'later':>7}")
    for who, seconds in (("by ballast dashboard", ours), ("by optuna-dashboard URL", theirs)):
        print(f"{who:28} {seconds[0]:7.2f} {statistics.median(seconds[1:]):7.2f}")
    reached = shares[0] <= GOAL_SHARE and max(ours) <= GOAL_OPEN_S
    print(
        f"goals: publishing takes at most {GOAL_SHARE:.0%}, an answer at most {GOAL_OPEN_S:g} s: "
        f"{'reached' if reached else 'missed'}"
    )
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
