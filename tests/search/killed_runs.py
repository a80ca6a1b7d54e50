"""Runs that end in the middle as if their process had been killed, for tests of what is left behind."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import pytest


class Killed(BaseException):
    """Stands for kill -9: nothing on the way up handles it."""


def die(*_: Any, **__: Any) -> NoReturn:
    raise Killed


@contextmanager
def killed_at(monkeypatch: pytest.MonkeyPatch, module: Any, function: str) -> Iterator[None]:
    """What runs in the block must come to `module.function`, and is killed there."""
    with monkeypatch.context() as patched:
        patched.setattr(module, function, die)
        with pytest.raises(Killed):
            yield
