"""`ballast db copy`: a copied study is the same in every row, or it is not copied at all."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial
from optuna_dashboard import get_note, save_note
from sqlalchemy import text

from search.errors import AnswerIsNo, RequestError
from search.sampling.optuna_storage import optuna_storage
from search.study.copy import copy_studies, differences
from search.study.study_rows import delete_optuna_part, delete_record
from storage import evaluations, query, record, tables
from storage.engine import Store, open_store
from storage.errors import StudyUnknown
from storage.verdicts import Verdict

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast, Launch, WriteStudy

pytestmark = pytest.mark.slow

NOON = datetime(2026, 5, 17, 12, 0, 0, 123456, tzinfo=UTC)
NAN, INF = float("nan"), float("inf")
Open = Callable[[str], Store]


@pytest.fixture
def opened() -> Iterator[Open]:
    stores: list[Store] = []

    def opened(url: str) -> Store:
        stores.append(open_store(url))
        return stores[-1]

    yield opened
    for store in stores:
        store.close()


def fill(store: Store, name: str) -> None:
    """A small study with one of everything, and odd values, in both parts."""
    fill_record(store, name)
    study = optuna.create_study(study_name=name, storage=optuna_storage(store))
    study.set_user_attr("ö", {"nested": [1, None]})
    dimensions = {
        "lr": FloatDistribution(1e-5, 1e-1, log=True),
        "size": IntDistribution(1, 9),
        "kind": CategoricalDistribution(["a", "b"]),
    }
    for number, state in enumerate([TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL]):
        study.add_trial(
            create_trial(
                state=state,
                value=0.1 + 0.2 if state is TrialState.COMPLETE else None,
                params={"lr": 1e-3 / 3, "size": 3, "kind": "b"},
                distributions=dimensions,
                user_attrs={"worker": "host:1:a", "number": number},
                system_attrs={"constraints": [1.0]},
                intermediate_values={0: 1.5, 1: NAN, 2: INF, 3: -INF},
            )
        )
    study.enqueue_trial({"lr": 1e-2})


def fill_record(store: Store, name: str) -> None:
    study = tables.StudyRow(
        name=name,
        created_at=NOON,
        study_file="s.yaml",
        policy_file="p.yaml",
        seed=2**63 - 1,
        fingerprints={"space": "ab"},
        versions={"torch": "2"},
        facts={"loss": INF, "odd": [NAN, -0.0]},
        wanted=3,
        sources={"study": "a: 'ö'\n"},
    )
    data = tables.DataFingerprint(
        study=name, source="x", sha256="0", rows=1, first_time="a", last_time="b", columns=["Größe"]
    )
    clamp = tables.ClampRow(study=name, key="k", declared={"high": INF}, effective=1, reason="r", origin="o")
    held_out = tables.StoredValidationRows(study=name, rows=bytes(range(256)))
    record.create_study(store, study, [setting(name, None, 0)], [clamp], data, [held_out])
    evaluation = tables.Evaluation(
        study=name,
        trial=1,
        configuration="cd",
        source="x",
        content="0",
        target="y",
        first_time=NOON,
        last_time=NOON,
        looked_at=NOON,
        looked_by="me@host",
        seeds=[2**62],
    )
    evaluations.finish_evaluation(
        store, evaluations.start_evaluation(store, evaluation), "holds", {"skill": 0.1 + 0.2}
    )
    for number in range(3):
        trial = tables.Trial(
            study=name,
            number=number,
            params={"lr": 1e-3 / 3},
            seed=number,
            started_at=NOON,
            worker="host:1:a",
            retry_of=number - 1 if number else None,
            configuration="cd",
        )
        record.start_trial(store, trial, [setting(name, number, 0)])
        end(store, name, number)


def setting(study: str, trial: int | None, position: int) -> tables.SettingRow:
    return tables.SettingRow(
        study=study,
        trial=trial,
        key="k",
        position=position,
        layer="base",
        origin="o",
        requested=None,
        effective=[1.0],
        reason="",
    )


def end(store: Store, study: str, number: int) -> None:
    epoch = tables.Epoch(
        study=study,
        trial=number,
        epoch=0,
        train_loss=NAN,
        validation_loss=INF,
        skill=-INF,
        learning_rate=-0.0,
        grad_norm_mean=5e-324,
        grad_norm_max=0.1 + 0.2,
        output_max=1.0,
        steps=1,
        skipped_steps=0,
        movement=0.0,
        prediction_std_ratio=1.0,
        seconds=0.5,
        fold_losses=[INF, -0.0],
    )
    finding = tables.FindingRow(
        study=study,
        trial=number,
        kind="k",
        epoch=0,
        value=NAN,
        message="m",
        action="a",
        lr_before=1,
        lr_after=0.1,
    )
    artifact = tables.Artifact(study=study, trial=number, kind="log", path="a b", sha256="1", created_at=NOON)
    record.finish_trial(
        *(store, study, number),
        worker="host:1:a",
        verdict=Verdict.UNSTABLE,
        reasons=["r"],
        message="it's",
        value=NAN,
        skill=None,
        best_epoch=None,
        epochs=1,
        finished_at=NOON + timedelta(seconds=1),
        duration_s=1.0,
        findings=[finding],
        remaining=[epoch],
        artifacts=[artifact],
        forecasts=[tables.Forecast(study=study, trial=number, forecasts=bytes([0, 255, number]))],
    )


def differing(one: Store, other: Store, name: str) -> list[str]:
    with one.reading() as old, other.reading() as new:
        return list(differences(old, new, name))


def test_a_study_comes_back_from_another_database_the_same_in_every_row(
    opened: Open, tmp_path: Path, postgres_url: str
) -> None:
    here, away = opened(f"sqlite:///{tmp_path / 'a.db'}"), opened(postgres_url)
    back = opened(f"sqlite:///{tmp_path / 'b.db'}")
    for name in ("other", "s"):
        fill(here, name)
    (copied,) = copy_studies(here, away, "s")
    assert copied.study == "s"
    assert {table: copied.rows[table] for table in ("trials", "trial_params", "ballast_epochs")} == {
        "trials": 4,
        "trial_params": 9,
        "ballast_epochs": 3,
    }
    empty = {table for table, rows in copied.rows.items() if not rows}
    unused = {"ballast_walk_forward_blocks", "ballast_voids", "ballast_exports"}
    assert empty == {"trial_heartbeats", "study_system_attributes"} | unused
    assert copy_studies(away, back) == [copied]
    assert differing(here, back, "s") == []
    assert [study.name for study in query.studies(back)] == ["s"]


def test_an_evaluation_of_the_target_stays_beside_the_copied_ones(opened: Open, tmp_path: Path) -> None:
    source, target = (opened(f"sqlite:///{tmp_path / name}.db") for name in ("source", "target"))
    fill(source, "s")
    evaluations.start_evaluation(
        target, replace(evaluations.verifications_of_study(source, "s")[0], configuration="other")
    )
    copy_studies(source, target)
    assert [evaluation.configuration for evaluation in evaluations.verifications_of_study(target, "s")] == [
        "other",
        "cd",
    ]


def forget(store: Store, name: str) -> None:
    optuna_storage(store)
    with store.session() as session:
        delete_record(session, name)
        delete_optuna_part(session, name)


def test_evaluations_of_deleted_studies_are_copied_and_only_once(
    opened: Open, tmp_path: Path, ballast: Callable[..., Any]
) -> None:
    urls = [f"sqlite:///{tmp_path / name}.db" for name in ("source", "target")]
    source, target = (opened(url) for url in urls)
    fill_record(source, "gone")
    forget(source, "gone")
    fill(source, "s")
    assert copy_studies(source, opened(f"sqlite:///{tmp_path / 'one'}.db"), "s")[0].study == "s"
    told = ballast("db", "copy", *urls)
    assert "'gone': 1 rows, only evaluations: the study itself is not there" in told.out
    assert "1 studies copied" in told.out
    (there,), (here,) = (
        evaluations.verifications_of_study(target, "gone"),
        evaluations.verifications_of_study(source, "gone"),
    )
    assert there == here
    assert query.studies(target)[0].name == "s"
    forget(target, "s")
    assert [sum(one.rows.values()) == 0 for one in copy_studies(source, target)] == [True, False]
    assert (
        len(evaluations.verifications_of_study(target, "gone"))
        == len(evaluations.verifications_of_study(target, "s"))
        == 1
    )


def test_an_evaluation_is_copied_once_however_often_the_copy_is_tried(opened: Open, tmp_path: Path) -> None:
    store = opened(f"sqlite:///{tmp_path / 'one.db'}")
    fill_record(store, "s")
    (evaluation,) = evaluations.verifications_of_study(store, "s")
    assert evaluations.start_evaluation(store, replace(evaluation)) == evaluation.id
    assert len(evaluations.verifications_of_study(store, "s")) == 1


def test_of_two_evaluations_at_the_same_moment_one_waits_for_the_other(
    opened: Open, postgres_url: str
) -> None:
    store = opened(postgres_url)
    fill_record(store, "s")
    evaluation = replace(evaluations.verifications_of_study(store, "s")[0], configuration="second")
    with store.session() as first, ThreadPoolExecutor(1) as others:
        first.execute(text("LOCK TABLE ballast_looks IN SHARE ROW EXCLUSIVE MODE"))
        second = others.submit(evaluations.start_evaluation, store, evaluation)
        with pytest.raises(TimeoutError):
            second.result(timeout=0.3)
        first.commit()
        assert second.result(timeout=30) == 2


def test_optuna_goes_on_with_the_copy(opened: Open, tmp_path: Path, postgres_url: str) -> None:
    here, away = opened(f"sqlite:///{tmp_path / 'a.db'}"), opened(postgres_url)
    fill(here, "first")
    fill(here, "s")
    copy_studies(here, away)
    before = optuna.load_study(study_name="s", storage=optuna_storage(here)).trials
    study = optuna.load_study(study_name="s", storage=optuna_storage(away))
    assert repr([trial.params for trial in study.trials]) == repr([trial.params for trial in before])
    assert [trial.datetime_start for trial in study.trials] == [trial.datetime_start for trial in before]
    assert study.ask().number == 3, "the trial that waited"
    assert study.ask().number == 4


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            "UPDATE ballast_epochs SET output_max = 1.0000000000000002 WHERE trial = 1",
            "ballast_epochs: 1 rows",
        ),
        (
            "UPDATE trial_params SET param_value = param_value + 1e-9 WHERE param_id = 4",
            "trial_params: 1 rows",
        ),
        ("DELETE FROM ballast_findings WHERE trial = 2", "ballast_findings: 1 rows differ, first row 2"),
        ("UPDATE trials SET state = 'FAIL' WHERE number = 1", "trials: 1 rows differ, first row 1"),
        ("UPDATE trials SET datetime_start = NULL WHERE number = 0", "trials: 1 rows differ, first row 0"),
    ],
)
def test_a_difference_is_found_and_reported(opened: Open, tmp_path: Path, change: str, told: str) -> None:
    here, there = (opened(f"sqlite:///{tmp_path / file}.db") for file in "ab")
    fill(here, "s")
    copy_studies(here, there)
    with there.session() as session:
        session.execute(text(change))
    (found,) = differing(here, there, "s")
    assert found.startswith(told)


def test_a_target_that_does_not_keep_what_it_is_given_is_left_without_the_study(
    opened: Open, tmp_path: Path
) -> None:
    here, there = (opened(f"sqlite:///{tmp_path / file}.db") for file in "ab")
    fill(here, "s")
    optuna_storage(there)
    with there.session() as session:
        session.execute(
            text(
                "CREATE TRIGGER forgetful AFTER INSERT ON ballast_epochs BEGIN "
                "UPDATE ballast_epochs SET steps = 0; END"
            )
        )
    with pytest.raises(AnswerIsNo, match=r"study 's' was not copied: .*b\.db does not give back .*epochs: 3"):
        copy_studies(here, there)
    assert query.studies(there) == []
    with there.reading() as session:
        assert session.scalar(text("SELECT count(*) FROM trials")) == 0


def test_a_study_with_a_running_trial_is_not_copied_nor_is_any_other(opened: Open, tmp_path: Path) -> None:
    here, there = (opened(f"sqlite:///{tmp_path / file}.db") for file in "ab")
    fill(here, "done")
    fill(here, "it's on")
    study = optuna.load_study(study_name="it's on", storage=optuna_storage(here))
    number = study.ask().number
    with pytest.raises(
        RequestError,
        match=rf"trial {number} of study \"it's on\" in .* is running; .*: ballast worker 'it'\"'\"'s on' --",
    ):
        copy_studies(here, there)
    assert query.studies(there) == []


def test_a_study_that_the_target_has_or_the_source_has_not_is_not_copied(
    opened: Open, tmp_path: Path
) -> None:
    here, there = (opened(f"sqlite:///{tmp_path / file}.db") for file in "ab")
    fill(here, "s")
    optuna.create_study(study_name="s", storage=optuna_storage(there))
    with pytest.raises(RequestError, match=r"b\.db has a study 's' already; copy the others one by one"):
        copy_studies(here, there)
    with pytest.raises(StudyUnknown, match="no study 'x'"):
        copy_studies(here, there, "x")


def test_the_command_says_what_it_copied_without_a_password(
    opened: Open, tmp_path: Path, postgres_url: str, ballast: Callable[..., Any]
) -> None:
    fill(opened(f"sqlite:///{tmp_path / 'a.db'}"), "s")
    told = ballast("db", "copy", f"sqlite:///{tmp_path / 'a.db'}", postgres_url)
    assert told.code == 0, told.err
    assert "'s': " in told.out
    assert "1 studies copied to postgresql://ballast:***@" in told.out
    again = ballast("db", "copy", postgres_url, f"sqlite:///{tmp_path / 'b.db'}", "--study", "s", "--json")
    assert [one["study"] for one in again.json] == ["s"]
    refused = ballast("db", "copy", f"sqlite:///{tmp_path / 'a.db'}", postgres_url)
    assert refused.code == 2
    assert "has a study 's' already" in refused.told[0]
    assert "planted-password" not in told.out + refused.err


def test_notes_go_with_their_trials_whatever_these_are_numbered_in_the_database(
    store_url: str, opened: Open, tmp_path: Path
) -> None:
    source, target = opened(f"sqlite:///{tmp_path / 'source.db'}"), opened(store_url)
    fill(target, "before")  # so that trials get other ids
    fill(source, "s")
    notes = ["first\n" * 900, "second", "third"]
    for store, write in ((source, True), (target, False)):
        if not write:
            copy_studies(source, target)
        study = optuna.load_study(study_name="s", storage=optuna_storage(store))
        trials = [optuna.Trial(study, trial._trial_id) for trial in study.get_trials()]
        for trial, note in zip(trials[:3], notes, strict=True):
            if write:
                save_note(trial, note)
            assert get_note(trial) == note
    with source.reading() as old, target.reading() as new:
        assert list(differences(old, new, "s")) == []


def test_a_copy_of_a_continued_study_goes_on_without_the_study_it_came_from(
    write_study: "WriteStudy", launch: "Launch", ballast: "Ballast"
) -> None:
    path = write_study(study={"trials": 1})
    launch(path)
    ran = ballast("run", path, "--name", "next", "--continue-from", "small")
    assert ran.code == 0, ran.err
    copy_studies(open_store("sqlite:///ballast.db"), open_store("sqlite:///copy.db"), "next")
    on = ballast("run", path, "--name", "next", "--store", "sqlite:///copy.db", "--trials", 2)
    assert on.code == 0, on.err
