"""Make the files of `tests/compatibility/files` anew, with the Ballast that is installed. Run by hand:

    python -m tests.compatibility.make_files

The files that are kept were made by Ballast 0.1.0 at schema 0004, before its code was put into rooms. They
are not to be made again because a test of them fails: that they are read as before is what the tests are for.
Where a change of an answer is wanted, edit that answer.

In the folder are the studies that were run (`*.yaml`), their store with its folder of checkpoints and logs,
three exported files, a model folder, new rows with their forecasts, and the answers of the commands:
`read.json` of those that only read, `written.json` the shapes of the others, `later.json` the trials of
studies that were gone on with.
"""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import optuna
from arch.data import sp500
from optuna.trial import TrialState, create_trial

from tests.compatibility.answers import FILES, LATER, READ, READERS, WRITERS, WRITTEN, answer, shape

STORE = "sqlite:///ballast.db"
BALLAST = (sys.executable, "-m", "ballast")


def ballast(folder: Path, *arguments: str) -> str:
    """Run a command in the folder. A code above 1 is a mistake; 1 can be an answer."""
    done = subprocess.run(
        [*BALLAST, *arguments], cwd=folder, env=environment(), capture_output=True, text=True
    )
    if done.returncode > 1:
        raise SystemExit(f"{' '.join(arguments)} ended with {done.returncode}: {done.stderr}")
    return done.stdout


def environment() -> dict[str, str]:
    """Ours, in which the folder that this was started in is searched for Ballast."""
    return {**os.environ, "PYTHONPATH": os.getcwd()}


def make(folder: Path) -> None:
    """Make every file but the answers."""
    run = partial(ballast, folder)
    run("run", "mixed.yaml", "--trials", "3")
    add_failed(folder)
    run("run", "mixed.yaml")
    run("run", "folds.yaml")
    kill_in(folder, trial=0)
    kill_in(folder, trial=2)
    run("db", "check")
    run("export", "mixed", "-o", "best.yaml")
    run("verify", "best.yaml", "--seeds", "1")
    for name in ("best.yaml", "best.json"):
        run("export", "mixed", "-o", name)
    run("export", "folds", "-o", "folds-best.yaml")
    run("train", "best.yaml", "--save", "model")
    sp500.load().tail(60).to_csv(folder / "new.csv", index_label="Date")
    run("predict", "model", "--data", "new.csv", "-o", "predictions.csv")


def add_failed(folder: Path) -> None:
    """Add a trial to Optuna's part, as somebody else's code would: it is put on record as failed."""
    storage = optuna.storages.RDBStorage(f"sqlite:///{folder}/ballast.db")
    study = optuna.load_study(study_name="mixed", storage=storage)
    study.add_trial(create_trial(state=TrialState.FAIL))
    storage.engine.dispose()


def kill_in(folder: Path, trial: int) -> None:
    """Run `stopped.yaml`; kill it once epochs of the trial are on record, and a checkpoint beside them."""
    process = subprocess.Popen(
        [*BALLAST, "run", "stopped.yaml"], cwd=folder, env=environment(), stdout=subprocess.DEVNULL
    )
    while not (epochs_of(folder, trial) and list(folder.rglob(f"trial-{trial:05d}.checkpoint"))):
        if process.poll() is not None:
            raise SystemExit("the run of stopped.yaml ended before it could be killed")
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()


def epochs_of(folder: Path, trial: int) -> int:
    """How many epochs of a trial of `stopped` are on record."""
    try:
        with closing(sqlite3.connect(folder / "ballast.db")) as file:
            sql = "SELECT count(*) FROM ballast_epochs WHERE study = 'stopped' AND trial = ?"
            return int(file.execute(sql, (trial,)).fetchone()[0])
    except sqlite3.OperationalError:
        return 0  # busy


def write(path: Path, answers: Any) -> None:
    """Write answers so that a change can be read."""
    path.write_text(json.dumps(answers, indent=1, ensure_ascii=False) + "\n")


def keep_answers(folder: Path) -> None:
    """Ask every command in a copy of the folder, and keep what it answers."""
    run = partial(ballast, folder)
    write(READ, {name: answer(run, command, folder) for name, command in READERS.items()})
    write(WRITTEN, {name: shape(answer(run, command, folder)) for name, command in WRITERS.items()})
    run("run", "mixed.yaml", "--trials", "9")
    run("run", "stopped.yaml")
    write(LATER, {name: answer(run, ("trials", name), folder) for name in ("mixed", "stopped")})


def main() -> None:
    """Make the files beside nothing else, and bring them home only when all are there."""
    with tempfile.TemporaryDirectory(prefix="compatibility-") as home:
        folder, copy = Path(home, "files"), Path(home, "copy")
        folder.mkdir()
        for name in ("mixed", "folds", "stopped"):
            shutil.copy(FILES / f"{name}.yaml", folder)
        make(folder)
        shutil.copytree(folder, copy)
        shutil.rmtree(FILES)
        shutil.copytree(folder, FILES)
        keep_answers(copy)


if __name__ == "__main__":
    main()
