"""`ballast db`: what a death left open is closed, and a store is made before anybody needs it."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from optuna.trial import TrialState

from search import books, objective
from search.optuna_storage import has_optuna_tables
from search.worker import is_dead
from storage import query
from storage.engine import open_store
from storage.verdicts import Verdict

if TYPE_CHECKING:
    from tests.search.conftest import Ballast, Launch, WriteStudy


class Killed(BaseException):
    """Stands for kill -9: nothing on the way up handles it."""


def _die(*_: object, **__: object) -> None:
    raise Killed


@pytest.mark.parametrize(
    ("module", "place", "verdict", "states"),
    [
        (objective, "_judged", Verdict.INTERRUPTED, [TrialState.FAIL, TrialState.WAITING]),
        (books, "conclude", Verdict.ACCEPTED, [TrialState.COMPLETE]),
    ],
)
def test_db_check_closes_the_gap_that_a_death_left(
    write_study: "WriteStudy",
    launch: "Launch",
    ballast: "Ballast",
    monkeypatch: pytest.MonkeyPatch,
    module: object,
    place: str,
    verdict: Verdict,
    states: list[TrialState],
) -> None:
    path = write_study(study={"trials": 1})
    with monkeypatch.context() as patched:
        patched.setattr(module, place, _die)
        with pytest.raises(Killed):
            launch(path)
    looked = ballast("db", "check", "--dry-run")
    assert looked.code == 1
    assert "trial 0 of" in looked.out
    settled = ballast("db", "check")
    assert settled.code == 0, settled.out
    assert "trial 0 of 'small': its worker is gone; it has been brought to an end" in settled.out
    done = launch(path, should_stop=lambda: True)
    assert done.trials[0].verdict is verdict
    assert [trial.state for trial in done.study.optuna.trials] == states


def test_db_check_leaves_the_trials_of_living_workers_alone(
    write_study: "WriteStudy", launch: "Launch", ballast: "Ballast", monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_study(study={"trials": 1})
    with monkeypatch.context() as patched:
        patched.setattr(objective, "_judged", _die)
        with pytest.raises(Killed):
            launch(path)
    monkeypatch.setattr("search.agreement.this_worker", lambda: "somebody:1:1")  # this process still lives
    checked = ballast("db", "check")
    assert checked.code == 1
    assert "is running since" in checked.out
    assert not is_dead(query.trials(open_store("sqlite:///ballast.db"), "small")[0].worker)


def test_db_upgrade_makes_a_store_only_when_it_is_told_to(ballast: "Ballast") -> None:
    refused = ballast("db", "upgrade")
    assert refused.code == 2
    assert not Path("ballast.db").exists()
    made = ballast("db", "upgrade", "--create")
    assert made.code == 0, made.err
    store = open_store("sqlite:///ballast.db", create=False)
    assert has_optuna_tables(store)
    assert ballast("db", "upgrade", "--create").code == 0
    assert ballast("db", "check").out == "sqlite:///ballast.db is well\n"
