"""Workers at the command line: one that waits for its study, and those that `ballast status` names."""

from typing import TYPE_CHECKING

import pytest

from search.process_identity import this_worker
from storage import workers

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast, Launch, WriteStudy

ELSEWHERE = "another-host-00000000:7:7"


def test_a_worker_that_is_interrupted_while_it_waits_for_a_study_ends_with_130(
    ballast: "Ballast", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.signals.StopRequest.__call__", lambda request: True)
    assert ballast("worker", "small", "--wait").code == 130


def test_status_names_no_worker_that_was_killed(
    write_study: "WriteStudy", launch: "Launch", ballast: "Ballast"
) -> None:
    store = launch(write_study(study={"trials": 1})).store
    machine, pid, _ = this_worker().split(":")
    workers.register_worker(store, "small", f"{machine}:{pid}:0")
    workers.register_worker(store, "small", ELSEWHERE)
    told = ballast("status", "small").out
    assert ELSEWHERE.rpartition(":")[0] in told
    assert f"{machine}:{pid}" not in told
