"""A list of very many trials says what a short one says."""

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console

from search.cli import show
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


def _words(trials: list[Trial]) -> list[list[str]]:
    told = io.StringIO()
    show.print_trials(Console(file=told, width=240), trials)
    return [line.split() for line in told.getvalue().splitlines()]


def test_many_trials_are_told_with_the_same_words_as_few(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = _words(_trials(20))
    monkeypatch.setattr(show, "_MANY", 10)
    assert _words(_trials(20)) == drawn
    assert len(drawn) == 21
