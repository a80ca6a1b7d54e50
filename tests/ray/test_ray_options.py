"""What is said before Ray is asked for anything; Ray itself need not be there."""

import math
import socket
from collections.abc import Mapping

import pytest

from search.errors import RequestError
from search.workers import ray_cluster
from search.workers.ray_cluster import (
    WorkerResources,
    require_address_answers,
    require_hidden_passwords,
    require_store_reachable,
    worker_capacity,
)
from tests.search_fixtures import Ballast, WriteStudy

HERE = socket.gethostname()


def test_without_ray_the_command_to_install_it_is_told(
    ballast: Ballast, write_study: WriteStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_cluster, "find_spec", lambda name: None)
    result = ballast("run", write_study(), "--engine", "ray")
    assert result.code == 2
    assert result.told[-1] == 'ballast: --engine ray needs Ray; run: pip install "ballast-gru[ray]"'


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--cpus", "2"], "--cpus 2.0 is for workers on Ray; add --engine ray, or leave it out"),
        (["--gpus", "0"], "--gpus 0.0 is for workers on Ray; add --engine ray, or leave it out"),
        (["--address", "auto"], "--address auto is for workers on Ray; add --engine ray, or leave it out"),
        (
            ["--engine", "ray", "--devices", "cuda:0"],
            "--devices cuda:0 names devices of this machine; on Ray, ask for them with --gpus",
        ),
    ],
)
def test_an_option_without_effect_is_an_error(
    ballast: Ballast, write_study: WriteStudy, options: list[str], sentence: str
) -> None:
    result = ballast("run", write_study(), *options)
    assert result.code == 2
    assert result.told == [f"ballast: {sentence}"]


@pytest.mark.parametrize(
    ("nodes", "demand", "found"),
    [
        ([{"CPU": 4.0}], WorkerResources(1, cpus=1), 4),
        ([{"CPU": 1.5}, {"CPU": 1.5}], WorkerResources(1, cpus=1), 2),
        ([{"CPU": 0.3}], WorkerResources(1, cpus=0.1), 3),
        ([{"CPU": 8.0}], WorkerResources(1, cpus=1, gpus=0.5), 0),
        ([{"CPU": 8.0, "GPU": 1.0}], WorkerResources(1, cpus=1, gpus=0.5), 2),
        ([{"CPU": 8.0, "GPU": 2.0}], WorkerResources(1, cpus=1, gpus=0.4), 4),
        ([{"CPU": 1.0, "GPU": 2.0}], WorkerResources(1, cpus=1, gpus=0.5), 1),
        ([{}], WorkerResources(1, cpus=1), 0),
        ([{}], WorkerResources(1, cpus=0), math.inf),
    ],
)
def test_a_worker_needs_room_on_one_node_and_on_one_gpu(
    nodes: list[Mapping[str, float]], demand: WorkerResources, found: float
) -> None:
    assert worker_capacity(nodes, demand) == found


def test_a_file_cannot_be_shared_with_other_machines() -> None:
    require_store_reachable("sqlite:///ballast.db", [HERE, HERE])
    require_store_reachable("postgresql://db/ballast", [HERE, "elsewhere"])
    with pytest.raises(
        RequestError, match=r"ballast\.db is a file .* \(elsewhere, there\) cannot share; use"
    ):
        require_store_reachable("sqlite:///ballast.db", ["there", HERE, "elsewhere", "there"])


@pytest.mark.parametrize("argument", ["postgresql://u:secret@db/x", "storage.url=postgresql://u:secret@db/x"])
def test_a_password_on_the_command_line_is_refused_and_not_repeated(argument: str) -> None:
    require_hidden_passwords(["ballast", "run", "a.yaml", "--store", "postgresql://u@db/x"])
    with pytest.raises(RequestError, match="give the store's URL in BALLAST_STORE instead") as refusal:
        require_hidden_passwords(["ballast", "run", "a.yaml", argument])
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("address", ["ray://head:10001", "head", ":6379", "head:port"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(RequestError, match="is no address of a Ray cluster; write HOST:PORT"):
        require_address_answers(address)


def test_an_address_that_nobody_answers_at_is_told_at_once() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound, and not listening
        with pytest.raises(RequestError, match=r"no Ray cluster answers at .*; start one with: ray start"):
            require_address_answers(f"127.0.0.1:{nobody.getsockname()[1]}")
