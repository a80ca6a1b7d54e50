"""The version of Ballast, which pyproject.toml reads here: a checkout and an installation name the same one."""

VERSION = "0.1.0"
DISTRIBUTION = "ballast-gru"
"""The name that pip knows; a stranger's package has the name `ballast`."""


def version_of(package: str) -> str:
    """The version of an installed package; `ballast` is this one, installed or not.

    Raises importlib.metadata.PackageNotFoundError for a package that is not installed.
    """
    from importlib.metadata import version

    return VERSION if package == "ballast" else version(package)
