"""Files of a study are found after its folder or the store was moved; else their old place is named."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from search.record.artifacts import artifact_folders
from storage import query
from storage.engine import open_store

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast, WriteStudy

pytestmark = pytest.mark.slow


def log_told(ballast: "Ballast", store: str) -> str:
    done = ballast("explain", "small", "--trial", 0, "--store", store)
    assert done.code == 0, done.err
    return next(line for line in done.out.splitlines() if line.startswith("log")).removeprefix("log ")


def started(write_study: "WriteStudy", ballast: "Ballast", home: Path, *more: str) -> None:
    done = ballast("run", str(write_study()), "--trials", 1, "--store", f"sqlite:///{home}/ballast.db", *more)
    assert done.code == 0, done.err


@pytest.mark.slow
def test_the_log_of_a_store_that_was_moved_with_its_files(
    write_study: "WriteStudy", ballast: "Ballast", tmp_path: Path
) -> None:
    (tmp_path / "old").mkdir()
    started(write_study, ballast, tmp_path / "old")
    (tmp_path / "old").rename(tmp_path / "new")
    told = log_told(ballast, f"sqlite:///{tmp_path}/new/ballast.db")
    assert told.startswith(str(tmp_path / "new"))
    assert Path(told).is_file()


@pytest.mark.slow
def test_the_log_of_a_store_that_was_renamed(
    write_study: "WriteStudy", ballast: "Ballast", tmp_path: Path
) -> None:
    (tmp_path / "old").mkdir()
    started(write_study, ballast, tmp_path / "old")
    (tmp_path / "old").rename(tmp_path / "new")
    before, after = (sqlite3.connect(tmp_path / "new" / name) for name in ("ballast.db", "year.db"))
    with closing(before), closing(after):
        before.backup(after)
    assert Path(log_told(ballast, f"sqlite:///{tmp_path}/new/year.db")).is_file()


def test_the_log_in_a_folder_of_its_own_that_is_read_from_another_folder(
    write_study: "WriteStudy", ballast: "Ballast", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "desk").mkdir()
    started(write_study, ballast, tmp_path, "--set", "storage.files=files")
    monkeypatch.chdir(tmp_path / "desk")
    store = f"sqlite:///{tmp_path}/ballast.db"
    assert Path(log_told(ballast, store)).is_file()
    (tmp_path / "files").rename(tmp_path / "desk" / "files")
    assert log_told(ballast, store).startswith(str(tmp_path / "desk" / "files"))


def test_a_log_that_is_gone_is_reported_with_its_old_place_and_where_to_put_it(
    write_study: "WriteStudy", ballast: "Ballast", tmp_path: Path
) -> None:
    started(write_study, ballast, tmp_path)
    store = open_store(f"sqlite:///{tmp_path}/ballast.db")
    (artifact,) = query.artifacts(store, "small", 0)
    shutil.move(tmp_path / "ballast.db.files", tmp_path / "attic")
    done = ballast("explain", "small", "--trial", 0, "--store", store.url)
    folder = Path(artifact.path).parent
    assert (
        f"not on this machine: it was written to {artifact.path}; where that folder was moved, put it at "
        f"{folder}, and it is found"
    ) in done.out
    folder.parent.mkdir()
    shutil.move(tmp_path / "attic" / folder.name, folder)
    assert Path(log_told(ballast, store.url)).is_file()
    store.close()


def test_another_trial_of_the_same_number_is_not_taken_for_the_log(
    write_study: "WriteStudy", ballast: "Ballast", tmp_path: Path
) -> None:
    (tmp_path / "old").mkdir()
    started(write_study, ballast, tmp_path / "old")
    (tmp_path / "old").rename(tmp_path / "new")
    (log,) = (tmp_path / "new").rglob("trial-00000.log")
    log.write_text("of another study")
    assert "not on this machine" in log_told(ballast, f"sqlite:///{tmp_path}/new/ballast.db")


def test_a_dashboard_that_is_started_in_another_folder_finds_the_files(
    write_study: "WriteStudy", ballast: "Ballast", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "desk").mkdir()
    path = write_study(tracking={"dashboard": True})
    done = ballast("run", str(path), "--trials", 1, "--set", "storage.files=files")
    assert done.code == 0, done.err
    monkeypatch.chdir(tmp_path / "desk")
    store = open_store(f"sqlite:///{tmp_path}/ballast.db")
    assert tmp_path / "files" / "artifacts" in artifact_folders(store)
    store.close()
