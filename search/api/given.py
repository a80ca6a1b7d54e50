"""What a Python program gives in place of files and options: a study as a dict, settings as a mapping."""

import json
import operator
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from search.api.study_options import StudyOptions
from search.config.files.reader import STUDY_DICT, ConfigSource
from search.errors import RequestError

GivenStudy = str | os.PathLike[str] | Mapping[str, Any]
GivenSettings = Mapping[str, Any] | Sequence[str]


def given_options(
    study: GivenStudy,
    settings: GivenSettings,
    *,
    data: Any,
    store: str | None,
    name: str | None,
    warm_start: object,
    policy: object,
    strict: bool,
    trials: object = None,
    timeout: str | float | None = None,
) -> StudyOptions:
    """The options of `run` and `check` as those of the command line. Raises RequestError for a wrong type."""
    if not isinstance(timeout, str | int | float | None) or isinstance(timeout, bool):
        raise RequestError(f"timeout is {timeout!r}; give seconds, or a text such as '30m'")
    return StudyOptions(
        study_source(study),
        set_texts(settings),
        trials=None if trials is None else str(as_whole_number("trials", trials, 1)),
        timeout=None if timeout is None else str(timeout),
        name=None if name is None else as_name("name", name),
        warm_starts=as_paths("warm_start", warm_start),
        policy=as_optional_path("policy", policy),
        store=store,
        strict=as_flag("strict", strict),
        data=data,
    )


def study_source(study: GivenStudy) -> Path | ConfigSource:
    """The path of a study file, or the text of a dict. Raises RequestError for another type."""
    if isinstance(study, Mapping):
        return ConfigSource(STUDY_DICT, as_json(STUDY_DICT, study, indent=2))
    return as_path("study", study)


def set_texts(settings: GivenSettings) -> tuple[str, ...]:
    """Turn `{"training.epochs": 3}` into `KEY=VALUE` texts, as for `--set`; a list of such texts stays."""
    if isinstance(settings, Mapping):
        return tuple(f"{key}={as_json(f'set {key!r}', value)}" for key, value in settings.items())
    texts = list(settings) if isinstance(settings, Iterable) and not isinstance(settings, str) else [None]
    if not all(isinstance(text, str) for text in texts):
        raise RequestError(
            f"set is {settings!r}; give a dict such as {{'training.epochs': 3}}, "
            "or a list such as ['training.epochs=3']"
        )
    return tuple(map(str, texts))


def as_path(name: str, given: object) -> Path:
    """The path in the argument `name`. Raises RequestError if it is not a path."""
    if isinstance(given, str | os.PathLike) and isinstance(text := os.fspath(given), str):
        return Path(text)
    also = " or a dict" if name == "study" else ""
    raise RequestError(f"{name} is {given!r}; give the path of a file{also}")


def as_optional_path(name: str, given: object) -> Path | None:
    """The path in the argument `name`, or None. Raises RequestError for anything else."""
    return None if given is None else as_path(name, given)


def as_paths(name: str, given: object) -> tuple[Path, ...]:
    """One path or several, as a tuple."""
    several = given if isinstance(given, list | tuple) else (given,)
    return tuple(as_path(name, each) for each in several)


def as_whole_number(name: str, given: object, low: int = 0) -> int:
    """The whole number that the argument `name` holds, NumPy's included; RequestError for anything else."""
    try:
        if isinstance(given, bool):  # also an int
            raise TypeError
        number = operator.index(given)  # type: ignore[arg-type]
    except TypeError:
        raise RequestError(f"{name} is {given!r}; give a whole number") from None
    if number < low:
        raise RequestError(f"{name} is {number}; it must be {low} or more")
    return number


def as_name(name: str, given: object) -> str:
    """The name of a study that the argument `name` holds; RequestError for anything but text."""
    return as_text(name, given, "the name of a study")


def as_text(name: str, given: object, what: str) -> str:
    """The text that the argument `name` holds; RequestError for anything else, which says `what` to give."""
    if isinstance(given, str):
        return given
    raise RequestError(f"{name} is {given!r}; give {what} as text")


def as_optional_text(name: str, given: object, what: str) -> str | None:
    """As `as_text`; None stays."""
    return None if given is None else as_text(name, given, what)


def as_flag(name: str, given: object) -> bool:
    """True or False, NumPy's included; RequestError for anything else: the text "no" would mean yes."""
    if given in (True, False) and type(given).__name__ in ("bool", "bool_"):
        return bool(given)
    raise RequestError(f"{name} is {given!r}; give True or False")


def as_devices(given: object) -> str | None:
    """`["cuda:0", "cuda:1"]` as the text of `--devices`; a text and None as they are."""
    if given is None or isinstance(given, str):
        return given
    if isinstance(given, Sequence) and all(isinstance(device, str) for device in given):
        return ",".join(given)
    raise RequestError(f"devices is {given!r}; give a list such as ['cpu', 'cpu']")


def require_one_of(name: str, given: object, choices: Sequence[str]) -> None:
    """Raise RequestError unless the argument `name` holds one of the choices, or None."""
    if given is not None and given not in choices:
        raise RequestError(f"{name} is {given!r}; give {' or '.join(map(repr, choices))}")


def as_json(place: str, value: object, indent: int | None = None) -> str:
    """A value as JSON, with dates and paths as text. Raises RequestError if a study file cannot hold it."""

    def plain(other: object) -> object:
        if isinstance(other, date):
            return other.isoformat()
        if isinstance(other, os.PathLike):
            return os.fspath(other)
        if isinstance(other, Mapping):
            return dict(other)
        if callable(to_list := getattr(other, "tolist", None)):  # NumPy arrays and scalars
            return to_list()
        raise RequestError(f"{place} holds {other!r}; give numbers, text, lists and dicts")

    try:
        return json.dumps(value, default=plain, indent=indent, ensure_ascii=False)
    except (TypeError, ValueError) as error:  # a key is not text, or a dict contains itself
        raise RequestError(f"{place} cannot be written as YAML: {error}; use text as keys") from None
