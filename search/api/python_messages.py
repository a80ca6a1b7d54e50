"""Writes the options and commands that messages name as Python arguments and calls.

Messages are written for the shell, as most of them are raised below this room. `python_message` is the one
place that knows the other form: `--store` is `store=…`, `ballast train best.yaml` is
`ballast.train('best.yaml')`. A command without a Python call stays as it is.
"""

import json
import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from inspect import isfunction
from typing import Any, ParamSpec, TypeVar

from search.errors import BallastError, Location, Problem
from storage.errors import StoreError
from trainer.errors import TrainerError

_P = ParamSpec("_P")
_T = TypeVar("_T")

_FLAGS = {
    "onnx",
    "strict",
    "allow-range",
    "allow-unseen",
    "deep",
    "verify",
    "force",
    "day-first",
    "month-first",
}
_NAMES = {"symbol", "timezone", "time", "target", "decimal", "output", "csv", "sort"}
_NAMES |= {"name", "engine", "continue-from", "format", "policy"}
"""Options whose value may be any word; after the others a plain word belongs to the sentence."""
_OTHERS = {"trials", "timeout", "workers", "devices", "address", "cpus", "gpus", "store", "warm-start"}
_OTHERS |= {"horizon", "proxy", "save", "seeds", "top", "by", "trial", "data", "best"}

_QUOTED = r"'[^']*'" + r'|"(?:[^"\\]|\\.)*"'
_WORD = r"[^\s,;'\"]*[^\s,;'\":.)]"
_VALUE = rf"{_QUOTED}|(?:cpu|cuda)\b[\w:,]*|(?=\S*[\d./:_])(?!\.)[^\s,;'\"]*[^\s,;'\":.)]"
_ARGUMENT = rf"(?:[^\s,;'\"]|{_QUOTED})*(?:[^\s,;'\":.)]|{_QUOTED})"
_PATTERN = re.compile(
    rf"(?<=: )ballast (?P<verb>[a-z]+)(?P<arguments>(?: {_ARGUMENT})+)"
    rf"|--set(?: (?P<key>[\w.]+)=(?P<setting>{_QUOTED}|{_WORD}|))?(?![\w-])"
    rf"|--(?P<flag>{'|'.join(sorted(_FLAGS))})(?![\w-])"
    rf"|--(?P<named>{'|'.join(sorted(_NAMES))})(?![\w-])(?: (?P<word>{_QUOTED}|{_WORD}))?"
    rf"|--(?P<other>{'|'.join(sorted(_OTHERS))})(?![\w-])(?: (?P<value>{_VALUE}))?"
    rf"|(?<= )(?P<o>-o)(?![\w-])(?: (?P<output>{_WORD}))?"
)


def python_message(text: str) -> str:
    """A message with the options and commands in it written as Python arguments and calls."""
    return _PATTERN.sub(_replacement, text)


def with_python_messages(call: Callable[_P, _T]) -> Callable[_P, _T]:
    """The function, whose errors name Python arguments."""

    @wraps(call)
    def called(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return call(*args, **kwargs)
        except (BallastError, StoreError, TrainerError) as error:
            error.args = tuple(map(_argument_of_error, error.args))
            raise

    return called


def public_methods_with_python_messages(cls: type[_T]) -> type[_T]:
    """The class; the errors of its constructor and public methods name Python arguments."""
    for name, method in list(vars(cls).items()):
        if isfunction(method) and (name == "__init__" or not name.startswith("_")):
            setattr(cls, name, with_python_messages(method))
    return cls


def _argument_of_error(argument: Any) -> Any:
    if isinstance(argument, str):
        return python_message(argument)
    if isinstance(argument, tuple):  # the problems of a ConfigError
        return tuple(map(_problem, argument))
    return argument


def _problem(problem: Problem) -> Problem:
    source = problem.location.source
    if (setting := re.fullmatch(r"--set ([^=\s]+)=(.*)", source, re.DOTALL)) is not None:
        shown = _setting(*setting.groups())
    else:
        shown = python_message(source)
    return replace(
        problem,
        location=Location(shown, problem.location.line),
        message=python_message(problem.message),
    )


def _replacement(found: re.Match[str]) -> str:
    part = found.groupdict()
    if part["verb"] is not None:
        return _call(part["verb"], part["arguments"]) or found[0]
    if part["flag"] == "month-first":
        return "day_first=False"
    if part["flag"] is not None:
        return f"{_argument_name(part['flag'])}=True"
    if part["o"] is not None:
        return f"path={part['output']!r}" if part["output"] else "path=…"
    option = part["named"] or part["other"]
    if option is None:
        return "set={…}" if part["key"] is None else _setting(part["key"], part["setting"])
    value = part["word"] or part["value"]
    return f"{_argument_name(option)}={'…' if value is None else repr(_literal(value))}"


def _setting(key: str, value: str) -> str:
    return f"set={{{key!r}: {_literal(value)!r}}}"


def _argument_name(option: str) -> str:
    return option.replace("-", "_")


def _literal(text: str) -> Any:
    """The value that a text on the command line means: a number, text without its quotes, a list, …"""
    if text.startswith("'"):
        return text[1:-1]
    try:
        return json.loads(text)
    except ValueError:
        return text


def _call(verb: str, arguments: str) -> str | None:
    """The Python call of a command; None if there is none."""
    positional, options = _parsed(shlex.split(arguments))
    if verb in ("run", "check", "train", "verify", "refit"):
        return f"ballast.{verb}({_arguments(positional, options)})"
    if verb not in ("trials", "explain", "export"):
        return None
    store = {"store": options.pop("store")} if "store" in options else {}
    study = f"ballast.load_study({_arguments(positional, store)})"
    match verb:
        case "trials":
            return f"{study}.trials()"
        case "explain":
            return f"{study}.settings({options.get('trial', '')})"
        case _:
            path = [options.pop("o")] if "o" in options else []
            return f"{study}.export({_arguments(path, options)})"


def _parsed(words: list[str]) -> tuple[list[str], dict[str, Any]]:
    """The positional arguments and the options of a command; settings of several `--set` are one dict."""
    positional: list[str] = []
    options: dict[str, Any] = {}
    rest = [part for word in words for part in (word.split("=", 1) if word.startswith("--") else [word])]
    while rest:
        word = rest.pop(0)
        name = word.lstrip("-")
        if not word.startswith("-"):
            positional.append(word)
        elif name == "set" and rest:
            key, _, value = rest.pop(0).partition("=")
            options.setdefault("set", {})[key] = _literal(value)
        elif name in _FLAGS or not rest:
            options[_argument_name(name)] = True
        else:
            options[_argument_name(name)] = _literal(rest.pop(0))
    return positional, options


def _arguments(positional: list[str], options: dict[str, Any]) -> str:
    return ", ".join([*map(repr, positional), *(f"{name}={value!r}" for name, value in options.items())])
