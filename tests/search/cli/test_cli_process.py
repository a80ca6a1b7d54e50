"""The command as a process: what it imports, signals, closed pipes, full disks, and the dashboard."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from search.cli.main import COMMANDS as MODULES
from search.watching.server.listen_address import warn_if_exposed
from tests.search_fixtures import ENDLESS
from trainer.errors import TrainerError

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast, WriteStudy

COMMANDS = [module.replace("_", "-") for module in MODULES]

BALLAST = [sys.executable, "-m", "search.cli"]


def _environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **more}


@contextmanager
def _running(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [*BALLAST, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=_environment(PYTHONUNBUFFERED="1"),
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\nsys.argv = ['ballast', '--help']\nfrom search.cli.main import main\n"
        "try:\n    main()\nfinally:\n    print('HEAVY', sorted(set(sys.modules) & "
        "{'torch', 'mlflow', 'pandas', 'optuna', 'numpy', 'sqlalchemy'}))"
    )
    told = subprocess.run(
        [sys.executable, "-c", script], env=_environment(), capture_output=True, text=True, check=True
    )
    assert "HEAVY []" in told.stdout
    assert [name for name in COMMANDS if name not in told.stdout] == []


def test_every_command_has_help_with_an_example(ballast: "Ballast") -> None:
    commands = [(), *((name,) for name in COMMANDS), ("db", "check"), ("db", "upgrade")]
    for command in commands:
        told = ballast(*command, "--help")
        assert told.code == 0
        assert re.search(r"(Example|Start with): ballast ", told.out), command


def test_doctor_finds_an_installation_well(ballast: "Ballast") -> None:
    told = ballast("doctor", "--json")
    states = {finding["what"]: finding["state"] for finding in told.json["findings"]}
    assert [states[f"package {name}"] for name in ("search", "trainer", "storage")] == ["ok"] * 3
    assert (states["safe ranges"], states["store"], states["device"]) == ("ok", "absent", "ok")
    assert (states["numba"], states["kernel"]) == ("ok", "ok")


def test_doctor_names_what_keeps_the_kernel_from_being_compiled(
    ballast: "Ballast", monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(kernel: str, device: str) -> None:
        raise TrainerError("the disk is full")

    monkeypatch.setattr("trainer.kernels.choice.prepare_kernel", full)  # a disk that is full is not to be had
    told = ballast("doctor", "--json")
    assert told.code == 1
    assert {"what": "kernel", "state": "problem", "detail": "the disk is full"} in told.json["findings"]


@pytest.mark.slow
def test_db_upgrade_of_a_store_that_is_new_changes_nothing(
    write_study: "WriteStudy", ballast: "Ballast"
) -> None:
    assert ballast("run", write_study().name, "--trials", 1, "--set", "training.epochs=1").code == 0
    upgraded = ballast("db", "upgrade")
    assert upgraded.code == 0
    assert re.fullmatch(r"sqlite:///ballast\.db: schema \w+\n", upgraded.out)
    assert ballast("db", "check", "--json").json == {"ok": True, "settled": [], "problems": []}


@pytest.mark.slow
@pytest.mark.parametrize(("first", "again"), [(signal.SIGINT, False), (signal.SIGTERM, True)])
def test_a_signal_ends_a_run_with_130_and_the_next_goes_on(
    write_study: "WriteStudy", ballast: "Ballast", first: signal.Signals, again: bool
) -> None:
    path = write_study(training=ENDLESS, study={"trials": 1}).name
    with _running("run", path, "--verbose") as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "epoch 1:" in line:
                break
        process.send_signal(first)
        if again:
            assert process.stderr.readline().startswith("stopping: the running trial ends")
            process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    if not again:
        assert "0 of 1 trials: it was interrupted." in out
    goes_on = ballast("run", path, "--timeout", "0.001")  # puts the store in order, and starts nothing
    assert goes_on.code == 0, goes_on.err
    (row,) = ballast("trials", "small", "--json").json
    assert row["verdict"] == "interrupted"
    assert row["reasons"] in ([["signal"], ["worker_died"]] if again else [["signal"]])  # a race of signals
    assert ballast("db", "check").code == 0


@pytest.mark.slow
def test_a_closed_pipe_is_no_traceback(write_study: "WriteStudy", ballast: "Ballast") -> None:
    assert ballast("run", write_study().name, "--trials", 1, "--set", "training.epochs=1").code == 0
    with _running("explain", "small", "--json") as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""
        assert process.wait(timeout=60) in (0, 1)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
@pytest.mark.slow
def test_an_output_that_is_full_is_one_sentence(write_study: "WriteStudy", ballast: "Ballast") -> None:
    path = write_study().name
    with Path("/dev/full").open("w") as full:
        told = subprocess.run(
            [*BALLAST, "check", path, "--json"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=_environment(),
            check=False,
        )
    assert told.stderr == ("ballast: the output: No space left on device; free some space and run it again\n")
    assert told.returncode == 2


@pytest.mark.slow
def test_the_dashboard_serves_the_studies_of_the_store_until_ctrl_c(
    write_study: "WriteStudy", ballast: "Ballast"
) -> None:
    assert ballast("run", write_study().name, "--trials", 1, "--set", "training.epochs=1").code == 0
    with _running("dashboard", "--port", "0") as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[0]
        assert address.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(address, timeout=30) as page:
            assert page.status == 200
        with urllib.request.urlopen(f"{address}api/studies", timeout=30) as answer:
            studies = json.load(answer)["study_summaries"]
        assert [study["study_name"] for study in studies] == ["small"]
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert err == "stopped\n"
    assert process.returncode == 0  # Ctrl-C is how a dashboard is meant to end


def test_an_address_that_others_reach_is_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    warn_if_exposed("127.0.0.1", "it")
    assert capsys.readouterr().err == ""
    warn_if_exposed("0.0.0.0", "it")
    assert "it has no log-in; whoever reaches 0.0.0.0 can delete studies" in capsys.readouterr().err
