"""What the pages cost: publishing beside the study's own time, and the dashboard's answers for 2,000 trials.

Run it with `python -m benchmarks.publishing`; it takes about five minutes and exits with 1 where a goal is
missed. First the S&P 500 study runs in this process, and the CPU time of everything that publishes is summed
up beside that of the whole. Then two servers serve one store of 2,000 trials with all notes and plots:
`ballast dashboard`, and `optuna-dashboard URL` as its own users start it. Answers are timed by wall clock, in
turns, each of which waits until the server looks at the store again (10 s).
"""

import argparse
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
from search.data import load
from search.optuna_storage import direct_storage
from search.progress import Silence
from search.runner import run
from search.study import open_study
from search.watching import publish, publisher
from storage.engine import open_store

GOAL_SHARE = 0.02
"""Of a study's CPU time that publishing may take."""
GOAL_OPEN_S = 3.0
"""Until the page of a study has its trials."""
TRIALS = 2_000
_TURNS = 3
_STALE_S = 11.0
_START_S = 90.0


@dataclass
class Clock:
    """CPU seconds of one thread, spent inside functions."""

    calls: list[float] = field(default_factory=list)

    def timed(self, act: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, on the clock."""

        def call(*args: Any, **kwargs: Any) -> Any:
            began = time.thread_time()
            try:
                return act(*args, **kwargs)
            finally:
                self.calls.append(time.thread_time() - began)

        return call


def share_of_a_study(folder: Path, trials: int) -> float:
    """Run the study, print what its pages took, and return that as a share of all CPU time."""
    of_trials, of_study = Clock(), Clock()
    publish.Press._publish = of_trials.timed(publish.Press._publish)  # type: ignore[method-assign]
    setattr(publisher, "publish_study", of_study.timed(publish.publish_study))  # noqa: B010
    resolved = resolve(Path("configs/studies/sp500-volatility.yaml"), [f"study.trials={trials}"])
    store = open_store(f"sqlite:///{folder / 'study.db'}")
    data = load(resolved)
    began, wall = time.process_time(), time.monotonic()
    study = open_study(resolved, data, store)
    with publisher.published(study):
        run(study, Silence(), lambda: False)
    whole, wall = time.process_time() - began, time.monotonic() - wall
    store.close()
    spent = sum(of_trials.calls) + sum(of_study.calls)
    per_trial = 1e3 * statistics.median(of_trials.calls)
    print(f"{trials} trials in {wall:.0f} s, {whole / trials:.2f} s of CPU time each")
    print(f"a trial's note and files   {per_trial:7.1f} ms (the first {1e3 * of_trials.calls[0]:.0f} ms)")
    per_study = 1e3 * statistics.median(of_study.calls)
    print(f"the study's note and plots {per_study:7.1f} ms, {len(of_study.calls)} times")
    print(f"publishing took {spent:.2f} s of {whole:.1f} s: {spent / whole:.2%}")
    return spent / whole


def fill(folder: Path) -> str:
    """A store with a study of many trials, each with its note, as if it had been published; its URL."""
    url = f"sqlite:///{folder / 'many.db'}"
    fill_ballast(url, subject(folder), TRIALS)
    store = open_store(url)
    storage = direct_storage(store)
    while not publish.publish_study(store, storage, NAME):
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
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--trials", type=int, default=20, help="trials of the study that is run (20)")
    trials = parser.parse_args().trials
    with tempfile.TemporaryDirectory() as name:
        share = share_of_a_study(Path(name), trials)
        ours, theirs = answers(fill(Path(name)))
    print(f"\na study of {TRIALS} trials, each with its note: seconds to answer")
    print(f"{'':28} {'first':>7} {'later':>7}")
    for who, seconds in (("ballast dashboard", ours), ("optuna-dashboard URL", theirs)):
        print(f"{who:28} {seconds[0]:7.2f} {statistics.median(seconds[1:]):7.2f}")
    reached = share <= GOAL_SHARE and max(ours) <= GOAL_OPEN_S
    print(
        f"goals: publishing takes at most {GOAL_SHARE:.0%}, an answer at most {GOAL_OPEN_S:g} s: "
        f"{'reached' if reached else 'missed'}"
    )
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
