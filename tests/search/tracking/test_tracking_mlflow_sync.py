"""A command that waits for MLflow says so, and does not wait for a study that no worker runs."""

import logging
import os
import socket
from collections.abc import Callable, Iterator
from itertools import count
from typing import TYPE_CHECKING

import pytest

from search.tracking import mlflow_client, tracking_process
from search.tracking.mlflow_client import mlflow_environment, with_short_timeout
from search.tracking.mlflow_sync import TrackingStatus, not_sent_message, sync_once, sync_until_done
from search.tracking.run_content import TRIAL_TAG
from search.tracking.tracking_process import track_while_running
from storage import workers
from storage.engine import Store
from storage.tables import StudyRow

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import RunInfo

    from tests.search_fixtures import Ballast, Launch, WriteStudy

pytestmark = pytest.mark.slow

TIMEOUT = "MLFLOW_HTTP_REQUEST_TIMEOUT"


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that lets everybody in and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def ask_for_more(store: Store, wanted: int) -> None:
    with store.session() as session:
        session.get_one(StudyRow, "small").wanted = wanted


def study_of(client: "MlflowClient") -> "RunInfo":
    """The run of the study."""
    experiment = client.get_experiment_by_name("small")
    assert experiment is not None
    (study,) = [
        run for run in client.search_runs([experiment.experiment_id]) if TRIAL_TAG not in run.data.tags
    ]
    return study.info


@pytest.mark.slow
def test_a_run_says_at_its_end_what_it_waits_for_and_why_it_was_in_vain(
    write_study: "WriteStudy", launch: "Launch", silent: str, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    study = launch(write_study()).study
    monkeypatch.setattr(tracking_process, "_LAST_WAIT_S", 3.0)
    caplog.set_level(logging.INFO)
    with track_while_running(study, silent):
        assert caplog.messages == []
    assert caplog.messages[0] == (
        f"waiting up to 3 s for MLflow at {silent}; Ctrl-C leaves it, and nothing is lost"
    )
    assert caplog.messages[1].startswith(
        f"2 trials of study 'small' are not in MLflow (MLflow at {silent} did not answer in time); they are"
    )


def test_who_stops_a_run_at_once_does_not_wait_for_mlflow(
    write_study: "WriteStudy", launch: "Launch", silent: str, caplog: pytest.LogCaptureFixture
) -> None:
    study = launch(write_study()).study
    caplog.set_level(logging.INFO)
    with pytest.raises(KeyboardInterrupt), track_while_running(study, silent):
        raise KeyboardInterrupt
    (said,) = caplog.messages
    assert said.startswith("2 trials of study 'small' are not in MLflow; they are kept in the store")


@pytest.mark.slow
def test_a_user_who_sends_by_hand_sees_that_ballast_waits_for_mlflow(
    store: Store, silent: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(TIMEOUT, "1")
    monkeypatch.setattr(mlflow_client, "_SLOW_S", 0.1)
    told = sync_once(store, "small", silent)
    assert told == TrackingStatus(sent=0, there=0, left=2, problem=f"MLflow at {silent} does not answer")
    assert f"waiting for MLflow at {silent}, which has not answered yet" in caplog.messages


def test_requests_are_short_while_somebody_waits_for_them() -> None:
    with mlflow_environment("sqlite:///mlflow.db"):
        with with_short_timeout():
            assert os.environ[TIMEOUT] == "5"
        assert os.environ[TIMEOUT] == "30"


def looking(times: int) -> Callable[[], bool]:
    """Asks for an end after so many questions."""
    asked = count(1)
    return lambda: next(asked) > times


def test_a_study_that_was_left_ends_what_follows_it_and_is_killed_there(
    store: Store, uri: str, client: "MlflowClient", monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    ask_for_more(store, 5)
    monkeypatch.setattr("search.study.liveness.NO_WORKER_S", 0.0)
    seen: list[str] = []
    attached = sync_until_done(
        store, "small", uri, looking(3), lambda _: seen.append(study_of(client).status), attached=True
    )
    assert (attached.there, seen, caplog.messages) == (2, ["RUNNING"], [])
    assert study_of(client).status == "KILLED"  # its run has ended
    client.update_run(study_of(client).run_id, "RUNNING")
    assert sync_until_done(store, "small", uri, lambda: False, lambda _: None) == TrackingStatus(
        sent=0, there=2, left=0
    )
    assert study_of(client).status == "KILLED"
    (said,) = caplog.messages
    assert said.startswith(
        "nobody is at work on study 'small', which has 2 of 5 trials; go on with: ballast run "
    )


def test_a_study_that_somebody_is_at_work_on_goes_on_there(
    store: Store, uri: str, client: "MlflowClient"
) -> None:
    ask_for_more(store, 5)
    workers.register_worker(store, "small", "another-host-00000000:7:7")
    assert sync_once(store, "small", uri).there == 2
    assert study_of(client).status == "RUNNING"
    workers.unregister_worker(store, "small", "another-host-00000000:7:7")
    assert sync_once(store, "small", uri).there == 2
    assert study_of(client).status == "KILLED"


@pytest.mark.parametrize(
    ("left", "told"),
    [
        (
            0,
            "the end of study 'small' is not in MLflow (away); it is kept in the store, send it later: ",
        ),
        (
            1,
            "1 trial of study 'small' is not in MLflow (away); it is kept in the store, send it later: ",
        ),
        (
            2,
            "2 trials of study 'small' are not in MLflow (away); they are kept in the store, send them ",
        ),
    ],
)
def test_what_is_not_in_mlflow_yet_is_reported_in_good_english(store: Store, left: int, told: str) -> None:
    assert not_sent_message(store, "small", left, "away").startswith(told)


@pytest.mark.slow
def test_one_trial_is_one_trial(
    write_study: "WriteStudy", launch: "Launch", ballast: "Ballast", uri: str
) -> None:
    launch(write_study(), "study.trials=1")
    assert ballast("track", "small", "--mlflow", uri).out == "1 trial sent, 0 left, 1 in MLflow\n"
