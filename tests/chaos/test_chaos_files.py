"""Commands that are killed while they write a file or a model: the old one or the new one stands, whole."""

import os
import signal
from pathlib import Path

import pytest

from benchmarks.chaos_faults.faulty_worker import Moment, Order, obey
from benchmarks.chaos_faults.moments import FILES, SAVE
from benchmarks.chaos_faults.workers import context
from tests.search_fixtures import Ballast, WriteStudy, ballast, isolated_home, write_study
from trainer.inference.model_folder import load_model

__all__ = ["ballast", "isolated_home", "write_study"]


def obey_in(folder: str, order: Order) -> None:
    os.chdir(folder)
    obey(order)


def killed(moment: Moment, *command: str) -> bool:
    """Run a command in a process that dies at the moment; False: the command has ended before."""
    order = Order(command, "sqlite:///ballast.db", Path("victim.log"), moment)
    process = context().Process(target=obey_in, args=(os.getcwd(), order))
    process.start()
    process.join(60)
    if process.is_alive():
        process.kill()
        raise AssertionError(f"it hangs: {Path('victim.log').read_text()}")
    assert process.exitcode in (0, -signal.SIGKILL), Path("victim.log").read_text()
    return process.exitcode != 0


@pytest.fixture
def _exported(write_study: WriteStudy, ballast: Ballast) -> None:
    assert ballast("run", write_study(), "--trials", 1).code == 0
    assert ballast("export", "small", "-o", "best.yaml").code == 0


@pytest.mark.usefixtures("_exported")
def test_a_save_that_is_killed_at_any_step_leaves_a_whole_model_and_the_next_one_succeeds(
    ballast: Ballast,
) -> None:
    assert ballast("train", "best.yaml", "--save", "model").code == 0
    deaths = 0
    for moment in SAVE:
        Path("model", "model.onnx").touch()  # the old model has it, the new one has not
        deaths += killed(moment, "train", "best.yaml", "--save", "model")
        model, _ = load_model(Path("model"))
        assert model.provenance.study == "small", moment
    assert deaths == len(SAVE)
    assert ballast("train", "best.yaml", "--save", "model").code == 0
    assert list(Path().glob(".ballast-*")) == []
    assert sorted(os.listdir("model")) == ["model.json", "weights.safetensors"]


@pytest.mark.usefixtures("_exported")
@pytest.mark.parametrize("target", ["best.json", "report.md", "forecasts.csv"])
def test_a_file_whose_writer_is_killed_is_the_old_one_or_the_new_one(target: str, ballast: Ballast) -> None:
    assert ballast("train", "best.yaml", "--save", "model").code == 0
    command = {
        "best.json": ("export", "small", "-o", target),
        "report.md": ("report", "small", "-o", target),
        "forecasts.csv": ("predict", "model", "--data", "prices.csv", "-o", target),
    }[target]
    assert ballast(*command).code == 0
    whole = Path(target).read_text()
    for moment in FILES:
        Path(target).write_text("old")
        assert killed(moment, *command), moment
        written = Path(target).read_text()
        assert written == "old" or len(written) == pytest.approx(len(whole), abs=100), moment
    assert ballast(*command).code == 0
    assert list(Path().glob(".ballast-*")) == []


def test_folds_whose_writer_is_killed_are_prepared_again(write_study: WriteStudy, ballast: Ballast) -> None:
    study = write_study().name
    for moment in FILES:
        for kept in Path().rglob("folds-*.data"):
            kept.unlink()
        assert killed(moment, "run", study, "--workers", "2"), moment
    done = ballast("run", study, "--workers", "2")
    assert done.code == 0, done.err
    assert list(Path().rglob(".ballast-*")) == []
    assert len(list(Path().rglob("folds-*.data"))) == 1
    assert ballast("db", "check", "--json").json["ok"]
