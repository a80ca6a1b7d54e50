"""What a study has come to, said honestly."""

from typing import TYPE_CHECKING

import pytest

from search.selection.selection_evidence import measure_floor, record_measured_floor, with_measured_floor
from search.selection.summary import MEASURED_FLOOR, summarise
from storage import record
from storage.engine import Store
from storage.errors import StudyUnknown
from storage.verdicts import CONCLUSIVE

if TYPE_CHECKING:
    from tests.search_fixtures import Answer, Launch, WriteStudy

pytestmark = pytest.mark.slow


def above_the_floor(write_study: "WriteStudy", launch: "Launch") -> Store:
    """A study of one trial whose skill on the validation rows is above the noise floor."""
    data = {"target": {"column": "y", "transform": "raw", "kind": "other", "already_shifted": True}}
    sets = ("guard.max_skill=0.9", "study.trials=1", "training.epochs=2", "models.gru.learning_rate=0.01")
    return launch(write_study(leak=True, data=data), *sets).store


@pytest.mark.slow
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
    assert "on validation rows, not yet verified" in summary.sentence()
    assert "over har, and luck alone reaches" in summary.sentence()


@pytest.mark.slow
def test_skill_above_the_floor_is_shown_with_what_it_beats(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    summary = summarise(above_the_floor(write_study, launch), "small")
    assert summary.best is not None
    assert summary.skill_shown
    assert summary.sentence().startswith(
        f"Skill {summary.best.skill:+.4f} over {summary.baseline} on validation rows, not yet verified"
    )


def test_a_study_without_an_accepted_trial_has_no_best(write_study: "WriteStudy", launch: "Launch") -> None:
    done = launch(write_study(leak=True), "study.trials=1")
    summary = summarise(done.store, "small")
    assert summary.to_json() == {
        "study": "small",
        "trials": 1,
        "verdicts": {"suspicious": 1},
        "best": None,
        "skill_shown": False,
        "verified": None,
        "best_seed_losses": [],
        "voided": [],
        "pareto": None,
        "effective_rows": None,
        "rivals_losses": summary.study.facts["rivals"],
        "above_naive": 0,
        "leak_warnings": [],
        "settings": None,
    }
    assert summary.sentence() == "No trial was accepted: there is no best configuration."


@pytest.mark.parametrize("verdict", ["holds", "does not hold", "cannot tell"])
def test_after_a_verification_its_answer_is_the_headline(
    write_study: "WriteStudy", launch: "Launch", answer: "Answer", verdict: str
) -> None:
    store = above_the_floor(write_study, launch)
    shown = verdict == "holds"
    assert summarise(store, "small").skill_shown
    answer(store, 0, verdict, 0.02)
    summary = summarise(store, "small")
    assert summary.skill_shown is shown
    assert summary.sentence().startswith(f"{verdict.capitalize()}: on unseen rows skill +0.0200 over har")
    assert "noise floor" not in summary.sentence()
    assert summary.to_json()["skill_shown"] is shown
    assert summary.to_json()["verified"] == {
        "verdict": verdict,
        "skill": 0.02,
        "strongest_rival": None,
        "at": "2026-11-29T12:00:00+00:00",
        "did_not_hold": None,
    }


def test_a_best_trial_that_is_not_the_verified_one_is_named(
    write_study: "WriteStudy", launch: "Launch", answer: "Answer"
) -> None:
    store = launch(write_study()).store
    best = summarise(store, "small").best
    assert best is not None
    answer(store, 1 - best.number, "does not hold")
    told = summarise(store, "small").sentence()
    assert f"Trial {best.number} has the lowest validation loss" in told
    assert "is not the one that was verified" in told


def test_accepted_trials_above_the_naive_forecast_are_counted(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    done = launch(write_study())
    above = sum(row.skill is not None and row.skill > 0 for row in done.trials)
    assert above < len(done.trials)
    assert summarise(done.store, "small").above_naive == above


def test_an_accepted_trial_with_skill_is_above_the_naive_forecast(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    assert summarise(above_the_floor(write_study, launch), "small").above_naive == 1


def test_the_rivals_stand_beside_the_naive_forecast(write_study: "WriteStudy", launch: "Launch") -> None:
    store = above_the_floor(write_study, launch)
    best = summarise(store, "small").best
    assert best is not None
    assert best.value is not None
    loss = 2 * best.value
    facts = {"rivals": {"linear": loss, "ewma": 9.0}, "strongest_rival": {"name": "linear", "loss": loss}}
    record.set_study_facts(store, "small", facts)
    summary = summarise(store, "small")
    assert summary.skill_over_rival == 0.5
    assert summary.to_json()["rivals_losses"] == {"linear": loss, "ewma": 9.0}
    assert "Over linear, the strongest rival on validation rows" in summary.sentence()
    assert summary.sentence().endswith("the best trial's skill is +0.5000.")


def test_the_measured_noise_floor_stands_beside_the_formulas_and_counts(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    store = above_the_floor(write_study, launch)
    best = summarise(store, "small").best
    assert best is not None
    assert best.skill is not None
    record.set_study_facts(store, "small", {MEASURED_FLOOR: {"skill": best.skill + 0.01, "trials": 1}})
    summary = summarise(store, "small")
    assert not summary.skill_shown
    assert f"{summary.noise_floor:.4f} by the formula, {best.skill + 0.01:.4f} as measured on 1 trials" in (
        summary.sentence()
    )


@pytest.mark.slow
def test_a_measured_floor_is_kept_and_is_measured_anew_when_there_are_more_trials(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    path = write_study()
    store = launch(path).store
    assert summarise(store, "small").measured is None
    record_measured_floor(store, "small")
    first = summarise(store, "small")
    assert first.measured == measure_floor(store, "small")
    assert first.measured is not None
    assert first.measured.trials == 2
    assert with_measured_floor(store, first) is first
    store = launch(path, "study.trials=3").store
    kept = summarise(store, "small")
    assert kept.measured == first.measured
    anew = with_measured_floor(store, kept).measured
    assert anew is not None
    assert anew.trials == 3


@pytest.mark.slow
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
