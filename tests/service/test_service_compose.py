"""docker-compose.yml and the Dockerfile: what their text promises, and the services run by their commands.

No container is started: the services' own commands run here as processes, with the addresses and folders of
this machine in the place of the containers'.
"""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
import yaml

from benchmarks.postgres import PASSWORD, PostgresServer
from search.cli.main import COMMANDS

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONE_SHOT = {"migrate", "ballast"}
PATIENCE_S = 120.0

_VARIABLE = re.compile(r"\$(?:\$|\{(?P<name>\w+)(?:(?P<kind>:[-?])(?P<word>[^}]*))?\})")


class Refused(Exception):
    """Compose would stop here."""


def interpolated(value: Any, environment: Mapping[str, str]) -> Any:
    """Put variables in as the Compose specification says, `${NAME}`, `${NAME:-word}` and `${NAME:?word}`."""
    if isinstance(value, dict):
        return {key: interpolated(item, environment) for key, item in value.items()}
    if isinstance(value, list):
        return [interpolated(item, environment) for item in value]
    if not isinstance(value, str):
        return value

    def put_in(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        known = environment.get(found["name"], "")
        if not known and found["kind"] == ":?":
            raise Refused(f"required variable {found['name']} is missing a value: {found['word']}")
        return known or (found["word"] if found["kind"] == ":-" else "")

    assert "$" not in _VARIABLE.sub("", value), f"a form of variable that this test does not know: {value}"
    return _VARIABLE.sub(put_in, value)


def example() -> dict[str, str]:
    """The variables of .env.example."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def _checked(path: Path) -> "subprocess.CompletedProcess[str]":
    check = Path(sys.executable).with_name("check-jsonschema")  # it carries the specification's schema
    return subprocess.run(
        [check, "--builtin-schema", "vendor.compose-spec", path], capture_output=True, text=True, check=False
    )


def test_the_file_is_valid_by_the_schema_of_the_compose_specification(tmp_path: Path) -> None:
    whole = _checked(ROOT / "docker-compose.yml")
    assert whole.returncode == 0, whole.stdout
    (tmp_path / "broken.yaml").write_text("services: {worker: {imagge: ballast}}")
    broken = _checked(tmp_path / "broken.yaml")
    assert broken.returncode == 1
    assert "imagge" in broken.stdout


def test_the_services_are_those_that_are_promised() -> None:
    assert set(SERVICES) == {"postgres", "migrate", "worker", "dashboard", "mlflow", "ballast"}
    assert SERVICES["ballast"]["profiles"] == ["tools"]  # not started by `up`


@pytest.mark.parametrize("given", [{}, {"POSTGRES_PASSWORD": ""}, example()])
def test_the_stack_refuses_to_start_without_a_password(given: dict[str, str]) -> None:
    with pytest.raises(Refused, match=r"POSTGRES_PASSWORD is missing a value: set it in \.env"):
        interpolated(COMPOSE, given)
    assert interpolated(COMPOSE, {**given, "POSTGRES_PASSWORD": "x"})


def test_every_variable_is_explained_in_the_example() -> None:
    used = {found["name"] for found in _VARIABLE.finditer((ROOT / "docker-compose.yml").read_text())}
    assert used == set(example())


def test_the_password_comes_from_the_environment_alone() -> None:
    secret = interpolated(COMPOSE, {"POSTGRES_PASSWORD": "planted"})["services"]
    for name, service in secret.items():
        holders = {key for key, value in service["environment"].items() if "planted" in str(value)}
        assert holders == {"POSTGRES_PASSWORD" if name == "postgres" else "PGPASSWORD"}, name
        assert "planted" not in json.dumps({**service, "environment": None}), name
    assert not re.search(r"://[^@\s/]*:[^@\s/]*@", (ROOT / "docker-compose.yml").read_text())


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_confined_and_watched(name: str) -> None:
    service = SERVICES[name]
    assert service["user"] in {"postgres", "1000:1000"}
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert ("healthcheck" in service) is (name not in ONE_SHOT)
    assert all(re.match(r"127\.0\.0\.1:\d+:\d+$", port) for port in service.get("ports", []))
    assert "privileged" not in service
    assert "network_mode" not in service


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"postgres"}))
def test_a_service_waits_for_what_it_needs(name: str) -> None:
    waits = {needed: how["condition"] for needed, how in SERVICES[name]["depends_on"].items()}
    assert waits["postgres"] == "service_healthy"
    if name not in {"migrate", "mlflow"}:
        assert waits["migrate"] == "service_completed_successfully"


def test_named_volumes_hold_what_must_last() -> None:
    held = {volume.split(":")[0] for service in SERVICES.values() for volume in service["volumes"]}
    assert set(COMPOSE["volumes"]) <= held
    assert "postgres:/var/lib/postgresql/data" in SERVICES["postgres"]["volumes"]


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
    assert "pip install" not in " ".join(rest for _, rest in run)
    assert "apt-get" not in " ".join(rest for _, rest in build + run)
    assert ("ARG", "TORCH_BACKEND=cpu") in build
    assert re.search(r"^ARG PYTHON=3\.11\.\d+-slim-\w+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)


def test_the_image_gets_what_it_is_built_from_and_nothing_else() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"}
    copied = {
        name
        for word, rest in _stages()[0]
        if word == "COPY"
        for name in rest.split()[:-1]
        if not name.startswith("--")
    }
    assert copied == allowed
    assert all((ROOT / name).exists() for name in copied)


class Stack:
    """The services of the file on this machine: their commands and environments, with addresses changed."""

    def __init__(self, folder: Path, postgres_port: int) -> None:
        self.folder = folder
        self.ports = {"8080": _free_port(), "5000": _free_port()}
        self._changes = {
            "@postgres/": f"@127.0.0.1:{postgres_port}/",
            "//mlflow:": "//127.0.0.1:",
            "0.0.0.0": "127.0.0.1",
            "/work": str(folder),
            **{port: str(free) for port, free in self.ports.items()},
        }
        variables = {**example(), "POSTGRES_PASSWORD": PASSWORD, "BALLAST_STUDY": "smoke"}
        self.services = interpolated(SERVICES, variables)
        self._postgres_port = str(postgres_port)

    def command(self, name: str, *instead: str) -> list[str]:
        """What the container of a service would run; `instead` of the file's command where given."""
        service = self.services[name]
        return self._here([*service.get("entrypoint", []), *(instead or service["command"])])

    def health(self, name: str) -> list[str]:
        """What tells whether the service is well."""
        kind, *command = self.services[name]["healthcheck"]["test"]
        assert kind == "CMD"
        return self._here(command)

    def environment(self, name: str) -> dict[str, str]:
        """The variables of a service, and what a process on this machine needs to find its programs."""
        own = {key: self._there(str(value)) for key, value in self.services[name]["environment"].items()}
        path = os.pathsep.join(
            [str(Path(sys.executable).parent), str(_postgres_binaries()), os.environ["PATH"]]
        )
        here = {"PATH": path, "HOME": str(self.folder), "PGPORT": self._postgres_port, "OMP_NUM_THREADS": "1"}
        return {**here, "PYTHONPATH": str(ROOT), **own}

    def run(self, name: str, command: list[str]) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        return subprocess.run(
            command,
            env=self.environment(name),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    @contextmanager
    def running(self, name: str) -> Iterator["subprocess.Popen[bytes]"]:
        """Run the service until the block ends; what it says goes to a file beside the others."""
        with (self.folder / f"{name}-{len(list(self.folder.iterdir()))}.log").open("wb") as log:
            process = subprocess.Popen(
                self.command(name), env=self.environment(name), cwd=self.folder, stdout=log, stderr=log
            )
            try:
                yield process
            finally:
                family = (
                    [process, *psutil.Process(process.pid).children(recursive=True)]
                    if _lives(process)
                    else []
                )
                for member in family:
                    member.terminate()
                process.wait(timeout=30)

    def told(self) -> str:
        """All that the services said."""
        return "\n".join(path.read_text(errors="replace") for path in self.folder.glob("*.log"))

    def _here(self, command: list[str]) -> list[str]:
        return [self._there(part) for part in command]

    def _there(self, text: str) -> str:
        for there, here in self._changes.items():
            text = text.replace(there, here)
        return text


def _postgres_binaries() -> Path:
    found = find_spec("pgserver")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "pginstall" / "bin"


def _lives(process: "subprocess.Popen[bytes]") -> bool:
    return process.poll() is None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _eventually(holds: Callable[[], bool], stack: Stack) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, stack.told()[-3000:]
        time.sleep(1)


def _get(url: str, host: str | None = None) -> tuple[int, str]:
    request = urllib.request.Request(url, headers={} if host is None else {"Host": host})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, ""


def test_the_services_run_by_their_commands_and_share_one_study(tmp_path: Path) -> None:
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    with PostgresServer() as server:
        server.create("ballast")  # as POSTGRES_DB has the image do
        with psycopg.connect(server.url("ballast"), autocommit=True) as connection:
            connection.execute((ROOT / "docker" / "databases.sql").read_bytes())
        stack = Stack(tmp_path, server.port)
        assert stack.run("postgres", stack.health("postgres")).returncode == 0
        with stack.running("mlflow") as mlflow:
            migrated = stack.run("migrate", stack.command("migrate"))
            assert migrated.returncode == 0, migrated.stderr
            with stack.running("worker") as one, stack.running("worker") as other:
                start = stack.command("ballast", "run", "configs/studies/smoke.yaml", "--trials", "6")
                ran = stack.run("ballast", start)
                assert ran.returncode == 0, ran.stderr
                assert (one.wait(PATIENCE_S), other.wait(PATIENCE_S)) == (0, 0), stack.told()
            healthy = stack.run("worker", stack.health("worker"))
            assert healthy.returncode == 0, healthy.stderr
            (study,) = json.loads(healthy.stdout)
            assert (study["study"], study["trials"]) == ("smoke", 6)
            with stack.running("dashboard") as dashboard:
                _eventually(lambda: stack.run("dashboard", stack.health("dashboard")).returncode == 0, stack)
                _, body = _get(f"http://127.0.0.1:{stack.ports['8080']}/api/studies")
                assert [study["study_name"] for study in json.loads(body)["study_summaries"]] == ["smoke"]
                _eventually(lambda: stack.run("mlflow", stack.health("mlflow")).returncode == 0, stack)
                sent = stack.run("ballast", stack.command("ballast", "track", "smoke"))
                assert sent.returncode == 0, sent.stderr
                _assert_mlflow_serves(stack)
                _assert_no_password_in_command_lines(mlflow, dashboard)
    assert PASSWORD not in stack.told() + ran.stdout + ran.stderr + migrated.stdout


def _assert_mlflow_serves(stack: Stack) -> None:
    search = f"http://127.0.0.1:{stack.ports['5000']}/api/2.0/mlflow/experiments/search?max_results=5"
    code, body = _get(search)
    assert code == 200
    found = {each["name"]: each["artifact_location"] for each in json.loads(body)["experiments"]}
    assert found["smoke"].startswith("mlflow-artifacts:")
    assert _get(search, host="mlflow:5000")[0] == 200
    assert _get(search, host="elsewhere.example")[0] == 403


def _assert_no_password_in_command_lines(*processes: "subprocess.Popen[bytes]") -> None:
    for process in processes:
        parent = psutil.Process(process.pid)
        for member in [parent, *parent.children(recursive=True)]:
            assert PASSWORD not in " ".join(member.cmdline())


def test_the_commands_of_the_file_are_commands_of_ballast() -> None:
    told = {
        service["command"][1] for service in SERVICES.values() if service.get("command", [""])[0] == "ballast"
    }
    assert told <= set(COMMANDS)
