"""The version of Ballast; pyproject.toml reads it from here, so that a checkout has it too."""

VERSION = "0.1.0"


def version_of(package: str) -> str:
    """The version of an installed package; `ballast` is this package, installed or not.

    Raises importlib.metadata.PackageNotFoundError for a package that is not installed.
    """
    from importlib.metadata import version

    return VERSION if package == "ballast" else version(package)
