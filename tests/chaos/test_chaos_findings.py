"""What the guard found in a trial stays on record, and is shown, when the trial's process is killed."""

import math
import os
import signal
import time
from pathlib import Path

import pytest

from benchmarks.chaos_faults.faulty_worker import Order, obey
from benchmarks.chaos_faults.study import Scene, set_scene
from benchmarks.chaos_faults.workers import ChaosWorkers, context, crew_of, last_words
from search.config.layers import Layer
from storage import query
from storage.engine import Store, open_store
from storage.errors import TrialUnknown
from storage.tables import FindingRow
from storage.verdicts import Verdict
from tests.search_fixtures import Ballast, ballast, isolated_home
from trainer.training.batches import Batch
from trainer.training.guard import StepSignals
from trainer.training.learner import Learner

__all__ = ["ballast", "isolated_home"]

pytestmark = pytest.mark.slow

BAD = 5
"""The step of the killed worker whose loss is NaN: in the second of its trial's epochs."""
_DEADLINE_S = 120.0
"""For what takes seconds: what has not come by then never will."""


def obey_until_a_bad_step(order: Order) -> None:
    """Be a worker whose step BAD is bad, and which waits in the step after it."""
    genuine, steps = Learner.backward, iter(range(BAD + 2))

    def backward(learner: Learner, batch: Batch) -> StepSignals:
        signals, step = genuine(learner, batch), next(steps)
        if step > BAD:
            time.sleep(_DEADLINE_S)
        return signals._replace(loss=math.nan) if step == BAD else signals

    Learner.backward = backward  # type: ignore[method-assign,assignment]
    obey(order)


def findings_of(store: Store, trial: int) -> list[FindingRow]:
    try:
        return query.findings(store, "chaos", trial)
    except TrialUnknown:
        return []


def killed_after_its_finding(scene: Scene, store: Store) -> None:
    """Start a worker, and kill it with SIGKILL while its trial goes on after a finding."""
    worker = context().Process(target=obey_until_a_bad_step, args=(crew_of(scene),))
    worker.start()
    assert worker.pid is not None
    until = time.monotonic() + _DEADLINE_S
    while not findings_of(store, 0):
        assert worker.exitcode is None, last_words(scene)
        assert time.monotonic() < until, last_words(scene)
        time.sleep(0.02)
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    assert worker.exitcode == -signal.SIGKILL


def test_findings_before_a_kill_stay_on_record_and_are_shown_also_after_the_trial_is_tried_again(
    tmp_path: Path, ballast: Ballast
) -> None:
    scene = set_scene(tmp_path, None, wanted=1)
    store = open_store(scene.url)
    killed_after_its_finding(scene, store)
    (finding,) = query.findings(store, "chaos", 0)
    assert (finding.fold, finding.epoch, finding.step, finding.kind) == (0, 1, BAD, "nonfinite_loss")
    assert query.trial(store, "chaos", 0).verdict is None

    def shown(*command: str) -> str:
        said = ballast(*command, "--store", scene.url)
        assert said.code == 0, said.err
        return said.out

    assert "1 finding, in epoch 1: nonfinite_loss, skip_and_cut" in shown("status", "chaos")
    assert "nonfinite_loss" in shown("explain", "chaos", "--trial", "0")
    shown("report", "chaos", "-o", "report.md")
    assert "nonfinite_loss" in (tmp_path / "report.md").read_text()

    with ChaosWorkers(scene, crew_of(scene)) as crew:
        crew.hire()
        crew.finish()
    killed, *retried = query.trials(store, "chaos")
    assert killed.verdict is Verdict.INTERRUPTED
    assert [trial.retry_of for trial in retried] == [0]
    assert [found.step for found in query.findings(store, "chaos", 0)] == [BAD]
    cuts = query.setting_layers(store, "chaos", 0)["models.gru.learning_rate"]
    assert [cut.layer for cut in cuts].count(Layer.GUARD) == 1
    assert "nonfinite_loss" in shown("explain", "chaos", "--trial", "0")
    store.close()
