"""Compiled functions on disk: the very code that this user compiled, or compiled anew."""

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from trainer.errors import TrainerError
from trainer.kernels import cache, compiled, self_test
from trainer.kernels.cache import FOLDER, KernelCache, kernel_cache_folder

CALLED = ("forward", "squared_error", "backward", "norm", "update")


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where compiled functions are kept meanwhile."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    for once in (cache.kernel_cache_folder, cache._warn_once):
        once.cache_clear()
    yield tmp_path
    for once in (cache.kernel_cache_folder, cache._warn_once):
        once.cache_clear()


def twice() -> Any:
    """A function as a new process has it: nothing of it is compiled or loaded."""
    room: dict[str, Any] = {"__name__": "a_module"}
    exec("def twice(x):\n    return 2 * x\n", room)
    return compiled._compiled(room["twice"])


def kept(base: Path) -> list[Path]:
    return sorted((base / FOLDER).iterdir())


def loads(function: Any) -> int:
    return sum(function.stats.cache_hits.values())


def test_what_is_compiled_once_is_loaded_from_then_on(base: Path) -> None:
    first, second = twice(), twice()
    assert (first(21), second(21)) == (42, 42)
    assert (loads(first), loads(second)) == (0, 1)
    assert len(kept(base)) == 1
    assert (base / FOLDER).stat().st_mode & 0o777 == 0o700


def test_a_flipped_bit_makes_it_compiled_anew(base: Path, caplog: pytest.LogCaptureFixture) -> None:
    twice()(21)
    (path,), drawn = kept(base), random.Random(14)
    whole = path.read_bytes()
    for position in (0, 31, 32, len(whole) - 1, *(drawn.randrange(len(whole)) for _ in range(4))):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << drawn.randrange(8)
        path.write_bytes(damaged)
        function = twice()
        assert (function(21), loads(function)) == (42, 0), position
        assert path.read_bytes() != bytes(damaged)  # written anew
    assert len(caplog.records) == 1  # a line a process, however often
    assert "kernels are compiled anew" in caplog.text


def flipped(whole: bytes) -> Iterator[bytes]:
    """The file with one bit flipped, in 64 ways, some in the digest."""
    drawn = random.Random(14)
    for position in (*range(0, 32, 4), *(drawn.randrange(len(whole)) for _ in range(56))):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << drawn.randrange(8)
        yield bytes(damaged)


@pytest.fixture
def of_the_kernel() -> dict[str, bytes]:
    """The files of the whole kernel, by name, as any process of this machine finds them."""
    self_test.compile_kernel()
    kernel_cache_folder.cache_clear()
    folder = kernel_cache_folder()
    assert folder is not None
    return {path.name: path.read_bytes() for path in folder.glob("*.kernel")}


def test_no_flipped_bit_in_any_file_of_the_kernel_is_loaded(
    of_the_kernel: dict[str, bytes], base: Path
) -> None:
    (base / FOLDER).mkdir(mode=0o700)
    tested = set()
    for function in self_test.FUNCTIONS:
        for sig in function.signatures:
            load = partial(KernelCache(function.py_func).load_overload, sig, function.targetctx)
            for name, whole in of_the_kernel.items():
                path = base / FOLDER / name
                path.write_bytes(whole)
                if owns := load() is not None:
                    tested.add(function)
                for damaged in flipped(whole) if owns else ():
                    path.write_bytes(damaged)
                    assert load() is None, name
                path.unlink()
    # What these call is loaded only where one of them is compiled.
    assert tested >= {getattr(compiled, name) for name in CALLED}


@pytest.mark.parametrize("size", [0, 10, 32, 1000])
def test_a_file_that_breaks_off_is_compiled_anew(base: Path, size: int) -> None:
    twice()(21)
    (path,) = kept(base)
    path.write_bytes(path.read_bytes()[:size])
    function = twice()
    assert (function(21), loads(function)) == (42, 0)


def test_the_file_of_another_function_is_not_loaded(base: Path) -> None:
    twice()(21)
    (path,) = kept(base)
    twice()(2.5)
    (other,) = set(kept(base)) - {path}
    shutil.copy(path, other)
    function = twice()
    assert (function(2.5), loads(function)) == (5.0, 0)


def _linked(folder: Path) -> None:
    folder.with_name("elsewhere").mkdir()
    folder.symlink_to("elsewhere")


def _writable_by_all(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)


def _of_another_user(folder: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    folder.mkdir(mode=0o700)
    os.chown(folder, 12345, 12345)


def _a_file(folder: Path) -> None:
    folder.write_text("not a folder")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_linked, "it is a link"),
        (_writable_by_all, "other users can write to it"),
        (_of_another_user, "it belongs to another user"),
        (_a_file, "File exists"),
    ],
)
def test_a_folder_that_others_may_have_filled_is_not_used(
    base: Path, caplog: pytest.LogCaptureFixture, make: Callable[[Path], None], reason: str
) -> None:
    make(base / FOLDER)
    assert [twice()(21), twice()(21)] == [42, 42]
    assert kernel_cache_folder() is None
    (line,) = caplog.messages
    assert line.startswith(
        f"kernels are compiled in each process, {base / FOLDER} cannot keep them: {reason}"
    )
    assert not any(path.suffix == ".kernel" for path in base.rglob("*"))


def test_a_full_disk_keeps_nothing_and_stops_nothing(
    base: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("trainer.kernels.cache.os.replace", full)
    assert twice()(21) == 42
    assert "No space left on device" in caplog.text
    assert kept(base) == []


def test_what_nobody_has_compiled_for_months_is_removed(base: Path) -> None:
    twice()(21)
    (path,) = kept(base)
    os.utime(path, (0, 0))
    twice()(2.5)
    assert path not in kept(base)


def test_a_processor_that_computes_something_else_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    self_test.compile_kernel.cache_clear()
    monkeypatch.setattr(
        self_test, "EXPECTED", (*self_test.EXPECTED[:-2], 0.0484, self_test.EXPECTED[-1])
    )  # 5e-4 of it beside the truth
    monkeypatch.setattr(self_test, "FUNCTIONS", ())  # or it would compile for half a minute
    with pytest.raises(TrainerError, match=r"wrong numbers on this processor.*--set training\.kernel=torch"):
        self_test.compile_kernel()


PROGRAM = """
import hashlib, logging, sys
logging.basicConfig(format="%(message)s", level=logging.WARNING)
from trainer.kernels import self_test
self_test.compile_kernel()
told = [*self_test._trained(dropout=False), *self_test._trained(dropout=True)]
print(hashlib.sha256(repr(told).encode()).hexdigest())
"""


def in_a_process(base: Path, program: str = PROGRAM) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "NUMBA_CACHE_DIR": str(base)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def told_by(process: subprocess.Popen[str]) -> tuple[str, list[str]]:
    """Its numbers, and the lines that it logged."""
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out, err.splitlines()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder in which the kernel is compiled, and the numbers that it gave."""
    base = tmp_path_factory.mktemp("filled")
    return base, told_by(in_a_process(base))[0]


@pytest.mark.slow
def test_a_process_with_damaged_files_has_the_same_bits_and_one_line_in_its_log(
    filled: tuple[Path, str], tmp_path: Path
) -> None:
    base, numbers = filled
    drawn = random.Random(14)
    shutil.copytree(base / FOLDER, tmp_path / FOLDER)
    for path in kept(tmp_path):
        damaged = bytearray(path.read_bytes())
        for _ in range(6):  # 66 flips over the files of eleven functions
            damaged[drawn.randrange(len(damaged))] ^= 1 << drawn.randrange(8)
        path.write_bytes(damaged)
    out, (line,) = told_by(in_a_process(tmp_path))
    assert out == numbers
    assert (
        line == f"kernels are compiled anew, what is kept in {tmp_path / FOLDER} is not used: it is damaged"
    )
    assert told_by(in_a_process(tmp_path)) == (numbers, [])  # mended


@pytest.mark.slow
def test_wrong_code_with_a_right_digest_is_found_by_what_it_computes(
    filled: tuple[Path, str], tmp_path: Path
) -> None:
    base, numbers = filled
    shutil.copytree(base / FOLDER, tmp_path / FOLDER)
    forge = """
import numpy as np
from trainer.kernels import compiled
room = {"__name__": "trainer.kernels.compiled"}
exec("def norm(gradient):\\n    return 1.0", room)
compiled._compiled(room["norm"])(np.zeros(3, np.float32))
print()
"""
    (tmp_path / "forged").mkdir()
    assert told_by(in_a_process(tmp_path / "forged", forge))[1] == []
    (forged,) = kept(tmp_path / "forged")
    assert (tmp_path / FOLDER / forged.name).is_file()
    shutil.copy(forged, tmp_path / FOLDER)
    out, lines = told_by(in_a_process(tmp_path))
    assert out == numbers
    assert lines == ["the compiled kernel computes wrong numbers, and is compiled anew"]


@pytest.mark.slow
def test_processes_that_compile_at_once_do_not_disturb_each_other(
    filled: tuple[Path, str], tmp_path: Path
) -> None:
    processes = [in_a_process(tmp_path) for _ in range(2)]
    assert [told_by(process) for process in processes] == [(filled[1], [])] * 2
    assert [path.name for path in kept(tmp_path)] == [path.name for path in kept(filled[0])]
