"""The root of the dashboard leads to what a reader wants first."""

from typing import TYPE_CHECKING

from search.sampling.optuna_storage import optuna_storage
from search.selection.summary import summarise
from search.watching.server.dashboard import dashboard_application
from search.watching.server.dashboard_storage import DashboardStorage
from storage.engine import Store, open_store
from tests.search.watching.server.wsgi_requests import answer_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.search_fixtures import Launch, WriteStudy


def asked(store: Store, path: str) -> tuple[str, str, dict[str, str]]:
    """The status, the text and the headers of an answer."""
    served = dashboard_application(store, DashboardStorage(store))
    status, headers, body = answer_of(served, path)
    return status, body.decode(), headers


def test_one_study_is_shown_at_once_by_its_note(write_study: "WriteStudy", launch: "Launch") -> None:
    store = launch(write_study(), "study.trials=1").store
    status, _, headers = asked(store, "/")
    assert status.startswith("302")
    assert headers["Location"].endswith("/dashboard/studies/1/note")


def test_several_studies_are_listed_with_their_answers_the_newest_first(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    store = launch(write_study(), "study.trials=1").store
    launch(write_study(study={"name": "<i>b"}), "study.trials=1")
    status, page, headers = asked(store, "/")
    assert status == "200 OK"
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    newer, older = ('/dashboard/studies/2/note">&lt;i&gt;b</a>', '/dashboard/studies/1/note">small</a>')
    assert 0 < page.index(newer) < page.index(older)
    for name in ("small", "<i>b"):
        assert summarise(store, name).sentence() in page
    assert '<a href="/dashboard">' in page


def test_a_store_without_a_study_of_ballast_shows_optunas_list(tmp_path: "Path") -> None:
    store = open_store(f"sqlite:///{tmp_path / 'ballast.db'}")
    optuna_storage(store)
    status, _, headers = asked(store, "/")
    store.close()
    assert status.startswith("302")
    assert headers["Location"].endswith("/dashboard")


def test_optunas_page_keeps_its_policy_and_gets_the_colour_of_our_text(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    store = launch(write_study(), "study.trials=1").store
    for path in ("/dashboard", "/dashboard/studies/1"):
        status, page, headers = asked(store, path)
        assert status == "200 OK"
        assert "fill: currentColor !important" in page.partition("</head>")[0]
        assert int(headers["Content-Length"]) == len(page.encode())
        assert "script-src 'self'" in headers["Content-Security-Policy"]
