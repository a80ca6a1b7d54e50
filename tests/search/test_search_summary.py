"""What a study has come to, said honestly."""

from typing import TYPE_CHECKING

import pytest

from search.summary import summarise
from storage.errors import StudyUnknown
from storage.verdicts import CONCLUSIVE

if TYPE_CHECKING:
    from tests.search.conftest import Launch, WriteStudy


def test_the_best_is_the_lowest_accepted_value(write_study: "WriteStudy", launch: "Launch") -> None:
    done = launch(write_study())
    summary = summarise(done.store, "small")
    assert summary.best is not None
    assert summary.best.value == min(row.value for row in done.trials if row.value is not None)
    assert (summary.trials, summary.conclusive) == (2, 2)
    assert summary.verdicts == {"accepted": 2}
    assert summary.seconds_per_trial is not None


def test_no_skill_is_said_to_be_no_skill(write_study: "WriteStudy", launch: "Launch") -> None:
    done = launch(write_study(), "study.trials=1", "training.epochs=1")
    summary = summarise(done.store, "small")
    assert not summary.skill_shown
    assert summary.noise_floor > 0
    assert summary.sentence().startswith("No skill shown: ")
    assert "over har, and luck alone reaches" in summary.sentence()


def test_skill_above_the_floor_is_shown_with_what_it_beats(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    done = launch(
        write_study(
            leak=True,
            data={"target": {"column": "y", "transform": "raw", "kind": "other", "already_shifted": True}},
        ),
        "guard.max_skill=0.9",
        "study.trials=1",
        "training.epochs=2",
        "models.gru.learning_rate=0.01",
    )
    summary = summarise(done.store, "small")
    assert summary.best is not None
    assert summary.skill_shown
    assert summary.sentence().startswith(f"Skill {summary.best.skill:+.4f} over ")


def test_a_study_without_an_accepted_trial_has_no_best(write_study: "WriteStudy", launch: "Launch") -> None:
    done = launch(write_study(leak=True), "study.trials=1")
    summary = summarise(done.store, "small")
    assert summary.to_json() == {
        "study": "small",
        "trials": 1,
        "verdicts": {"suspicious": 1},
        "best": None,
        "skill_shown": False,
    }
    assert summary.sentence() == "No trial was accepted: there is no best configuration."


def test_an_interrupted_trial_counts_as_a_trial_and_not_as_done(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    asks = iter(range(100))
    done = launch(write_study(), should_stop=lambda: next(asks) >= 3)
    summary = summarise(done.store, "small")
    assert (summary.trials, summary.conclusive) == (1, 0)
    assert "interrupted" not in CONCLUSIVE


def test_an_unknown_study_has_no_summary(write_study: "WriteStudy", launch: "Launch") -> None:
    done = launch(write_study(), should_stop=lambda: True)
    with pytest.raises(StudyUnknown, match="did you mean 'small'"):
        summarise(done.store, "smal")
