"""A wheel has all that a study needs, and runs one outside of the checkout."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMES = ("ballast", "search", "trainer", "storage", "configs")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a copy of the checkout, so that nothing built before gets into it."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in NAMES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "tests" / "package", source / "tests")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run(
        [*pip, "-w", str(target), str(source)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    (built,) = target.glob("*.whl")
    return built


def test_the_wheel_holds_every_file_of_our_packages_and_no_other(wheel: Path) -> None:
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    ours = {
        str(path.relative_to(ROOT))
        for name in NAMES
        for path in (ROOT / name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert inside == ours
    assert {f"{name}/py.typed" for name in NAMES[:4]} <= inside
    assert {"configs/studies/sp500-volatility.yaml", "configs/ballast.schema.json"} <= inside


def test_the_wheel_says_what_it_is(wheel: Path) -> None:
    assert wheel.name.startswith("ballast_gru-")
    with zipfile.ZipFile(wheel) as opened:
        (about,) = (name for name in opened.namelist() if name.endswith("dist-info/METADATA"))
        told = opened.read(about).decode()
        named = opened.read(about.replace("METADATA", "entry_points.txt")).decode()
        license_text = opened.read(about.replace("METADATA", "licenses/LICENSE")).decode()
    assert "\nName: ballast-gru\n" in told
    assert "\nLicense-Expression: Apache-2.0\n" in told
    assert "ballast = ballast.__main__:main" in named
    assert license_text == (ROOT / "LICENSE").read_text()


def test_an_installed_wheel_runs_a_sample_outside_of_the_checkout(wheel: Path, tmp_path: Path) -> None:
    """Its dependencies are those of this environment; its own packages come from the wheel alone."""
    place = tmp_path / "site-packages"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile"]
    subprocess.run([*pip, "--target", str(place), str(wheel)], check=True, timeout=300)
    environment = {**os.environ, "PYTHONPATH": str(place)}

    def ballast(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "ballast", *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    script = "import search; from search.config.files.shipped import CONFIGS; print(search.__file__, CONFIGS)"
    where = subprocess.run(
        [
            sys.executable,
            "-P",
            "-c",
            script,
        ],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert [path.startswith(str(place)) for path in where] == [True, True]
    ran = ballast("run", "sample:sp500-volatility", "--set", "study.trials=2", "--set", "training.epochs=1")
    assert "2 of 2 trials" in ran
    assert "sp500-volatility" in ballast("status")
    assert ballast("schema").startswith("{")
