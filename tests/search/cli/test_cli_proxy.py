"""A study whose workers reach Optuna's part through `ballast proxy`, as hundreds of them would."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import optuna
import pytest
from optuna.trial import TrialState

from search.sampling.optuna_storage import optuna_storage
from search.workers.consistency import inconsistencies
from storage import query
from storage.engine import Store, open_store
from storage.verdicts import Verdict
from tests.search_fixtures import Ballast, WriteStudy


@pytest.fixture
def store(postgres_url: str) -> Iterator[Store]:
    store = open_store(postgres_url)
    yield store
    store.close()


@pytest.fixture
def proxy(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a proxy before the store."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    monkeypatch.setenv("BALLAST_STORE", store.url)
    process = subprocess.Popen([sys.executable, "-m", "search.cli", "proxy", "--port", port])
    yield f"127.0.0.1:{port}"
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130


@pytest.mark.slow
def test_workers_behind_a_proxy_share_the_trials_of_a_study(
    ballast: Ballast, write_study: WriteStudy, store: Store, proxy: str
) -> None:
    study = write_study(study={"trials": 6}, storage={"patience": 60})  # the proxy is on its way up
    result = ballast("run", study, "--workers", "2", "--proxy", proxy, "--json")
    assert result.code == 0, result.err
    rows = query.trials(store, "small")
    assert [row.verdict for row in rows] == [Verdict.ACCEPTED] * 6
    assert inconsistencies(store) == []


@pytest.mark.slow
def test_a_worker_behind_a_proxy_learns_that_a_trial_was_voided(
    ballast: Ballast, write_study: WriteStudy, store: Store, proxy: str
) -> None:
    study = write_study(storage={"patience": 60})  # the proxy is on its way up
    assert ballast("run", study, "--proxy", proxy, "--json").code == 0
    seen = optuna.load_study(study_name="small", storage=optuna_storage(store, proxy))
    assert [trial.state for trial in seen.trials] == [TrialState.COMPLETE] * 2
    assert ballast("void", "small", "--trial", 0, "--why", "a wrong table").code == 0
    assert [trial.state for trial in seen.trials] == [TrialState.PRUNED, TrialState.COMPLETE]
