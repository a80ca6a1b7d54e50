"""Files that commands write are whole and in the place asked for; no other file changes."""

import json
import multiprocessing
import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.chaos_faults.faulty_worker import Moment, arm
from search.atomic_text import write_text_atomically
from search.errors import RequestError
from search.selection.model_saving import require_can_save
from trainer.atomic_files import write_folder
from trainer.errors import ModelFolderError

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast, WriteStudy

pytestmark = pytest.mark.slow

FORK = multiprocessing.get_context("fork")


@pytest.fixture
def _study(write_study: "WriteStudy", ballast: "Ballast") -> None:
    assert ballast("run", write_study(), "--trials", 1).code == 0


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users reach, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def as_nobody(work: Callable[[], None]) -> None:
    """Do the work as a user whom the rights of files concern: root may write everywhere."""

    def drop() -> None:
        if os.geteuid() == 0:
            os.setuid(65534)
        work()

    process = FORK.Process(target=drop)
    process.start()
    process.join(30)
    assert process.exitcode == 0


@pytest.mark.usefixtures("_study")
def test_no_command_follows_or_destroys_a_file_with_the_name_of_an_older_temporary_file(
    ballast: "Ballast",
) -> None:
    Path("diary.txt").write_text("mine")
    targets = ["best.yaml", "report.md", "predictions.csv"]
    for target in targets:
        Path(f"{target}.part").symlink_to("diary.txt")
    assert ballast("export", "small", "-o", "best.yaml").code == 0
    assert ballast("report", "small", "-o", "report.md").code == 0
    assert ballast("train", "best.yaml", "--save", "model").code == 0
    assert ballast("predict", "model", "--data", "prices.csv", "-o", "predictions.csv").code == 0
    assert Path("diary.txt").read_text() == "mine"
    for target in targets:
        assert Path(target).is_file()
        assert not Path(target).is_symlink()
        assert Path(f"{target}.part").is_symlink()


@pytest.mark.usefixtures("_study")
def test_a_name_that_the_file_system_just_takes_is_written_and_a_longer_one_is_one_sentence(
    ballast: "Ballast",
) -> None:
    name = "x" * 250 + ".yaml"
    assert ballast("export", "small", "-o", name).code == 0
    assert Path(name).is_file()
    told = ballast("export", "small", "-o", f"y{name}")
    assert (told.code, len(told.told)) == (2, 1)
    assert "File name too long; choose another place with -o" in told.err
    told = ballast("train", name, "--save", "y" * 300)
    assert (told.code, len(told.told)) == (2, 1)
    assert "File name too long; choose another place with --save" in told.err


def test_two_writers_of_one_target_leave_one_whole_file() -> None:
    texts = [digit * 500_000 for digit in "123"]

    def write(text: str) -> None:
        for _ in range(5):
            write_text_atomically(text, Path("report.html"), "report.html")

    writers = [threading.Thread(target=write, args=(text,)) for text in texts]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert Path("report.html").read_text() in texts
    assert os.listdir() == ["report.html"]


def test_a_folder_or_a_file_without_the_right_to_write_is_one_sentence(open_folder: Path) -> None:
    open_folder.chmod(0o555)
    (open_folder / "old.yaml").touch()
    (open_folder / "model").mkdir()

    def write() -> None:
        for name, sentence in (("new.yaml", "Permission denied"), ("old.yaml", "The file is read-only")):
            with pytest.raises(RequestError, match=f"{name}: {sentence}; choose another place with -o"):
                write_text_atomically("new", open_folder / name, "best.yaml")
        for name, sentence in (("new", "Permission denied"), ("model", "it is read-only")):
            with pytest.raises(ModelFolderError, match=f"{name}: {sentence}; choose another place"):
                require_can_save(open_folder / name, onnx=False)

    as_nobody(write)


def test_what_stdout_leads_to_is_a_device_wherever_it_leads() -> None:
    script = (
        "from pathlib import Path\nfrom search.atomic_text import write_text_atomically\n"
        "write_text_atomically('x', Path('/dev/stdout'), 'report.md')"
    )
    with Path("out.md").open("w") as out:
        command = [sys.executable, "-c", script]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, text=True, env=environment)
    assert "cannot write /dev/stdout: it is a device; name a file: -o report.md" in done.stderr
    assert os.listdir() == ["out.md"]


def test_a_file_that_is_replaced_keeps_its_rights() -> None:
    Path("best.yaml").touch(0o600)
    write_text_atomically("new", Path("best.yaml"), "best.yaml")
    assert stat.S_IMODE(Path("best.yaml").stat().st_mode) == 0o600


def _a_file() -> None:
    Path("model").touch()


def _notes() -> None:
    Path("model").mkdir()
    Path("model", "notes.txt").touch()


def _dangling() -> None:
    Path("model").symlink_to("away/model")


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        (_a_file, "cannot write model: it is a file; name a folder: --save model-model"),
        (
            _notes,
            "cannot write model: it holds 'notes.txt', which is no part of a model; name another folder",
        ),
        (_dangling, "cannot write model: there is no folder "),
    ],
)
def test_what_prevents_a_save_is_found_before_the_training(
    place: Callable[[], None], sentence: str, write_study: "WriteStudy", ballast: "Ballast"
) -> None:
    path = write_study(space=None)
    place()
    told = ballast("train", path, "--set", "models.gru.learning_rate=0.005", "--save", "model")
    assert (told.code, told.out) == (2, "")
    assert sentence in told.err
    (line,) = told.told
    assert line.startswith("ballast: ")


def test_the_current_folder_and_a_mount_are_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("model").mkdir()
    Path("mounted").mkdir()
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path).name == "mounted")  # mounting takes root
    os.chdir("model")
    for folder in (Path(), Path("../model"), Path("../mounted")):
        with pytest.raises(ModelFolderError, match="cannot be replaced; name a folder in it"):
            require_can_save(folder, onnx=False)


@pytest.mark.usefixtures("_study")
def test_what_a_killed_save_left_is_removed_with_a_sentence_and_the_save_succeeds(
    ballast: "Ballast", caplog: pytest.LogCaptureFixture
) -> None:
    assert ballast("export", "small", "-o", "best.yaml").code == 0
    assert ballast("train", "best.yaml", "--save", "model").code == 0
    before = json.loads(Path("model", "model.json").read_text())

    def killed() -> None:
        arm(Moment("the new model is whole", "trainer.atomic_files:swap_folders"), signal.SIGKILL)
        write_folder(Path("model"), {"model.json": b"{}"})

    process = FORK.Process(target=killed)
    process.start()
    process.join(30)
    assert process.exitcode == -9
    (left,) = Path().glob(".ballast-*.part")
    assert json.loads(Path("model", "model.json").read_text()) == before
    assert ballast("train", "best.yaml", "--save", "model").code == 0
    assert [m for m in caplog.messages if str(left) in m] == [
        f"{left.absolute()} was left by a command that was killed, and is removed"
    ]
    assert list(Path().glob(".ballast-*.part")) == []
