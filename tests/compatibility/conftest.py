"""A copy of the kept files in the folder of the test, and `ballast` there."""

import logging
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from search.cli.main import main
from tests.compatibility.answers import FILES, Command

OURS = ("BALLAST_STORE", "BALLAST_MLFLOW_URI", "BALLAST_SQLITE_TIMEOUT", "NO_COLOR", "FORCE_COLOR", "COLUMNS")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The files of before, as they were kept, in the current folder."""
    shutil.copytree(FILES, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    for variable in OURS:
        monkeypatch.delenv(variable, raising=False)
    logger = logging.getLogger("ballast")
    level = logger.level
    yield tmp_path
    logger.setLevel(level)


@pytest.fixture
def ballast(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command in this process, in the folder, after its store was brought to the schema of today."""

    def ballast(*arguments: str) -> str:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["ballast", *arguments])
        code: object = 0
        try:
            main()
        except SystemExit as leaving:
            code = leaving.code
        said = capsys.readouterr()
        assert code in (0, 1, None), said.err  # 1 can be an answer
        return said.out

    ballast("db", "upgrade")
    return ballast
