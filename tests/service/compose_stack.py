"""The services of docker-compose.yml, run by their own commands as processes of this machine.

Addresses and folders of this machine take the place of the containers'; no container is started.
"""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import yaml

from benchmarks.postgres import PostgresServer

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DIGESTS = dict.fromkeys(("POSTGRES_DIGEST", "PYTHON_DIGEST"), f"sha256:{'0' * 64}")
PASSWORDS = {role: f"planted: {role}\\'s" for role in ("owner", "worker", "dashboard", "mlflow")}
"""What a file of libpq, a string of SQL and a shell each would have to escape."""
PATIENCE_S = 300.0

VARIABLE = re.compile(r"\$(?:\$|\{(?P<name>\w+)(?:(?P<kind>:[-?])(?P<word>[^}]*))?\})")


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

    assert "$" not in VARIABLE.sub("", value), f"a form of variable that this test does not know: {value}"
    return VARIABLE.sub(put_in, value)


def example() -> dict[str, str]:
    """The variables of .env.example."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


_IN_IMAGE = {"with-password": "/docker/with-password"}
"""Where the programs of the image lie in this folder."""


class Stack:
    """The services of the file on this machine: their commands and environments, with addresses changed."""

    def __init__(self, folder: Path, server: PostgresServer) -> None:
        self.folder = folder
        self._server = server
        secrets = folder / "secrets"
        secrets.mkdir()
        for role, password in PASSWORDS.items():
            (secrets / role).write_text(f"{password}\n")
        self.ports = {"8080": _free_port(), "5000": _free_port()}
        self._changes = {
            "@postgres/": f"@127.0.0.1:{server.port}/",
            "//mlflow:": "//127.0.0.1:",
            "0.0.0.0": "127.0.0.1",
            "/work": str(folder),
            **{port: str(free) for port, free in self.ports.items()},
            "/docker/": f"{ROOT}/docker/",  # the last: the path may hold any of the others
        }
        self.services = interpolated(SERVICES, {**example(), **DIGESTS, "BALLAST_STUDY": "smoke"})

    def initialise(self) -> "subprocess.CompletedProcess[str]":
        """What the image of PostgreSQL does with a new volume."""
        script = self.folder / "roles.sql"
        text = (ROOT / "docker" / "roles.sql").read_text()
        script.write_text(text.replace("/run/secrets", str(self.folder / "secrets")))
        command = ["psql", "--no-psqlrc", "--quiet", f"--file={script}", self._server.url()]
        return self.run("postgres", command)

    def url(self, role: str, database: str = "ballast") -> str:
        """The address of a database, with the password of `ballast_ROLE`."""
        password = quote(PASSWORDS[role], safe="")
        return f"postgresql://ballast_{role}:{password}@127.0.0.1:{self._server.port}/{database}"

    def command(self, name: str, *instead: str) -> list[str]:
        """What the container of a service would run; `instead` of the file's command where given."""
        service = self.services[name]
        entry = [_IN_IMAGE.get(word, word) for word in service.get("entrypoint", ["with-password"])]
        return self._here([*entry, *(instead or service["command"])])

    def health(self, name: str) -> list[str]:
        """What tells whether the service is well."""
        kind, *command = self.services[name]["healthcheck"]["test"]
        assert kind == "CMD"
        return self._here(command)

    def environment(self, name: str) -> dict[str, str]:
        """The variables of a service, and what a process on this machine needs to find its programs."""
        service = self.services[name]
        own = {key: self._there(str(value)) for key, value in service.get("environment", {}).items()}
        if "PASSWORD_FILE" in own:
            (secret,) = service["secrets"]
            assert own["PASSWORD_FILE"] == f"/run/secrets/{secret['target']}"
            own["PASSWORD_FILE"] = str(self.folder / "secrets" / secret["source"])
            own["PGPASSFILE"] = str(self.folder / f"pgpass-{secret['source']}")
        path = os.pathsep.join(
            [str(Path(sys.executable).parent), str(_postgres_binaries()), os.environ["PATH"]]
        )
        here = {
            "PATH": path,
            "HOME": str(self.folder),
            "PGPORT": str(self._server.port),
            "OMP_NUM_THREADS": "1",
        }
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
