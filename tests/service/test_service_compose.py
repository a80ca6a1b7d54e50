"""docker-compose.yml: what its text promises, and the services run by their commands (compose_stack.py)."""

import json
import os
import re
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchmarks.postgres import PostgresServer
from search.cli.main import COMMANDS
from tests.service.compose_stack import (
    COMPOSE,
    DIGESTS,
    PASSWORDS,
    PATIENCE_S,
    ROOT,
    SERVICES,
    VARIABLE,
    Refused,
    Stack,
    example,
    interpolated,
)

ONE_SHOT = {"migrate", "grants", "ballast"}
OF_POSTGRES = {"postgres", "grants"}


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
    assert set(SERVICES) == {"postgres", "migrate", "grants", "worker", "dashboard", "mlflow", "ballast"}
    assert SERVICES["ballast"]["profiles"] == ["tools"]  # not started by `up`


@pytest.mark.parametrize("missing", DIGESTS)
def test_the_stack_refuses_to_start_on_images_without_a_digest(missing: str) -> None:
    for given in ({}, {missing: ""}):
        with pytest.raises(Refused, match=rf"{missing} is missing a value: run docker/prepare"):
            interpolated(COMPOSE, {**example(), **DIGESTS, missing: "", **given})
    assert interpolated(COMPOSE, {**example(), **DIGESTS})


def test_every_image_is_built_here_or_named_by_its_digest() -> None:
    for name, service in interpolated(SERVICES, {**example(), **DIGESTS}).items():
        assert "build" in service or re.search(r"@sha256:[0-9a-f]{64}$", service["image"]), name


def test_every_variable_is_explained_in_the_example() -> None:
    used = {found["name"] for found in VARIABLE.finditer((ROOT / "docker-compose.yml").read_text())}
    assert used == set(example())


def test_passwords_are_secrets_in_files_and_each_service_has_its_own() -> None:
    assert COMPOSE["secrets"] == {name: {"file": f"./secrets/{name}"} for name in ("postgres", *PASSWORDS)}
    owners = {"migrate": "owner", "grants": "owner", "ballast": "worker"}
    for name, service in SERVICES.items():
        assert not [key for key in service["environment"] if "PASSWORD" in key and not key.endswith("_FILE")]
        if name != "postgres":  # which makes all roles
            assert service["secrets"] == [{"source": owners.get(name, name), "target": "password"}]
            role = owners.get(name, name)
            addresses = re.findall(r"//(\w+)@postgres/(\w+)", json.dumps(service))
            assert addresses == [(f"ballast_{role}", "mlflow" if role == "mlflow" else "ballast")]
    assert not re.search(r"://[^@\s/]*:[^@\s/]*@", (ROOT / "docker-compose.yml").read_text())


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_confined_and_watched(name: str) -> None:
    service = SERVICES[name]
    assert service["user"] in {"postgres", "1000:1000"}
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert service["mem_limit"]
    assert service["pids_limit"] <= 256
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}
    assert all("size=" in folder for folder in service["tmpfs"])
    assert ("healthcheck" in service) is (name not in ONE_SHOT)
    assert all(re.match(r"127\.0\.0\.1:\d+:\d+$", port) for port in service.get("ports", []))
    assert "privileged" not in service
    assert "network_mode" not in service


def test_only_what_shows_pages_is_reached_from_outside() -> None:
    networks = interpolated(COMPOSE["networks"], example())
    assert networks == {"store": {"internal": True}, "tracking": {"internal": "true"}, "pages": {}}
    outside = {name for name, service in SERVICES.items() if "pages" in service["networks"]}
    assert (
        outside
        == {name for name, service in SERVICES.items() if "ports" in service}
        == {"dashboard", "mlflow"}
    )


def test_what_the_workers_run_lies_on_no_volume_that_the_dashboard_or_mlflow_can_write() -> None:
    cache = re.search(r"NUMBA_CACHE_DIR=(\S+)", (ROOT / "Dockerfile").read_text())
    assert cache is not None
    holders = {
        name
        for name, service in SERVICES.items()
        if any(f":{cache[1]}" in volume for volume in service["volumes"])
    }
    assert holders == {"worker", "ballast"}
    others = [*SERVICES["dashboard"]["volumes"], *SERVICES["mlflow"]["volumes"]]
    assert not any(cache[1].startswith(volume.split(":")[1]) for volume in others)


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"postgres"}))
def test_a_service_waits_for_what_it_needs(name: str) -> None:
    waits = {needed: how["condition"] for needed, how in SERVICES[name]["depends_on"].items()}
    if name in {"migrate", "mlflow"}:
        assert waits == {"postgres": "service_healthy"}
    else:
        assert waits["migrate" if name == "grants" else "grants"] == "service_completed_successfully"


def test_named_volumes_hold_what_must_last() -> None:
    held = {volume.split(":")[0] for service in SERVICES.values() for volume in service["volumes"]}
    assert set(COMPOSE["volumes"]) <= held
    assert "postgres:/var/lib/postgresql/data" in SERVICES["postgres"]["volumes"]


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
        stack = Stack(tmp_path, server)
        made = stack.initialise()
        assert (made.returncode, made.stderr) == (0, "")
        assert stack.run("postgres", stack.health("postgres")).returncode == 0
        with stack.running("mlflow") as mlflow:
            migrated = stack.run("migrate", stack.command("migrate"))
            assert migrated.returncode == 0, migrated.stderr
            granted = stack.run("grants", stack.command("grants"))
            assert (granted.returncode, granted.stdout, granted.stderr) == (0, "", "")
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
                _assert_dashboard_serves(stack)
                _eventually(lambda: stack.run("mlflow", stack.health("mlflow")).returncode == 0, stack)
                sent = stack.run("ballast", stack.command("ballast", "track", "smoke"))
                assert sent.returncode == 0, sent.stderr
                _assert_mlflow_serves(stack)
                _assert_no_password_in_sight(mlflow, dashboard)
    said = stack.told() + ran.stdout + ran.stderr + migrated.stdout + migrated.stderr
    assert not [password for password in PASSWORDS.values() if password in said]
    assert "permission denied" not in said


def _assert_dashboard_serves(stack: Stack) -> None:
    """It lists, notes and deletes as its role may."""
    address = f"http://127.0.0.1:{stack.ports['8080']}"
    _, body = _get(f"{address}/api/studies")
    assert [study["study_name"] for study in json.loads(body)["study_summaries"]] == ["smoke"]
    assert _get(f"{address}/api/studies", host="elsewhere.example")[0] == 403
    new = {"study_name": "mine", "directions": ["minimize"]}
    status, told = _sent(f"{address}/api/studies", "POST", new)
    assert status == 201
    study = json.loads(told)["study_summary"]["study_id"]
    note = {"version": 1, "body": "a note"}
    assert _sent(f"{address}/api/studies/{study}/note", "PUT", note)[0] == 204
    upload = {"file": "data:text/plain;base64,YQ==", "filename": "a.txt"}
    assert _sent(f"{address}/api/artifacts/{study}", "POST", upload)[0] == 201
    assert _sent(f"{address}/api/studies/{study}", "DELETE", {})[0] == 204


def _sent(url: str, method: str, body: Any) -> tuple[int, str]:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}, method=method
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.status, answer.read().decode()


def _assert_mlflow_serves(stack: Stack) -> None:
    search = f"http://127.0.0.1:{stack.ports['5000']}/api/2.0/mlflow/experiments/search?max_results=5"
    code, body = _get(search)
    assert code == 200
    found = {each["name"]: each["artifact_location"] for each in json.loads(body)["experiments"]}
    assert found["smoke"].startswith("mlflow-artifacts:")
    assert _get(search, host="mlflow:5000")[0] == 200
    assert _get(search, host="elsewhere.example")[0] == 403


def _assert_no_password_in_sight(*processes: "subprocess.Popen[bytes]") -> None:
    for process in processes:
        parent = psutil.Process(process.pid)
        for member in [parent, *parent.children(recursive=True)]:
            seen = " ".join([*member.cmdline(), *member.environ().values()])
            assert not [password for password in PASSWORDS.values() if password in seen]


def test_a_service_without_its_secret_does_not_start(tmp_path: Path) -> None:
    told = _with_password(tmp_path, "true")
    assert told.returncode != 0
    assert "secret" in told.stderr
    assert not (tmp_path / "pgpass").exists()


def test_the_file_for_libpq_is_for_its_owner_alone_and_escapes_the_password(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("a:b\\c 'd\n")
    assert _with_password(tmp_path, "true").returncode == 0
    written = tmp_path / "pgpass"
    assert written.read_text() == "*:*:*:*:a\\:b\\\\c 'd\n"
    assert stat.S_IMODE(written.stat().st_mode) == 0o600


def _with_password(folder: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    environment = {
        "PATH": os.environ["PATH"],
        "PASSWORD_FILE": f"{folder}/secret",
        "PGPASSFILE": f"{folder}/pgpass",
    }
    return subprocess.run(
        [ROOT / "docker" / "with-password", *command],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


_DOCKER = """#!/bin/sh
case "$1" in
    pull) exit 0 ;;
    image) echo "${5%%:*}@sha256:$(printf "$5 $GENERATION" | sha256sum | cut -c1-64)" ;;
esac
"""


def test_preparing_makes_passwords_and_pins_images_once_and_renews_images_when_told(tmp_path: Path) -> None:
    (tmp_path / "docker").mkdir()
    (tmp_path / "bin").mkdir()
    (tmp_path / "docker" / "prepare").write_text((ROOT / "docker" / "prepare").read_text())
    (tmp_path / ".env.example").write_text((ROOT / ".env.example").read_text())
    program = tmp_path / "bin" / "docker"
    program.write_text(_DOCKER)
    program.chmod(0o755)

    def prepared(generation: int, *options: str) -> tuple[dict[str, str], dict[str, str]]:
        path = {"PATH": f"{program.parent}:{os.environ['PATH']}", "GENERATION": str(generation)}
        subprocess.run(
            ["sh", tmp_path / "docker" / "prepare", *options], env=path, check=True, capture_output=True
        )
        lines = [line for line in (tmp_path / ".env").read_text().splitlines() if line[:1] not in {"", "#"}]
        secrets = {each.name: each.read_text() for each in (tmp_path / "secrets").iterdir()}
        return dict(line.split("=", 1) for line in lines), secrets

    first, secrets = prepared(1)
    assert set(secrets) == set(COMPOSE["secrets"])
    assert len(set(secrets.values())) == 5
    assert min(len(secret) for secret in secrets.values()) > 30
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    assert {**first, **DIGESTS} == {**example(), **DIGESTS}
    for name in DIGESTS:
        assert re.fullmatch(r"sha256:[0-9a-f]{64}", first[name])
    assert prepared(2) == (first, secrets)
    renewed, kept = prepared(2, "--renew")
    assert kept == secrets
    assert all(renewed[name] != first[name] for name in DIGESTS)


def test_preparing_pins_the_images_that_are_used() -> None:
    script = (ROOT / "docker" / "prepare").read_text()
    pinned = dict(re.findall(r"^pin (\w+) (\S+)$", script, re.MULTILINE))
    assert set(pinned) == set(DIGESTS)
    assert SERVICES["postgres"]["image"].startswith(f"{pinned['POSTGRES_DIGEST']}@${{POSTGRES_DIGEST:?")
    assert (
        f"ARG PYTHON={pinned['PYTHON_DIGEST'].removeprefix('python:')}\n" in (ROOT / "Dockerfile").read_text()
    )


def test_the_commands_of_the_file_are_commands_of_ballast() -> None:
    told = {
        service["command"][1] for service in SERVICES.values() if service.get("command", [""])[0] == "ballast"
    }
    assert told <= set(COMMANDS)
