"""`ballast db`: trials of dead workers are settled, and a store can be created before its first study."""

from pathlib import Path
from typing import TYPE_CHECKING

import optuna
import pytest
from optuna.trial import TrialState

from search.process_identity import is_dead
from search.sampling.optuna_storage import has_optuna_tables, optuna_storage
from search.study import backend
from search.workers import objective
from storage import query
from storage.engine import open_store
from storage.verdicts import Verdict
from tests.search.killed_runs import Killed, die, killed_at

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast, Launch, WriteStudy


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "place", "verdict", "states"),
    [
        (objective, "_judged", Verdict.INTERRUPTED, [TrialState.FAIL, TrialState.WAITING]),
        (backend, "conclude_trial", Verdict.ACCEPTED, [TrialState.COMPLETE]),
    ],
)
def test_db_check_settles_the_trial_of_a_dead_worker(
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
    with killed_at(monkeypatch, module, place):
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


@pytest.mark.slow
def test_db_check_leaves_the_trials_of_living_workers_alone(
    write_study: "WriteStudy", launch: "Launch", ballast: "Ballast", monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_study(study={"trials": 1})
    with killed_at(monkeypatch, objective, "_judged"):
        launch(path)
    monkeypatch.setattr(
        "search.workers.consistency.this_worker", lambda: "somebody:1:1"
    )  # this process still lives
    checked = ballast("db", "check")
    assert checked.code == 1
    assert "is running since" in checked.out
    assert not is_dead(query.trials(open_store("sqlite:///ballast.db"), "small")[0].worker)


@pytest.mark.slow
def test_trials_that_others_added_to_optuna_are_recorded_as_failed_by_the_next_run(
    write_study: "WriteStudy", launch: "Launch", ballast: "Ballast"
) -> None:
    path = write_study(study={"trials": 1})
    done = launch(path)
    params, space = {"models.gru.learning_rate": 5e-3}, done.study.optuna.trials[0].distributions
    done.study.optuna.add_trial(optuna.create_trial(params=params, distributions=space, value=1e-9))
    promised = ballast("db", "check", "--dry-run")
    assert "trial 1 of 'small' is COMPLETE in Optuna, not on record; the next run of 'small'" in promised.out
    again = launch(path, "study.trials=2")
    assert [(row.verdict, row.reasons) for row in again.trials] == [
        (Verdict.ACCEPTED, []),
        (Verdict.FAILED, ["added_elsewhere"]),
        (Verdict.ACCEPTED, []),
    ]
    best = query.best_trial(again.store, "small")
    assert best is not None
    assert best.number != 1
    checked = ballast("db", "check")
    assert (checked.code, checked.out) == (0, "sqlite:///ballast.db is well\n")


@pytest.mark.slow
def test_db_check_itself_records_what_others_have_added(
    write_study: "WriteStudy", launch: "Launch", ballast: "Ballast"
) -> None:
    done = launch(write_study(study={"trials": 1}))
    space = done.study.optuna.trials[0].distributions
    params = {"models.gru.learning_rate": 5e-3}
    done.study.optuna.add_trial(
        optuna.create_trial(params=params, distributions=space, state=TrialState.FAIL)
    )
    checked = ballast("db", "check")
    assert checked.code == 0, checked.out
    assert "trial 1 of 'small': somebody else has added it to Optuna; it is on record as" in checked.out


@pytest.mark.slow
def test_a_trial_that_was_ended_at_the_dashboard_is_settled_for_good(
    write_study: "WriteStudy", launch: "Launch", ballast: "Ballast", monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_study(study={"trials": 1})
    with killed_at(monkeypatch, objective, "_judged"):
        launch(path)
    store = open_store("sqlite:///ballast.db")
    study = optuna.load_study(study_name="small", storage=optuna_storage(store))
    study.tell(0, 0.1)
    assert (
        "trial 0 of 'small' is running on record, COMPLETE in Optuna"
        in ballast("db", "check", "--dry-run").out
    )
    launch(path)
    checked = ballast("db", "check")
    assert (checked.code, checked.out) == (0, "sqlite:///ballast.db is well\n")


@pytest.mark.slow
def test_db_check_says_which_difference_stays(
    write_study: "WriteStudy", launch: "Launch", ballast: "Ballast", monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_study(study={"trials": 1})
    with killed_at(monkeypatch, backend, "conclude_trial"):
        launch(path)
    store = open_store("sqlite:///ballast.db")
    study = optuna.load_study(study_name="small", storage=optuna_storage(store))
    study.tell(0, state=TrialState.FAIL)
    launch(path)
    told = ballast("db", "check")
    assert "accepted on record, FAIL in Optuna; Ballast goes by its record, Optuna keeps what it" in told.out


@pytest.mark.slow
def test_a_worker_of_another_machine_is_watched_and_its_trial_settled(
    write_study: "WriteStudy", launch: "Launch", ballast: "Ballast", monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_study(study={"trials": 1})
    with monkeypatch.context() as patched:
        patched.setattr(objective, "_judged", die)
        patched.setattr("search.workers.loop.this_worker", lambda: "elsewhere:1:1")
        with pytest.raises(Killed):
            launch(path)
    told = ballast("db", "check")
    assert "if that process is gone, run: ballast db check --wait" in told.out
    monkeypatch.setattr("search.study.liveness.NO_HEARTBEAT_S", 0.1)
    settled = ballast("db", "check", "--wait")
    assert settled.code == 0, settled.out
    assert "trial 0 of 'small': its worker is gone; it has been brought to an end" in settled.out


def test_delete_asks_and_does_what_it_says(
    write_study: "WriteStudy", launch: "Launch", ballast: "Ballast"
) -> None:
    launch(write_study(study={"trials": 1}))
    refused = ballast("delete", "small")
    assert refused.code == 2
    assert refused.told == [
        "ballast: deleting study 'small' cannot be undone; add --yes, or look first with --dry-run"
    ]
    looked = ballast("delete", "small", "--dry-run").out
    assert "goes: " in looked
    assert "stays: 0 scorings of its configurations, and which rows its trials have used" in looked
    assert "is deleted" not in looked
    done = ballast("delete", "small", "--yes", "--json").json
    assert (done["study"], done["trials"], done["deleted"]) == ("small", 1, True)
    assert "did you mean" not in ballast("delete", "small", "--yes").told[0]
    assert ballast("delete", "small", "--yes").code == 2
    assert "no study yet" in ballast("status").out


@pytest.mark.slow
def test_rename_says_what_it_did_and_the_same_file_goes_on(
    write_study: "WriteStudy", launch: "Launch", ballast: "Ballast", tmp_path: Path
) -> None:
    path = write_study(study={"trials": 1})
    launch(path)
    ballast("export", "small", "-o", "best.yaml")
    done = ballast("rename", "small", "other", "--json").json
    assert (done["old"], done["new"], done["trials"]) == ("small", "other", 1)
    assert ballast("status", "other").code == 0
    assert (
        ballast("run", path, "--name", "other", "--trials", "2", "--store", "sqlite:///ballast.db").code == 0
    )
    worker = ballast("worker", "other")
    assert (worker.code, worker.out) == (0, "2 of 2 trials: nothing is left to do.\n")
    verified = ballast("verify", "best.yaml", "--json", "--seeds", "2")
    assert not isinstance(verified.json["study"], str), "the study of the exported trial is still found"
    assert "verified" in ballast("status", "other", "--json").json
    assert "did you mean 'other'" in ballast("rename", "othr", "x").told[0]


@pytest.mark.slow
def test_a_study_without_its_optuna_part_is_named_in_the_list_of_studies(
    write_study: "WriteStudy", launch: "Launch", ballast: "Ballast"
) -> None:
    done = launch(write_study(study={"trials": 1}))
    assert ballast("status", "--json").json[0]["known_to_optuna"] is True
    optuna.delete_study(study_name="small", storage=optuna_storage(done.store))
    for command in (("status",), ("status", "small"), ("db", "check")):
        assert "remove it with: ballast delete small" in " ".join(ballast(*command).out.split())
    assert ballast("status", "--json").json[0]["known_to_optuna"] is False
    assert ballast("delete", "small", "--yes").code == 0
    assert ballast("db", "check").code == 0


def test_db_upgrade_creates_a_store_only_with_create(ballast: "Ballast") -> None:
    refused = ballast("db", "upgrade")
    assert refused.code == 2
    assert not Path("ballast.db").exists()
    made = ballast("db", "upgrade", "--create")
    assert made.code == 0, made.err
    store = open_store("sqlite:///ballast.db", create=False)
    assert has_optuna_tables(store)
    assert ballast("db", "upgrade", "--create").code == 0
    assert ballast("db", "check").out == "sqlite:///ballast.db is well\n"
