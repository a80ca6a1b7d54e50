"""Imports go down only: the contracts in pyproject.toml hold, and each fails if somebody breaks it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("ballast", "search", "trainer", "storage")
LINT = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the packages and their contracts, in which an import may be wrong."""
    root = tmp_path_factory.mktemp("packages")
    shutil.copy(ROOT / "pyproject.toml", root)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
    return root


def checked(root: Path) -> "subprocess.CompletedProcess[str]":
    """The answer of import-linter on the packages in `root`."""
    return subprocess.run(
        [sys.executable, "-c", LINT, "--no-cache"],
        cwd=root,
        env={"PYTHONPATH": str(root), "PYTHONUTF8": "1", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_import_goes_down(copied: Path) -> None:
    done = checked(copied)
    assert done.returncode == 0, done.stdout
    assert " 0 broken" in done.stdout


@pytest.mark.parametrize(
    ("module", "wrong", "contract"),
    [
        ("trainer/config/data.py", "import search.errors", "Packages"),
        ("storage/urls.py", "import trainer.errors", "Packages"),
        ("search/config/space.py", "import search.cli.main", "Rooms of search"),
        ("search/watching/blocks.py", "import search.study.studies", "Rooms of search"),
        ("trainer/data/source.py", "import trainer.audit.audit", "Rooms of trainer"),
        ("search/verdict.py", "import torch", "search never imports torch"),
        ("trainer/data/source.py", "import optuna", "trainer never imports optuna or sqlalchemy"),
        ("storage/urls.py", "import optuna", "storage never imports torch or optuna"),
        ("search/selection/statistics/interval.py", "import sqlalchemy", "Statistics are pure"),
    ],
)
def test_an_import_that_goes_up_is_refused(copied: Path, module: str, wrong: str, contract: str) -> None:
    path = copied / module
    before = path.read_text()
    path.write_text(f"{before}\n{wrong}\n")
    try:
        done = checked(copied)
    finally:
        path.write_text(before)
    assert done.returncode == 1, done.stdout
    (broken,) = [line for line in done.stdout.splitlines() if line.endswith("BROKEN")]
    assert broken.startswith(contract)


def test_a_module_without_a_floor_is_refused(copied: Path) -> None:
    (copied / "search" / "somewhere.py").write_text('"""On no floor."""\n')
    try:
        done = checked(copied)
    finally:
        (copied / "search" / "somewhere.py").unlink()
    assert done.returncode == 1
    assert "search.somewhere" in done.stdout
