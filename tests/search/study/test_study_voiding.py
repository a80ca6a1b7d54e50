"""A voided trial is never chosen again, its samplers avoid it, and what was made from it is named."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from optuna.trial import TrialState

from search.config.resolve import resolve
from search.data.study_data import load_study_data
from search.selection.choice import choose_trials
from search.selection.selection_evidence import study_evidence
from search.selection.summary import summarise
from search.study import voiding
from search.study.studies import OpenStudy, open_study
from search.study.voiding import settle_voids, void_trial
from search.workers.consistency import inconsistencies, reconcile
from search.workers.loop import run_worker
from search.workers.progress import NoProgress
from storage import query, tables, voids
from storage.check import check_store
from storage.engine import open_store
from storage.verdicts import Verdict

if TYPE_CHECKING:
    from tests.search_fixtures import Answer, Ballast, Launch, WriteStudy

pytestmark = pytest.mark.slow

WHY = "the vendor has revised 2019"
ONE_POINT = {"models.gru.hidden_size": {"choices": [4]}}
COPIES: dict[str, Any] = {
    "study": {"trials": 3, "sampler": "random", "startup_trials": None},
    "space": ONE_POINT,
}


@pytest.fixture
def run(store_url: str, write_study: "WriteStudy") -> Iterator[Callable[..., OpenStudy]]:
    """Run a small study on each backend."""
    stores = [open_store(store_url)]

    def run(**changes: Any) -> OpenStudy:
        resolved = resolve(write_study(**changes))
        study = open_study(resolved, load_study_data(resolved), stores[0])
        run_worker(study, NoProgress(), lambda: False)
        return study

    yield run
    stores[0].close()


def test_the_best_is_another_one_afterwards_everywhere(run: Callable[..., OpenStudy]) -> None:
    study = run(study={"trials": 3})
    before = query.best_trial(study.store, "small")
    assert before is not None
    void_trial(study.store, "small", before.number, WHY)
    row, best = query.trial(study.store, "small", before.number), query.best_trial(study.store, "small")
    assert (row.verdict, row.reasons) == (Verdict.SUSPICIOUS, ["voided"])
    assert (row.value, row.skill) == (before.value, before.skill)
    assert best is not None
    assert best.number != before.number
    for rule in ("robust", "value"):
        chosen = choose_trials(study.store, "small", top=2, by=rule)
        assert before.number not in [each.trial.number for each in chosen]
    evidence = study_evidence(study.store, "small", best.number)
    assert not isinstance(evidence, str)
    assert (evidence.trials, evidence.suspicious_trials.trials) == (2, 1)
    assert inconsistencies(study.store) == []
    assert check_store(study.store) == []


def test_what_was_said_before_stays_on_record_with_who_and_why(run: Callable[..., OpenStudy]) -> None:
    study = run()
    before = query.trial(study.store, "small", 0)
    done = void_trial(study.store, "small", 0, f"  {WHY}\n")
    [kept] = voids.voids(study.store, "small")
    assert (kept.why, kept.verdict, kept.reasons, kept.message) == (WHY, "accepted", [], before.message)
    assert "@" in kept.voided_by
    assert done.void.voided_at == kept.voided_at
    message = query.trial(study.store, "small", 0).message
    assert message is not None
    assert message.startswith("voided on ")
    assert message.endswith(f"{WHY} (it was accepted: {before.message})")


@pytest.mark.parametrize(
    ("sampler", "state"),
    [
        *((sampler, TrialState.PRUNED) for sampler in ("tpe", "random", "qmc")),
        *((sampler, TrialState.COMPLETE) for sampler in ("gp", "cmaes")),
    ],
)
def test_optuna_is_told_as_the_table_of_verdicts_says(
    write_study: "WriteStudy", launch: "Launch", sampler: str, state: TrialState
) -> None:
    study = {"trials": 3, "sampler": sampler, "startup_trials": None if sampler in ("random", "qmc") else 2}
    done = launch(write_study(study=study))
    losses = [row.value for row in done.trials if row.value is not None]
    assert done.study.optuna.get_trials(deepcopy=False)[1].state is TrialState.COMPLETE
    void_trial(done.store, "small", 1, WHY)
    told = done.study.optuna.get_trials(deepcopy=False)[1]  # this process has read it before
    assert told.state is state
    assert told.constraints == {"ballast": 1.0}
    assert told.intermediate_values == {}
    assert (told.user_attrs["verdict"], told.user_attrs["reasons"]) == ("suspicious", "voided")
    if state is TrialState.COMPLETE:
        assert told.value is not None
        assert told.value >= 2 * max(losses[0], losses[2])
    else:
        assert told.value is None
    assert launch(write_study(study={**study, "trials": 5})).end.done == 5


def test_a_worker_that_runs_meanwhile_learns_it_at_its_next_trial(run: Callable[..., OpenStudy]) -> None:
    study = run()
    assert [trial.state for trial in study.optuna.trials] == [TrialState.COMPLETE] * 2
    other = open_store(study.store.url)
    void_trial(other, "small", 0, WHY)
    other.close()
    assert [trial.state for trial in study.optuna.trials] == [TrialState.PRUNED, TrialState.COMPLETE]


@pytest.mark.parametrize("asked", [0, 1])
def test_trials_with_the_very_same_result_are_voided_with_it(
    write_study: "WriteStudy", launch: "Launch", asked: int
) -> None:
    done = launch(write_study(**COPIES))
    continued = launch(write_study("new.yaml", study={"name": "new", "trials": 1}), continue_from="small")
    voided = void_trial(done.store, "small", asked, WHY)
    others = {0, 1, 2} - {asked}
    assert set(voided.also) == {("small", number) for number in others} | {
        (row.study, row.number) for row in continued.trials if row.source_study == "small"
    }
    assert {row.verdict for row in done.trials} == {Verdict.SUSPICIOUS}
    assert query.best_trial(done.store, "small") is None
    assert inconsistencies(done.store) == []


def test_a_study_that_continues_from_one_with_a_voided_trial_takes_it_over_as_suspicious(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    done = launch(write_study(study={"trials": 3}))
    void_trial(done.store, "small", 0, WHY)
    new = launch(write_study("new.yaml", study={"name": "new", "trials": 1}), continue_from="small")
    [copy] = [row for row in new.trials if (row.source_study, row.source_trial) == ("small", 0)]
    assert (copy.verdict, copy.reasons) == (Verdict.SUSPICIOUS, ["voided"])
    told = new.study.optuna.trials[copy.number]
    assert (told.state, told.value, told.constraints) == (TrialState.PRUNED, None, {"ballast": 1.0})
    assert inconsistencies(new.store) == []


def test_a_repeated_configuration_copies_the_judgement_too(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    done = launch(write_study(study={**COPIES["study"], "trials": 1}, space=ONE_POINT))
    void_trial(done.store, "small", 0, WHY)
    again = launch(write_study(study={**COPIES["study"], "trials": 2}, space=ONE_POINT))
    assert (again.trials[1].verdict, again.trials[1].source_trial) == (Verdict.SUSPICIOUS, 0)
    assert inconsistencies(again.store) == []


def test_a_verification_of_it_no_longer_answers_for_the_study(
    write_study: "WriteStudy", launch: "Launch", answer: "Answer"
) -> None:
    done = launch(write_study())
    answer(done.store, 0, "holds")
    assert summarise(done.store, "small").verified is not None
    voided = void_trial(done.store, "small", 0, WHY)
    summary = summarise(done.store, "small")
    assert summary.verified is None
    assert "Voided, and never chosen again: trial 0." in summary.sentence()
    assert [each.verdict for each in voided.evaluations] == ["holds"]


def test_files_and_models_that_were_made_from_it_are_named(
    write_study: "WriteStudy", launch: "Launch", ballast: "Ballast", tmp_path: Path
) -> None:
    launch(write_study())
    export = ballast("export", "small", "-o", "best.yaml", "--trial", 0)
    assert export.code == 0
    assert ballast("train", "best.yaml", "--save", "model").code == 0
    assert ballast("refit", "best.yaml", "--save", "live", "--seeds", 1).code == 0
    found = ballast("void", "small", "--trial", 0, "--why", WHY, "--json").json
    places = {(each["kind"], each["place"]) for each in found["exports"]}
    assert places == {
        ("file", str(tmp_path / "best.yaml")),
        ("model", str(tmp_path / "model")),
        ("model", str(tmp_path / "live")),
    }
    assert (found["was"], found["why"], found["also"]) == ("accepted", WHY, [])
    again = ballast("train", "best.yaml")
    assert again.code == 0
    assert "warning: this file comes from a voided trial of study 'small': trial 0, " in again.err
    assert "warning: this file comes from a voided trial" in ballast("verify", "best.yaml", "--seeds", 1).err
    refused = ballast("export", "small", "-o", "best.yaml", "--trial", 0)
    assert "trial 0 of study 'small' is suspicious (voided); only accepted trials are exported" in refused.err


def test_every_page_says_that_it_was_voided(
    write_study: "WriteStudy", launch: "Launch", ballast: "Ballast", tmp_path: Path
) -> None:
    done = launch(write_study(tracking={"dashboard": True}))
    said = ballast("void", "small", "--trial", 1, "--why", WHY)
    assert "trial 1 of study 'small' was accepted and is suspicious now, voided by " in said.out
    assert "no file and no model made from it is on record" in said.out
    for command in (("status", "small"), ("explain", "small", "--trial", 1)):
        assert WHY in ballast(*command).out
    assert ballast("status", "small", "--json").json["voided"][0]["why"] == WHY
    assert ballast("trials", "small", "--verdict", "suspicious", "--json").json[0]["reasons"] == ["voided"]
    assert "voided" in ballast("trials", "small").out
    assert ballast("report", "small", "-o", "r.md").code == 0
    assert WHY in (tmp_path / "r.md").read_text()
    notes = str(done.study.optuna._storage.get_study_system_attrs(done.study.optuna._study_id))
    assert "suspicious (voided)" in notes
    assert ballast("db", "check").code == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--trial", 9, "--why", WHY), "has no trial 9"),
        (("--trial", 0, "--why", "  "), "is not voided without a reason"),
        (("--trial", 0), "--why"),
        (("--trial", 1, "--why", WHY), "has been voided already, on "),
        (("--trial", 2, "--why", WHY), "is still running"),
        (("--trial", 3, "--why", WHY), "is unstable, has no result to void and is never chosen"),
    ],
)
def test_a_trial_that_cannot_be_voided_is_refused_in_one_sentence(
    write_study: "WriteStudy",
    launch: "Launch",
    ballast: "Ballast",
    arguments: tuple[object, ...],
    says: str,
) -> None:
    done = launch(write_study(study={"trials": 4}))
    void_trial(done.store, "small", 1, WHY)
    with done.store.session() as session:
        running, unstable = (session.get_one(tables.Trial, ("small", number)) for number in (2, 3))
        running.verdict = running.finished_at = None
        unstable.verdict = Verdict.UNSTABLE
    refused = ballast("void", "small", *arguments)
    assert refused.code == 2
    assert says in re.sub(r"\s+", " ", refused.err)
    assert query.trial(done.store, "small", 0).verdict is Verdict.ACCEPTED


def test_a_kill_in_the_middle_changes_nothing_and_a_second_call_does_it(
    run: Callable[..., OpenStudy], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = run()

    def die(*arguments: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(voiding, "retell", die)
        with pytest.raises(KeyboardInterrupt):
            void_trial(study.store, "small", 0, WHY)
    assert query.trial(study.store, "small", 0).verdict is Verdict.ACCEPTED
    assert voids.voids(study.store, "small") == []
    void_trial(study.store, "small", 0, WHY)
    assert study.optuna.trials[0].state is TrialState.PRUNED


def test_a_trial_that_was_voided_between_its_two_commits_is_told_by_the_next_run(
    run: Callable[..., OpenStudy], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = run()
    with monkeypatch.context() as patch:  # as if Optuna had heard of the trial only afterwards
        patch.setattr(voiding, "retell", lambda *arguments: False)
        void_trial(study.store, "small", 0, WHY)
    [told] = inconsistencies(study.store)
    assert told == "trial 0 of 'small' is voided on record, not in Optuna; the next run of it settles it"
    assert [line for line in reconcile(study.store) if "trial 0" in line]
    assert study.optuna.trials[0].state is TrialState.PRUNED
    assert (inconsistencies(study.store), reconcile(study.store)) == ([], [])


def test_a_copy_that_ended_while_its_source_was_voided_is_voided_by_the_next_run(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    done = launch(write_study(**COPIES))
    with done.store.session() as session:
        late = session.get_one(tables.Trial, ("small", 2))
        kept = late.verdict, late.finished_at
        late.verdict = late.finished_at = None
    void_trial(done.store, "small", 0, WHY)
    with done.store.session() as session:
        late = session.get_one(tables.Trial, ("small", 2))
        late.verdict, late.finished_at = kept
    assert "is a copy of trial 0, which was voided" in inconsistencies(done.store)[0]
    assert settle_voids(done.store, "small") == [2]
    assert query.trial(done.store, "small", 2).verdict is Verdict.SUSPICIOUS
    assert inconsistencies(done.store) == []
