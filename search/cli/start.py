"""Starts the command line, and names a file that shadows a package that Ballast needs.

A module of the same name shadows a package if its folder comes first on Python's path: one in PYTHONPATH, or
the current one after `python -m`. Processes that Ballast starts do not have the current folder on their path.
The top of this file imports only modules that Python has loaded already; any other may be shadowed.
"""

import gc
import os
import sys
from importlib.util import find_spec

HOME = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
"""The folder that our packages lie in: a checkout, or the folder of installed packages."""
_INSTALLED = ("site-packages", "dist-packages")
_OWN_ENVIRONMENT = "give Ballast an environment of its own: python -m venv .venv"
_OURS = ("search", "trainer", "storage")
_DISTRIBUTIONS = {"ballast-gru", "ballast"}
"""The name of the distribution, and the name that earlier checkouts had."""


def start() -> None:
    """Run the command line; exit code 2 and one sentence if a package that it needs is shadowed."""
    sentence = shadowed_package_message()
    if sentence is None:
        try:
            from search.cli.fast_exit import FEWEST_ALLOCATIONS, leave
            from search.cli.main import main

            gc.set_threshold(FEWEST_ALLOCATIONS)
            try:
                main()
            except SystemExit as ended:
                leave(ended.code)
                raise
            leave(None)
            return
        except Exception as error:
            sentence = _shadow_message(error)
            if sentence is None:
                raise
    print(f"ballast: {sentence}", file=sys.stderr)
    sys.exit(2)


def shadowed_package_message() -> str | None:
    """A sentence about the first of our packages that another file shadows; None if none is shadowed."""
    for name in _OURS:
        place = _place_of(name)
        if place is not None and place != os.path.join(HOME, name):
            return _sentence(name, place)
    return None


def _place_of(name: str) -> str | None:
    """The folder of the package, or the file of the module, that Python imports by this name."""
    spec = find_spec(name)
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return os.path.realpath(next(iter(spec.submodule_search_locations)))
    return None if spec.origin is None else os.path.realpath(spec.origin)


def _shadow_message(error: BaseException) -> str | None:
    """A sentence about the user's file that shadows a package and caused the error; None if there is none."""
    folders = [folder for folder in map(os.path.realpath, _user_folders()) if folder != HOME]
    for file in _files_of_error(error):
        for folder in folders:
            if os.path.dirname(file) == folder or os.path.dirname(os.path.dirname(file)) == folder:
                name = os.path.relpath(file, folder).split(os.sep)[0].removesuffix(".py")
                if _exists_elsewhere(name, folders):
                    return _sentence(name, file)
    return _overwritten(error) if isinstance(error, ImportError) else None


def _user_folders() -> list[str]:
    """The folders on Python's path that the user put there: the first one, and those of PYTHONPATH."""
    first = [] if sys.flags.safe_path else sys.path[:1]
    named = os.environ.get("PYTHONPATH")
    return [*first, *(named.split(os.pathsep) if named else ())]


def _files_of_error(error: BaseException) -> list[str]:
    """The files that caused an error: those of its traceback, and the module that lacks a name."""
    files: list[str | None] = []
    seen: BaseException | None = error
    while seen is not None:
        frames = seen.__traceback__
        while frames is not None:
            files.append(frames.tb_frame.f_code.co_filename)
            frames = frames.tb_next
        if isinstance(seen, ImportError):
            package = sys.modules.get((seen.name or "").split(".")[0])
            files += [seen.path, getattr(package, "__file__", None)]
        if isinstance(seen, AttributeError):
            files.append(getattr(seen.obj, "__file__", None))
        seen = seen.__cause__ or seen.__context__
    return [os.path.realpath(file) for file in files if file is not None]


def _exists_elsewhere(name: str, folders: list[str]) -> bool:
    """Whether Python finds another module of this name outside the user's folders."""
    from importlib.machinery import PathFinder

    rest = [entry for entry in sys.path if os.path.realpath(entry) not in folders]
    return name in sys.stdlib_module_names or PathFinder.find_spec(name, rest) is not None


def _sentence(name: str, place: str) -> str:
    """The message: what is imported in place of the package `name`, and what to do about it."""
    folder = place.rpartition(os.sep + name)[0]
    if os.path.basename(folder) in _INSTALLED:
        advice = f"another package has installed it; {_OWN_ENVIRONMENT}"
    elif folder == os.path.realpath(os.curdir):
        advice = f"rename it, or start Ballast in another folder: cd {os.path.dirname(folder)}"
    else:
        advice = "rename it, or take its folder out of PYTHONPATH: unset PYTHONPATH"
    return f"{place} is imported in place of the package {name!r} that Ballast needs; {advice}"


def _overwritten(error: ImportError) -> str | None:
    """A sentence about another distribution that installed files into a package of ours, or None."""
    from importlib.metadata import packages_distributions

    name = (error.name or "").partition(".")[0]
    others = sorted({*packages_distributions().get(name, ())} - _DISTRIBUTIONS) if name in _OURS else []
    if not others:
        return None
    return f"{others[0]} has installed files into the package {name!r} of Ballast, too; {_OWN_ENVIRONMENT}"
