"""The Dockerfile and what it installs: what their text promises."""

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]


def _stages() -> list[list[tuple[str, str]]]:
    """The instructions of each stage of the Dockerfile, as (WORD, rest)."""
    text = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
    stages: list[list[tuple[str, str]]] = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        word, _, rest = line.partition(" ")
        if word == "FROM":
            stages.append([])
        if stages:
            stages[-1].append((word, rest))
    return stages


def test_the_image_is_built_in_stages_and_runs_as_nobody_special() -> None:
    build, run = _stages()
    users = [rest for word, rest in run if word == "USER"]
    assert users == ["1000:1000"]
    assert ("COPY", "--from=build /opt/ballast /opt/ballast") in run
    assert not any(word == "ADD" for word, _ in build + run)
    assert ("ENTRYPOINT", '["with-password"]') in run
    assert "pip install" not in " ".join(rest for _, rest in run)
    assert "apt-get" not in " ".join(rest for _, rest in build + run)
    assert ("ARG", "TORCH_BACKEND=cpu") in build
    assert [rest.split(" AS ")[0] for word, rest in build + run if word == "FROM"] == [
        "python:${PYTHON}@${PYTHON_DIGEST}"
    ] * 2
    text = (ROOT / "Dockerfile").read_text()
    assert re.search(r"^ARG PYTHON=3\.11\.\d+-slim-\w+\nARG PYTHON_DIGEST$", text, re.MULTILINE)


def test_the_image_gets_what_it_is_built_from_and_nothing_else() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"}
    copied = {
        name
        for stage in _stages()
        for word, rest in stage
        if word == "COPY" and "--from" not in rest
        for name in rest.split()[:-1]
        if not name.startswith("--")
    }
    assert copied == allowed
    assert all((ROOT / name).exists() for name in copied)


def _pinned(name: str) -> dict[str, tuple[str, int]]:
    """The version of each package in a file of docker/requirements, and the number of its hashes."""
    text = (ROOT / "docker" / "requirements" / f"{name}.txt").read_text().replace("\\\n", " ")
    found: dict[str, tuple[str, int]] = {}
    for line in text.splitlines():
        package, _, rest = line.partition("==")
        version, *hashes = rest.split()
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", each) for each in hashes), line
        found[canonicalize_name(package)] = version, len(hashes)
    return found


def _needed(wanted: list[str]) -> Iterator[str]:
    """The packages that these requirements lead to, by what is installed here."""
    todo, seen = [Requirement(each) for each in wanted], set()
    while todo:
        requirement = todo.pop()
        key = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if key in seen:
            continue
        seen.add(key)
        yield key[0]
        for extra in ("", *requirement.extras):
            for each in map(Requirement, distribution(requirement.name).requires or ()):
                if each.marker is None or each.marker.evaluate({"extra": extra}):
                    todo.append(each)


def test_the_image_gets_the_versions_of_the_constraints_and_nothing_without_a_hash() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    tested: dict[str, str] = {
        canonicalize_name(name): version
        for name, _, version in (line.partition("==") for line in lines if "==" in line)
    }
    everything = {**_pinned("ballast"), **_pinned("torch")}
    versions = {name: version.removesuffix("+cpu") for name, (version, _) in everything.items()}
    assert versions == {
        **{name: tested[name] for name in versions if name in tested},
        "setuptools": _pinned("build")["setuptools"][0],  # pip installs it, and names it in no freeze
    }, "run docker/lock"
    assert min(count for _, count in {**everything, **_pinned("build")}.values()) >= 1
    assert set(_pinned("build")) == {"setuptools", "uv"}


def test_the_image_gets_all_that_ballast_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["postgres"]]
    assert set(_needed(wanted)) == {*_pinned("ballast"), *_pinned("torch")}, "run docker/lock"
