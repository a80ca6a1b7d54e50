"""Every command with good and bad arguments, in a folder with a study on record and files of every kind."""

import contextlib
import hashlib
import io
import json
import logging
import os
import shutil
import socket
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.fuzzing.clocks import table_on
from benchmarks.fuzzing.judge import Fault
from benchmarks.fuzzing.pairs import STUDY, pairs
from search.cli.main import main
from search.errors import RequestError

_MOST_LINES = 60
_STORE = "ballast.db"
_GOOD = ("study.yaml", "best.yaml", "model", "prices.csv", _STORE)
_ODD = (
    "", " ", "-", ".", "..", "~", "missing", "missing/x", "folder", "folder.yaml", "folder.csv", "pipe",
    "pipe.yaml",
    "pipe.csv", "socket.yaml", "loop.yaml", "loop.csv", "zero.yaml", "zero.csv", "empty.yaml", "empty.csv",
    "bytes.yaml",
    "bytes.csv", "/dev/null", "/dev/zero", "/dev/full", "x" * 300, "a\x00b", "\udcff.yaml", "a\nb",
    "é.yaml", "sample:sp500",
)  # fmt: skip
"""Paths that lead to no file, or to one of another kind than is wanted; `--` options find them too."""
_NUMBERS = ("0", "1", "-1", "2", "1.5", "x", "", "nan", "9" * 30, "1e3")
_STORES = (
    "sqlite:///other.db", "sqlite://", "x", "", "sqlite:///folder", "sqlite:///pipe", "sqlite:////dev/zero",
    "sqlite:///bytes.csv", "sqlite:///missing/x.db", "postgresql://u:p@127.0.0.1:1/x", "mysql://h/d",
)  # fmt: skip
_PATH, _NUMBER, _URL, _SET, _NAME = object(), object(), object(), object(), object()
_RESOLVES: dict[str, object] = {"--set": _SET, "--policy": _PATH}
_TAKEN: dict[str, tuple[tuple[str, ...], dict[str, object]]] = {
    "check": (("study.yaml",), {**_RESOLVES, "--warm-start": _PATH, "--json": None, "--strict": None}),
    "run": (
        ("study.yaml",),
        {
            **_RESOLVES, "--warm-start": _PATH, "--trials": _NUMBER, "--timeout": _NUMBER, "--name": _NAME,
            "--store": _URL,
            "--continue-from": _NAME, "--strict": None, "--json": None, "--workers": "0",
        },
    ),
    "worker": (("small",), {"--store": _URL, "--proxy": _NAME}),
    "status": (("small",), {"--store": _URL, "--json": None}),
    "trials": (("small",), {"--store": _URL, "--json": None, "--verdict": _NAME}),
    "explain": (("small",), {"--trial": _NUMBER, "--key": _NAME, "--json": None, "--store": _URL}),
    "export": (("small",), {"-o": _PATH, "--trial": _NUMBER, "--top": _NUMBER, "--store": _URL}),
    "report": (("small",), {"-o": _PATH, "--format": _NAME, "--store": _URL}),
    "train": (("best.yaml",), {**_RESOLVES, "--save": _PATH, "--json": None}),
    "verify": (("best.yaml",), {**_RESOLVES, "--store": _URL, "--json": None}),
    "predict": (("model",), {"--data": _PATH, "-o": _PATH, "--json": None, "--allow-range": None}),
    "dashboard": (("--port=70000",), {"--store": _URL}),
    "proxy": (("--port=70000",), {"--store": _URL}),
    "db check": ((), {"--store": _URL, "--json": None}),
    "db upgrade": ((), {"--store": _URL}),
    "doctor": ((), {"--json": None, "--store": _URL}),
}  # fmt: skip
"""Of each command what it needs, and options with the kind of their value; None: a flag."""
_NAMES = (
    "small", "smal", "other", "", " ", "x" * 200, "a/b", "é", "accepted", "html", "training.epochs", "[b]",
    "127.0.0.1:1",
)  # fmt: skip


@dataclass(frozen=True)
class Command:
    """What is typed behind `ballast`."""

    words: tuple[str, ...]


def commands(random: Random) -> Iterator[Command]:
    """Each command in turn, with arguments of which some are bad."""
    sets = pairs(random)
    while True:
        for name, (needed, options) in _TAKEN.items():
            words = [*name.split()]
            words += [
                random.choice(_ODD) if random.random() < 0.3 and word[0] != "-" else word for word in needed
            ]
            for option, kind in options.items():
                if random.random() < 0.3:
                    words.append(option)
                    words += [] if kind is None else [_value(kind, random)]
                    if kind is _SET:
                        words[-1:] = [next(sets).sets[0], "--set", next(sets).sets[1]]
            yield Command(tuple(words))


def _value(kind: object, random: Random) -> str:
    of_kind: dict[object, tuple[str, ...]] = {
        _PATH: (*_GOOD, "new.yaml", "new.csv", "new.html", "new", *_ODD),
        _NUMBER: _NUMBERS,
        _URL: (f"sqlite:///{_STORE}", *_STORES),
        _NAME: _NAMES,
        _SET: ("",),
    }
    return kind if isinstance(kind, str) else random.choice(of_kind[kind])


@cache
def _home() -> Path:
    """A folder with a study that was run, its export and model, and files of every kind; made once."""
    home = Path(tempfile.mkdtemp(prefix="ballast-fuzz-"))
    study = {**STUDY, "study": {**STUDY["study"], "name": "small"}}
    (home / "study.yaml").write_text(json.dumps(study))
    (home / "prices.csv").write_bytes(table_on("dates"))
    with contextlib.chdir(home):
        for words in (
            ("run", "study.yaml"), ("export", "small", "--trial", "0", "-o", "best.yaml"),
            ("train", "best.yaml", "--save", "model"),
        ):  # fmt: skip
            code, told = _ballast(words)
            if code != 0:
                raise RuntimeError(f"the folder to fuzz in could not be made: {told}")
    (home / "empty.yaml").touch()
    (home / "empty.csv").touch()
    (home / "bytes.yaml").write_bytes(bytes(range(256)))
    (home / "bytes.csv").write_bytes(b"Date,Close\n\xff\xfe,\x00\n")
    return home


def _odd_files(home: Path) -> None:
    """Those that cannot be copied."""
    for name in ("folder", "folder.yaml", "folder.csv"):
        (home / name).mkdir()
    for name in ("pipe", "pipe.yaml", "pipe.csv"):
        os.mkfifo(home / name)
    for name in ("loop.yaml", "loop.csv"):
        (home / name).symlink_to(name)
    for name in ("zero.yaml", "zero.csv"):
        (home / name).symlink_to("/dev/zero")
    with contextlib.chdir(home), socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket.yaml")


def read_command(command: Command, folder: Path) -> None:
    """Type the command, and look at its exit code, at what it says, and at what it leaves behind."""
    home = folder / "home"
    shutil.copytree(_home(), home)
    _odd_files(home)
    before = _fingerprints(home)
    with contextlib.chdir(home):
        code, told = _ballast(command.words)
    _judge(command, code, told)
    named = set(command.words)
    lost = [name for name in before if name not in named and _fingerprint(home / name) != before[name]]
    if lost:
        raise Fault(f"{', '.join(lost)} changed")
    if left := [path.name for path in home.rglob("*.part*")]:
        raise Fault(f"{', '.join(left)} was left")
    with contextlib.closing(sqlite3.connect(home / _STORE)) as store:
        (trials,) = store.execute("select count(*) from ballast_trials").fetchone()
    if trials < 1:
        raise Fault("a trial is lost")
    if code != 0:
        raise RequestError(f"exit code {code}, as it should")


def _judge(command: Command, code: int, told: str) -> None:
    if code not in (0, 1, 2):
        raise Fault(f"exit code {code}")
    if "Traceback" in told:
        raise Fault(f"a traceback: {told.splitlines()[-1][:120]}")
    if code == 2 and not told.strip():
        raise Fault("nothing was said")
    if code == 2 and len(told.splitlines()) > _MOST_LINES:
        raise Fault(f"a message of {len(told.splitlines())} lines")
    if code == 2 and max(map(len, told.splitlines())) > 2_000:
        raise Fault("a line of more than 2000 characters")


def _ballast(words: tuple[str, ...]) -> tuple[int, str]:
    """The exit code, and what was written to stderr; unforeseen errors are raised."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    logging.getLogger().handlers.clear()  # of the command before, whose stream is closed
    before = sys.argv
    sys.argv = ["ballast", *words]
    code: Any = 0
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as end:
        code = end.code or 0
    finally:
        sys.argv = before
        logging.getLogger().handlers.clear()
    return code, err.buffer.getvalue().decode()


def _fingerprints(home: Path) -> dict[str, str]:
    names = [path.relative_to(home) for path in home.rglob("*") if path.is_file()]
    return {str(name): _fingerprint(home / name) for name in names if not str(name).startswith(_STORE)}


def _fingerprint(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "gone"
