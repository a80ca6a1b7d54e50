"""Findings are recorded while the trial runs, kept if it crashes, and never recorded twice."""

import io
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from search.config.layers import Layer
from search.study import liveness
from search.terminal.result_tables import console
from search.terminal.trial_watcher import TrialWatcher, watch_on_console, watched_page
from search.watching.pages.markdown import to_markdown
from search.watching.pages.notes import trial_note
from search.watching.view import trial_view
from storage import query
from storage.engine import Store, open_store
from storage.tables import FindingRow, Trial
from storage.verdicts import Verdict
from tests.search.killed_runs import Killed
from trainer.training.batches import Batch
from trainer.training.guard import StepSignals
from trainer.training.learner import Learner

if TYPE_CHECKING:
    from pathlib import Path

    from tests.search_fixtures import Ballast, Launch, WriteStudy

pytestmark = pytest.mark.slow

LR = "models.gru.learning_rate"
BAD = 1
"""The step of each training whose loss is NaN."""


def at_step(monkeypatch: pytest.MonkeyPatch, step: int, then: Callable[[], None]) -> None:
    """Make the loss of step BAD NaN, and call `then` in a later step; both are counted from now on."""
    genuine, seen = Learner.backward, [0]

    def backward(learner: Learner, batch: Batch) -> StepSignals:
        signals = genuine(learner, batch)
        seen[0] += 1
        if seen[0] - 1 == step:
            then()
        return signals._replace(loss=math.nan) if seen[0] - 1 == BAD else signals

    monkeypatch.setattr(Learner, "backward", backward)


def keys(findings: list[FindingRow]) -> list[tuple[int, int, int | None, str]]:
    return [(f.fold, f.epoch, f.step, f.kind) for f in findings]


@pytest.mark.slow
def test_a_finding_is_on_record_before_its_epoch_is_over(
    write_study: "WriteStudy",
    launch: "Launch",
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: "Path",
) -> None:
    seen: list[FindingRow] = []
    verdicts: list[Verdict | None] = []

    def read_findings() -> None:
        store = open_store(f"sqlite:///{tmp_path / 'ballast.db'}")
        seen.extend(query.findings(store, "small", 0))
        verdicts.append(query.trial(store, "small", 0).verdict)
        assert query.epochs(store, "small", 0) == []
        store.close()

    at_step(monkeypatch, BAD + 1, read_findings)
    done = launch(write_study(), "study.trials=1")
    assert verdicts == [None]
    assert keys(seen) == [(0, 0, BAD, "nonfinite_loss")]
    assert keys(query.findings(done.store, "small", 0)) == keys(seen)


def test_a_crash_in_training_keeps_the_findings_and_the_cut_of_the_learning_rate(
    write_study: "WriteStudy", launch: "Launch", monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash() -> None:
        raise RuntimeError("no device")

    at_step(monkeypatch, BAD + 1, crash)
    done = launch(write_study(), "study.trials=1")
    assert done.trials[0].verdict is Verdict.FAILED
    (finding,) = query.findings(done.store, "small", 0)
    cut = query.setting_layers(done.store, "small", 0)[LR][-1]
    assert (cut.layer, cut.requested, cut.effective) == (Layer.GUARD, finding.lr_before, finding.lr_after)


def test_a_killed_worker_keeps_its_findings_and_the_retry_has_each_once(
    write_study: "WriteStudy", launch: "Launch", monkeypatch: pytest.MonkeyPatch
) -> None:
    def die() -> None:
        raise Killed

    path = write_study(study={"trials": 1})
    steps: list[int] = []
    with monkeypatch.context() as patched:
        at_step(patched, -1, lambda: None)
        whole = launch(write_study("whole.yaml", study={"trials": 1, "name": "whole"}))
        steps += [epoch.steps + epoch.skipped_steps for epoch in query.epochs(whole.store, "whole", 0)]
    with monkeypatch.context() as patched:
        at_step(patched, steps[0] + 1, die)
        with pytest.raises(Killed):
            launch(path)
    monkeypatch.setattr(liveness, "is_dead", lambda worker: True)
    done = launch(path)
    killed, retried = done.trials
    assert (killed.verdict, retried.verdict) == (Verdict.INTERRUPTED, Verdict.ACCEPTED)
    expected = [(0, 0, BAD, "nonfinite_loss")]
    for trial in (killed, retried):
        assert keys(query.findings(done.store, "small", trial.number)) == expected
        cuts = query.setting_layers(done.store, "small", trial.number)[LR]
        assert [cut.layer for cut in cuts].count(Layer.GUARD) == 1


@pytest.fixture
def running(write_study: "WriteStudy", launch: "Launch", monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """The store of a study whose only trial runs in this process, and has a finding."""

    def die() -> None:
        raise Killed

    with monkeypatch.context() as patched:
        at_step(patched, BAD + 1, die)
        with pytest.raises(Killed):
            launch(write_study(), "study.trials=1")
    store = open_store("sqlite:///ballast.db")
    yield store
    store.close()


def test_the_report_and_the_page_of_a_running_trial_tell_its_findings(
    running: Store, ballast: "Ballast", tmp_path: "Path"
) -> None:
    assert ballast("report", "small", "-o", "report.md", "--store", "sqlite:///ballast.db").code == 0
    assert "nonfinite_loss" in (tmp_path / "report.md").read_text()
    assert "nonfinite_loss" in to_markdown(trial_note(trial_view(running, "small", 0)))


@pytest.mark.usefixtures("running")
def test_the_status_of_a_study_tells_the_findings_of_its_running_trials(ballast: "Ballast") -> None:
    said = ballast("status", "small", "--store", "sqlite:///ballast.db").out
    assert "1 finding, in epoch 0: nonfinite_loss, skip_and_cut" in said
    (trial,) = ballast("status", "small", "--json", "--store", "sqlite:///ballast.db").json["running"]
    assert (trial["number"], trial["epoch"], trial["epochs"]) == (0, None, 2)
    (finding,) = trial["findings"]
    assert [finding[key] for key in ("fold", "epoch", "step", "kind")] == [0, 0, BAD, "nonfinite_loss"]
    assert finding["lr_after"] < finding["lr_before"]
    assert finding["value"] == "nan"


@pytest.mark.usefixtures("running")
def test_a_running_trial_is_explained_with_its_findings_and_the_cut_of_its_learning_rate(
    ballast: "Ballast",
) -> None:
    asked = ("explain", "small", "--trial", "0", "--store", "sqlite:///ballast.db")
    said = ballast(*asked).out
    assert "trial 0 is running" in said
    assert "nonfinite_loss" in said
    assert "skip_and_cut" in said
    (rate,) = ballast(*asked, "--json", "--key", LR).json
    assert rate["overrides"][-1]["layer"] == "guard"


def test_a_watch_writes_each_finding_of_a_running_trial_once(
    running: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    watcher = TrialWatcher(running, "small")
    polls = iter([watcher.poll, watcher.poll])

    def poll() -> list[Trial]:
        try:
            return next(polls)()
        except StopIteration:
            raise KeyboardInterrupt from None

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(watcher, "poll", poll)
        watch_on_console(console(), watcher, every=0.01)
    said = capsys.readouterr().out.splitlines()
    assert said == ["0  running, epoch 0, step 1: nonfinite_loss, skip_and_cut: the loss is nan"]


def test_a_watch_on_a_screen_shows_the_findings_beside_the_running_trial(running: Store) -> None:
    watcher = TrialWatcher(running, "small")
    written = io.StringIO()
    screen = Console(width=100, height=40, force_terminal=True, file=written, color_system=None)
    screen.print(watched_page(screen, watcher))
    assert "0 (0/2; 1 finding, in epoch 0: nonfinite_loss, skip_and_cut)" in written.getvalue()


def test_a_watch_of_one_verdict_writes_no_findings(running: Store) -> None:
    watcher = TrialWatcher(running, "small", Verdict.UNSTABLE)
    watcher.poll()
    assert watcher.findings == ()
