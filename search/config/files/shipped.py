"""The files of configs/, which ship with Ballast, and its studies by name: `sample:sp500-volatility`."""

from pathlib import Path

from search.config.leaves import closest
from search.errors import ConfigError, Location, Problem

CONFIGS = Path(__file__).resolve().parents[3] / "configs"
"""Beside the packages in a checkout and in an installation."""
PREFIX = "sample:"


def shipped_studies() -> tuple[str, ...]:
    """The names of the studies that ship with Ballast, such as `sp500-volatility`, in alphabetical order."""
    return tuple(sorted(path.stem for path in (CONFIGS / "studies").glob("*.yaml")))


def study_file(path: Path) -> Path:
    """The file of a study: the path itself, or for `sample:NAME` that of a shipped study.

    The study's relative paths start in the folder before `sample:`, as for any study file. An existing file
    of that name comes first. Raises ConfigError, which lists the known names, for an unknown one.
    """
    if not path.name.startswith(PREFIX) or path.exists():
        return path
    name, known = path.name.removeprefix(PREFIX), shipped_studies()
    if name in known:
        return CONFIGS / "studies" / f"{name}.yaml"
    near = closest(name, {other: other for other in known}, 0.6)
    hint = f"; did you mean {PREFIX}{near}?" if near else ""
    message = f"no study of this name ships with Ballast; there are {', '.join(known)}{hint}"
    raise ConfigError([Problem(Location(str(path)), message)])
