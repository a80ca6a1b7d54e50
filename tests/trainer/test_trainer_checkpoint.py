"""A trial that was killed goes on from its last epoch, to the same bits as one that was left alone."""

from __future__ import annotations

import io
import logging
import math
import multiprocessing
import pickle
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from benchmarks.faults import tamper
from benchmarks.market import SP500
from trainer import checkpoint, sealed
from trainer.batches import Batch
from trainer.checkpoint import CheckpointFile, identity
from trainer.config import DataConfig, TrialConfig
from trainer.data.source import read_table
from trainer.data.windows import Dataset, prepare
from trainer.errors import CheckpointError
from trainer.learner import Learner
from trainer.loop import fit
from trainer.result import Action, EpochReport, FindingKind, Outcome, TrialResult
from trainer.skill import Baseline

if TYPE_CHECKING:
    from tests.trainer.conftest import Lab

STEPS = 5
"""Updates of an epoch: 160 rows in batches of 32."""
EPOCHS = 6
KILLED_IN = 3
BASELINE = Baseline("made up", 1.0)
OWNER = "whose it is"


def market() -> Dataset:
    """A slice of the real series with one broken target, so that a step of every epoch is skipped."""
    config = DataConfig.model_validate({**SP500, "seq_len": 8})
    whole = prepare(config, read_table(config, folder=Path()))
    target = whole.target.copy()
    target[whole.train[-100]] = math.nan
    return replace(whole, target=target, train=whole.train[-160:], validation=whole.validation[:96])


def settings(**changes: Any) -> TrialConfig:
    """Two layers and dropout, for every source of chance, and cuts that leave a rate to learn with."""
    gru = {"hidden_size": 8, "num_layers": 2, "dropout": 0.3, "learning_rate": 5e-3, "weight_decay": 0.01}
    return TrialConfig.model_validate(
        {
            "data": {**SP500, "seq_len": 8},
            "models": {"gru": {**gru, **changes.pop("gru", {})}},
            "training": {"epochs": EPOCHS, "patience": EPOCHS, **changes.pop("training", {})},
            "guard": {"lr_cut": 0.8, **changes},
        }
    )


def bits(result: TrialResult) -> dict[str, Any]:
    """All of a result but its times and where it came from; weights as bytes, other numbers by their repr."""
    weights = {name: weight.numpy().tobytes() for name, weight in (result.weights or {}).items()}
    epochs = tuple(replace(report, seconds=0.0) for report in result.epochs)
    same = replace(result, epochs=epochs, seconds=0.0, resumed_from=None, weights=None)
    return {**{name: repr(value) for name, value in vars(same).items()}, "weights": weights}


def trial(data: Dataset, path: Path | None = None, **how: Any) -> TrialResult:
    how = {"config": settings(), "seed": 3, "ceiling": 0.9, **how}
    return fit(how.pop("config"), data, baseline=BASELINE, checkpoint=path, **how)


def in_batch(number: int, do: Callable[[], bool]) -> Callable[[], bool]:
    """A `should_stop` that does something before batch `number` (0-based) of all that this `fit` trains; a
    restored epoch, before which it is asked too, counts as one batch.
    """
    asked = iter(range(number + 1))
    return lambda: next(asked, -1) == number and do()


def halted(data: Dataset, path: Path, **how: Any) -> TrialResult:
    """The trial, interrupted in the middle of epoch 3."""
    result = trial(data, path, should_stop=in_batch(KILLED_IN * STEPS + 2, lambda: True), **how)
    assert result.outcome is Outcome.INTERRUPTED
    return result


def work(path: Path, parent: Connection, dies: bool) -> None:
    """What the process of a trial does: reports where it is and waits to be killed, or tells its result."""

    def wait() -> bool:
        parent.send("in the middle of epoch 3")
        return bool(parent.recv())  # nothing is ever sent: this ends by a kill, or with the parent

    stop = in_batch(KILLED_IN * STEPS + 2, wait) if dies else lambda: False
    result = trial(market(), path, should_stop=stop)
    parent.send((bits(result), result.resumed_from))


def of_a_process(path: Path, *, dies: bool) -> tuple[Any, int | None]:
    """The first thing that a new process says of its trial, and how it ended."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=work, args=(path, there, dies))
    process.start()
    there.close()
    try:
        said = here.recv()
    finally:
        if dies:
            process.kill()
        process.join()
        here.close()
    return said, process.exitcode


@contextmanager
def broken_output(learner: Learner, batch: Batch) -> Iterator[None]:
    """The forecasts of one step are NaN."""
    with tamper.output(learner, lambda out: out * math.nan):
        yield


@pytest.fixture(scope="module")
def data() -> Dataset:
    return market()


@pytest.fixture(scope="module")
def unbroken(data: Dataset) -> TrialResult:
    """The trial, left alone."""
    return trial(data)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "7.checkpoint"


@pytest.mark.slow
def test_a_trial_whose_process_was_killed_gives_the_same_bits_in_a_new_process(
    path: Path, unbroken: TrialResult
) -> None:
    assert of_a_process(path, dies=True) == ("in the middle of epoch 3", -signal.SIGKILL)
    (told, resumed_from), exitcode = of_a_process(path, dies=False)
    assert (resumed_from, exitcode) == (KILLED_IN - 1, 0)
    assert told == bits(unbroken)


def test_the_trial_of_these_tests_has_skips_in_every_epoch_and_learns(unbroken: TrialResult) -> None:
    assert [report.skipped_steps for report in unbroken.epochs] == [1] * EPOCHS
    assert {finding.kind for finding in unbroken.findings} == {FindingKind.NONFINITE_TARGET}
    assert math.isnan(unbroken.findings[0].value)
    assert unbroken.outcome is Outcome.FINISHED
    assert unbroken.epochs[-1].validation_loss < unbroken.epochs[0].validation_loss


def test_writing_checkpoints_changes_no_bit(data: Dataset, path: Path, unbroken: TrialResult) -> None:
    watched = trial(data, path)
    assert bits(watched) == bits(unbroken)
    assert watched.resumed_from is None


def test_a_trial_that_is_killed_again_and_again_gives_the_same_bits(
    data: Dataset, path: Path, unbroken: TrialResult
) -> None:
    came_from = []
    for restored in range(EPOCHS):
        result = trial(data, path, should_stop=in_batch(restored + STEPS + 1, lambda: True))
        came_from.append(result.resumed_from)
    assert came_from == [None, 0, 1, 2, 3, 4]
    assert bits(result) == bits(unbroken)


def test_a_trial_that_had_all_its_epochs_trains_no_more_and_tells_them_again(
    data: Dataset, path: Path, unbroken: TrialResult
) -> None:
    trial(data, path)
    told: list[EpochReport] = []
    a_batch = in_batch(EPOCHS, lambda: pytest.fail("a batch was trained"))
    again = trial(data, path, on_epoch=told.append, should_stop=a_batch)
    assert bits(again) == bits(unbroken)
    assert tuple(told) == again.epochs
    assert again.resumed_from == EPOCHS - 1


def test_patience_counts_the_restored_epochs(data: Dataset, path: Path) -> None:
    overfits = settings(gru={"learning_rate": 1e-2}, training={"epochs": 60, "patience": 2})
    whole = trial(data, config=overfits)
    assert len(whole.epochs) < 60
    batches = (len(whole.epochs) - 1) * STEPS
    trial(data, path, config=overfits, should_stop=in_batch(batches, lambda: True))
    assert bits(trial(data, path, config=overfits)) == bits(whole)


def test_the_best_epoch_may_lie_before_the_checkpoint(data: Dataset, path: Path) -> None:
    worse = settings(gru={"learning_rate": 1e-2, "dropout": 0.5}, training={"epochs": 30, "patience": 30})
    whole = trial(data, config=worse)
    assert whole.best_epoch is not None
    batches = (whole.best_epoch + 2) * STEPS + 1
    trial(data, path, config=worse, should_stop=in_batch(batches, lambda: True))
    resumed = trial(data, path, config=worse)
    assert resumed.resumed_from == whole.best_epoch + 1
    assert bits(resumed) == bits(whole)


AN_EPOCH_LATER = (STEPS + 1, STEPS + 2, STEPS + 3)
CUT_OFF_BY_AN_EPOCH = (STEPS - 2, STEPS - 1)
"""The third in a row is the broken target, in the first batch of epoch 1."""


@pytest.mark.parametrize(
    ("steps", "rewinds"), [(AN_EPOCH_LATER, 1), (CUT_OFF_BY_AN_EPOCH, 1), ((2 * STEPS + 3,), 0)], ids=str
)
def test_skips_cuts_and_rewinds_before_the_checkpoint_are_remembered(
    steps: tuple[int, ...], rewinds: int, data: Dataset, path: Path, lab: Lab
) -> None:
    lab.faults = dict.fromkeys(steps, broken_output)
    whole = trial(data)
    lab.states.clear()
    halted(data, path)
    lab.faults = {}
    resumed = trial(data, path)
    assert resumed.resumed_from == KILLED_IN - 1
    assert bits(resumed) == bits(whole)
    actions = [finding.intervention.action for finding in resumed.findings]
    assert actions.count(Action.REWIND) == rewinds


@pytest.mark.parametrize("first", [KILLED_IN * STEPS - 2, KILLED_IN * STEPS])
def test_bad_steps_on_both_sides_of_a_checkpoint_rewind_as_if_it_were_not_there(
    first: int, data: Dataset, path: Path, lab: Lab
) -> None:
    lab.faults = dict.fromkeys(range(first, first + 3), broken_output)
    whole = trial(data)
    assert Action.REWIND in [finding.intervention.action for finding in whole.findings]
    lab.states.clear()
    halted(data, path)
    del lab.states[KILLED_IN * STEPS :]
    resumed = trial(data, path)
    assert resumed.resumed_from == KILLED_IN - 1
    assert bits(resumed) == bits(whole)


def test_a_rewind_before_the_checkpoint_is_the_only_one_that_the_trial_has(
    data: Dataset, path: Path, lab: Lab
) -> None:
    afterwards = range(KILLED_IN * STEPS, KILLED_IN * STEPS + 3)
    lab.faults = dict.fromkeys((*AN_EPOCH_LATER, *afterwards), broken_output)
    whole = trial(data)
    assert whole.outcome is Outcome.UNSTABLE
    lab.states.clear()
    halted(data, path)
    del lab.states[KILLED_IN * STEPS :]
    assert bits(trial(data, path)) == bits(whole)


def test_restored_epochs_are_told_first_to_last_before_training_goes_on(data: Dataset, path: Path) -> None:
    first: list[EpochReport] = []
    halted(data, path, on_epoch=first.append)
    told: list[EpochReport] = []
    trial(data, path, on_epoch=told.append, should_stop=in_batch(KILLED_IN, lambda: told != first))
    assert told[:KILLED_IN] == first
    assert [report.epoch for report in told] == list(range(EPOCHS))


def test_on_epoch_may_stop_at_a_restored_epoch_and_is_told_all_of_them(data: Dataset, path: Path) -> None:
    halted(data, path)
    told: list[int] = []

    def stop_at_first(report: EpochReport) -> bool:
        told.append(report.epoch)
        return report.epoch == 0

    result = trial(data, path, on_epoch=stop_at_first)
    assert result.outcome is Outcome.STOPPED
    assert [report.epoch for report in result.epochs] == told == [0, 1, 2]


def test_a_stop_is_heeded_while_restored_epochs_are_told_and_loses_none_of_them(
    data: Dataset, path: Path, unbroken: TrialResult
) -> None:
    halted(data, path)
    told: list[EpochReport] = []
    result = trial(data, path, on_epoch=told.append, should_stop=in_batch(1, lambda: True))
    assert (result.outcome, [report.epoch for report in told]) == (Outcome.INTERRUPTED, [0])
    assert bits(trial(data, path)) == bits(unbroken)


def test_an_epoch_is_put_into_words_once_however_many_checkpoints_it_is_in(
    data: Dataset, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = checkpoint._EPOCHS.dump_json
    told: list[int] = []

    def spy(reports: tuple[EpochReport, ...]) -> bytes:
        told.extend(report.epoch for report in reports)
        return genuine(reports)

    monkeypatch.setattr(checkpoint._EPOCHS, "dump_json", spy)
    halted(data, path)
    assert told == list(range(KILLED_IN))
    trial(data, path)  # a new process knows nothing of what was written
    assert told[KILLED_IN:] == list(range(EPOCHS))


@pytest.mark.parametrize("name", ["vol\u2028x", "vol\x85x", "vol\nx"])
def test_a_column_of_any_name_may_be_found_broken_before_a_checkpoint(
    data: Dataset, path: Path, name: str
) -> None:
    broken = broken_cell_in(data, name)
    halted(broken, path)
    result = trial(broken, path)
    assert result.findings[0].cell is not None
    assert result.findings[0].cell.startswith(name)
    assert result.resumed_from == KILLED_IN - 1


def test_a_name_that_is_no_text_costs_the_checkpoint_and_not_the_trial(
    data: Dataset, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = broken_cell_in(data, "vol\ud800")
    assert trial(broken, path).outcome is Outcome.FINISHED
    assert [f"no checkpoint at {path}" in message for message in caplog.messages].count(True) == 1


def broken_cell_in(data: Dataset, name: str) -> Dataset:
    """The data with a broken cell, which one window has, in a column of this name; no broken target."""
    features = data.features.copy()
    features[data.train[0] - 7, 0] = math.nan
    target = np.nan_to_num(data.target)
    return replace(data, features=features, target=target, feature_names=(name, *data.feature_names[1:]))


def test_an_epoch_is_saved_before_it_is_told(data: Dataset, path: Path, unbroken: TrialResult) -> None:
    def store_is_gone(report: EpochReport) -> bool:
        raise ConnectionError(report.epoch)

    with pytest.raises(ConnectionError):
        trial(data, path, on_epoch=store_is_gone)
    resumed = trial(data, path)
    assert resumed.resumed_from == 0
    assert bits(resumed) == bits(unbroken)


OTHERS: dict[str, dict[str, Any]] = {
    "seed": {"seed": 4},
    "setting": {"config": settings(gru={"learning_rate": 6e-3})},
    "guard": {"config": settings(output_limit=9.0)},
    "kernel": {"config": settings(training={"kernel": "torch"})},
    "ceiling": {"ceiling": 0.8},
}


@pytest.mark.parametrize("name", OTHERS)
def test_the_checkpoint_of_another_trial_is_ignored(
    name: str, data: Dataset, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    halted(data, path)
    result = trial(data, path, **OTHERS[name])
    assert result.resumed_from is None
    assert bits(result) == bits(trial(data, **OTHERS[name]))
    assert [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING] == [
        f"checkpoint {path} is ignored: it is of another configuration, seed, table or version of torch, "
        "numba or scipy"
    ]


def test_other_rows_another_torch_and_another_baseline_are_another_identity(
    data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of(config: TrialConfig, data: Dataset, baseline: Baseline = BASELINE) -> str:
        return identity(config, [data], baseline=baseline, ceiling=0.3, seed=0)

    mine = of(settings(), data)
    others = {
        of(settings(), replace(data, sha256="other")),
        of(settings(), data, Baseline("har", 1.0)),
        of(settings(), data, Baseline("made up", 1.1)),
    }
    monkeypatch.setattr(torch, "__version__", "2.99.0")
    others.add(of(settings(), data))
    monkeypatch.undo()
    monkeypatch.setattr("trainer.checkpoint.version", lambda package: f"another {package}")
    others.add(of(settings(), data))
    assert len(others - {mine}) == 5


def test_a_time_limit_a_moved_file_and_the_last_digits_of_a_baseline_are_not(data: Dataset) -> None:
    def of(config: TrialConfig, baseline: Baseline = BASELINE) -> str:
        return identity(config, [data], baseline=baseline, ceiling=0.3, seed=0)

    moved = settings().model_copy(update={"data": settings().data.model_copy(update={"source": "x.csv"})})
    same = {
        of(moved),
        of(settings(training={"max_seconds": 9.0})),
        of(settings(), Baseline("made up", 1 + 1e-12)),
    }
    assert same == {of(settings())}


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def cut_in_its_head(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:60])


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def zeroed_in_the_middle(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[5000:6000] = bytes(1000)
    file.write_bytes(content)


def replaced_by_weights(file: Path) -> None:
    torch.save({"head.bias": torch.zeros(1)}, file)


def replaced_by_a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


DAMAGES: dict[Callable[[Path], None], str] = {
    cut_short: "it is damaged: its digest is not that of what it holds",
    cut_in_its_head: "it is damaged: it ends in its head",
    emptied: "it does not begin with 'ballast checkpoint 3'",
    zeroed_in_the_middle: "it is damaged: its digest is not that of what it holds",
    replaced_by_weights: "it does not begin with 'ballast checkpoint 3'",
    replaced_by_a_folder: "Is a directory",
}


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_or_foreign_file_is_ignored_and_replaced(
    damage: Callable[[Path], None],
    data: Dataset,
    path: Path,
    unbroken: TrialResult,
    caplog: pytest.LogCaptureFixture,
) -> None:
    halted(data, path)
    damage(path)
    result = trial(data, path)
    assert (result.resumed_from, bits(result)) == (None, bits(unbroken))
    assert f"checkpoint {path} is ignored: " in caplog.messages[0]
    assert DAMAGES[damage] in caplog.messages[0]
    if path.is_file():
        assert trial(data, path).resumed_from == EPOCHS - 1


class Hostile:
    """Code to be run by whoever unpickles this."""

    def __init__(self, proof: Path) -> None:
        self._proof = proof

    def __reduce__(self) -> Any:
        return Path.touch, (self._proof,)


def saved_by_torch(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def test_code_in_a_forged_file_is_never_run(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    proof = path.with_name("proof")
    for payload in (saved_by_torch({"good": Hostile(proof)}), pickle.dumps(Hostile(proof), protocol=2)):
        sealed.write(path, OWNER, payload)
        assert CheckpointFile(path, OWNER).load() is None
    assert not proof.exists()
    assert all(
        "it does not hold the tensors and numbers of a trial (UnpicklingError)" in message
        for message in caplog.messages
    )


@pytest.mark.parametrize(
    "payload",
    [b"", b"\x80", saved_by_torch([]), saved_by_torch({}), saved_by_torch({"good": {}}), saved_by_torch(1)],
    ids=["empty", "cut", "list", "nothing", "no_snapshot", "number"],
)
def test_a_forged_file_without_what_is_needed_is_ignored(
    payload: bytes, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sealed.write(path, OWNER, payload)
    assert CheckpointFile(path, OWNER).load() is None
    assert (
        f"checkpoint {path} is ignored: it does not hold the tensors and numbers of a trial ("
        in caplog.messages[0]
    )


@pytest.mark.parametrize(
    "change", [{"best_epoch": 99}, {"best_epoch": "0"}, {"epochs": ""}, {"epochs": "[]\n"}]
)
def test_a_forged_file_that_contradicts_itself_is_ignored(
    data: Dataset, path: Path, change: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    halted(data, path)
    owner = identity(settings(), [data], baseline=BASELINE, ceiling=0.9, seed=3)
    plain = torch.load(io.BytesIO(sealed.read(path, owner)), weights_only=True)
    sealed.write(path, owner, saved_by_torch({**plain, **change}))
    assert trial(data, path).resumed_from is None
    assert "it does not hold the tensors and numbers of a trial (ValueError)" in caplog.messages[0]


def test_a_checkpoint_that_cannot_be_written_costs_one_warning_and_nothing_else(
    data: Dataset, path: Path, unbroken: TrialResult, caplog: pytest.LogCaptureFixture
) -> None:
    nowhere = path.parent / "missing" / path.name
    assert bits(trial(data, nowhere)) == bits(unbroken)
    (warning,) = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert f"no checkpoint at {nowhere}, the trial goes on without: " in warning


def test_a_full_disk_leaves_the_checkpoint_of_before(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sealed.write(path, OWNER, b"before")
    # The device of the kernel that is always full stands in for the file that is written aside.
    path.with_name(f"{path.name}.part").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device"):
        sealed.write(path, OWNER, b"after")
    assert sealed.read(path, OWNER) == b"before"
    assert list(path.parent.iterdir()) == [path]


def test_what_a_kill_left_half_written_is_not_read_and_is_forgotten_with_the_rest(path: Path) -> None:
    sealed.write(path, OWNER, b"whole\nwith lines\n")
    path.with_name(f"{path.name}.part").write_bytes(b"ballast check")
    assert sealed.read(path, OWNER) == b"whole\nwith lines\n"
    sealed.forget(path)
    assert list(path.parent.iterdir()) == []
    sealed.forget(path)


def test_a_seal_that_is_not_mine_is_refused(path: Path) -> None:
    sealed.write(path, OWNER, b"whole")
    with pytest.raises(CheckpointError, match="it is of another configuration, seed, table or version"):
        sealed.read(path, "another")


def test_the_log_says_where_a_trial_goes_on_what_was_found_and_each_epoch(
    data: Dataset, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    halted(data, path)
    caplog.set_level(logging.DEBUG, "ballast.trainer")
    result = trial(data, path)
    assert caplog.messages[0] == "resumed after epoch 2"
    assert sum(message.startswith("epoch 3: validation loss ") for message in caplog.messages) == 1
    found = result.findings[KILLED_IN]
    assert f"epoch 3, step {found.step}: {found.message}; skip_and_cut" in caplog.messages
