"""A file with the name of a package is named in one sentence, and never reaches the workers."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import ballast as public
from search import child_process

if TYPE_CHECKING:
    from tests.search_fixtures import WriteStudy

HOME = Path(public.__file__).resolve().parents[1]
IN_THE_FOLDER = ("-m", "search.cli")
AS_INSTALLED = ("-P", str(HOME / "ballast" / "__main__.py"))


def run(python: tuple[str, ...], *words: str, path: str | None = None) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PYTHONPATH": path or str(HOME)}
    command = [sys.executable, *python, *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


def write(name: str) -> str:
    """A module with nothing in it."""
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return str(path.absolute())


@pytest.mark.parametrize("name", ["trainer.py", "storage/__init__.py", "yaml.py", "typer.py", "random.py"])
def test_a_file_of_the_current_folder_is_named_after_python_m(name: str) -> None:
    place = write(name).removesuffix("/__init__.py")
    done = run(IN_THE_FOLDER, "check", str(HOME / "configs/studies/sp500-volatility.yaml"))
    package = Path(place).stem
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"ballast: {place} is imported in place of the package {package!r} that Ballast needs; "
        f"rename it, or start Ballast in another folder: cd {Path(place).parent.parent}\n"
    )


@pytest.mark.parametrize("name", ["search.py", "search/__init__.py", "trainer.py", "numpy.py"])
def test_a_file_in_a_folder_of_pythonpath_is_named(name: str) -> None:
    place = write(f"mine/{name}").removesuffix("/__init__.py")
    study = str(HOME / "configs/studies/sp500-volatility.yaml")
    done = run(AS_INSTALLED, "check", study, path=f"mine:{HOME}")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"ballast: {place} is imported in place of the package ")
    assert done.stderr.endswith("take its folder out of PYTHONPATH: unset PYTHONPATH\n")
    assert done.stderr.count("\n") == 1


def test_a_package_that_another_distribution_has_installed_is_named() -> None:
    place = Path(write("site-packages/storage/__init__.py")).parent
    done = run(AS_INSTALLED, "status", path=f"site-packages:{HOME}")
    assert done.returncode == 2
    assert done.stderr == (
        f"ballast: {place} is imported in place of the package 'storage' that Ballast needs; another package "
        "has installed it; give Ballast an environment of its own: python -m venv .venv\n"
    )


@pytest.fixture
def installed() -> Path:
    """A copy of our packages, as pip would put them."""
    place = Path("site-packages").absolute()
    for name in ("ballast", "search", "trainer", "storage", "configs"):
        shutil.copytree(HOME / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    return place


def test_a_package_that_another_distribution_has_written_into_is_named(installed: Path) -> None:
    (installed / "other-1.0.dist-info").mkdir()
    (installed / "other-1.0.dist-info" / "METADATA").write_text("Name: other\nVersion: 1.0\n")
    (installed / "other-1.0.dist-info" / "top_level.txt").write_text("storage\n")
    (installed / "storage" / "engine.py").write_text("")
    done = run(("-P", "-m", "ballast"), "status", path=str(installed))
    assert done.returncode == 2
    assert done.stderr == (
        "ballast: other has installed files into the package 'storage' of Ballast, too; give Ballast an "
        "environment of its own: python -m venv .venv\n"
    )


@pytest.mark.slow
def test_a_fault_of_our_own_keeps_its_traceback(installed: Path) -> None:
    write("random.py")  # which shadows nothing: the folder is not on the path
    (installed / "storage" / "engine.py").write_text("")
    done = run(("-P", "-m", "ballast"), "status", path=str(installed))
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_a_folder_without_a_package_in_it_shadows_nothing() -> None:
    Path("storage").mkdir()
    Path("storage", "prices.csv").touch()
    assert run(IN_THE_FOLDER, "--help").returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("python", [AS_INSTALLED, ("-P", "-m", "ballast")])
def test_workers_and_the_sender_to_mlflow_do_not_see_the_current_folder(
    python: tuple[str, ...], write_study: "WriteStudy"
) -> None:
    study = write_study(study={"trials": 2}).name
    for name in ("search.py", "trainer.py", "storage/__init__.py", "yaml.py", "torch.py", "optuna.py"):
        Path(write(name)).write_text("raise ImportError('not the package')")
    mlflow = f"tracking.mlflow.uri=sqlite:///{Path('mlflow.db').absolute()}"
    done = run(python, "run", study, "--workers", "2", "--set", mlflow)
    assert done.returncode == 0, done.stderr
    assert Path("mlflow.db").is_file()
    assert "ImportError" not in "".join(path.read_text() for path in Path().rglob("*.log"))
    shutil.rmtree("storage")
    assert "trials" in run(AS_INSTALLED, "status", "small").stdout


def test_a_checkout_that_is_not_installed_starts_its_own_packages() -> None:
    script = "import search, trainer.errors, storage; print(search.__file__)"
    environment = child_process.environment(PYTHONSTARTUP="")
    done = subprocess.run(
        [sys.executable, "-P", "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert Path(done.stdout.strip()).resolve() == HOME / "search" / "__init__.py"


SCRIPT = """
import ballast
from ballast.packages import ShadowedPackage, require_own_packages
try:
    require_own_packages()
except ShadowedPackage as error:
    print(error)
else:
    print("ours")
"""


@pytest.mark.parametrize("name", ["search.py", "search/__init__.py", "trainer.py", "storage/__init__.py"])
def test_a_notebook_names_the_file_that_shadows_a_package(name: str) -> None:
    place = write(f"mine/{name}").removesuffix("/__init__.py")
    done = run(("-P", "-c", SCRIPT), path=f"mine:{HOME}")
    assert done.stderr == ""
    assert done.stdout == (
        f"{place} is imported in place of the package {Path(place).stem!r} that Ballast needs; "
        "rename it, or take its folder out of PYTHONPATH: unset PYTHONPATH\n"
    )
    assert run(("-P", "-c", SCRIPT)).stdout == "ours\n"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["configs.py", "configs/__init__.py", "configs/base.yaml"])
def test_a_folder_of_configurations_of_the_users_own_shadows_nothing(name: str) -> None:
    write(name)
    write(f"mine/{name}")
    done = run(IN_THE_FOLDER, "check", "sample:smoke", path=f"mine:{HOME}")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_settings_that_another_distribution_has_overwritten_are_named_by_file_and_line(
    installed: Path,
) -> None:
    (installed / "configs" / "base.yaml").write_text("defaults: []\n")
    done = run(("-P", "-m", "ballast"), "check", "sample:smoke", path=str(installed))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("ballast: configs/base.yaml:1: unknown key defaults")
    assert "Traceback" not in done.stderr
