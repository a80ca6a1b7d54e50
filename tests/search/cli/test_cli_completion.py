"""The version, the schema, and shell completion."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from search.cli.completion import table_files
from search.config.files.shipped import shipped_studies
from search.config.json_schema import study_schema
from search.version import VERSION

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast, WriteStudy

ROOT = Path(__file__).parents[3]


def ballast_process(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "search.cli", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )


def proposed(line: str, **environment: str) -> list[str]:
    """What bash is told for the last word of a line."""
    words = line.split(" ")
    asked = {"_BALLAST_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    return ballast_process(**asked, **environment).stdout.split()


def test_the_version_is_printed_and_nothing_heavy_is_imported() -> None:
    script = (
        "import sys\nfrom search.cli.main import main\ntry:\n    main()\n"
        "finally:\n    print(sorted(set(sys.modules) & {'torch', 'optuna', 'sqlalchemy', 'numpy'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "--version"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [f"ballast {VERSION}", "[]"]


def test_the_version_of_the_package_is_this_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["name"] == "ballast-gru"
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "search.version.VERSION"}


@pytest.mark.slow
def test_the_schema_is_printed_or_written(ballast: "Ballast") -> None:
    told = ballast("schema")
    assert json.loads(told.out) == study_schema()
    assert ballast("schema", "-o", "ballast.schema.json").code == 0
    assert Path("ballast.schema.json").read_text() == told.out
    refused = ballast("schema", "-o", "nowhere/ballast.schema.json")
    assert (refused.code, refused.err.count("\n")) == (2, 1)


def test_commands_and_options_are_completed() -> None:
    assert {"run", "check", "status", "schema"} <= set(proposed("ballast "))
    assert proposed("ballast run a.yaml --wo") == ["--workers"]


@pytest.mark.slow
def test_a_study_file_is_completed_by_files_folders_and_samples() -> None:
    for name in ("mine.yaml", "mine.csv", ".hidden.yaml", "more/other.yaml"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
    assert proposed("ballast run m") == ["mine.yaml", "more/"]
    assert proposed("ballast run more/") == ["more/other.yaml"]
    assert proposed("ballast check sample:") == [f"sample:{name}" for name in shipped_studies()]
    assert ".hidden.yaml" not in proposed("ballast train ")


@pytest.mark.slow
def test_names_of_studies_are_completed_from_a_store_that_is_a_file(
    ballast: "Ballast", write_study: "WriteStudy"
) -> None:
    assert proposed("ballast status ") == []  # there is no store
    assert ballast("run", write_study(study={"trials": 1}), "--store", "sqlite:///s.db").code == 0
    assert proposed("ballast export sm", BALLAST_STORE="sqlite:///s.db") == ["small"]
    assert proposed("ballast status --store sqlite:///s.db ") == ["small"]
    assert proposed("ballast status x", BALLAST_STORE="sqlite:///s.db") == []
    Path("broken.db").write_text("no database")
    assert proposed("ballast status ", BALLAST_STORE="sqlite:///broken.db") == []
    assert proposed("ballast status ", BALLAST_STORE="postgresql://nobody@127.0.0.1:1/none") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script(shell: str) -> None:
    script = ballast_process(_BALLAST_COMPLETE=f"source_{shell}").stdout
    assert f"complete_{shell}" in script


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not there")
def test_bash_takes_the_script_and_completes_a_sample_where_colons_break_no_words(tmp_path: Path) -> None:
    (tmp_path / "ballast").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m search.cli "$@"\n')
    (tmp_path / "ballast").chmod(0o755)
    script = ballast_process(_BALLAST_COMPLETE="source_bash").stdout
    asked = (
        f"COMP_WORDBREAKS=${{COMP_WORDBREAKS//:}}\n{script}\n"
        "COMP_WORDS=(ballast run sample:sm); COMP_CWORD=2; _ballast_completion ballast; echo ${COMPREPLY[@]}"
    )
    environment = {
        **os.environ,
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        ["bash", "--norc", "-c", asked], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["sample:smoke"]


def test_tables_are_completed_for_init(tmp_path: Path) -> None:
    for name in ("prices.csv", "prices.csv.gz", "prices.parquet", "prices.yaml"):
        (tmp_path / name).touch()
    found = [Path(path).name for path in table_files(f"{tmp_path}/pr")]
    assert found == ["prices.csv", "prices.csv.gz", "prices.parquet"]
