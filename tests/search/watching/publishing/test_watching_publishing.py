"""What a study leaves where optuna-dashboard looks: notes, plots, files and attributes, and at what price."""

import json
import logging
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
import plotly.graph_objects as go
import pytest
from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta
from optuna.trial import TrialState
from optuna_dashboard import get_note, save_note
from optuna_dashboard._custom_plot_data import get_plotly_graph_objects

from search.cli.main import main
from search.config.resolve import resolve
from search.record.artifacts import artifact_folder
from search.sampling.optuna_storage import optuna_storage
from search.study import liveness
from search.watching.blocks import Plot
from search.watching.plots.figures import figures
from search.watching.publishing import study_page, trial_publisher
from search.watching.publishing.study_page import NOTE_DIVIDER, VALUE_NAME, publish_study
from search.watching.publishing.study_publisher import (
    StudyPublisher,
    publish_all_while_serving,
    publish_once,
    publish_while_running,
)
from search.watching.publishing.trial_files import trial_yaml
from search.watching.publishing.trial_notes import RUNNING_DIVIDER, RUNNING_NOTES
from search.watching.publishing.trial_publisher import TrialPublisher
from search.watching.view import StudyView, trial_view
from storage import query, tables
from storage.engine import open_store
from storage.verdicts import Verdict
from trainer.training.batches import Batch
from trainer.training.guard import StepSignals
from trainer.training.learner import Learner

if TYPE_CHECKING:
    from tests.search_fixtures import Answer, Launch, Launched, WriteStudy

pytestmark = pytest.mark.slow

SHOWN: dict[str, Any] = {"tracking": {"dashboard": True}}
PLOTS = {"learning-curves", "skill", "space", "safe-ranges", "interventions", "seconds"}


def attributes(run: "Launched") -> dict[str, Any]:
    """What Optuna's tables hold of the study now, and not what a cache does."""
    study = run.study.optuna
    return study._storage.get_study_system_attrs(study._study_id)


@pytest.fixture
def _unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials as short as these get whatever a long one gets."""
    monkeypatch.setattr(trial_publisher, "_CREDIT_S", 1e9)
    monkeypatch.setattr(trial_publisher, "_CREDIT_SHARE", 1e9)


@pytest.mark.usefixtures("_unhurried")
def test_a_trial_leaves_a_note_files_and_attributes(write_study: "WriteStudy", launch: "Launch") -> None:
    run = launch(write_study(**SHOWN))
    for trial, row in zip(run.study.optuna.get_trials(), run.trials, strict=True):
        assert trial.user_attrs["verdict"] == row.verdict
        assert trial.user_attrs["skill"] == row.skill
        note = get_note(optuna.Trial(run.study.optuna, trial._trial_id))
        assert "accepted" in note
        assert "learning" in note
        found = get_all_artifact_meta(trial, storage=run.study.optuna._storage)
        files = sorted(found, key=lambda file: file.filename, reverse=True)
        assert [file.filename for file in files] == [
            f"trial-{trial.number:05d}.{kind}" for kind in ("yaml", "png", "json")
        ]
        folder = FileSystemArtifactStore(artifact_folder(run.study.files))
        contents = []
        for file in files:
            with folder.open_reader(file.artifact_id) as reader:
                contents.append(reader.read())
        assert b"learning_rate" in contents[0]
        assert contents[1].startswith(b"\x89PNG")
        assert json.loads(contents[2])["trial"] == trial.number


@pytest.mark.usefixtures("_unhurried")
def test_the_record_knows_the_files_and_they_are_what_it_says(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    run = launch(write_study(**SHOWN), "study.trials=1")
    rows = query.artifacts(run.store, "small", 0)
    assert [row.kind for row in rows] == ["log", "settings", "curves", "picture"]
    for row in rows:
        assert Path(row.path).is_file()


def test_a_study_that_is_not_to_be_shown_leaves_nothing(write_study: "WriteStudy", launch: "Launch") -> None:
    run = launch(write_study())
    with publish_while_running(run.store, "small", shown=run.study.resolved.file.tracking.dashboard):
        pass
    assert attributes(run) == {}
    assert not artifact_folder(run.study.files).exists()


def test_the_page_of_a_study_has_its_note_plots_and_metric_name(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    run = launch(write_study(**SHOWN))
    with publish_while_running(run.store, "small", shown=run.study.resolved.file.tracking.dashboard):
        pass
    assert run.study.optuna.metric_names == [VALUE_NAME]
    note = get_note(run.study.optuna)
    assert "har" in note
    assert NOTE_DIVIDER in note
    plots = get_plotly_graph_objects(attributes(run))
    assert set(plots) >= PLOTS
    for figure in plots.values():
        go.Figure(json.loads(figure))  # refuses what plotly does not know
    told = run.study.optuna.user_attrs
    assert told["best trial"] == query.best_trial(run.store, "small").number  # type: ignore[union-attr]
    assert told["skill shown"] in (True, False)


@pytest.mark.slow
def test_what_people_add_to_a_note_stays_and_the_rest_is_written_anew(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    run = launch(write_study(**SHOWN), "study.trials=1")
    study, storage = run.study.optuna, run.study.optuna._storage
    save_note(study, "mine, from before")
    publish_study(run.store, storage, "small")
    assert get_note(study).endswith(f"{NOTE_DIVIDER}\n\nmine, from before")
    save_note(study, get_note(study) + "\n\nand more")
    again = launch(write_study(**SHOWN), "study.trials=2")
    publish_study(again.store, storage, "small")
    note = get_note(study)
    assert note.endswith("mine, from before\n\nand more")
    assert "2 of 2 trials" in note


def test_an_unchanged_study_is_not_written_again(
    write_study: "WriteStudy", launch: "Launch", monkeypatch: pytest.MonkeyPatch
) -> None:
    run = launch(write_study(**SHOWN))
    storage = run.study.optuna._storage
    publish_study(run.store, storage, "small")
    before = attributes(run)

    def refuse(*_: object) -> None:
        raise AssertionError("nothing has changed")

    monkeypatch.setattr(trial_publisher, "write_study_attributes", refuse)
    publish_study(run.store, storage, "small")
    assert attributes(run) == before


def test_a_note_that_becomes_shorter_leaves_no_old_end(write_study: "WriteStudy", launch: "Launch") -> None:
    run = launch(write_study(**SHOWN), "study.trials=1")
    study = run.study.optuna
    publish_study(run.store, study._storage, "small")
    whole = get_note(study)
    save_note(study, whole + "x" * 5000)
    ours, line, _ = get_note(study).partition(NOTE_DIVIDER)
    save_note(study, ours + line)
    publish_study(run.store, study._storage, "small")
    assert get_note(study) == whole


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> str:
        raise RuntimeError("no ink")

    monkeypatch.setattr(trial_publisher, "to_markdown", fail)
    monkeypatch.setattr(study_page, "to_markdown", fail)


@pytest.mark.slow
@pytest.mark.usefixtures("broken")
def test_a_note_that_fails_hurts_no_trial_and_is_told_once(
    write_study: "WriteStudy", launch: "Launch", caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "ballast")
    run = launch(write_study(**SHOWN))
    with publish_while_running(run.store, "small", shown=run.study.resolved.file.tracking.dashboard):
        pass
    assert [trial.verdict for trial in run.trials] == [Verdict.ACCEPTED] * 2
    assert [trial.state for trial in run.study.optuna.get_trials()] == [TrialState.COMPLETE] * 2
    told = [record.getMessage() for record in caplog.records if record.name == "ballast.dashboard"]
    assert told == [
        "trial 0 is not shown in full in optuna-dashboard: no ink",
        "optuna-dashboard does not show the present state of the study: no ink",
    ]


def test_a_full_disk_costs_the_files_of_a_trial_and_nothing_else(
    write_study: "WriteStudy", launch: "Launch", monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("search.record.artifacts.ArtifactFolder.write", full)
    run = launch(write_study(**SHOWN), "study.trials=1")
    assert run.trials[0].verdict is Verdict.ACCEPTED
    assert run.study.optuna.get_trials()[0].state is TrialState.COMPLETE


def test_a_trial_is_published_once_whoever_concludes_it_again(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    run = launch(write_study(**SHOWN), "study.trials=1")
    before = query.artifacts(run.store, "small", 0)
    trial = optuna.Trial(run.study.optuna, run.study.optuna.get_trials()[0]._trial_id)
    TrialPublisher(run.store, run.study.files).publish(trial)
    assert query.artifacts(run.store, "small", 0) == before


@pytest.mark.slow
def test_pictures_stop_where_they_would_take_more_than_their_share(
    write_study: "WriteStudy", launch: "Launch", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial_publisher, "_CREDIT_S", 0.0)
    monkeypatch.setattr(trial_publisher, "_SHARE", 1e9)
    monkeypatch.setattr(trial_publisher, "_SHARE_OF_PICTURES", 0.0)
    run = launch(write_study(**SHOWN), "study.trials=1")
    assert [row.kind for row in query.artifacts(run.store, "small", 0)] == ["log", "settings", "curves"]


@pytest.mark.slow
def test_a_worker_that_has_just_begun_does_not_import_what_draws_pictures(
    write_study: "WriteStudy", launch: "Launch", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial_publisher, "_FIRST_PICTURE_S", 1e9)
    run = launch(write_study(**SHOWN), "study.trials=1")
    assert [row.kind for row in query.artifacts(run.store, "small", 0)] == ["log", "settings", "curves"]


@pytest.fixture
def told_suspicious(write_study: "WriteStudy", launch: "Launch") -> "Launched":
    return launch(write_study(leak=True, **SHOWN), "study.trials=1")


def test_a_suspicious_trial_says_so_in_its_note_and_its_attributes(told_suspicious: "Launched") -> None:
    study = told_suspicious.study.optuna
    trial = study.get_trials()[0]
    assert trial.user_attrs["verdict"] == "suspicious"
    note = get_note(optuna.Trial(study, trial._trial_id))
    assert "suspicious" in note
    assert "skill_too_high" in note.replace("\\", "")


@pytest.mark.slow
def test_both_backends_are_written_alike(
    write_study: "WriteStudy", store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["ballast", "run", str(write_study(**SHOWN)), "--store", store_url])
    with pytest.raises(SystemExit, match=r"^0$"):
        main()
    store = open_store(store_url)
    study = optuna.load_study(study_name="small", storage=optuna_storage(store))
    assert set(get_plotly_graph_objects(study._storage.get_study_system_attrs(study._study_id))) >= PLOTS
    assert NOTE_DIVIDER in get_note(study)
    store.close()


def wait_for_note(study: optuna.Study) -> str:
    until = time.monotonic() + 30
    while not get_note(study) and time.monotonic() < until:
        time.sleep(0.05)
    return str(get_note(study))


def test_a_server_publishes_studies_that_nobody_else_does(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    run = launch(write_study(**SHOWN), "study.trials=1")  # as a worker does: without a page of the study
    study = run.study.optuna
    assert get_note(study) == ""
    with publish_all_while_serving(run.store, lambda: study._storage):
        assert NOTE_DIVIDER in wait_for_note(study)


def test_a_study_deleted_at_the_dashboard_keeps_no_other_from_its_page(
    write_study: "WriteStudy", launch: "Launch", caplog: pytest.LogCaptureFixture
) -> None:
    first = launch(write_study(study={"name": "a"}, **SHOWN), "study.trials=1")
    second = launch(write_study(**SHOWN), "study.trials=1")
    study = second.study.optuna
    optuna.delete_study(study_name="a", storage=first.study.optuna._storage)
    with publish_all_while_serving(second.store, lambda: study._storage):
        assert NOTE_DIVIDER in wait_for_note(study)
    assert caplog.messages == []


def interrupted_by(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Let something happen once, between what a publisher reads and what it writes."""
    acts = [act]

    def interrupted(view: StudyView) -> list[Plot]:
        if acts:
            acts.pop()()
        return figures(view)

    monkeypatch.setattr(study_page, "figures", interrupted)


def test_what_people_save_while_a_page_is_made_is_not_written_over(
    write_study: "WriteStudy", launch: "Launch", monkeypatch: pytest.MonkeyPatch
) -> None:
    run = launch(write_study(**SHOWN), "study.trials=1")
    study = run.study.optuna
    mine = "from me\n" * 800
    interrupted_by(monkeypatch, lambda: save_note(study, mine))
    assert not publish_study(run.store, study._storage, "small")
    assert get_note(study) == mine
    assert publish_study(run.store, study._storage, "small")
    assert get_note(study).endswith(f"{NOTE_DIVIDER}\n\n{mine.strip()}")


def test_two_publishers_at_once_leave_one_whole_page(
    write_study: "WriteStudy", launch: "Launch", monkeypatch: pytest.MonkeyPatch
) -> None:
    run = launch(write_study(**SHOWN))
    study = run.study.optuna
    interrupted_by(monkeypatch, lambda: publish_study(run.store, study._storage, "small"))
    assert not publish_study(run.store, study._storage, "small")
    assert get_note(study).count(NOTE_DIVIDER) == 1
    for figure in get_plotly_graph_objects(attributes(run)).values():
        go.Figure(json.loads(figure))


def test_what_people_write_about_a_running_trial_stays(
    write_study: "WriteStudy", launch: "Launch", monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine, mine = TrialPublisher.publish, "from me\n" * 1500

    def publish_late(publisher: TrialPublisher, trial: optuna.Trial) -> None:
        save_note(trial, mine)
        genuine(publisher, trial)

    monkeypatch.setattr(TrialPublisher, "publish", publish_late)
    run = launch(write_study(**SHOWN), "study.trials=1")
    note = get_note(optuna.Trial(run.study.optuna, run.study.optuna.get_trials()[0]._trial_id))
    assert note.startswith("**accepted")
    assert note.endswith(f"\n\n---\n\n{mine}")


@pytest.mark.slow
def test_trials_too_short_for_a_page_each_get_their_notes_with_that_of_the_study(
    write_study: "WriteStudy", launch: "Launch", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial_publisher, "_CREDIT_S", 0.0)
    monkeypatch.setattr(trial_publisher, "_SHARE", 0.0)
    run = launch(write_study(**SHOWN), "study.trials=1")
    study = run.study.optuna
    trial = optuna.Trial(study, study.get_trials()[0]._trial_id)
    assert get_note(trial) == ""
    publish_study(run.store, study._storage, "small")
    assert "accepted" in get_note(trial)


def test_files_are_taken_back_where_they_could_not_be_recorded(
    write_study: "WriteStudy", launch: "Launch", monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(trial_publisher, "write_trial_attributes", fail)
    run = launch(write_study(**SHOWN), "study.trials=1")
    assert list(artifact_folder(run.study.files).iterdir()) == []


@pytest.mark.slow
def test_trials_that_have_no_note_get_one_with_the_page_of_the_study(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    run = launch(write_study())  # as an older Ballast ran it
    study = run.study.optuna
    assert publish_study(run.store, study._storage, "small")
    for trial in study.get_trials():
        assert "accepted" in get_note(optuna.Trial(study, trial._trial_id))


def test_many_missing_notes_are_written_little_by_little(
    write_study: "WriteStudy", launch: "Launch", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study_page, "_NOTES_AT_ONCE", 1)
    run = launch(write_study())
    storage = run.study.optuna._storage
    assert not publish_study(run.store, storage, "small")
    assert publish_study(run.store, storage, "small")
    notes = [get_note(optuna.Trial(run.study.optuna, t._trial_id)) for t in run.study.optuna.get_trials()]
    assert all(notes)


def test_the_settings_file_of_a_trial_is_its_configuration(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    run = launch(write_study(), "study.trials=1")
    view = trial_view(run.store, "small", 0)
    Path("trial.yaml").write_text(trial_yaml(view))
    again = resolve(Path("trial.yaml")).trial({}).values
    used = {setting.key: setting.value for setting in view.settings if setting.key in again}
    assert again.pop("data.source").endswith(used.pop("data.source"))
    assert {key: again[key] for key in used} == used


@pytest.mark.slow
def test_the_page_is_written_anew_after_a_verification(
    write_study: "WriteStudy", launch: "Launch", answer: "Answer"
) -> None:
    run = launch(write_study(**SHOWN))
    publish_once(run.store, "small")
    assert run.study.optuna.user_attrs["verified"] == "not yet"
    answer(run.store, 0, "does not hold", 0.0239)
    publish_once(run.store, "small")
    told = "Does not hold: on unseen rows skill +0.0239 over har"
    assert run.study.optuna.user_attrs["verified"] == "does not hold"
    assert run.study.optuna.user_attrs["result"].startswith(told)
    assert get_note(run.study.optuna).startswith(f"**{told}")


@pytest.mark.slow
def test_a_server_sees_an_answer_though_no_trial_changed(
    write_study: "WriteStudy", launch: "Launch", answer: "Answer", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.watching.publishing.study_publisher._REST_S", 0.05)
    monkeypatch.setattr("search.watching.publishing.study_publisher._SHARE_OF_A_SERVER", 1.0)
    run = launch(write_study(**SHOWN))
    storage = run.study.optuna._storage
    with publish_all_while_serving(run.store, lambda: storage):
        _until(lambda: "note" in str(attributes(run)))
        answer(run.store, 0, "holds", 0.09)
        _until(lambda: get_note(run.study.optuna).startswith("**Holds: on unseen rows"))


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def stop_after_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the second step of the first trial bad, and the third the last of its process."""
    genuine, steps = Learner.backward, iter(range(1_000_000))

    def backward(learner: Learner, batch: Batch) -> StepSignals:
        step = next(steps)
        if step == 2:
            raise KeyboardInterrupt
        signals = genuine(learner, batch)
        return signals._replace(loss=math.nan) if step == 1 else signals

    monkeypatch.setattr(Learner, "backward", backward)


@pytest.mark.slow
@pytest.mark.usefixtures("_unhurried")
def test_a_running_trial_has_a_note_of_its_findings_which_its_end_replaces(
    write_study: "WriteStudy", launch: "Launch", monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_study(study={"trials": 1}, **SHOWN)
    with monkeypatch.context() as patched:
        stop_after_a_finding(patched)
        with pytest.raises(KeyboardInterrupt):
            launch(path)
    store = open_store("sqlite:///ballast.db")
    storage = optuna_storage(store)
    study = optuna.load_study(study_name="small", storage=storage)
    trial = optuna.Trial(study, study.get_trials()[0]._trial_id)
    assert publish_study(store, storage, "small")
    assert get_note(trial).startswith("**running since")
    assert "nonfinite" in get_note(trial)
    marks = get_plotly_graph_objects(storage.get_study_system_attrs(study._study_id))["interventions"]
    assert "nonfinite_loss: skip_and_cut, epoch 0" in marks
    save_note(trial, get_note(trial) + "\n\nmine")
    before = storage.get_study_system_attrs(study._study_id)
    assert publish_study(store, storage, "small")
    assert storage.get_study_system_attrs(study._study_id) == before, "nothing has changed"
    monkeypatch.setattr(liveness, "is_dead", lambda worker: True)
    launch(path)
    assert publish_study(store, storage, "small")
    assert get_note(trial).startswith("**interrupted")
    assert get_note(trial).endswith("\n\n---\n\nmine")
    assert RUNNING_DIVIDER not in get_note(trial)
    assert storage.get_study_system_attrs(study._study_id)[RUNNING_NOTES] == []
    store.close()


def test_a_finding_of_a_running_trial_publishes_the_study_again(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    run = launch(write_study(**SHOWN))
    publisher = StudyPublisher(run.store, lambda: optuna_storage(run.store), lambda: ["small"], share=0.1)
    publisher.publish_changes(lambda: False)
    plot, before = "dashboard:plot_data:interventions:0", attributes(run)
    finding: dict[str, Any] = {"kind": "loss_explosion", "epoch": 0, "value": 101.0, "message": "it is 101"}
    cut: dict[str, Any] = {"action": "skip_and_cut", "lr_before": 1e-3, "lr_after": 1e-4, "step": 3}
    row = tables.FindingRow(study="small", trial=0, **finding, **cut)
    with run.store.session() as session:
        session.add(row)
    publisher.publish_changes(lambda: False)
    assert attributes(run)[plot] != before[plot]
