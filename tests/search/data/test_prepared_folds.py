"""The folds that workers share: the very bits that each would compute, or none."""

import json
import os
import random
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from search.config.resolve import resolve
from search.data import prepared_folds
from search.data.study_data import StudyData, load_study_data, recall_study_data, store_study_folds
from search.errors import StudyChanged
from search.study.studies import OpenStudy, open_study
from search.workers.join import JoinTarget, join_and_work
from search.workers.progress import NoProgress
from storage import query
from storage.engine import open_store
from trainer.data.windows import Dataset

if TYPE_CHECKING:
    from tests.search_fixtures import Launch, WriteStudy

Begin = Callable[[Path], OpenStudy]

ID = "0" * 64
KEY = b"k" * 32


def plain(fold: Dataset) -> dict[str, Any]:
    """Everything in a dataset, arrays with their types, to be compared."""
    fields = dict(vars(fold))
    for part in ("scaler", "history"):
        fields |= {f"{part}.{key}": value for key, value in vars(fields.pop(part)).items()}
    return {
        key: (value.dtype.str, value.shape, value.tobytes()) if isinstance(value, np.ndarray) else value
        for key, value in fields.items()
    }


@pytest.fixture
def folds(write_study: "WriteStudy") -> Sequence[Dataset]:
    """Two, so that there are several of each array."""
    fold = load_study_data(resolve(write_study())).base[0]
    return [fold, replace(fold, train=fold.train[:-1], kind="return", target_clipped=0.1 + 0.2)]


@pytest.fixture
def kept(tmp_path: Path, folds: Sequence[Dataset]) -> Path:
    path = tmp_path / "files" / "folds.data"
    prepared_folds.write_folds(path, ID, folds, KEY)
    return path


def test_folds_come_back_to_the_bit(kept: Path, folds: Sequence[Dataset]) -> None:
    found = prepared_folds.map_folds(kept, ID, KEY)
    assert found is not None
    assert [plain(fold) for fold in found] == [plain(fold) for fold in folds]
    assert all(fold.features.flags.aligned and fold.train.flags.aligned for fold in found)


def test_arrays_that_folds_have_in_common_are_in_the_file_once(
    tmp_path: Path, folds: Sequence[Dataset]
) -> None:
    sizes = []
    for count in (1, 2, 3):
        path = tmp_path / f"{count}.data"
        one = folds[0]
        many = [
            one,
            *(replace(one, features=one.features + 1, test=one.test.copy()) for _ in range(count - 1)),
        ]
        prepared_folds.write_folds(path, ID, many, KEY)
        found = prepared_folds.map_folds(path, ID, KEY)
        assert found is not None
        assert [plain(fold) for fold in found] == [plain(fold) for fold in many]
        sizes.append(path.stat().st_size)
    of_one_fold = folds[0].features.nbytes
    assert sizes[2] - sizes[1] < of_one_fold + 8192  # and a line that says where the arrays are


def test_weights_come_back(tmp_path: Path, folds: Sequence[Dataset]) -> None:
    weights = np.random.default_rng(1).random(len(folds[0].target), np.float32)
    prepared_folds.write_folds(tmp_path / "folds.data", ID, [replace(folds[0], weights=weights)], KEY)
    found = prepared_folds.map_folds(tmp_path / "folds.data", ID, KEY)
    assert found is not None
    np.testing.assert_array_equal(found[0].weights, weights)


def test_folds_are_shared_whatever_the_umask(tmp_path: Path, folds: Sequence[Dataset]) -> None:
    path, before = tmp_path / "files" / "folds.data", os.umask(0o002)
    try:
        prepared_folds.write_folds(path, ID, folds, KEY)
    finally:
        os.umask(before)
    assert prepared_folds.map_folds(path, ID, KEY) is not None


def test_what_one_writes_into_its_arrays_no_other_sees(kept: Path, folds: Sequence[Dataset]) -> None:
    mine = prepared_folds.map_folds(kept, ID, KEY)
    assert mine is not None
    mine[0].features[:] = 7
    other = prepared_folds.map_folds(kept, ID, KEY)
    assert other is not None
    assert plain(other[0]) == plain(folds[0])


def test_a_file_that_is_right_stays_the_one_that_workers_have_mapped(
    kept: Path, folds: Sequence[Dataset]
) -> None:
    before = kept.stat().st_ino
    prepared_folds.write_folds(kept, ID, folds, KEY)
    assert kept.stat().st_ino == before


def test_a_file_that_was_signed_with_another_key_is_not_used(
    kept: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert prepared_folds.map_folds(kept, ID, b"another") is None
    (line,) = caplog.messages
    assert line.startswith(f"data are prepared anew, {kept} is not used: it is damaged, or no worker of")


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_file_that_others_can_write_to_is_not_used(
    kept: Path, caplog: pytest.LogCaptureFixture, mode: int
) -> None:
    kept.chmod(mode)
    assert prepared_folds.map_folds(kept, ID, KEY) is None
    assert "other users can write to it" in caplog.text


def test_a_pipe_in_the_place_of_the_file_is_not_waited_for(
    kept: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept.unlink()
    os.mkfifo(kept)
    assert prepared_folds.map_folds(kept, ID, KEY) is None
    assert "is a pipe, which can be read only once" in caplog.text


def signed(path: Path, payload: bytes) -> None:
    """Write what somebody would who knows the key, and no better."""
    prepared_folds.FOLDS_FORMAT.write(path, ID, payload, KEY, mode=0o600)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ((b'"<f4"', b'"|O" '), "'|O' is no type of such an array"),
        ((b'"<f4"', b'"<U9"'), "'<U9' is no type of such an array"),
        ((b'"at": 0}', b'"at":-8}'), "is no place of an array"),
        ((b'"at": 0}', b'"at":9e}'), "JSONDecodeError"),
        ((b'"at": 0}', b'"at":1.}'), "JSONDecodeError"),
        ((b'"seq_len"', b'"sex_len"'), "TypeError"),
        ((b'[{"features"', b'[["features"'), "JSONDecodeError"),
    ],
)
def test_types_and_places_of_arrays_are_not_believed_even_with_the_key(
    kept: Path, change: tuple[bytes, bytes], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    payload = kept.read_bytes()[192:]
    assert change[0] in payload
    signed(kept, payload.replace(*change))
    assert prepared_folds.map_folds(kept, ID, KEY) is None
    assert reason in caplog.text


VALUES = (
    b"-1",
    b"9" * 30,
    b"1e9",
    b"null",
    b'"|O"',
    b"[]",
    b"{}",
    b"true",
    b"NaN",
    b"[" * 100_000,
    b'"dtype"',
)


@pytest.mark.slow
def test_no_mutation_of_the_text_is_a_crash(kept: Path, folds: Sequence[Dataset]) -> None:
    """Either the folds, or none: whatever is in the file under a right digest."""
    payload = kept.read_bytes()[192:]
    end = payload.index(b"\n")
    line, rest, drawn = payload[:end], payload[end:], random.Random(14)
    outcomes = {"folds": 0, "none": 0}
    for _ in range(400):
        tokens = [match.span() for match in re.finditer(rb'-?\d[\d.e+-]*|"[^"]*"|null|[\[\]{}]', line)]
        mutated = bytearray(line)
        for start, stop in sorted(drawn.sample(tokens, drawn.choice([1, 1, 2, 5])), reverse=True):
            mutated[start:stop] = drawn.choice((*VALUES, line[slice(*drawn.choice(tokens))]))
        if drawn.random() < 0.2:
            del mutated[drawn.randrange(len(mutated)) :]
        signed(
            kept, bytes(mutated) + rest[: drawn.choice([len(rest), len(rest), drawn.randrange(len(rest))])]
        )
        found = prepared_folds.map_folds(kept, ID, KEY)
        outcomes["none" if found is None else "folds"] += 1
        for fold in found or ():  # every number can be read
            assert [each.tobytes() for each in vars(fold).values() if isinstance(each, np.ndarray)]
    assert outcomes["none"] > 300


def test_a_file_with_one_wrong_byte_is_not_used(kept: Path) -> None:
    whole = kept.read_bytes()
    for position in [0, 20, 100, 191, 300, len(whole) // 2, len(whole) - 1]:
        kept.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        assert prepared_folds.map_folds(kept, ID, KEY) is None, position
    kept.write_bytes(whole)
    assert prepared_folds.map_folds(kept, ID, KEY) is not None


@pytest.mark.parametrize("size", [0, 10, 192, 1000])
def test_a_file_that_breaks_off_is_not_used(kept: Path, size: int) -> None:
    kept.write_bytes(kept.read_bytes()[:size])
    assert prepared_folds.map_folds(kept, ID, KEY) is None


def test_a_file_of_other_data_is_not_used(kept: Path, tmp_path: Path) -> None:
    assert prepared_folds.map_folds(kept, "1" * 64, KEY) is None
    assert prepared_folds.map_folds(tmp_path / "missing", ID, KEY) is None


def test_the_identity_names_all_that_decides_the_bits(
    write_study: "WriteStudy", monkeypatch: pytest.MonkeyPatch
) -> None:
    config = resolve(write_study()).trial_config.data
    known = {
        prepared_folds.folds_identity(config, "a"),
        prepared_folds.folds_identity(config, "b"),
        prepared_folds.folds_identity(config.model_copy(update={"seq_len": 4}), "a"),
    }
    monkeypatch.setattr(prepared_folds, "machine_facts", lambda: {"cpu": "another"})
    known.add(prepared_folds.folds_identity(config, "a"))
    monkeypatch.setattr(prepared_folds, "version_of", lambda name: f"{name} of tomorrow")
    known.add(prepared_folds.folds_identity(config, "a"))
    assert len(known) == 5
    moved = config.model_copy(update={"source": "elsewhere/prices.csv"})  # the table is known by its bytes
    assert prepared_folds.folds_identity(moved, "a") in known


def test_whoever_reads_while_others_write_finds_all_or_nothing(kept: Path, folds: Sequence[Dataset]) -> None:
    over = threading.Event()

    def write(key: bytes) -> None:
        while not over.is_set():
            prepared_folds.write_folds(kept, ID, folds, key)  # each in the place of the other's

    writers = [threading.Thread(target=write, args=(key,)) for key in (KEY, b"another")]
    for writer in writers:
        writer.start()
    found = [prepared_folds.map_folds(kept, ID, KEY) for _ in range(200)]
    over.set()
    for writer in writers:
        writer.join()
    expected = [plain(fold) for fold in folds]
    assert all([plain(fold) for fold in each] == expected for each in found if each is not None)
    assert any(each is not None for each in found)
    prepared_folds.write_folds(kept, ID, folds, KEY)
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]


def test_a_full_disk_costs_nothing_but_time(
    kept: Path, folds: Sequence[Dataset], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("trainer.atomic_files.os.replace", full)
    prepared_folds.write_folds(kept, "1" * 64, folds, KEY)
    assert "each worker prepares the data for itself" in caplog.text
    assert "No space left on device" in caplog.text
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]
    assert prepared_folds.map_folds(kept, ID, KEY) is not None


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    """Begin a study, and keep its folds; no trial is run."""
    store = open_store(f"sqlite:///{tmp_path / 'ballast.db'}")

    def begin(path: Path) -> OpenStudy:
        resolved = resolve(path)
        study = open_study(resolved, load_study_data(resolved), store)
        assert recalled(study) is None
        store_study_folds(resolved, study.data, study.files, study.key)
        return study

    yield begin
    store.close()


def recalled(study: OpenStudy) -> StudyData | None:
    return recall_study_data(study.resolved, query.study(study.store, study.name), study.files)


@pytest.mark.parametrize("split", [{}, {"method": "walk_forward", "folds": 3}], ids=["holdout", "folds"])
def test_what_is_recalled_is_what_would_be_loaded(
    split: dict[str, Any], write_study: "WriteStudy", begin: Begin
) -> None:
    study = begin(write_study(data={"split": split}))
    found, loaded = recalled(study), load_study_data(study.resolved)
    assert found is not None
    assert json.dumps(found.facts()) == json.dumps(loaded.facts())
    assert (found.baseline, found.ceiling, found.sha256) == (loaded.baseline, loaded.ceiling, loaded.sha256)
    assert [plain(fold) for fold in found.base] == [plain(fold) for fold in loaded.base]
    assert found.folds(study.resolved.trial_config.data) is found.base
    assert found.table.frame.equals(loaded.table.frame)


def test_a_table_that_has_changed_is_not_recalled(write_study: "WriteStudy", begin: Begin) -> None:
    study = begin(write_study())
    write_study(rows=399)
    assert recalled(study) is None
    with pytest.raises(StudyChanged, match=r"the rows of prices\.csv"):
        join_and_work(JoinTarget(study.store.url, "small"), NoProgress(), lambda: False)


def test_a_table_that_changes_under_a_worker_is_not_trained_on(
    write_study: "WriteStudy", begin: Begin
) -> None:
    study = begin(write_study())
    found = recalled(study)
    assert found is not None
    write_study(rows=399)
    with pytest.raises(StudyChanged, match=r"prices\.csv was changed while study 'small' runs"):
        found.folds(study.resolved.trial_config.data.model_copy(update={"seq_len": 2}))


@pytest.mark.slow
def test_a_worker_that_joins_audits_nothing_again_and_gets_the_same_values(
    write_study: "WriteStudy", begin: Begin, launch: "Launch", monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = launch(write_study(study={"name": "alone"}))

    def audit_again(*_: object, **__: object) -> None:
        raise AssertionError("the audit is on record")

    study = begin(write_study())
    monkeypatch.setattr("search.data.study_data.audit", audit_again)
    monkeypatch.setattr("search.data.study_data.read_table", audit_again)
    assert join_and_work(JoinTarget(study.store.url, "small"), NoProgress(), lambda: False).done == 2
    values = [trial.value for trial in query.trials(study.store, "small")]
    assert values == [trial.value for trial in alone.trials]
