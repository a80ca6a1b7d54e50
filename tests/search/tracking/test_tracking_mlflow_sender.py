"""What MLflow has of a study: all that the record says, once."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from search.tracking import run_content
from search.tracking.mlflow_client import MlflowError
from search.tracking.mlflow_sender import MlflowSender
from search.tracking.mlflow_sync import TrackingStatus, sync_once
from search.tracking.run_content import CREATED_AT_TAG, PARENT_RUN_TAG, STUDY_TAG, TRIAL_TAG
from storage import query
from storage.engine import Store, open_store

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from tests.search_fixtures import Ballast, Launch, WriteStudy


def runs_of(client: "MlflowClient", name: str = "small") -> "list[Run]":
    """The active runs, of the study first, then of its trials by number."""
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id])
    return sorted(found, key=lambda run: int(run.data.tags.get(TRIAL_TAG, -1)))


def everything(client: "MlflowClient", name: str = "small") -> list[Any]:
    """All that can be seen of a study in MLflow."""
    return [
        (
            run.info.run_id,
            run.info.status,
            run.info.end_time,
            run.data.params,
            run.data.tags,
            {
                key: [(m.step, m.value, m.timestamp) for m in client.get_metric_history(run.info.run_id, key)]
                for key in run.data.metrics
            },
            sorted(file.path for file in client.list_artifacts(run.info.run_id)),
        )
        for run in runs_of(client, name)
    ]


def text_of(client: "MlflowClient", run: "Run", file: str) -> str:
    return Path(client.download_artifacts(run.info.run_id, file)).read_text()


def test_a_study_is_an_experiment_and_a_trial_is_a_run_below_its_own(
    store: Store, uri: str, client: "MlflowClient"
) -> None:
    assert sync_once(store, "small", uri) == TrackingStatus(sent=2, there=2, left=0)
    study, *trials = runs_of(client)
    record = query.study(store, "small")
    assert study.info.run_name == "small"
    assert study.info.status == "FINISHED"
    assert study.data.tags[STUDY_TAG] == "small"
    assert study.data.tags[CREATED_AT_TAG] == record.created_at.isoformat()
    assert study.data.params["data_sha256"] == query.data_fingerprint(store, "small").sha256
    assert float(study.data.params["baseline_loss"]) == record.facts["baseline"]["loss"]
    assert (study.data.metrics["trials_accepted"], study.data.metrics["trials_failed"]) == (2, 0)
    assert "No skill shown" in study.data.tags["mlflow.note.content"]
    assert yaml.safe_load(text_of(client, study, "study.yaml"))["study"]["name"] == "small"
    assert [run.data.tags[TRIAL_TAG] for run in trials] == ["0", "1"]
    assert {run.data.tags[PARENT_RUN_TAG] for run in trials} == {study.info.run_id}


def test_a_trial_has_its_settings_its_epochs_its_verdict_and_its_overrides(
    store: Store, uri: str, client: "MlflowClient"
) -> None:
    sync_once(store, "small", uri)
    run, row = runs_of(client)[1], query.trial(store, "small", 0)
    assert float(run.data.params["models.gru.learning_rate"]) == row.params["models.gru.learning_rate"]
    assert run.data.params["models.gru.init"] == "gains"
    assert json.loads(run.data.params["data.features"])[0]["name"] == "vol"
    assert "training.max_seconds" not in run.data.params  # it has no value
    assert run.info.status == "FINISHED"
    assert (run.data.tags["ballast.verdict"], run.data.tags["ballast.seed"]) == ("accepted", str(row.seed))
    assert (run.data.metrics["best_loss"], run.data.metrics["best_skill"]) == (row.value, row.skill)
    for name in ("train_loss", "validation_loss", "learning_rate", "grad_norm_max"):
        history = client.get_metric_history(run.info.run_id, name)
        recorded = [(e.epoch, getattr(e, name)) for e in query.epochs(store, "small", 0)]
        assert [(m.step, m.value) for m in history] == recorded
    table = client.load_table(run.info.experiment_id, "overrides.json", [run.info.run_id])
    sampled = table[table["layer"] == "sampled"].iloc[-1]
    assert sampled["setting"] == "models.gru.learning_rate"
    settings = yaml.safe_load(text_of(client, run, "settings.yaml"))
    assert settings["models"]["gru"]["learning_rate"] == row.params["models.gru.learning_rate"]


def test_a_clamp_is_a_tag_of_the_trial_and_a_row_of_the_studys_table(
    write_study: "WriteStudy", launch: "Launch", uri: str, client: "MlflowClient"
) -> None:
    store = launch(write_study(), "training.mixed_precision=true", "study.trials=1").store
    sync_once(store, "small", uri)
    study, trial = runs_of(client)
    told = trial.data.tags["ballast.override.training.mixed_precision"]
    assert told.startswith("true → false: ")
    assert trial.data.params["training.mixed_precision"] == "false"
    clamps = client.load_table(study.info.experiment_id, "clamps.json", [study.info.run_id])
    assert clamps.iloc[0][["setting", "asked for", "used"]].tolist() == [
        "training.mixed_precision",
        "true",
        "false",
    ]


def test_what_is_sent_twice_is_there_once(store: Store, uri: str, client: "MlflowClient") -> None:
    sync_once(store, "small", uri)
    once = everything(client)
    assert sync_once(store, "small", uri) == TrackingStatus(sent=0, there=2, left=0)
    assert everything(client) == once


def test_a_study_that_goes_on_is_gone_on_with(
    write_study: "WriteStudy", launch: "Launch", uri: str, client: "MlflowClient"
) -> None:
    path = write_study()
    sync_once(launch(path).store, "small", uri)
    before = everything(client)
    more = launch(path, "study.trials=3", "training.max_seconds=600").store
    assert sync_once(more, "small", uri) == TrackingStatus(sent=1, there=3, left=0)
    assert everything(client)[1:3] == before[1:]
    assert runs_of(client)[0].data.metrics["trials_ended"] == 3


def test_studies_of_one_name_in_two_stores_are_two_runs_of_one_experiment(
    store: Store, write_study: "WriteStudy", ballast: "Ballast", uri: str, client: "MlflowClient"
) -> None:
    assert ballast("run", write_study(), "--store", "sqlite:///other.db").code == 0
    elsewhere = open_store("sqlite:///other.db")
    for each in (elsewhere, store, elsewhere):
        assert sync_once(each, "small", uri).left == 0
    found = runs_of(client)
    assert [TRIAL_TAG in run.data.tags for run in found] == [False, False, True, True, True, True]
    assert len({run.data.tags[PARENT_RUN_TAG] for run in found[2:]}) == 2
    elsewhere.close()


HOSTILE = "it's <script>alert(1)</script>`\" % _ ; DROP ü".replace("/", "∕")


def test_a_hostile_name_is_a_name(
    write_study: "WriteStudy", launch: "Launch", uri: str, client: "MlflowClient"
) -> None:
    store = launch(write_study(study={"name": HOSTILE, "trials": 1})).store
    for _ in range(2):
        assert sync_once(store, HOSTILE, uri).there == 1
    assert [run.data.tags[STUDY_TAG] for run in runs_of(client, HOSTILE)] == [HOSTILE, HOSTILE]


def test_more_than_a_request_may_hold_is_sent_in_several(
    write_study: "WriteStudy", launch: "Launch", uri: str, client: "MlflowClient",
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    long = launch(write_study(), "study.trials=1", "training.epochs=85", "training.patience=85").store
    # No study has as many settings yet: the mapping is given some more.
    many = {f"models.gru.extra_{i}": "1" for i in range(130)}
    params = run_content.trial_params
    monkeypatch.setattr(run_content, "trial_params", lambda view: params(view) | many)
    sync_once(long, "small", uri)
    run = runs_of(client)[1]
    assert many.items() <= run.data.params.items()
    histories = [client.get_metric_history(run.info.run_id, key) for key in ("train_loss", "seconds")]
    assert [len(history) for history in histories] == [85, 85]
    assert len(run.data.params) > 100


def test_a_running_trial_is_sent_epoch_by_epoch(
    write_study: "WriteStudy", launch: "Launch", uri: str, client: "MlflowClient",
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The trial is sent in the middle of its training, from inside the study's own process."""
    monkeypatch.setattr(
        "search.workers.objective._FLUSH_S", 0.0
    )  # a short trial's epochs go to the store at its end
    seen: list[tuple[str, str, int]] = []

    def ask_mlflow() -> bool:
        store = open_store("sqlite:///ballast.db")
        try:
            if not query.studies(store) or not (running := query.running(store, "small")):
                return False
            if len(query.epochs(store, "small", running[0].number)) > len(seen):
                MlflowSender(client, store, "small").send(live=True)
                study, trial = runs_of(client)
                told = client.get_metric_history(trial.info.run_id, "train_loss")
                seen.append((study.info.status, trial.info.status, len(told)))
        finally:
            store.close()
        return False

    store = launch(write_study(), "study.trials=1", "training.epochs=3", should_stop=ask_mlflow).store
    sync_once(store, "small", uri)
    assert seen == [("RUNNING", "RUNNING", 1), ("RUNNING", "RUNNING", 2)]
    study, trial = runs_of(client)
    assert (study.info.status, trial.info.status) == ("FINISHED", "FINISHED")
    assert [m.step for m in client.get_metric_history(trial.info.run_id, "train_loss")] == [0, 1, 2]


def test_a_run_that_was_made_twice_is_there_once(store: Store, uri: str, client: "MlflowClient") -> None:
    """As by two senders at the same time, or by an answer that was lost."""
    first, second = (MlflowSender(client, store, "small") for _ in range(2))
    first.send()
    second.send()
    assert len(runs_of(client)) > 3
    assert sync_once(store, "small", uri).left == 0
    assert [run.data.tags.get(TRIAL_TAG) for run in runs_of(client)] == [None, "0", "1"]


def test_a_trial_that_somebody_deleted_there_stays_deleted(
    store: Store, uri: str, client: "MlflowClient"
) -> None:
    sync_once(store, "small", uri)
    client.delete_run(runs_of(client)[2].info.run_id)
    assert sync_once(store, "small", uri) == TrackingStatus(sent=0, there=2, left=0)
    assert [run.data.tags.get(TRIAL_TAG) for run in runs_of(client)] == [None, "0"]


def test_an_experiment_or_a_study_that_somebody_deleted_is_not_sent_past_them(
    store: Store, uri: str, client: "MlflowClient"
) -> None:
    sync_once(store, "small", uri)
    study = runs_of(client)[0].info
    client.delete_run(study.run_id)
    with pytest.raises(MlflowError, match=f"restore it there: mlflow runs restore --run-id {study.run_id}$"):
        MlflowSender(client, store, "small")
    client.restore_run(study.run_id)
    client.delete_experiment(study.experiment_id)
    told = sync_once(store, "small", uri)
    assert (told.there, told.left) == (0, 2)
    assert told.problem is not None
    assert told.problem.endswith(f"mlflow experiments restore --experiment-id {study.experiment_id}")
    client.restore_experiment(study.experiment_id)
    assert sync_once(store, "small", uri).left == 0


def test_a_trial_that_is_refused_keeps_no_other_back(
    store: Store, uri: str, client: "MlflowClient", monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """No record is known that MLflow refuses: the mapping is made to give one."""
    points = run_content.epoch_metrics
    bad = [run_content.MetricPoint("a?b", 1.0, 1, 0)]
    monkeypatch.setattr(
        run_content, "epoch_metrics", lambda trial, epochs: points(trial, epochs) if trial.number else bad
    )
    told = sync_once(store, "small", uri)
    assert (told.sent, told.there, told.left) == (1, 1, 1)
    assert "a?b" in caplog.text
    monkeypatch.undo()
    assert sync_once(store, "small", uri) == TrackingStatus(sent=1, there=2, left=0)
