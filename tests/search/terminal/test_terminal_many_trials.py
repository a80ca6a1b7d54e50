"""A list of trials has the same text in a pipe, line by line, as on a wide terminal."""

import io
from datetime import UTC, datetime

from rich.console import Console

from search.terminal.result_tables import print_trials
from search.terminal.text_table import UNLIMITED_WIDTH
from storage.tables import Trial
from storage.verdicts import Verdict


def _trials(n: int) -> list[Trial]:
    now = datetime(2024, 1, 1, tzinfo=UTC)
    return [
        Trial(
            study="many",
            number=number,
            params={"models.gru.learning_rate": 1e-3 * (number + 1), "models.gru.hidden_size": 32},
            seed=0,
            started_at=now,
            worker="w",
            verdict=Verdict.UNSTABLE if number % 3 else Verdict.ACCEPTED,
            reasons=["frozen"] if number % 3 else [],
            value=0.5,
            skill=0.1,
            epochs=3,
            finished_at=now,
            duration_s=61.0,
        )
        for number in range(n)
    ]


def _words(trials: list[Trial], width: int) -> list[list[str]]:
    told = io.StringIO()
    print_trials(Console(file=told, width=width), trials)
    return [line.split() for line in told.getvalue().splitlines()]


def test_a_pipe_gets_the_same_text_as_a_wide_terminal() -> None:
    drawn = _words(_trials(20), 240)
    assert _words(_trials(20), UNLIMITED_WIDTH) == drawn
    assert len(drawn) == 21
