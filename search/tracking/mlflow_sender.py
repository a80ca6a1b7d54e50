"""Sends one study from the record to MLflow. It can be killed at any moment and run again.

Runs are found by tags that come from the record, and content that is sent twice is stored once: a param by
its key, a metric by key, step, time and value, a file by its name.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from search.record.row_mapping import recorded_settings
from search.selection.panel_result import best_of_panel
from search.selection.summary import summarise
from search.tracking import run_content
from search.tracking.mlflow_client import MlflowRejected, as_mlflow_errors
from search.tracking.mlflow_runs import SentRun, find_study_runs, get_or_create_experiment
from search.tracking.run_content import RunContent
from search.watching.view import TrialView, trial_view
from storage import query, voids
from storage.commands import ballast_command
from storage.engine import Store
from storage.verdicts import Verdict

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger("ballast.mlflow")


class MlflowSender:
    """Sends one study to one MLflow, inside `mlflow_environment`.

    Its constructor reads what MLflow already has. Every method raises MlflowError, after which a new sender
    must be made.
    """

    def __init__(self, client: "MlflowClient", store: Store, name: str) -> None:
        self._client, self._store, self._name = client, store, name
        self._study = query.study(store, name)
        self._counts: Mapping[Verdict | None, int] | None = None
        self.rejected: dict[int, MlflowRejected] = {}
        with as_mlflow_errors(client.tracking_uri):
            self._experiment = get_or_create_experiment(client, name)
            found = find_study_runs(client, self._experiment, self._study)
            self._trials = found.trials
            self._parent = found.study or self._begin_study()
            self._send_files(self._parent, self._study_files())

    @property
    def complete_trials(self) -> int:
        """The number of trials that MLflow has completely."""
        return sum(sent.ended for sent in self._trials.values())

    def send(self, *, live: bool = False) -> None:
        """Send what is new; if the study is not `live`, end its run."""
        counts = query.verdict_counts(self._store, self._name)
        changed = counts != self._counts
        rows = query.trials(self._store, self._name) if changed else query.running(self._store, self._name)
        for row in rows:
            self._send_unless_complete(row.number)
        if changed:
            self._send_voids()
        if changed or not live:
            with as_mlflow_errors(self._client.tracking_uri):
                self._send_study(live)
        self._counts = counts

    def run_of(self, number: int) -> str:
        """Return the id of the run of a trial; send the trial first if MLflow does not have it.

        Raises MlflowRejected too.
        """
        self._send_unless_complete(number)
        if number in self.rejected:
            raise self.rejected[number]
        return self._trials[number].run_id

    def _send_unless_complete(self, number: int) -> None:
        """Send a trial unless MLflow has it; if MLflow rejects it, log that, so that the other trials are
        sent.
        """
        if number in self.rejected or (number in self._trials and self._trials[number].ended):
            return
        try:
            with as_mlflow_errors(self._client.tracking_uri):
                self._send_trial(number)
        except MlflowRejected as refusal:
            log.warning("trial %d: %s", number, refusal)
            self.rejected[number] = refusal

    def _send_voids(self) -> None:
        """Correct verdict and reason of the trials that were voided after they had been sent."""
        for void in voids.voids(self._store, self._name):
            sent, view = self._trials.get(void.trial), trial_view(self._store, self._name, void.trial)
            verdict, end = view.trial.verdict, view.trial.finished_at
            if sent is None or not sent.ended or verdict is None or end is None:
                continue
            try:
                with as_mlflow_errors(self._client.tracking_uri):
                    self._log(sent, RunContent({}, run_content.trial_end_content(view, end)[0], []))
                    status = run_content.run_status(verdict)
                    self._client.set_terminated(sent.run_id, status, run_content.milliseconds(end))
            except MlflowRejected as refusal:  # somebody deleted the run there
                log.warning("trial %d, which was voided: %s", void.trial, refusal)

    def _send_trial(self, number: int) -> None:
        view = trial_view(self._store, self._name, number)
        trial, end = view.trial, view.trial.finished_at
        if number not in self._trials:
            self._trials[number] = self._begin_trial(view)
        sent = self._trials[number]
        metrics = [p for p in run_content.epoch_metrics(trial, view.epochs) if p.step >= sent.epochs]
        tags: dict[str, str] = {}
        if end is not None:
            tags, last = run_content.trial_end_content(view, end)
            metrics += last
        self._log(sent, RunContent(run_content.trial_params(view), tags, metrics))
        sent.epochs = len(view.epochs)
        if end is not None and trial.verdict is not None:
            self._send_files(sent, run_content.trial_files(view))
            status = run_content.run_status(trial.verdict)
            self._client.set_terminated(sent.run_id, status, run_content.milliseconds(end))
            sent.ended = True

    def _begin_trial(self, view: TrialView) -> SentRun:
        started = run_content.milliseconds(view.trial.started_at)
        tags = run_content.trial_start_tags(view, self._parent.run_id)
        name = f"trial {view.trial.number}"
        return SentRun(self._client.create_run(self._experiment, started, tags, run_name=name).info.run_id)

    def _begin_study(self) -> SentRun:
        started = run_content.milliseconds(self._study.created_at)
        tags = run_content.study_identity_tags(self._study) | run_content.logged_tables_tag(
            "clamps.json", "overrides.json"
        )
        return SentRun(self._client.create_run(self._experiment, started, tags, self._name).info.run_id)

    def _send_study(self, live: bool) -> None:
        store, name, run_id = self._store, self._name, self._parent.run_id
        ends = [row.finished_at for row in query.trials(store, name) if row.finished_at is not None]
        ended_at = max(ends, default=self._study.created_at)
        summary = summarise(store, name)
        self._log(
            self._parent,
            run_content.study_content(
                summary, query.data_fingerprint(store, name), ended_at, best_of_panel(store, summary)
            ),
        )
        if live and not is_complete(store, name):
            self._client.update_run(run_id, "RUNNING")
        else:
            status = "FINISHED" if has_its_trials(store, name) else "KILLED"
            self._client.set_terminated(run_id, status, run_content.milliseconds(ended_at))

    def _study_files(self) -> dict[str, str]:
        settings = recorded_settings(self._store, self._name)
        return run_content.study_files(self._study, query.clamps(self._store, self._name), settings)

    def _log(self, sent: SentRun, content: RunContent) -> None:
        """Log content; MLflow's client splits it if it is too much for one request."""
        from mlflow.entities import Metric, Param, RunTag

        new = {key: value for key, value in content.params.items() if key not in sent.params}
        self._client.log_batch(
            sent.run_id,
            metrics=[Metric(*point) for point in content.metrics],
            params=[Param(key, value) for key, value in new.items()],
            tags=[RunTag(key, value) for key, value in content.tags.items()],
        )
        sent.params |= new.keys()

    def _send_files(self, sent: SentRun, files: Mapping[str, str]) -> None:
        with TemporaryDirectory(prefix="ballast-") as folder:
            for name, text in files.items():
                (Path(folder) / name).write_text(text, encoding="utf-8")
            self._client.log_artifacts(sent.run_id, folder)


def is_complete(store: Store, name: str) -> bool:
    """Return whether the study has all its trials and none is running."""
    return has_its_trials(store, name) and not query.running(store, name)


def has_its_trials(store: Store, name: str) -> bool:
    """Return whether the study has as many conclusive trials of its own as it should have."""
    return query.count_conclusive(store, name) >= query.study(store, name).wanted


def track_command(store: Store, name: str) -> str:
    """Return the command that sends the study later."""
    return ballast_command("track", name, store=store.url)
