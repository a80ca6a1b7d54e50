"""The demo of the service: a study on PostgreSQL with three workers, one of them killed in mid-training.

    python -m benchmarks.demo_service

Starts a PostgreSQL of its own, kills one worker with SIGKILL, and lets the study end. It exits with 1 unless
the study has exactly the trials that were asked for, the killed trial was tried again and went on from its
checkpoint, the store is well, and the exported configuration gives its value again to the last bit.
"""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.postgres import PostgresServer
from search import child_process
from storage import query, tables
from storage.engine import Store, open_store
from storage.errors import StoreMissing, StudyUnknown
from storage.verdicts import CONCLUSIVE

NAME = "sp500-volatility"
STUDY = f"configs/studies/{NAME}.yaml"
_ROOT = Path(__file__).parents[1]
_ENDED = 4
"""Trials that have ended before one is killed, so that there is something to lose."""
_EPOCHS = 3
"""Epochs of the killed trial that are on record, so that it is in the middle of its training."""


def main() -> int:
    """Run the demo; 1 where something was lost."""
    with tempfile.TemporaryDirectory(prefix="ballast-demo-") as name, PostgresServer() as server:
        folder, url = Path(name), server.create("ballast")
        (folder / "configs").symlink_to(_ROOT / "configs")
        environment = child_process.environment(BALLAST_STORE=url, COLUMNS="150")
        killed = run_and_kill(url, folder, environment)
        store = open_store(url, create=False)
        missed = failings(store, killed, folder)
        commands = (
            ("status", NAME),
            ("trials", NAME),
            ("db", "check"),
            ("export", NAME, "-o", "best.yaml"),
            ("train", "best.yaml"),
        )
        missed += [f"ballast {words[0]} failed" for words in commands if ballast(words, folder, environment)]
        store.close()
    print("\n" + ("\n".join(missed) or "nothing was lost, nothing was done twice"))
    return 1 if missed else 0


def run_and_kill(url: str, folder: Path, environment: dict[str, str]) -> tables.Trial | None:
    """Run the study to its end, and kill the worker of one trial; that trial, None if there was no moment."""
    killed: tables.Trial | None = None
    command = _shown(("run", STUDY, "--workers", "3"))
    # What it says is read line by line, so that no live view is drawn; a trial's end is the moment to look.
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            killed = killed or kill_one(url)
    if process.returncode:
        raise SystemExit(f"ballast run ended with {process.returncode}")
    return killed


def kill_one(url: str) -> tables.Trial | None:
    """Kill the worker of a trial in mid-training, and return the trial; None if it is too early for that."""
    try:
        store = open_store(url, create=False)
        rows = query.trials(store, NAME)
    except (StoreMissing, StudyUnknown):
        return None
    running = {row.number: row for row in rows if row.verdict is None}
    epochs = {number: len(query.epochs(store, NAME, number)) for number in running}
    store.close()
    deep = [number for number, passed in epochs.items() if passed >= _EPOCHS]
    if not deep or len(rows) - len(running) < _ENDED:
        return None
    victim = running[min(deep, key=epochs.__getitem__)]
    pid = int(victim.worker.rsplit(":", 2)[1])
    os.kill(pid, signal.SIGKILL)
    print(f"\n$ kill -9 {pid}      # the worker of trial {victim.number}\n", flush=True)
    return victim


def failings(store: Store, killed: tables.Trial | None, folder: Path) -> list[str]:
    """What of the killed trial was lost, and whether the study has too many trials or too few."""
    if killed is None:
        return ["the study ended before a worker could be killed"]
    rows = query.trials(store, NAME)
    wanted, done = query.study(store, NAME).wanted, sum(row.verdict in CONCLUSIVE for row in rows)
    missed = [] if done == wanted else [f"the study has {done} trials, {wanted} were asked for"]
    retries = [row.number for row in rows if row.retry_of == killed.number]
    if len(retries) != 1:
        return [*missed, f"trial {killed.number} was tried again {len(retries)} times"]
    (log,) = (Path(kept.path) for kept in query.artifacts(store, NAME, retries[0]))
    first = log.read_text().partition("\n")[0]
    print(f"\n$ head -1 {log.relative_to(folder)}\n{first}")
    return missed if "resumed after epoch" in first else [*missed, f"trial {retries[0]} lost its epochs"]


def ballast(words: tuple[str, ...], folder: Path, environment: dict[str, str]) -> int:
    """Show a command and run it to its end; its exit code."""
    return subprocess.run(_shown(words), cwd=folder, env=environment, check=False).returncode


def _shown(words: tuple[str, ...]) -> list[str]:
    print("\n$ ballast", *words, flush=True)
    return child_process.command(*words)


if __name__ == "__main__":
    sys.exit(main())
