"""What the dashboard's server answers: notes in their place, our best, infeasible trials marked."""

import io
import json
import sys
from typing import TYPE_CHECKING, Any

import optuna
import pytest
from optuna.trial import TrialState
from sqlalchemy import text

from benchmarks.throughput.study import NAME, Subject, fill_ballast
from search.config.resolve import resolve
from search.data.study_data import load_study_data
from search.errors import RequestError
from search.record.artifacts import artifact_folder
from search.sampling.optuna_attributes import write_study_attributes
from search.sampling.optuna_storage import optuna_storage
from search.watching.plots.figures import PLOT_IDS
from search.watching.publishing.study_page import publish_study
from search.watching.server import dashboard_plugins
from search.watching.server.dashboard import dashboard_application
from search.watching.server.dashboard_storage import DashboardStorage
from search.watching.server.request_checks import refuse_writes
from storage import query
from storage.engine import Store, open_store
from tests.search.watching.server.wsgi_requests import ask

if TYPE_CHECKING:
    from tests.search_fixtures import Launch, WriteStudy

pytestmark = pytest.mark.slow

SHOWN: dict[str, Any] = {"tracking": {"dashboard": True}}


def detail(store: Store) -> dict[str, Any]:
    status, body = ask(
        dashboard_application(store, DashboardStorage(store)), "/api/studies/1", query_string="after=0"
    )
    assert status == "200 OK"
    found: dict[str, Any] = json.loads(body)
    return found


def test_each_trial_has_its_own_note_and_the_study_its_plots(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    run = launch(write_study(**SHOWN))
    publish_study(run.store, run.study.optuna._storage, "small")
    told = detail(run.store)
    notes = [trial["note"]["body"] for trial in told["trials"]]
    assert len(set(notes)) == 2
    assert all(f"{trial['user_attrs'][0]['value']}" for trial in told["trials"])
    assert told["note"]["body"].startswith("**")
    ids = [plot["id"] for plot in told["plotly_graph_objects"]]
    assert ids == [known for known in PLOT_IDS if known in ids]
    assert {"column-importance", "slices", "timeline"} < set(ids)
    for plot in told["plotly_graph_objects"]:
        assert "data" in json.loads(plot["graph_object"])
    assert told["objective_names"] == ["validation loss"]


@pytest.mark.slow
def test_a_trial_without_a_note_has_an_empty_one(write_study: "WriteStudy", launch: "Launch") -> None:
    told = detail(launch(write_study()).store)
    assert [trial["note"] for trial in told["trials"]] == [{"version": 0, "body": ""}] * 2


def test_a_note_of_many_pieces_comes_back_whole(write_study: "WriteStudy", launch: "Launch") -> None:
    run = launch(write_study(), "study.trials=1")
    trial = run.study.optuna.get_trials()[0]
    pieces = {f"dashboard:{trial._trial_id}:note_str:{i}": f"<{i}>" for i in range(12)}
    with run.store.session() as session:
        write_study_attributes(session, 1, {f"dashboard:{trial._trial_id}:note_ver": 3, **pieces})
    note = detail(run.store)["trials"][0]["note"]
    assert note == {"version": 3, "body": "".join(f"<{i}>" for i in range(12))}


@pytest.mark.slow
def test_an_infeasible_trial_is_marked(write_study: "WriteStudy", launch: "Launch") -> None:
    run = launch(write_study(leak=True), "study.trials=1")
    assert [trial["constraints"] for trial in detail(run.store)["trials"]] == [[1.0]]


def test_a_feasible_trial_is_not(write_study: "WriteStudy", launch: "Launch") -> None:
    run = launch(write_study(), "study.trials=1")
    assert [trial["constraints"] for trial in detail(run.store)["trials"]] == [[-1.0]]


def test_a_penalty_is_shown_neither_as_a_value_nor_as_the_best(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    run = launch(write_study(leak=True, study={"sampler": "gp"}), "study.trials=2")
    assert [trial.state for trial in run.study.optuna.get_trials()] == [TrialState.COMPLETE] * 2
    told = detail(run.store)
    assert [trial["state"] for trial in told["trials"]] == ["Pruned"] * 2
    assert all("values" not in trial for trial in told["trials"])
    assert told["best_trials"] == []


def test_the_best_is_ours_and_not_the_lowest_number(write_study: "WriteStudy", launch: "Launch") -> None:
    run = launch(write_study())
    run.study.optuna.add_trial(optuna.create_trial(value=-1.0))  # somebody's leak, told by hand
    best = query.best_trial(run.store, "small")
    assert best is not None
    assert [trial["number"] for trial in detail(run.store)["best_trials"]] == [best.number]


def test_a_study_of_several_objectives_is_shown_with_its_note_and_its_best_by_the_loss(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    run = launch(write_study(study={"objectives": ["loss", "parameters"]}, **SHOWN))
    publish_study(run.store, run.study.optuna._storage, "small")
    told = detail(run.store)
    assert [len(trial["values"]) for trial in told["trials"]] == [2, 2]
    assert told["note"]["body"].startswith("**")
    with run.store.session() as session:
        session.execute(text("UPDATE ballast_trials SET verdict = 'suspicious'"))
    lowest = min(run.study.optuna.trials, key=lambda trial: trial.values[0])
    assert DashboardStorage(run.store).get_best_trial(1).number == lowest.number, "no trial is accepted"


def test_a_study_that_is_optunas_alone_is_shown_as_it_is(write_study: "WriteStudy", launch: "Launch") -> None:
    run = launch(write_study(), "study.trials=1")
    bare = optuna.create_study(study_name="bare", storage=optuna_storage(run.store))
    bare.add_trial(optuna.create_trial(value=2.0))
    bare.add_trial(optuna.create_trial(value=1.0))
    status, body = ask(dashboard_application(run.store, DashboardStorage(run.store)), "/api/studies/2")
    assert status == "200 OK"
    assert [trial["number"] for trial in json.loads(body)["best_trials"]] == [1]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/api/studies/1"),
        ("POST", "/api/studies"),
        ("PUT", "/api/studies/1/note"),
        ("POST", "/api/trials/1/tell"),
    ],
)
def test_a_read_only_dashboard_changes_nothing(
    write_study: "WriteStudy", launch: "Launch", method: str, path: str
) -> None:
    run = launch(write_study(), "study.trials=1")
    served = refuse_writes(dashboard_application(run.store, DashboardStorage(run.store)))
    status, body = ask(served, path, method)
    assert status == "403 Forbidden"
    assert "read-only" in json.loads(body)["reason"]
    assert ask(served, "/api/studies/1")[0] == "200 OK"
    assert query.study(run.store, "small").name == "small"


def test_an_answer_does_not_look_through_the_study_for_each_trial(
    write_study: "WriteStudy", monkeypatch: pytest.MonkeyPatch
) -> None:
    """At 2,000 trials that took eight seconds a request: benchmarks/publishing.py has the figures."""
    path = write_study(study={"name": NAME, "trials": 1000}, training={"epochs": 20, "patience": 20})
    resolved = resolve(path)
    fill_ballast("sqlite:///many.db", Subject(resolved, load_study_data(resolved)), 50)
    store = open_store("sqlite:///many.db")
    with store.session() as session:
        for trial in range(1, 51):
            write_study_attributes(
                session, 1, {f"dashboard:{trial}:note_ver": 1, f"dashboard:{trial}:note_str:0": "x"}
            )
    sizes: list[int] = []

    def count(attributes: dict[str, Any], *_: object) -> list[Any]:
        sizes.append(len(attributes))
        return []

    monkeypatch.setattr("optuna_dashboard._serializer.list_trial_artifacts", count)
    assert {trial["note"]["body"] for trial in detail(store)["trials"]} == {"x"}
    assert set(sizes) == {0}
    store.close()


def test_a_file_that_lies_on_another_machine_is_told_in_words(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    run = launch(write_study(**SHOWN), "study.trials=1")
    served = dashboard_application(run.store, DashboardStorage(run.store))
    artifact = json.loads(ask(served, "/api/studies/1")[1])["trials"][0]["artifacts"][0]["artifact_id"]
    path = f"/artifacts/1/1/{artifact}"
    assert ask(served, path)[0] == "200 OK"
    (artifact_folder(run.study.files) / artifact).unlink()
    status, body = ask(served, path)
    assert status == "404 Not Found"
    assert b"no file of artifact" in body


@pytest.mark.slow
def test_of_many_trials_every_nth_keeps_its_intermediate_values(
    write_study: "WriteStudy", launch: "Launch", monkeypatch: pytest.MonkeyPatch
) -> None:
    run = launch(write_study(), "study.trials=3")
    monkeypatch.setattr(dashboard_plugins, "MAX_CURVES", 2)
    assert [len(trial["intermediate_values"]) for trial in detail(run.store)["trials"]] == [2, 0, 2]
    monkeypatch.setattr(dashboard_plugins, "MAX_CURVES", 3)
    assert [len(trial["intermediate_values"]) for trial in detail(run.store)["trials"]] == [2, 2, 2]


def test_a_study_that_maximises_has_its_own_best(write_study: "WriteStudy", launch: "Launch") -> None:
    run = launch(write_study(), "study.trials=1")
    bare = optuna.create_study(study_name="bare", storage=optuna_storage(run.store), direction="maximize")
    for value in (1.0, 3.0, 2.0):
        bare.add_trial(optuna.create_trial(value=value))
    body = ask(dashboard_application(run.store, DashboardStorage(run.store)), "/api/studies/2")[1]
    assert [trial["number"] for trial in json.loads(body)["best_trials"]] == [1]


def test_a_study_with_the_ids_of_a_deleted_one_shows_its_own_trials(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    run = launch(write_study(), "study.trials=1")
    old = optuna.create_study(study_name="old", storage=optuna_storage(run.store))
    old.add_trial(optuna.create_trial(value=1.0))
    storage = DashboardStorage(run.store)
    assert [study.study_name for study in storage.get_all_studies()] == ["small", "old"]
    assert storage.get_all_trials(2)[0].value == 1.0
    optuna.delete_study(study_name="old", storage=optuna_storage(run.store))
    new = optuna.create_study(study_name="new", storage=optuna_storage(run.store))
    new.add_trial(optuna.create_trial(value=2.0))
    assert [study.study_name for study in storage.get_all_studies()] == ["small", "new"]
    assert storage.get_all_trials(2)[0].value == 2.0


@pytest.mark.slow
def test_a_study_on_record_keeps_its_name_and_another_does_not(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    run = launch(write_study(), "study.trials=1")
    optuna.create_study(study_name="bare", storage=optuna_storage(run.store))
    served = dashboard_application(run.store, DashboardStorage(run.store))
    status, body = ask(served, "/api/studies/1/rename", "POST", sent={"study_name": "other"})
    assert status.startswith("409")
    assert "kept under its name" in json.loads(body)["reason"]
    assert ask(served, "/api/studies/2/rename", "POST", sent={"study_name": "other"})[0][:3] == "201"


def test_a_study_deleted_at_the_dashboard_is_not_taken_up_under_its_old_numbers(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    run = launch(write_study(), "study.trials=1")
    assert (
        ask(dashboard_application(run.store, DashboardStorage(run.store)), "/api/studies/1", "DELETE")[0][:3]
        == "204"
    )
    with pytest.raises(RequestError, match=r"deleted at a dashboard.*--name small-2"):
        launch(write_study(), "study.trials=2")


SHOWN_FILES = {"a.png", "a.jpg", "a.gif", "a.webp"}
SAVED_FILES = {
    "a.html", "a.htm", "a.xhtml", "a.xht", "a.svg", "a.xml", "a.js", "a.mjs", "a.css", "a.pdf", "a.json",
    "a.csv", "a.txt",
    "a.swf", "a.wasm", "a.mht", "a.unknown", "a", "a.png.html", "a.ico", "a.mp4", ".html", "a.HTML",
}  # fmt: skip


def test_an_uploaded_file_is_saved_unless_it_is_a_picture_without_scripts(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    run = launch(write_study(), "study.trials=1")
    served = dashboard_application(run.store, DashboardStorage(run.store))
    for name in sorted(SHOWN_FILES | SAVED_FILES):
        sent = {"file": "data:text/html;base64,PHNjcmlwdD4=", "filename": name}
        status, body = ask(served, "/api/artifacts/1", "POST", sent=sent)
        assert status == "201 Created"
        code, headers = headers_of(served, f"/artifacts/1/{json.loads(body)['artifact_id']}")
        assert code == "200 OK"
        assert ("attachment" in headers.get("Content-Disposition", "")) is (name in SAVED_FILES), name
        assert headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
        kind = headers["Content-Type"]
        embedded = {"a.svg": "image/svg+xml", "a.mp4": "video/mp4"}.get(name, "application/octet-stream")
        assert kind.startswith("image/") if name in SHOWN_FILES else kind == embedded


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", ["text/html", "TEXT/HTML; x=image/png", "image/svg+xml", "image/png, text/html", ""]
)
def test_a_type_that_the_store_claims_is_not_believed(
    write_study: "WriteStudy", launch: "Launch", kind: str
) -> None:
    run = launch(write_study(**SHOWN), "study.trials=1")
    served = dashboard_application(run.store, DashboardStorage(run.store))
    artifact = json.loads(ask(served, "/api/studies/1")[1])["trials"][0]["artifacts"][0]["artifact_id"]
    meta = json.dumps({"artifact_id": artifact, "mimetype": kind, "encoding": None, "filename": "a.png"})
    run.study.optuna._storage.set_study_system_attr(1, f"artifacts:{artifact}", meta)
    _, headers = headers_of(served, f"/artifacts/1/{artifact}")
    assert headers["Content-Disposition"] == "attachment"
    assert headers["Content-Type"] in {"application/octet-stream", "image/svg+xml"}


def headers_of(served: Any, path: str) -> tuple[str, dict[str, str]]:
    """The status and headers of an answer."""
    said: list[Any] = []
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
    }
    answer = served(environ, lambda status, headers, *_: said.extend([status, dict(headers)]))
    if hasattr(answer, "close"):
        answer.close()
    return said[0], said[1]
