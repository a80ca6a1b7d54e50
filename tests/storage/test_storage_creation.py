"""Many processes that meet at a store which is not there yet; apart from Optuna, which they do not need."""

import multiprocessing
from multiprocessing.synchronize import Barrier

import pytest
from sqlalchemy import text

from storage import query
from storage.engine import open_store


def open_with_the_others(url: str, barrier: Barrier, name: str) -> None:
    barrier.wait(60)
    store = open_store(url)
    with store.session() as session:
        session.execute(
            text(
                "INSERT INTO ballast_studies (name, created_at, study_file, policy_file, seed, fingerprints, "
                "versions, facts) VALUES (:n, '2024-01-01', '', '', 0, '{}', '{}', '{}')"
            ),
            {"n": name},
        )
    store.close()


@pytest.mark.slow
def test_processes_that_make_one_new_store_at_the_same_moment_all_succeed(store_url: str) -> None:
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["storage.engine"])
    barrier = server.Barrier(8)
    workers = [
        server.Process(target=open_with_the_others, args=(store_url, barrier, f"s{n}")) for n in range(8)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0] * 8
    store = open_store(store_url, create=False)
    assert len(query.studies(store)) == 8
    store.close()
