"""A study is deleted or renamed completely: the record, Optuna's tables and its files, on both databases."""

import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
import pytest
from sqlalchemy import inspect, select, text

from search.config.resolve import resolve
from search.data.study_data import load_study_data
from search.errors import RequestError
from search.record import searched_rows
from search.record.evaluations import validated_rows
from search.sampling.optuna_storage import optuna_storage
from search.study import deletion, renaming, study_rows
from search.study.deletion import delete_study
from search.study.orphans import orphaned_studies
from search.study.renaming import rename_study
from search.study.studies import OpenStudy, open_study
from search.workers.consistency import inconsistencies
from search.workers.loop import run_worker
from search.workers.progress import NoProgress
from storage import query, tables, workers
from storage.check import check_store
from storage.engine import Store, open_store
from storage.errors import StudyExists, StudyUnknown
from tests.search.killed_runs import Killed

if TYPE_CHECKING:
    from tests.search_fixtures import Answer, WriteStudy

pytestmark = pytest.mark.slow

Run = Callable[..., OpenStudy]


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    store = open_store(store_url)
    yield store
    store.close()


@pytest.fixture
def launched(store: Store) -> Run:
    def launched(path: Path, *sets: str, continue_from: str | None = None) -> OpenStudy:
        resolved = resolve(path, sets)
        study = open_study(resolved, load_study_data(resolved), store, continue_from=continue_from)
        run_worker(study, NoProgress(), lambda: False)
        return study

    return launched


def rows_of(store: Store) -> dict[str, int]:
    """How many rows each table has, but those of versions."""
    with store.engine.connect() as connection:
        names = [name for name in inspect(connection).get_table_names() if "version" not in name]
        counts = {name: connection.scalar(text(f"SELECT count(*) FROM {name}")) or 0 for name in names}
    return {name: count for name, count in counts.items() if count}


def files_of(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


PUBLISHED: dict[str, Any] = {"tracking": {"dashboard": True}, "study": {"trials": 2}}


def test_a_deleted_study_leaves_nothing_but_what_it_has_scored(
    write_study: "WriteStudy", launched: Run, store: Store, answer: "Answer", tmp_path: Path
) -> None:
    path = write_study(study={"trials": 2}, storage={"files": "files"})
    launched(path)
    answer(store, 0, "holds")
    done = delete_study(store, "small")
    assert done.trials == 2
    assert done.evaluations == 1
    assert files_of(tmp_path / "files") == []
    assert rows_of(store) == {"ballast_looks": 2}
    with pytest.raises(StudyUnknown):
        query.study(store, "small")
    assert optuna.get_all_study_names(optuna_storage(store)) == []
    assert check_store(store) == []
    assert inconsistencies(store) == []
    again = launched(path)
    assert [row.number for row in query.trials(store, again.name)] == [0, 1]


def test_a_dry_run_deletes_nothing(write_study: "WriteStudy", launched: Run, store: Store) -> None:
    launched(write_study(study={"trials": 1}, storage={"files": "files"}))
    before, files = rows_of(store), files_of(Path())
    told = delete_study(store, "small", dry_run=True)
    assert (rows_of(store), files_of(Path())) == (before, files)
    done = delete_study(store, "small")
    assert (done.rows, done.files) == (told.rows, told.files)
    assert done.rows["trials"] == done.rows["ballast_trials"] == 1


def test_rows_that_a_deleted_study_has_searched_on_are_not_unseen(
    write_study: "WriteStudy", launched: Run, store: Store
) -> None:
    path = write_study(study={"trials": 3})
    study = launched(path)
    rows = validated_rows(study.resolved, study.resolved.trial_config.data, study.data.base, study.data.table)
    (before,) = searched_rows.earlier_searches(store, rows, datetime.now(UTC))
    launched(path, "study.name=child", "study.trials=1", continue_from="small")
    with_child = searched_rows.earlier_searches(store, rows, datetime.now(UTC))
    delete_study(store, "small")
    after = searched_rows.earlier_searches(store, rows, datetime.now(UTC))
    assert [each.trials for each in after] == [each.trials for each in with_child] == [3, 1]
    assert after[0].study.startswith("small (deleted 20")
    assert replace(after[0], study="small") == before
    launched(path)
    delete_study(store, "small")
    assert [each.trials for each in searched_rows.earlier_searches(store, rows, datetime.now(UTC))] == [
        3,
        3,
        1,
    ]


def test_a_study_that_continues_from_a_deleted_one_goes_on(
    write_study: "WriteStudy", launched: Run, store: Store
) -> None:
    path = write_study(study={"trials": 2})
    launched(path)
    launched(path, "study.name=child", "study.trials=1", continue_from="small")
    assert delete_study(store, "small").continued_by == ("child",)
    launched(path, "study.name=child", "study.trials=2")
    assert len(query.trials(store, "child")) == 4
    assert inconsistencies(store) == []


def test_a_trial_that_ends_before_the_deletion_gets_its_turn_is_known_to_have_used_rows(
    write_study: "WriteStudy", launched: Run, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_study(study={"trials": 1})
    launched(path)

    def meanwhile(*asked: Any) -> list[Path]:
        launched(path, "study.trials=2")
        return genuine(*asked)

    genuine = deletion._files
    monkeypatch.setattr(deletion, "_files", meanwhile)
    delete_study(store, "small")
    with store.reading() as session:
        (kept,) = session.scalars(select(tables.Evaluation))
    assert [told["number"] for told in (kept.report or {})["trials"]] == [0, 1]


def test_a_new_study_of_a_deleted_name_is_not_taken_for_the_old_one(
    write_study: "WriteStudy", launched: Run, store: Store
) -> None:
    path = write_study(study={"trials": 1})
    launched(path)
    launched(path, "study.name=child", "study.trials=1", continue_from="small")
    delete_study(store, "small")
    copy = query.trial(store, "child", 0)
    assert (copy.source_study or "").startswith("small (deleted 20")
    assert (copy.message or "").startswith(f"taken over from trial 0 of study '{copy.source_study}': ")
    launched(path, "training.max_grad_norm=0.7", "study.trials=1")
    launched(path, "study.name=child", "study.trials=2")
    assert len(query.trials(store, "child")) == 3, "one taken over from the old study, two of its own"
    assert inconsistencies(store) == []


def test_a_study_that_is_worked_on_is_not_deleted_nor_renamed(
    write_study: "WriteStudy", launched: Run, store: Store
) -> None:
    launched(write_study(study={"trials": 1}))
    workers.register_worker(store, "small", "elsewhere:1:2")
    with pytest.raises(
        RequestError, match=r"1 workers are at work on study 'small': elsewhere:1:2; end them"
    ):
        delete_study(store, "small")
    with pytest.raises(RequestError, match=r"run: ballast rename small other --force$"):
        rename_study(store, "small", "other")
    rename_study(store, "small", "other", force=True)
    delete_study(store, "other", force=True)
    assert workers.registered_workers(store, "other") == []


def test_a_deletion_that_was_killed_has_changed_nothing(
    write_study: "WriteStudy", launched: Run, store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    launched(write_study(study={"trials": 1}, storage={"files": "files"}))
    before, files = rows_of(store), files_of(tmp_path / "files")

    def die(*asked: Any) -> dict[str, int]:
        genuine(*asked)
        raise Killed

    genuine = study_rows.delete_optuna_part
    with monkeypatch.context() as patched:
        patched.setattr(deletion, "delete_optuna_part", die)
        with pytest.raises(Killed):
            delete_study(store, "small")
    assert (rows_of(store), files_of(tmp_path / "files")) == (before, files)
    delete_study(store, "small")
    assert rows_of(store) == {"ballast_looks": 1}


def test_files_that_cannot_be_removed_are_named_when_the_study_is_gone(
    write_study: "WriteStudy", launched: Run, store: Store, tmp_path: Path, ballast: Callable[..., Any]
) -> None:
    study = launched(write_study(study={"trials": 1}, storage={"files": "files"}))
    elsewhere = study.files.folder.rename(tmp_path / "elsewhere")
    study.files.folder.symlink_to(elsewhere)  # which Python does not remove as a folder
    told = ballast("delete", "small", "--yes", "--store", store.url)
    assert told.code == 0
    assert f"warning: {study.files.folder} could not be removed (" in told.err
    assert f"goes: {study.files.folder}" not in told.out
    assert "scorings of its configurations, and which rows its trials have used" in told.out
    assert rows_of(store) == {"ballast_looks": 1}


def test_a_deletion_does_not_promise_to_keep_rows_that_are_not_on_record(
    write_study: "WriteStudy", launched: Run, store: Store, ballast: Callable[..., Any]
) -> None:
    launched(write_study(study={"trials": 1}))
    with store.session() as session:
        session.execute(text("DELETE FROM ballast_held_out"))
    told = ballast("delete", "small", "--dry-run", "--store", store.url).out
    assert "does not stay: which rows its trials have used; none has ended, or these rows were" in told
    assert "and which rows its trials have used" not in told


def test_a_study_without_its_optuna_part_is_named_refused_and_removed(
    write_study: "WriteStudy", launched: Run, store: Store
) -> None:
    path = write_study(study={"trials": 1})
    launched(path)
    optuna.delete_study(study_name="small", storage=optuna_storage(store))
    assert orphaned_studies(store) == ["small"]
    with pytest.raises(RequestError, match=r"--name small-2; or keep .* ballast delete small --store \S+"):
        launched(path, "study.trials=2")
    assert optuna.get_all_study_names(optuna_storage(store)) == [], "no empty study is made in its place"
    delete_study(store, "small")
    assert orphaned_studies(store) == []
    assert len(query.trials(store, launched(path).name)) == 1


def test_a_study_without_its_optuna_part_is_not_continued_even_if_it_has_no_trial(
    write_study: "WriteStudy", store: Store
) -> None:
    path = write_study(study={"trials": 1})
    resolved = resolve(path)
    open_study(resolved, load_study_data(resolved), store)
    optuna.delete_study(study_name="small", storage=optuna_storage(store))
    with pytest.raises(RequestError, match="Optuna does not know it any more"):
        open_study(resolved, load_study_data(resolved), store)


def test_what_optuna_alone_knows_is_deleted_too(store: Store) -> None:
    optuna.create_study(study_name="bare", storage=optuna_storage(store))
    delete_study(store, "bare")
    with pytest.raises(StudyUnknown, match="no study 'bare' in"):
        delete_study(store, "bare")


def test_a_renamed_study_is_the_same_under_its_new_name(
    write_study: "WriteStudy", launched: Run, store: Store, answer: "Answer", tmp_path: Path
) -> None:
    path = write_study(study={"trials": 2}, storage={"files": "files"})
    launched(path)
    launched(path, "study.name=child", "study.trials=1", continue_from="small")
    answer(store, 0, "holds")
    before, rows = query.trials(store, "small"), rows_of(store)
    epochs = query.epochs(store, "small", 1)
    done = rename_study(store, "small", "new 'name'")
    assert (done.trials, done.folder and done.folder.is_dir()) == (2, True)
    assert [replace(row, study="small") for row in query.trials(store, "new 'name'")] == before
    assert [replace(row, study="small") for row in query.epochs(store, "new 'name'", 1)] == epochs
    assert rows_of(store) == {**rows, "ballast_settings": rows["ballast_settings"] + 1}
    assert all(Path(each.path).is_file() for each in query.artifacts(store, "new 'name'"))
    with pytest.raises(StudyUnknown):
        query.study(store, "small")
    assert check_store(store) == []
    assert inconsistencies(store) == []
    assert query.current_name(store, "small") == "new 'name'"
    launched(path, "study.name=\"new 'name'\"", "study.trials=3")
    assert len(query.trials(store, "new 'name'")) == 3
    launched(path, "study.name=child", "study.trials=2")
    taken = [row for row in query.trials(store, "child") if row.source_study is not None]
    assert {row.source_study for row in taken} == {"new 'name'"}
    assert len({row.source_trial for row in taken}) == len(taken), "nothing is taken over twice"
    assert query.setting_layers(store, "new 'name'")["study.name"][-1].origin == "ballast rename"


def test_a_name_that_either_part_has_is_refused(
    write_study: "WriteStudy", launched: Run, store: Store
) -> None:
    launched(write_study(study={"trials": 1}))
    optuna.create_study(study_name="bare", storage=optuna_storage(store))
    for taken in ("small", "bare"):
        with pytest.raises(StudyExists, match=f"study '{taken}' is in .* already; choose another name"):
            rename_study(store, "small", taken)
    with pytest.raises(StudyUnknown, match="did you mean 'small'"):
        rename_study(store, "smal", "other")


@pytest.mark.parametrize("name", ["", " ", "a/b", "..\\a", "-a", " a", "a\nb", "a" * 121])
def test_a_study_is_not_renamed_to_what_no_study_file_may_call_it(tmp_path: Path, name: str) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'empty.db'}")
    with pytest.raises(RequestError, match=r"is no name of a study: .*; type: ballast rename small NEW$"):
        rename_study(store, "small", name)


def test_a_renaming_that_was_killed_is_done_by_the_next(
    write_study: "WriteStudy", launched: Run, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched(write_study(study={"trials": 1}, storage={"files": "files"}))
    before = rows_of(store)

    def die(*folders: Path) -> bool:
        genuine(*folders)
        raise Killed

    genuine = renaming._move
    with monkeypatch.context() as patched:
        patched.setattr(renaming, "_move", die)
        with pytest.raises(Killed):
            rename_study(store, "small", "other")
    assert rows_of(store) == before
    rename_study(store, "small", "other")
    assert all(Path(each.path).is_file() for each in query.artifacts(store, "other"))


def test_a_killed_renaming_whose_old_folder_is_used_again_says_how_to_go_on(
    write_study: "WriteStudy", launched: Run, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_study(study={"trials": 1}, storage={"files": "files"})
    folder = launched(path).files.folder

    def die(*folders: Path) -> bool:
        genuine(*folders)
        raise Killed

    genuine = renaming._move
    with monkeypatch.context() as patched:
        patched.setattr(renaming, "_move", die)
        with pytest.raises(Killed):
            rename_study(store, "small", "other")
    launched(path, "study.trials=2")
    assert files_of(folder)
    with pytest.raises(RequestError, match="both hold files") as told:
        rename_study(store, "small", "other")
    commands = re.search(r"rename again: (.*); if ", str(told.value))
    assert commands is not None
    subprocess.run(commands[1], shell=True, check=True)
    rename_study(store, "small", "other")
    assert len(query.artifacts(store, "other")) >= 2
    assert all(Path(each.path).is_file() for each in query.artifacts(store, "other"))
