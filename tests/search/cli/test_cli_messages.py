"""Sentences of the command line that must not contradict each other."""

import re
from typing import TYPE_CHECKING

import pytest

from search.errors import AnswerIsNo
from search.selection.choice import best_trials
from search.terminal.styles import trial_end_line
from storage.verdicts import Verdict

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast, Launch, WriteStudy


def test_a_study_without_an_accepted_trial_ends_with_one_next_step_in_run_and_in_status(
    write_study: "WriteStudy", launch: "Launch", ballast: "Ballast"
) -> None:
    store = launch(write_study(leak=True), "study.trials=1").store
    told = ballast("status", "small", "--store", store.url).out
    assert "nothing is worth exporting: all trials are suspicious (1)" in told
    assert "ballast check" in told
    with pytest.raises(AnswerIsNo, match="study 'small' has no accepted trial to export; see why: "):
        best_trials(store, "small", 1)


def test_a_suspicious_trial_shows_the_refused_skill_alone() -> None:
    refused = "the skill over the best naive forecast is 0.2023, above the ceiling of 0.194"
    told = trial_end_line(3, Verdict.SUSPICIOUS, 0.51, 0.1149, refused).plain
    assert "0.2023" in told
    assert "skill +0.1149" not in told
    assert "skill +0.1149" in trial_end_line(3, Verdict.ACCEPTED, 0.51, 0.1149, "trained").plain


def test_the_worked_row_and_the_headline_wrap_at_the_width_of_the_terminal(
    write_study: "WriteStudy", ballast: "Ballast", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    study = write_study()
    assert ballast("run", study).code == 0
    shown = ballast("check", study).out + ballast("export", "small", "-o", "b.yaml").out
    long = [line for line in shown.splitlines() if len(line) > 80 and "ballast " not in line]
    assert long == []
    assert re.search(r"^worked row: ", shown, re.MULTILINE)
