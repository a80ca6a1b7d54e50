"""The line that says which of several fits runs."""

from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest

from search.terminal import fit_progress
from search.terminal.result_tables import SafeConsole


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    """What is drawn on a terminal of 80 columns."""
    drawn = StringIO()
    terminal = SafeConsole(file=drawn, force_terminal=True, width=80, highlight=False)
    monkeypatch.setattr(fit_progress, "console", lambda: terminal)
    return drawn


def test_a_terminal_shows_which_training_runs_above_it_those_that_ended(
    screen: StringIO,
) -> None:
    trained: Any = (SimpleNamespace(name="trial 3"), SimpleNamespace(seed=7, outcome="completed"))
    with fit_progress.shown_trainings(2, shown=True) as ended:
        assert ended is not None
        ended(*trained)
    text = screen.getvalue()
    assert "training 1 of 2, " in text
    assert "trial 3, seed 7: completed" in text
    assert text.endswith("\x1b[1A\x1b[2K") or text.rstrip().endswith("\x1b[2K")


def test_nothing_is_drawn_in_a_pipe_and_nothing_called_with_json(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with fit_progress.fit_progress("training", 3) as progress:
        progress.passed()
    with fit_progress.shown_trainings(3, shown=False) as ended:
        assert ended is None
    assert capsys.readouterr() == ("", "")


def test_the_line_counts_fits_and_never_names_one_more_than_there_are() -> None:
    progress = fit_progress.FitProgress("refit", None)
    assert progress.line() == ""
    progress.passed_of(3, 9)
    assert progress.line().startswith("refit 4 of 9, ")
    progress.passed_of(9, 9)
    assert progress.line().startswith("refit 9 of 9, ")
