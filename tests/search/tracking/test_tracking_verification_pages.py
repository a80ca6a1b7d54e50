"""After a verification, pages of the study that are kept elsewhere say so, too."""

from typing import TYPE_CHECKING

import pytest

from search.selection.selection_evidence import SelectionEvidence, study_evidence
from search.selection.summary import summarise
from search.tracking.verification_pages import publish_verification
from storage import record, tables
from storage.engine import Store

if TYPE_CHECKING:
    from tests.search_fixtures import Answer, Launch, WriteStudy


@pytest.fixture
def store(write_study: "WriteStudy", launch: "Launch") -> Store:
    """A study of two trials that is shown in optuna-dashboard."""
    return launch(write_study(tracking={"dashboard": True})).store


def test_the_measured_floor_of_the_evidence_is_kept(store: Store, answer: "Answer") -> None:
    evidence = study_evidence(store, "small", 0)
    assert isinstance(evidence, SelectionEvidence)
    answer(store, 0, "holds")
    assert publish_verification(store, "small", evidence) is None
    measured = summarise(store, "small").measured
    assert measured is not None
    assert (measured.skill, measured.trials) == (evidence.measured_floor, evidence.trials)


def test_a_study_that_is_not_here_or_was_not_verified_is_left_alone(store: Store) -> None:
    assert publish_verification(store, "other", "no study chose this configuration") is None
    assert publish_verification(store, "small", "no study chose this configuration") is None
    assert summarise(store, "small").measured is None


def test_if_mlflow_is_away_the_command_that_sends_it_later_is_named(store: Store, answer: "Answer") -> None:
    answer(store, 0, "does not hold")
    uri = "http://127.0.0.1:1"
    act = tables.SettingRow(
        study="small",
        key="tracking.mlflow.uri",
        position=9,
        layer="cli",
        origin="--set",
        requested=uri,
        effective=uri,
        reason="",
    )
    record.continue_study(store, "small", wanted=2, sources=None, settings=[act])
    told = publish_verification(store, "small", "nothing is known")
    assert told is not None
    assert told.startswith("MLflow does not have this answer (MLflow at http://127.0.0.1:1 does not answer)")
    assert told.endswith("send it later: ballast track small --store " + store.shown_url)
