"""Tests mirror the packages, and share code through plain modules alone."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "tests").rglob("*.py"))
MIRRORED = ("search", "trainer", "storage", "benchmarks")


def imported(path: Path) -> set[str]:
    """The modules of `tests` that a file imports, at its top or anywhere else."""
    nodes = ast.walk(ast.parse(path.read_text()))
    modules = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return {module for module in modules if module.startswith("tests.")}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_file_imports_a_test_or_a_conftest(path: Path) -> None:
    names = {module.rpartition(".")[2] for module in imported(path)}
    assert not [name for name in names if name == "conftest" or name.startswith("test_")]


def test_each_folder_of_tests_is_named_after_a_room_or_a_module() -> None:
    for path in FILES:
        folder = path.parent.relative_to(ROOT / "tests")
        if folder.parts and folder.parts[0] in MIRRORED:
            assert (ROOT / folder).is_dir() or (ROOT / folder).with_suffix(".py").is_file(), folder


def test_no_two_test_files_have_the_same_name() -> None:
    names = [path.name for path in FILES if path.name.startswith("test_")]
    assert sorted(names) == sorted(set(names))
