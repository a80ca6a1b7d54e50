"""The commands whose answers are kept, and how an answer of today is held against a kept one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

FILES = Path(__file__).parent / "files"
READ, WRITTEN, LATER = FILES / "read.json", FILES / "written.json", FILES / "later.json"

Command = Callable[..., str]
"""Runs `ballast ARGUMENTS…` in the folder of the files, and returns what it printed to stdout."""

READERS: dict[str, tuple[str, ...]] = {
    "status": ("status",),
    "status of one": ("status", "mixed"),
    "trials of many verdicts": ("trials", "mixed"),
    "trials of one verdict": ("trials", "mixed", "--verdict", "suspicious"),
    "trials over folds": ("trials", "folds"),
    "trials that were killed": ("trials", "stopped"),
    "settings of a study": ("explain", "mixed"),
    "an accepted trial with a finding": ("explain", "mixed", "--trial", "1"),
    "a trial that was tried again": ("explain", "stopped", "--trial", "1"),
    "one setting": ("explain", "mixed", "--trial", "6", "--key", "learning_rate"),
    "what would be deleted": ("delete", "stopped", "--dry-run"),
    "state of the store": ("db", "check", "--dry-run"),
}
"""These only read what is on record: every value that they gave before they give again."""

WRITERS: dict[str, tuple[str, ...]] = {
    "doctor": ("doctor",),
    "check": ("check", "mixed.yaml"),
    "check over folds": ("check", "folds.yaml", "--name", "other"),
    "export": ("export", "mixed", "-o", "again.yaml"),
    "export of the best": ("export", "mixed", "-o", "again.json", "--top", "2", "--by", "value"),
    "train": ("train", "best.yaml"),
    "verify": ("verify", "best.yaml", "--seeds", "1"),
    "predict": ("predict", "model", "--data", "new.csv", "-o", "again.csv"),
    "report": ("report", "mixed", "-o", "report.html"),
    "run of a new study": ("run", "folds.yaml", "--name", "other", "--trials", "1"),
    "run that takes trials over": ("run", "folds.yaml", "--name", "taken", "--continue-from", "folds"),
    "run that tries an exported file first": (
        *("run", "mixed.yaml", "--name", "warm", "--trials", "1", "--warm-start", "best.yaml"),
    ),
    "run of a study that is done": ("run", "folds.yaml"),
    "worker of a study that is done": ("worker", "folds"),
    "rename": ("rename", "other", "another"),
    "copy": ("db", "copy", "sqlite:///ballast.db", "sqlite:///copy.db", "--study", "folds"),
    "delete": ("delete", "another", "--yes"),
}
"""These compute or write: what they answer keeps its keys and types. They are run in this order."""


def answer(ballast: Command, arguments: tuple[str, ...], folder: Path) -> Any:
    """What a command answers with `--json`; the folder that it was run in has no name in it."""
    return json.loads(ballast(*arguments, "--json").replace(str(folder), "FOLDER"))


def shape(value: Any) -> Any:
    """Keys and types at every level: names of types for values, of a list each shape in it once."""
    match value:
        case dict():
            return {key: shape(inner) for key, inner in value.items()}
        case list():
            shapes: list[Any] = []
            for inner in map(shape, value):
                if inner not in shapes:
                    shapes.append(inner)
            return shapes
        case None:
            return None
        case bool():
            return "bool"
        case int() | float():
            return "number"
    return "text"


def lost(now: Any, before: Any, *, shapes: bool = False, at: str = "answer") -> list[str]:
    """What of `before`, an answer or its shape, is not in `now`; keys may have been added.

    In shapes null stands for whatever was not there, and each member of a list is to be like one of before.
    """
    if isinstance(before, dict) and isinstance(now, dict):
        kept = [key for key in before if key in now]
        return [f"{at}.{key} is gone" for key in before if key not in now] + [
            found for key in kept for found in lost(now[key], before[key], shapes=shapes, at=f"{at}.{key}")
        ]
    if isinstance(before, list) and isinstance(now, list) and (shapes or len(before) == len(now)):
        candidates = [before] * len(now) if shapes else [[one] for one in before]
        return [
            found
            for number, (inner, likes) in enumerate(zip(now, candidates, strict=True))
            for found in _nearest(inner, likes, shapes=shapes, at=f"{at}[{number}]")
        ]
    if now == before or (shapes and None in (now, before)):
        return []
    return [f"{at} was {before!r} and is {now!r}"]


def _nearest(now: Any, likes: list[Any], *, shapes: bool, at: str) -> list[str]:
    """What is lost of the one that `now` is most like."""
    return min((lost(now, one, shapes=shapes, at=at) for one in likes), key=len, default=[])
