"""Finds what MLflow already has of a study: its experiment, its run, and the runs of its trials."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from search.tracking import run_content
from search.tracking.mlflow_client import MlflowError
from storage import tables
from storage.commands import masked_url

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_PAGE = 1000
_OVER = ("FINISHED", "FAILED", "KILLED")


@dataclass
class SentRun:
    """A run in MLflow: its params, whether it has ended, and how many epochs it has at least."""

    run_id: str
    params: frozenset[str] = frozenset()
    ended: bool = False
    epochs: int = 0


@dataclass
class StudyRuns:
    """The run of the study, if there is one, and the runs of its trials by number."""

    study: SentRun | None = None
    trials: dict[int, SentRun] = field(default_factory=dict)


def get_or_create_experiment(client: "MlflowClient", name: str) -> str:
    """Return the id of the study's experiment; create it if needed. Raises MlflowError if somebody deleted
    it.
    """
    found = client.get_experiment_by_name(name)
    if found is None:
        return client.create_experiment(name)
    number = str(found.experiment_id)
    if found.lifecycle_stage == "deleted":
        raise _deleted(
            client, f"the experiment {name!r}", f"mlflow experiments restore --experiment-id {number}"
        )
    return number


def find_study_runs(client: "MlflowClient", experiment: str, study: tables.StudyRow) -> StudyRuns:
    """Return the runs of a study. Raises MlflowError if somebody deleted the run of the study itself.

    A trial whose run somebody deleted counts as sent: people do not want it in MLflow.
    """
    studies: list[Run] = []
    trials: list[Run] = []
    for run in _runs(client, experiment, study):
        (trials if run_content.TRIAL_TAG in run.data.tags else studies).append(run)
    if not studies:
        return StudyRuns()
    parent = _only_run(client, studies)
    run_id = parent.info.run_id
    if _is_deleted(parent):
        raise _deleted(client, f"the run of study {study.name!r}", f"mlflow runs restore --run-id {run_id}")
    numbered: dict[int, list[Run]] = {}
    for run in trials:
        if run.data.tags.get(run_content.PARENT_RUN_TAG) == run_id:
            numbered.setdefault(int(run.data.tags[run_content.TRIAL_TAG]), []).append(run)
        elif not _is_deleted(run):  # its parent is another run of the study, which was not chosen
            client.delete_run(run.info.run_id)
    return StudyRuns(_sent(parent), {n: _sent(_only_run(client, runs)) for n, runs in numbered.items()})


def _runs(client: "MlflowClient", experiment: str, study: tables.StudyRow) -> "Iterator[Run]":
    """Yield all runs of a study. The filter has no name: a name can hold quotes, which MLflow cannot
    escape.
    """
    from mlflow.entities import ViewType

    created_at = run_content.study_identity_tags(study)[run_content.CREATED_AT_TAG]
    wanted, token = f"tags.`{run_content.CREATED_AT_TAG}` = '{created_at}'", None
    while True:
        page = client.search_runs([experiment], wanted, ViewType.ALL, _PAGE, page_token=token)
        yield from (run for run in page if run.data.tags.get(run_content.STUDY_TAG) == study.name)
        token = page.token
        if not token:
            return


def _only_run(client: "MlflowClient", runs: "list[Run]") -> "Run":
    """Return the run to use of several for the same trial or study, and delete the others.

    Two senders at once make two runs, and so does a lost answer. Every sender chooses the same one.
    """
    active = [run for run in runs if not _is_deleted(run)]
    chosen, *others = sorted(active or runs, key=lambda run: str(run.info.run_id))
    for other in others if active else ():
        client.delete_run(other.info.run_id)
    return chosen


def _sent(run: "Run") -> SentRun:
    is_over = run.info.status in _OVER or _is_deleted(run)
    return SentRun(run.info.run_id, frozenset(run.data.params), is_over)


def _is_deleted(run: "Run") -> bool:
    return bool(run.info.lifecycle_stage == "deleted")


def _deleted(client: "MlflowClient", what: str, command: str) -> MlflowError:
    where = masked_url(client.tracking_uri)
    return MlflowError(f"{what} was deleted in MLflow at {where}; restore it there: {command}")
