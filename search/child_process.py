"""The command line and the environment of a `ballast` process that this process starts."""

import os
import sys

HOME = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
"""The folder with our packages: a checkout, or the folder of installed packages."""
_INSTALLED = ("site-packages", "dist-packages")


def command(*words: str) -> list[str]:
    """The command line of a `ballast` process with these arguments; it needs `environment` as well."""
    return [sys.executable, "-P", "-m", "search.cli", *words]


def environment(**more: str) -> dict[str, str]:
    """The environment of a `ballast` process: this one's and `more`. The process imports the same packages.

    In a checkout that is not installed, `python -m` alone would find them only in the current folder.
    """
    path = [entry for entry in [os.environ.get("PYTHONPATH")] if entry]
    if os.path.basename(HOME) not in _INSTALLED:
        path.insert(0, HOME)
    return {**os.environ, **({"PYTHONPATH": os.pathsep.join(path)} if path else {}), **more}
