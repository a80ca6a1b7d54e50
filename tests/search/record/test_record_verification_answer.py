"""The newest answer of `verify` about a study: which one it is, and its sentence."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from search.record.verification_answer import ANSWERS, newest_verification
from search.selection.statistics.conclusion import SkillVerdict as Conclusion
from storage import evaluations, tables
from storage.engine import Store

if TYPE_CHECKING:
    from tests.search_fixtures import Answer, Ballast, Launch, WriteStudy

pytestmark = pytest.mark.slow

RIVAL: dict[str, Any] = {
    "name": "linear",
    "loss": 0.5,
    "skill": -0.003,
    "interval": {"low": -0.04, "high": 0.03, "level": 0.99, "block": 1},
    "verdict": "cannot tell",
}


@pytest.fixture
def store(write_study: "WriteStudy", launch: "Launch") -> Store:
    """A study of two accepted trials."""
    return launch(write_study()).store


def sentence(store: Store, ceiling: float | None = None) -> str:
    found = newest_verification(store, "small")
    assert found is not None
    return found.sentence(ceiling)


def test_the_words_are_those_of_the_conclusion() -> None:
    assert tuple(Conclusion) == ANSWERS


def test_a_study_that_was_never_verified_has_no_answer(store: Store) -> None:
    assert newest_verification(store, "small") is None


def test_the_newest_answer_counts(store: Store, answer: "Answer") -> None:
    answer(store, 0, "holds", 0.1)
    answer(store, 1, "does not hold", 0.02)
    found = newest_verification(store, "small")
    assert found is not None
    assert (found.verdict, found.trial, found.skill) == ("does not hold", 1, 0.02)


def test_a_scoring_that_broke_off_is_no_answer(store: Store, answer: "Answer") -> None:
    answer(store, 0, "holds", 0.1)
    (known,) = evaluations.verifications_of_study(store, "small")
    columns = {c.key: getattr(known, c.key) for c in tables.Evaluation.__table__.columns if c.key != "id"}
    evaluations.start_evaluation(
        store, tables.Evaluation(**columns | {"looked_by": "bob@host", "verdict": None, "report": None})
    )
    found = newest_verification(store, "small")
    assert found is not None
    assert found.verdict == "holds"


def test_what_was_only_compared_with_what_was_asked_for_is_no_headline(
    store: Store, answer: "Answer"
) -> None:
    answer(store, 0, "does not hold", asked_for=True)
    answer(store, 1, "holds", asked_for=False)
    found = newest_verification(store, "small")
    assert found is not None
    assert found.trial == 0


def test_the_answer_about_another_study_of_the_same_name_is_left_out(store: Store, answer: "Answer") -> None:
    answer(store, 0, "holds", validation={"value": 0.123, "skill": 0.5})
    assert newest_verification(store, "small") is None


def test_the_sentence_has_the_answer_first_then_the_figures_and_what_validation_promised(
    store: Store, answer: "Answer"
) -> None:
    answer(store, 0, "does not hold", 0.0239)
    told = sentence(store)
    assert told.startswith(
        "Does not hold: on unseen rows skill +0.0239 over har (95 % between -0.0700 and +0.1200), trial 0, "
        "verified 2026-11-29; on validation rows it was "
    )


@pytest.mark.parametrize("verdict", ["yes", "no", "cannot tell"])
def test_both_questions_are_answered(store: Store, answer: "Answer", verdict: str) -> None:
    answer(store, 0, "holds", 0.09, strongest_rival={**RIVAL, "verdict": verdict})
    told = sentence(store)
    assert told.startswith("Holds: on unseen rows skill +0.0900 over har")
    assert f" Better than linear, the strongest rival: {verdict}, skill -0.0030" in told
    assert told.endswith(" (99 % between -0.0400 and +0.0300).")


def test_a_skill_above_the_ceiling_is_called_one(store: Store, answer: "Answer") -> None:
    answer(store, 0, "cannot tell", 0.6)
    assert "above the ceiling of 0.3000 for what is believable: look for a leak" in sentence(store, 0.3)
    assert "ceiling" not in sentence(store, 0.7)


def test_without_a_skill_the_reason_is_given(store: Store, answer: "Answer") -> None:
    answer(store, 1, "does not hold", None, interval=None)
    assert sentence(store) == (
        "Does not hold: the guard stopped 2 of 3 trainings. Trial 1, verified 2026-11-29."
    )


def test_a_report_of_an_older_version_can_be_read(store: Store, answer: "Answer") -> None:
    answer(store, 0, "holds", 0.1, baseline=None, interval=None, validation=None)
    assert sentence(store) == (
        "Holds: on unseen rows skill +0.1000 over the best naive forecast, trial 0, verified 2026-11-29."
    )


@pytest.mark.parametrize("used", [{"look": 2}, {"searched_by": [{"study": "other", "trials": 3}]}])
def test_rows_that_were_used_before_are_not_called_unseen(
    store: Store, answer: "Answer", used: dict[str, Any]
) -> None:
    answer(store, 0, "holds", 0.09, **used)
    assert "on test rows that were used before skill +0.0900" in sentence(store)
    assert "unseen" not in sentence(store)


def test_asking_again_does_not_remove_that_it_did_not_hold(store: Store, answer: "Answer") -> None:
    answer(store, 0, "does not hold", 0.01)
    answer(store, 1, "holds", 0.1)
    assert "did not hold" not in sentence(store)  # that was another trial
    answer(store, 0, "cannot tell", 0.01, interval={"low": -0.1, "high": 0.1, "level": 0.9875, "block": 1})
    found = newest_verification(store, "small")
    assert found is not None
    assert found.verdict == "cannot tell"
    assert " On 2026-11-29 it did not hold (3 seeds, 95 %)." in found.sentence()
    assert found.to_json()["did_not_hold"] == "2026-11-29T12:00:00+00:00"


def test_what_the_guard_stopped_did_not_hold_either(store: Store, answer: "Answer") -> None:
    answer(store, 0, "does not hold", None, interval=None)
    answer(store, 0, "cannot tell", None, interval=None)
    assert sentence(store).endswith(" verified 2026-11-29. On 2026-11-29 it did not hold (3 seeds).")


def test_every_page_goes_on_saying_that_it_did_not_hold(
    store: Store, answer: "Answer", ballast: "Ballast"
) -> None:
    answer(store, 0, "does not hold", 0.01)
    answer(store, 0, "cannot tell", 0.01)
    at = ("--store", store.url)
    assert ballast("status", "small", *at).out.count("On 2026-11-29 it did not hold (3 seeds, 95 %)") == 2
    assert "did not hold before" in " ".join(ballast("status", *at).out.split())
    ballast("export", "small", "-o", "b.yaml", "--trial", 0, *at)
    assert "it did not hold (3 seeds, 95 %)" in Path("b.yaml").read_text()
