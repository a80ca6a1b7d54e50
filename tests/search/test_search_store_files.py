"""Files beside a store: where they lie, and that no trial dies of them."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from search.config.kept_frames import frames_found
from search.store_files import folder_name, frame_file, log_to_file, study_files
from storage import query
from storage.engine import open_store

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast, Launch, WriteStudy


def test_files_lie_beside_a_sqlite_store(tmp_path: Path) -> None:
    files = study_files(f"sqlite:///{tmp_path}/a.db", None, "small")
    assert files.folder.parent == tmp_path / "a.db.files"


def test_files_of_a_server_lie_in_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = study_files("postgresql://me:secret@host/db", None, "small")
    assert files.folder.parent.parent == tmp_path / "ballast-files"
    assert files == study_files("postgresql://me:another@host/db", None, "small")
    assert files != study_files("postgresql://me:secret@host/db2", None, "small")


def test_storage_files_says_where_they_lie(tmp_path: Path) -> None:
    assert study_files("sqlite:///a.db", str(tmp_path / "x"), "small").folder.parent == tmp_path / "x"


@pytest.mark.parametrize("configured", [None, "files"])
def test_a_frame_whose_folder_was_moved_lies_beside_the_store(tmp_path: Path, configured: str | None) -> None:
    before, moved, url = tmp_path / "before", tmp_path / "moved", f"sqlite:///{tmp_path}/moved/s.db"
    files = None if configured is None else str(before / configured)
    named = frame_file(f"sqlite:///{before}/s.db", files, "0a" * 32)
    named.parent.mkdir(parents=True)
    named.touch()
    assert frames_found(str(named), tmp_path, url, files) == str(named)
    before.rename(moved)
    found = moved / named.relative_to(before)
    assert frames_found(str(named), tmp_path, url, files) == str(found)
    assert frames_found(["prices.csv", str(named)], tmp_path, url, files) == ["prices.csv", str(found)]
    assert frames_found(str(named), moved, None, files) == str(found)


@pytest.mark.parametrize("source", ["sample:sp500", "gone.csv", f"/gone/{'0a' * 32}.parquet"])
def test_what_lies_nowhere_keeps_its_name(tmp_path: Path, source: str) -> None:
    assert frames_found(source, tmp_path, f"sqlite:///{tmp_path}/s.db", None) == source


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "a b", "'; DROP TABLE", "100%", "\N{FIRE}", "-rf", "<script>", "x" * 10_000]
)
def test_a_hostile_name_is_one_short_folder_name_of_its_own(name: str) -> None:
    folder = folder_name(name)
    assert Path(folder).name == folder
    assert len(folder) < 60
    assert not folder.startswith("-")
    assert folder != folder_name(name + "2")


def test_the_log_of_a_trial_is_a_file_on_record(write_study: "WriteStudy", ballast: "Ballast") -> None:
    assert ballast("run", write_study(study={"trials": 1})).code == 0
    (artifact,) = query.artifacts(open_store("sqlite:///ballast.db"), "small", 0)
    text = Path(artifact.path).read_text()
    assert artifact.kind == "log"
    assert "trial 0 is accepted" in text
    assert "DEBUG ballast.trainer" in text


def test_a_log_that_cannot_be_made_costs_no_trial(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    with log_to_file(tmp_path / "file" / "trial.log"):
        logging.getLogger("ballast.test").warning("said")
    assert "no log of the trial" in caplog.text


def test_a_full_disk_ends_the_log_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    with log_to_file(Path("/dev/full")):
        logging.getLogger("ballast.test").warning("said")
        logging.getLogger("ballast.test").warning("said again")
    assert "Traceback" not in capsys.readouterr().err


def test_a_conclusive_trial_leaves_no_checkpoint(write_study: "WriteStudy", launch: "Launch") -> None:
    done = launch(write_study(study={"trials": 1}))
    assert list(done.study.files.folder.glob("*.checkpoint")) == []
