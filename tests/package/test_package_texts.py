"""What is said about installing Ballast names the distribution that is ours, and extras that it has."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
FOLDERS = ("ballast", "search", "trainer", "storage", "benchmarks", "docs", "docker", "configs")


def texts() -> Iterator[Path]:
    yield from (path for path in ROOT.iterdir() if path.suffix in (".md", ".toml", ".txt", ".yml", ".yaml"))
    yield from (ROOT / name for name in ("Makefile", "Dockerfile"))
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".py", ".md", ".yaml", ".sh", ".txt", ".json", "") and path.is_file():
                yield path


def installs() -> Iterator[tuple[str, str, str]]:
    """(file, package, extras) of each text that tells to install something called like Ballast."""
    for path in texts():
        for found in re.finditer(
            r"pip install[^\n`]*?[\s\"'](ballast[\w-]*)(?:\[([\w,]+)\])?", path.read_text(errors="replace")
        ):
            yield str(path.relative_to(ROOT)), found[1], found[2] or ""


def test_nobody_is_told_to_install_the_package_of_a_stranger() -> None:
    found = list(installs())
    assert len(found) >= 6
    assert [line for line in found if line[1] != "ballast-gru"] == []


def test_every_extra_that_is_told_exists() -> None:
    told = {extra for _, _, extras in installs() for extra in extras.split(",") if extra}
    assert told
    assert told <= set(PROJECT["optional-dependencies"])


@pytest.mark.parametrize("name", ["LICENSE", "CONTRIBUTING.md", "SECURITY.md", ".editorconfig"])
def test_what_a_newcomer_looks_for_is_there(name: str) -> None:
    assert (ROOT / name).stat().st_size > 100


def test_every_package_says_that_it_is_typed() -> None:
    assert [name for name in FOLDERS[:4] if not (ROOT / name / "py.typed").is_file()] == []
    assert PROJECT["license"] == "Apache-2.0"
