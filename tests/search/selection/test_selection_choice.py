"""What is taken away: the surest configuration, the lowest loss, and which of them is said."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import delete

from search.errors import AnswerIsNo
from search.record.validation_rows import ValidationRows, forecasts, validation_rows
from search.selection.choice import (
    ConfigurationTrials,
    bounded_configurations,
    choose_trials,
    configurations_with_bounds,
    rank_by_bound,
)
from search.selection.skill_bound import LowerBound
from storage.tables import Forecast, StoredValidationRows, Trial
from storage.verdicts import Verdict
from trainer.losses import MSE

if TYPE_CHECKING:
    from tests.search_fixtures import Launch, WriteStudy

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROWS = 80
SIZE = "models.gru.hidden_size"


def _trial(number: int, value: float, configuration: str | None = None) -> Trial:
    return Trial(
        study="small",
        number=number,
        params={},
        seed=number,
        started_at=NOW,
        worker="w",
        configuration=configuration,
        verdict=Verdict.ACCEPTED,
        value=value,
        finished_at=NOW,
    )


def _rows() -> ValidationRows:
    return ValidationRows(
        times=np.datetime64("2001-01-01") + np.arange(ROWS),
        folds=np.zeros(ROWS, dtype=np.int64),
        target=np.ones(ROWS),
        baselines={"zero": np.zeros(ROWS), "other": np.full(ROWS, 9.0)},
        unit_mean=np.zeros(ROWS),
        unit_std=np.ones(ROWS),
        baseline="zero",
        horizon=1,
        kind="other",
        loss=MSE,
    )


def _constant(value: float) -> NDArray[np.float32]:
    return np.full(ROWS, value, dtype=np.float32)


def _lucky() -> NDArray[np.float32]:
    """Perfect on three eighths of the rows, and no better than the baseline on the others."""
    return np.where(np.arange(ROWS) < 30, 1.0, 0.0).astype(np.float32)


def _judged(trials: list[Trial], told: dict[int, NDArray[np.float32]]) -> list[ConfigurationTrials]:
    found = bounded_configurations(trials, _rows(), told)
    assert not isinstance(found, str)
    return found


def test_a_steady_skill_beats_the_lower_loss_of_a_few_lucky_rows_and_both_are_named() -> None:
    found = _judged([_trial(0, 0.625, "a"), _trial(1, 0.64, "b")], {0: _lucky(), 1: _constant(0.2)})
    (choice,) = rank_by_bound(found, 1)
    assert (choice.trial.number, choice.why.by) == (1, "robust")
    assert choice.why.bound == found[1].bound
    assert choice.why.sentence.startswith(
        "trial 1 has the highest lower bound of skill, +0.3600 (mean +0.3600); trial 0 has the lowest "
        "validation loss, 0.625000, and a lower bound of +0.0"
    )


def test_where_both_agree_that_is_said() -> None:
    found = _judged([_trial(0, 0.7, "a"), _trial(1, 0.64, "b")], {0: _constant(0.1), 1: _constant(0.2)})
    (choice,) = rank_by_bound(found, 1)
    assert choice.why.sentence.endswith("+0.3600 (mean +0.3600), and the lowest validation loss")


def test_a_configuration_of_several_seeds_is_shown_by_the_middle_one() -> None:
    told = {number: _constant(level) for number, level in enumerate((0.25, 0.20, 0.22))}
    trials = [_trial(0, 0.56, "a"), _trial(1, 0.64, "a"), _trial(2, 0.61, "a")]
    (found,) = _judged(trials, told)
    (choice,) = rank_by_bound([found], 1)
    assert choice.trial.number == 2
    assert choice.why.bound is not None
    assert choice.why.bound.seeds == 3
    assert ", over 3 seeds)" in choice.why.sentence
    assert choice.why.sentence.endswith(
        "trial 0 has the lowest validation loss, 0.560000, and is another seed of the same configuration"
    )


def test_the_next_ones_have_their_rank_in_the_sentence() -> None:
    bounds = [LowerBound(0.1, low, 1, 8) for low in (0.01, 0.04, 0.03, 0.02)]
    trials = [_trial(number, 1.0 + number) for number in range(4)]
    found = [ConfigurationTrials([trial], bound) for trial, bound in zip(trials, bounds, strict=True)]
    chosen = rank_by_bound(found, 4)
    assert [choice.trial.number for choice in chosen] == [1, 2, 3, 0]
    assert [choice.why.sentence.split(" has the ")[1].split(" lower")[0] for choice in chosen] == [
        "highest",
        "second highest",
        "third highest",
        "4th highest",
    ]


def test_a_trial_without_forecasts_keeps_all_from_being_compared() -> None:
    trials = [_trial(0, 0.5), _trial(1, 0.6)]
    assert (
        bounded_configurations(trials, _rows(), {1: _constant(0.1)})
        == "there are no forecasts of trial 0 on record"
    )


def test_a_baseline_without_any_loss_bounds_nothing_and_is_said() -> None:
    rows = replace(_rows(), target=np.zeros(ROWS))
    told = bounded_configurations([_trial(0, 0.5)], rows, {0: _constant(0.1)})
    assert isinstance(told, str)
    assert "bound no skill" in told


@pytest.mark.slow
def test_seeds_of_a_real_study_are_judged_together(write_study: "WriteStudy", launch: "Launch") -> None:
    path = write_study(
        study={"trials": 5, "startup_trials": 5, "duplicates": "rerun"},
        space={SIZE: {"choices": [3, 5]}},
    )
    done = launch(path)
    found = configurations_with_bounds(done.store, "small")
    assert not isinstance(found, str)
    accepted = [row.number for row in done.trials if row.verdict is Verdict.ACCEPTED]
    assert len(found) == 2 < len(accepted)
    assert sorted(trial.number for one in found for trial in one.trials) == accepted
    for one in found:
        assert len({trial.params[SIZE] for trial in one.trials}) == 1
        losses = [trial.value or 0.0 for trial in one.trials]
        assert one.bound.mean == pytest.approx(1 - np.mean(losses) / done.study.data.baseline.loss, rel=1e-4)
        assert one.bound.low < one.bound.mean
    (choice,) = choose_trials(done.store, "small")
    assert choice.why.bound == max((one.bound for one in found), key=lambda bound: bound.low)
    with pytest.raises(AnswerIsNo, match="has 2 accepted configurations, 3 cannot be exported"):
        choose_trials(done.store, "small", top=3)
    assert len(choose_trials(done.store, "small", top=len(accepted), by="value")) == len(accepted)


def test_a_copy_is_no_new_seed(write_study: "WriteStudy", launch: "Launch") -> None:
    done = launch(write_study(study={"trials": 4, "startup_trials": 4}, space={SIZE: {"choices": [3, 5]}}))
    found = configurations_with_bounds(done.store, "small")
    assert not isinstance(found, str)
    assert [one.bound.seeds for one in found] == [1] * len(found)
    assert len(found) < len(done.trials)


def test_a_study_of_before_there_were_forecasts_is_exported_by_value_and_says_so(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    done = launch(write_study())
    assert validation_rows(done.store, "small") is not None
    assert set(forecasts(done.store, "small")) == {0, 1}
    best = min(done.trials, key=lambda trial: trial.value or 0.0).number
    for table, because in (
        (Forecast, "there are no forecasts of trial 0 on record"),
        (StoredValidationRows, "the study was started before forecasts were kept"),
    ):
        with done.store.session() as session:
            session.execute(delete(table))
        (choice,) = choose_trials(done.store, "small")
        assert (choice.trial.number, choice.why.by, choice.why.bound) == (best, "value", None)
        assert choice.why.sentence == (
            f"trial {best} has the lowest validation loss, and not the highest lower bound of skill, "
            f"as {because}"
        )
