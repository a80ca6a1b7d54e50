"""A walk-forward that is killed anywhere goes on with the same command: nothing is lost or done twice."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from benchmarks.chaos_faults.faulty_worker import Moment, Order, obey
from benchmarks.chaos_faults.workers import context
from storage import evaluations, query, walk_forwards
from storage.engine import Store, open_store
from storage.verdicts import CONCLUSIVE
from tests.search_fixtures import Ballast, WriteStudy, ballast, isolated_home, write_study

__all__ = ["ballast", "isolated_home", "write_study"]
pytestmark = pytest.mark.slow

COMMAND = ("walk-forward", "study.yaml", "--every", "4mo", "--from", "2001-11", "--seeds", "2", "--json")
DEATHS = (
    Moment(
        "the study of the first block is on record, the block is not", "storage.walk_forwards:start_block"
    ),
    Moment("in the middle of an epoch of the first block", "trainer.training.train_fold:_train_step", nth=5),
    Moment("before the rows are on record as used", "storage.evaluations:start_evaluation"),
    Moment("in the middle of the refits", "trainer.training.loop:refit", nth=2),
    Moment("the first block is forecast and not on record", "storage.walk_forwards:finish_block"),
    Moment("the first block is on record", "storage.walk_forwards:finish_block", "after"),
    Moment("all blocks are on record, the answer is not", "storage.evaluations:finish_evaluation"),
)


def obey_in(folder: str, order: Order) -> None:
    os.chdir(folder)
    obey(order)


def killed(moment: Moment) -> bool:
    """Run the command in a process that dies at the moment; False: the command has ended before."""
    order = Order(COMMAND, "sqlite:///ballast.db", Path("victim.log"), moment)
    process = context().Process(target=obey_in, args=(os.getcwd(), order))
    process.start()
    process.join(120)
    if process.is_alive():
        process.kill()
        raise AssertionError(f"it hangs: {Path('victim.log').read_text()}")
    assert process.exitcode in (0, 1, -signal.SIGKILL), Path("victim.log").read_text()
    return process.exitcode == -signal.SIGKILL


def on_record(store: Store) -> tuple[Any, ...]:
    """What each block came to, its conclusive trials, and the evaluations of its rows."""
    found = walk_forwards.walk_forward(store, "small")
    results = [{**result, "seconds": None} for _, result in sorted(found.results.items())]
    trials = [
        [
            (each.params, each.seed, each.value)
            for each in query.trials(store, block.study)
            if each.verdict in CONCLUSIVE
        ]
        for block in found.blocks
    ]
    rows = [packed for _, packed in walk_forwards.block_rows(store, "small")]
    return results, trials, rows


def test_a_walk_forward_that_is_killed_at_any_step_goes_on_and_comes_to_the_same(
    ballast: Ballast, write_study: WriteStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_study()
    deaths = [moment.name for moment in DEATHS if killed(moment)]
    assert deaths == [moment.name for moment in DEATHS]
    done = ballast(*COMMAND)
    assert done.code in (0, 1), done.err
    store = open_store("sqlite:///ballast.db", create=False)
    killed_often = on_record(store)
    near = _evaluations(store)
    store.close()
    assert [(each.kind, each.verdict is not None) for each in near] == [("walk-forward", True)]

    (tmp_path / "calm").mkdir()
    monkeypatch.chdir(tmp_path / "calm")
    calm = ballast("walk-forward", tmp_path / "study.yaml", *COMMAND[2:])
    assert calm.code == done.code
    undisturbed = open_store("sqlite:///ballast.db", create=False)
    assert on_record(undisturbed) == killed_often
    undisturbed.close()


def _evaluations(store: Store) -> list[Any]:
    from datetime import UTC, datetime

    return evaluations.evaluations_near(
        store, datetime(2001, 1, 1, tzinfo=UTC), datetime(2003, 1, 1, tzinfo=UTC)
    )
