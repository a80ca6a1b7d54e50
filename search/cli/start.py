"""Starts the command line, and says which file is imported in the place of a package that it needs.

A module of the same name shadows a package if its folder comes first on Python's path: one in PYTHONPATH, or
the current one after `python -m`. Processes that Ballast starts do not have the current folder on their path.
At its top this file imports only what Python itself has imported by now: any other module may be shadowed.
"""

import os
import sys
from importlib.util import find_spec

HOME = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
"""The folder that our packages lie in: a checkout, or the folder of installed packages."""
_INSTALLED = ("site-packages", "dist-packages")
_OWN_ENVIRONMENT = "give Ballast an environment of its own: python -m venv .venv"
_OURS = ("search", "trainer", "storage")
_DISTRIBUTIONS = {"ballast-gru", "ballast"}
"""What pip calls Ballast, and what it called a checkout of before."""


def start() -> None:
    """Run the command line; exit code 2 and one sentence if a package that it needs is shadowed."""
    sentence = shadow_of_ours()
    if sentence is None:
        try:
            from search.cli.main import main

            main()
            return
        except Exception as error:
            sentence = _shadow_behind(error)
            if sentence is None:
                raise
    print(f"ballast: {sentence}", file=sys.stderr)
    sys.exit(2)


def shadow_of_ours() -> str | None:
    """The sentence on the first of our packages that is another's; None if all are ours."""
    for name in _OURS:
        place = _place_of(name)
        if place is not None and place != os.path.join(HOME, name):
            return _sentence(name, place)
    return None


def _place_of(name: str) -> str | None:
    """The folder of a package, or the file of a module, that an import of this name leads to."""
    spec = find_spec(name)
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return os.path.realpath(next(iter(spec.submodule_search_locations)))
    return None if spec.origin is None else os.path.realpath(spec.origin)


def _shadow_behind(error: BaseException) -> str | None:
    """The sentence on a file of the user's that Python has imported for another package, and that failed."""
    folders = [folder for folder in map(os.path.realpath, _users_folders()) if folder != HOME]
    for file in _files_behind(error):
        for folder in folders:
            if os.path.dirname(file) == folder or os.path.dirname(os.path.dirname(file)) == folder:
                name = os.path.relpath(file, folder).split(os.sep)[0].removesuffix(".py")
                if _is_elsewhere_too(name, folders):
                    return _sentence(name, file)
    return _overwritten(error) if isinstance(error, ImportError) else None


def _users_folders() -> list[str]:
    """The folders on Python's path that are neither Python's own nor those of installed packages."""
    first = [] if sys.flags.safe_path else sys.path[:1]
    named = os.environ.get("PYTHONPATH")
    return [*first, *(named.split(os.pathsep) if named else ())]


def _files_behind(error: BaseException) -> list[str]:
    """The files that an error comes from: those of its traceback, and the module that lacks something."""
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


def _is_elsewhere_too(name: str, folders: list[str]) -> bool:
    """Whether Python would find another module of this name without the user's folders."""
    from importlib.machinery import PathFinder

    rest = [entry for entry in sys.path if os.path.realpath(entry) not in folders]
    return name in sys.stdlib_module_names or PathFinder.find_spec(name, rest) is not None


def _sentence(name: str, place: str) -> str:
    """What is imported in place of the package `name`, and what to do about it."""
    folder = place.rpartition(os.sep + name)[0]
    if os.path.basename(folder) in _INSTALLED:
        advice = f"another package has installed it; {_OWN_ENVIRONMENT}"
    elif folder == os.path.realpath(os.curdir):
        advice = f"rename it, or start Ballast in another folder: cd {os.path.dirname(folder)}"
    else:
        advice = "rename it, or take its folder out of PYTHONPATH: unset PYTHONPATH"
    return f"{place} is imported in place of the package {name!r} that Ballast needs; {advice}"


def _overwritten(error: ImportError) -> str | None:
    """The sentence on another distribution that has put its files into a package of ours."""
    from importlib.metadata import packages_distributions

    name = (error.name or "").partition(".")[0]
    others = sorted({*packages_distributions().get(name, ())} - _DISTRIBUTIONS) if name in _OURS else []
    if not others:
        return None
    return f"{others[0]} has installed files into the package {name!r} of Ballast, too; {_OWN_ENVIRONMENT}"
