"""The fast part of `benchmarks/chaos.py`: each kind of fault once, by real processes.

Every exact moment is in tests/search/workers/test_workers_recovery.py, without processes.
"""

import shutil
import signal
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.chaos import shares
from benchmarks.chaos_faults.audit import audit
from benchmarks.chaos_faults.faulty_worker import Moment, arm
from benchmarks.chaos_faults.kinds import KINDS, ChaosSetup, Kind
from benchmarks.chaos_faults.study import Scene, Undisturbed, set_scene
from benchmarks.chaos_faults.workers import ChaosWorkers, crew_of
from benchmarks.postgres import PostgresServer

BY_NAME = {kind.name: kind for kind in KINDS}
SLOW = {
    "locked for a second",
    "locked for 20 s",
    "run --workers killed",
    "SIGINT once",
    "the clock jumps",
    "the disk is full",
    "another worker's machine asleep",
}
"""Left to the bench: they wait, start programs that take seconds to import PyTorch, or mount a disk; of two
signals that are handled alike, and of two locks, one is enough."""


@pytest.fixture(scope="module")
def undisturbed() -> Undisturbed:
    return Undisturbed()


@pytest.fixture
def on_sqlite(tmp_path: Path, undisturbed: Undisturbed) -> ChaosSetup:
    return ChaosSetup(tmp_path, None, np.random.default_rng(0), undisturbed, wanted=3)


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


def _kinds(only_on: str | None) -> list[Kind]:
    return [kind for kind in KINDS if kind.only_on == only_on and kind.name not in SLOW]


@pytest.mark.parametrize("kind", [*_kinds(None), *_kinds("sqlite")], ids=lambda kind: kind.name)
def test_a_fault_loses_nothing_and_doubles_nothing(on_sqlite: ChaosSetup, kind: Kind) -> None:
    outcome = on_sqlite.inflict(kind, 1)
    assert outcome.findings.wrong == {name: [] for name in outcome.findings.wrong}


@pytest.mark.parametrize(
    "kind",
    [kind for kind in _kinds("postgresql") if kind.only_on == "postgresql"],
    ids=lambda kind: kind.name,
)
def test_a_server_that_fails_loses_nothing_and_doubles_nothing(
    tmp_path: Path, server: PostgresServer, undisturbed: Undisturbed, kind: Kind
) -> None:
    on_server = ChaosSetup(tmp_path, server, np.random.default_rng(0), undisturbed, wanted=3)
    outcome = on_server.inflict(kind, 1)
    assert outcome.findings.wrong == {name: [] for name in outcome.findings.wrong}


@pytest.fixture(scope="module")
def well(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A study that nothing has happened to."""
    scene = set_scene(tmp_path_factory.mktemp("well"), None, wanted=3)
    with ChaosWorkers(scene, crew_of(scene)) as crew:
        crew.hire()
        crew.finish()
    return scene


PLANTED = {
    "lost": "UPDATE trials SET state = 'WAITING' WHERE number = 2",
    "doubled": "UPDATE ballast_trials SET retry_of = 0 WHERE number > 0",
    "left running": "UPDATE trials SET state = 'RUNNING' WHERE number = 0",
    "disagreements": "DELETE FROM trial_system_attributes",
    "wrong values": "UPDATE ballast_trials SET seed = seed + 1",
}


@pytest.mark.parametrize("wrong", PLANTED)
def test_the_audit_sees_what_is_wrong(
    well: Scene, undisturbed: Undisturbed, tmp_path: Path, wrong: str
) -> None:
    assert not any(audit(well, undisturbed).wrong.values())
    shutil.copytree(well.folder, tmp_path, dirs_exist_ok=True)
    harmed = replace(well, folder=tmp_path, url=f"sqlite:///{tmp_path / 'ballast.db'}")
    with sqlite3.connect(harmed.database) as file:
        file.execute(PLANTED[wrong])
    assert audit(harmed, undisturbed).wrong[wrong] != []


def test_every_kind_of_fault_gets_its_share_and_at_least_one() -> None:
    given = shares(KINDS, 200)
    assert sum(faults for _, faults in given) == 200
    assert min(faults for _, faults in given) == 1


def test_a_fault_that_the_product_has_outgrown_is_noticed() -> None:
    with pytest.raises(AttributeError, match="has no no_longer_there: the product has changed"):
        arm(Moment("gone", "search.study.backend:no_longer_there"), signal.SIGKILL)
