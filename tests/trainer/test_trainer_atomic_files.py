"""A file or a folder is the old one or the new one, at every kill and with any other writer."""

import errno
import fcntl
import multiprocessing
import os
import shutil
import signal
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from benchmarks.chaos_faults.faulty_worker import Moment, arm
from trainer import atomic_files
from trainer.atomic_files import clean_up_leftovers, temporary_folder, write_file, write_folder

FORK = multiprocessing.get_context("fork")
OLD, NEW = {"a": b"old", "b": b"old"}, {"a": b"new", "b": b"new", "c": b"new"}
TOO_LONG = "x" * 250
"""Nothing can be added to this name; together with a directory entry's limit of 255 bytes."""


def no_exchange(new: Path, place: Path, old: Path) -> None:
    """What a file system that cannot exchange says, as NFS does: the tests run on one that can."""
    raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))


@pytest.fixture(params=["swap_folders", "two renames"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "two renames":
        monkeypatch.setattr(atomic_files, "swap_folders", no_exchange)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def killed(moment: Moment, work: Callable[[], None]) -> bool:
    """Do the work in a process that kills itself at the moment; False: it never came to that."""

    def be_killed() -> None:
        arm(moment, signal.SIGKILL)
        work()

    process = FORK.Process(target=be_killed)
    process.start()
    process.join(30)
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


def every_step(work: Callable[[], None]) -> Iterator[Moment]:
    """Kill a process before and after each step of the work, one after the other."""
    died = 0
    for call in (
        *("os.open", "os.mkdir", "os.fsync", "fcntl.flock", "os.fchmod", "os.replace", "os.rename"),
        *("swap_folders", "shutil.copymode", "shutil.rmtree", "os.unlink", "os.rmdir"),
    ):
        for when in ("before", "after"):
            nth = 1
            while killed(moment := Moment(call, f"trainer.atomic_files:{call}", when, nth), work):
                died, nth = died + 1, nth + 1
                yield moment
    assert died > 10


@pytest.mark.slow
def test_a_file_is_the_old_or_the_new_one_wherever_its_writer_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "best.yaml"
    path.write_bytes(b"old")
    for moment in every_step(lambda: write_file(path, b"n", b"ew")):
        assert path.read_bytes() in (b"old", b"new"), moment
        path.write_bytes(b"old")
    write_file(path, b"at last")
    assert content(tmp_path) == {"best.yaml": b"at last"}


@pytest.mark.slow
@pytest.mark.usefixtures("_way")
def test_a_folder_is_the_old_or_the_new_one_wherever_its_writer_is_killed(tmp_path: Path) -> None:
    place = tmp_path / "model"
    write_folder(place, OLD)
    for moment in every_step(lambda: write_folder(place, NEW)):
        clean_up_leftovers(tmp_path)
        assert content(place) in (OLD, NEW), moment
        assert os.listdir(tmp_path) == ["model"], moment
        write_folder(place, OLD)


def test_between_two_renames_the_new_folder_is_kept_and_the_next_command_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic_files, "swap_folders", no_exchange)
    write_folder(tmp_path / "model", OLD)
    moment = Moment("between", "trainer.atomic_files:os.rename", "after")
    assert killed(moment, lambda: write_folder(tmp_path / "model", NEW))
    assert not (tmp_path / "model").exists()
    (sentence,) = clean_up_leftovers(tmp_path)
    assert sentence.startswith(f"{tmp_path / 'model'} was saved by a command that was killed")
    assert content(tmp_path / "model") == NEW


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_of_two_writers_at_once_one_whole_file_and_one_whole_folder_stand(where: str, tmp_path: Path) -> None:
    wishes = [bytes([digit]) * 200_000 for digit in range(4)]

    def write(wish: bytes) -> None:
        for _ in range(10):
            write_file(tmp_path / "best.yaml", wish, durable=False)
            write_folder(tmp_path / "model", {"a": wish, "b": wish})

    make = threading.Thread if where == "threads" else FORK.Process
    writers = [make(target=write, args=(wish,)) for wish in wishes]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert all(getattr(writer, "exitcode", 0) == 0 for writer in writers)
    assert sorted(os.listdir(tmp_path)) == ["best.yaml", "model"]
    assert (tmp_path / "best.yaml").read_bytes() in wishes
    assert content(tmp_path / "model") in [{"a": wish, "b": wish} for wish in wishes]


@pytest.mark.slow
def test_a_folder_that_another_writer_takes_away_and_puts_back_meanwhile_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic_files, "swap_folders", no_exchange)
    place, aside, is_over = tmp_path / "model", tmp_path / "aside", threading.Event()
    write_folder(place, OLD)

    def rename_to_and_fro() -> None:
        while not is_over.is_set():
            with suppress(OSError):
                os.rename(place, aside)
            with suppress(OSError):
                os.rename(aside, place)
            shutil.rmtree(aside, ignore_errors=True)

    other = threading.Thread(target=rename_to_and_fro)
    other.start()
    try:
        for _ in range(100):
            write_folder(place, NEW)
    finally:
        is_over.set()
        other.join(30)
    assert content(place) in (OLD, NEW)


def test_nothing_beside_the_target_is_touched_or_followed(tmp_path: Path) -> None:
    mine = tmp_path / "diary.txt"
    mine.write_text("mine")
    (tmp_path / "best.yaml.part").symlink_to(mine)
    (tmp_path / ".ballast-notes.part").write_text("mine")
    (tmp_path / "other.part").write_text("mine")
    before = sorted(os.listdir(tmp_path))
    write_file(tmp_path / "best.yaml", b"new")
    write_folder(tmp_path / "model", NEW)
    clean_up_leftovers(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted([*before, "best.yaml", "model"])
    assert mine.read_text() == "mine"
    assert (tmp_path / "best.yaml.part").is_symlink()


def test_a_link_keeps_pointing_where_it_does(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    for name, write in (("file", lambda path: write_file(path, b"new")), ("folder", write_new)):
        link = tmp_path / name
        link.symlink_to(tmp_path / "results" / name)
        write(link)
        write(link)
        assert link.is_symlink()
    assert (tmp_path / "results" / "file").read_bytes() == b"new"
    assert content(tmp_path / "results" / "folder") == NEW


def write_new(path: Path) -> None:
    write_folder(path, NEW)


def test_a_new_file_has_the_rights_of_the_umask_and_an_old_one_keeps_its_own(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_file(tmp_path / "new", b"")
        write_folder(tmp_path / "model", NEW)
    finally:
        os.umask(before)
    (tmp_path / "old").touch(0o600)
    (tmp_path / "old").chmod(0o604)
    write_file(tmp_path / "old", b"")
    (tmp_path / "model").chmod(0o700)
    write_folder(tmp_path / "model", NEW)
    modes = {name: stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("new", "old", "model")}
    assert modes == {"new": 0o640, "old": 0o604, "model": 0o700}


@pytest.mark.parametrize("name", [TOO_LONG, "é" * 120, ".hidden", "-o"])
def test_whatever_name_the_file_system_takes_can_be_written(name: str, tmp_path: Path) -> None:
    write_file(tmp_path / name, b"new")
    assert content(tmp_path) == {name: b"new"}
    write_folder(tmp_path / f"{name[:-1]}F", NEW)
    write_folder(tmp_path / f"{name[:-1]}F", OLD)
    assert content(tmp_path / f"{name[:-1]}F") == OLD


def test_what_a_writer_still_holds_is_no_leftover(tmp_path: Path) -> None:
    with temporary_folder(tmp_path) as held:
        assert clean_up_leftovers(tmp_path) == []
        assert held.is_dir()
    assert os.listdir(tmp_path) == []


def test_a_writer_whose_new_file_is_taken_for_a_leftover_makes_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = fcntl.flock
    taken: list[bool] = []

    def taken_once(descriptor: int, how: int) -> None:
        if not taken:
            taken.append(True)
            clean_up_leftovers(tmp_path)
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", taken_once)
    write_file(tmp_path / "best.yaml", b"new")
    assert content(tmp_path) == {"best.yaml": b"new"}


def test_a_writer_whose_new_folder_is_taken_for_a_leftover_makes_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = Path.mkdir
    taken: list[Path] = []

    def taken_once(path: Path, *arguments: Any, **named: Any) -> None:
        make(path, *arguments, **named)
        if not taken:
            taken.append(path)
            clean_up_leftovers(tmp_path)

    monkeypatch.setattr(Path, "mkdir", taken_once)
    write_folder(tmp_path / "model", NEW)
    assert not taken[0].exists()
    assert content(tmp_path / "model") == NEW


@pytest.mark.parametrize("kind", ["folder", "pipe", "device", "link to itself", "file in a file"])
def test_what_is_no_file_is_refused_and_stays(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "target"
    match kind:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/null")
        case "link to itself":
            path.symlink_to(path)
        case _:
            (tmp_path / "a file").touch()
            path = tmp_path / "a file" / "target"
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(OSError, match=r"Is a directory|pipe or a device|Too many levels|Not a directory"):
        write_file(path, b"new")
    assert sorted(os.listdir(tmp_path)) == before


def test_a_full_disk_leaves_the_file_and_the_folder_of_before(tmp_path: Path) -> None:
    write_file(tmp_path / "best.yaml", b"old")
    write_folder(tmp_path / "model", OLD)

    def on_a_full_disk() -> None:
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))  # the kernel's own refusal of bytes
        with pytest.raises(OSError, match="File too large"):
            write_file(tmp_path / "best.yaml", b"x" * 1000)
        with pytest.raises(OSError, match="File too large"):
            write_folder(tmp_path / "model", {"a": b"x" * 1000})

    process = FORK.Process(target=on_a_full_disk)
    process.start()
    process.join(30)
    assert process.exitcode == 0
    assert sorted(os.listdir(tmp_path)) == ["best.yaml", "model"]
    assert (tmp_path / "best.yaml").read_bytes() == b"old"
    assert content(tmp_path / "model") == OLD
