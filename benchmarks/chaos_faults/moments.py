"""The exact moments at which a worker is killed, by what it was doing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.chaos_faults.faulty_worker import Moment

_SET_STATE = "search.sampling.optuna_storage:RetryingStorage.set_trial_state_values"

ASK = (
    Moment("before its trial is created", "search.workers.loop:ask"),
    Moment("a trial is created or taken, nothing is drawn", "search.sampling.ask:make_sampler"),
    Moment("one of two parameters is drawn", "search.sampling.ask:suggest_value", "after"),
    Moment("all is drawn, nothing is on record", "search.study.backend:begin_trial"),
    Moment("the trial is on record, nothing is trained", "search.study.backend:begin_trial", "after"),
    Moment("inside the transaction of a claim", "storage.workers:_row", "after", nth=2),
)
TAKING = (
    Moment("between signing and taking", _SET_STATE,
           state="RUNNING"),
    Moment("taken, not signed again", _SET_STATE, "after",
           state="RUNNING"),
)  # fmt: skip
TRAINING = (
    Moment("in the middle of an epoch", "trainer.training.train_fold:_train_step", nth=30),
    Moment("before a checkpoint is in its place", "trainer.atomic_files:os.replace", nth=8),
    Moment("after a checkpoint", "trainer.training.checkpoint:CheckpointFile.save", "after", nth=10),
    Moment("after epochs are on record", "storage.record:record_epochs", "after"),
    Moment("after the last epoch", "search.workers.objective:judge"),
)
ENDING = (
    Moment("before the verdict is on record", "search.record.row_mapping:finish_trial"),
    Moment("inside the transaction of the verdict", "storage.record:_add_epochs"),
    Moment("between record and Optuna", "search.study.backend:conclude_trial"),
    Moment("between a constraint and the state", "optuna.study:Study.tell"),
    Moment("Optuna is told, the claim is open", "search.study.backend:tell", "after"),
)
QUEUEING = (
    Moment("before it is queued again", "search.study.backend:enqueue_retry"),
    Moment("queued again, not told", "search.study.backend:enqueue_retry", "after"),
    Moment("told that it failed", "search.study.backend:tell", "after", state="FAIL"),
)
RECOVERY = (
    Moment("in recovery, before anything", "search.workers.recovery:_recover"),
    Moment("in recovery, taken over", "storage.record:take_over", "after"),
    Moment("in recovery, its verdict is on record", "search.workers.recovery:_finish", "after"),
    Moment("in recovery, queued again", "search.study.backend:enqueue_retry", "after"),
    Moment("in recovery, settled, not struck out", "search.workers.recovery:conclude_trial", "after"),
)
COPY = (
    Moment("between a copy's record and Optuna", "search.workers.objective:finish_cached_trial", "after"),
    Moment("in the middle of a copy", "search.workers.objective:finish_cached_trial"),
)
FILES = (
    Moment("a temporary file is made", "trainer.atomic_files:_is_locked"),
    Moment("a temporary file is locked", "trainer.atomic_files:_is_locked", "after"),
    Moment("a file is written, not on the disk", "trainer.atomic_files:os.fsync"),
    Moment("before a file is in its place", "trainer.atomic_files:os.replace"),
    Moment("after a file is in its place", "trainer.atomic_files:os.replace", "after"),
    Moment("a file is in its place, its folder not on the disk", "trainer.atomic_files:os.fsync", nth=2),
)
"""Of a command that writes one file before it writes any other."""
SAVE = (
    Moment("a temporary folder is made", "trainer.atomic_files:_is_locked", nth=2),
    Moment("one file of a model is on the disk", "trainer.atomic_files:os.fsync", "after"),
    Moment("the new model is whole", "trainer.atomic_files:_put"),
    Moment("before two models change places", "trainer.atomic_files:swap_folders"),
    Moment("after two models have changed places", "trainer.atomic_files:swap_folders", "after"),
    Moment("before the old model is removed", "trainer.atomic_files:shutil.rmtree", nth=2),
    Moment("the old model is removed", "trainer.atomic_files:shutil.rmtree", "after", nth=2),
)
"""Of `train --save` over an older model. It makes a temporary folder before the training, too."""
KEEPING = (
    Moment("before the prepared folds are written", "search.data.prepared_folds:write_folds"),
    Moment("the prepared folds are written, not in their place", "trainer.atomic_files:os.replace"),
    Moment("the prepared folds are in their place", "search.data.prepared_folds:write_folds", "after"),
)


@dataclass(frozen=True)
class Step:
    """A worker to be killed: at its moment, or before that at one that only leads up to another's."""

    dies: Moment
    asked: Moment | None = None
    """When it gets a SIGTERM first."""
    counts: bool = True


def steps(moments: Sequence[Moment], random: np.random.Generator) -> Iterator[Step]:
    """Each moment once, in random order, with what has to come before it.

    In recovery and for a trial from the queue, that is another worker's death; for a trial that is queued
    again by its own worker, a SIGTERM.
    """
    for place in random.permutation(len(moments)):
        moment = _at_random(moments[place], random)
        if moment in (*RECOVERY, *TAKING):
            yield Step(TRAINING[0], counts=False)
        yield Step(moment, asked=TRAINING[0] if moment in QUEUEING else None)


def _at_random(moment: Moment, random: np.random.Generator) -> Moment:
    """A moment in training comes at a random call up to the given one."""
    return replace(moment, nth=int(random.integers(1, moment.nth + 1))) if moment in TRAINING else moment
