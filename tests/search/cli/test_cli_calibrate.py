"""`ballast calibrate`: safe ranges measured on a study's own data, written as a policy that `run` takes."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml

import ballast as python
from search.api.calibrate_study import training_loss_of_constant
from search.config.files.shipped import CONFIGS
from search.config.resolve import resolve
from search.config.safe_ranges import read_policy
from search.data.study_data import load_study_data
from search.errors import AnswerIsNo

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast, WriteStudy

RATE = "models.gru.learning_rate"
FILE = Path("small.safe_ranges.yaml")
TRAINING: dict[str, Any] = {"epochs": 10, "patience": 10}


@pytest.fixture
def study(write_study: "WriteStudy") -> str:
    return write_study(training=TRAINING, models={"gru": {"batch_size": 16}}).name


@pytest.mark.slow
def test_a_large_learning_rate_diverges_and_a_tiny_one_freezes(study: str, ballast: "Ballast") -> None:
    told = ballast("calibrate", study, "--keys", RATE, "--seeds", 2, "--json")
    assert told.code == 0, told.err
    found = told.json
    (key,) = found["keys"]
    outcomes = {point["value"]: point["outcome"] for point in key["points"]}
    assert outcomes[1e-8] == "frozen"
    assert outcomes[10.0] == "diverges"
    assert outcomes[key["own"]] in ("learns", "does not learn")
    assert 1e-8 < key["low"] <= key["own"] <= key["high"] < 10.0
    assert (key["old_low"], key["old_high"]) == (1e-8, 1e-2)
    assert found["runs"] == sum(point["runs"] for point in key["points"])
    assert found["corners"] == []  # one key has no ends to try together
    assert set(found["not_measured"]) == set(read_policy(CONFIGS / "safe_ranges.yaml").ranges) - {RATE}


@pytest.mark.slow
def test_the_policy_can_be_used_and_keeps_what_was_not_measured(study: str, ballast: "Ballast") -> None:
    told = ballast("calibrate", study, "--keys", RATE, "--seeds", 1, "--epochs", 1)
    assert told.code == 0, told.err
    assert told.out.splitlines()[-1] == f"saved; use it: ballast run {study} --policy {FILE}"
    assert f"{RATE}" in told.out
    before, after = (read_policy(path).ranges for path in (CONFIGS / "safe_ranges.yaml", FILE))
    assert after.keys() == before.keys()
    for key in before.keys() - {RATE}:
        assert after[key].to_json() == before[key].to_json()
        assert (after[key].why, after[key].source) == (before[key].why, before[key].source)
    assert "measured by ballast calibrate on study small, 1 seed, 1 epoch" in after[RATE].source
    assert "training diverges" in after[RATE].why
    above = ballast(
        "check", study, "--policy", FILE, "--set", f"space.{RATE}={{low: 1e-3, high: 50.0}}", "--json"
    )
    (clamp,) = above.json["clamps"]
    assert clamp["effective"]["high"] == after[RATE].high
    assert above.code == 0


@pytest.mark.slow
def test_the_same_study_gives_the_same_policy(study: str, ballast: "Ballast") -> None:
    def text(*options: str) -> list[str]:
        keys = (RATE, "training.max_grad_norm")
        told = ballast("calibrate", study, *(f"--keys={key}" for key in keys), "--seeds", 1, *options)
        assert told.code == 0, told.err
        return [line for line in FILE.read_text().splitlines() if not line.startswith("# Seconds")][1:]

    assert text("--force") == text("--force")


def test_a_file_is_only_replaced_with_force_and_found_before_the_runs(
    study: str, ballast: "Ballast", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.api.calibrate_study._measure", lambda *arguments: pytest.fail("measured"))
    FILE.write_text("mine")
    refused = ballast("calibrate", study)
    assert refused.code == 2
    assert refused.told == [
        f"ballast: {FILE} exists; name another file: --output FILE, or replace it with --force"
    ]
    assert FILE.read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--keys", "guard.loss_limit"), "--keys guard.loss_limit: the guard is what measures"),
        (("--keys", "models.gru.dropot"), "did you mean models.gru.dropout?"),
        (("--output", "nowhere/policy.yaml", "--keys", RATE), "there is no folder nowhere"),
        (("--set", "training.epoch=3"), "did you mean training.epochs?"),
    ],
)
def test_a_wrong_request_is_told_and_nothing_is_written(
    study: str, ballast: "Ballast", options: tuple[str, ...], told: str
) -> None:
    before = sorted(Path().iterdir())
    refused = ballast("calibrate", study, "--seeds", 1, "--epochs", 1, *options)
    assert refused.code == 2
    assert told in refused.err
    assert sorted(Path().iterdir()) == before


def test_own_values_that_are_not_stable_are_refused_with_the_finding(study: str, ballast: "Ballast") -> None:
    Path("wide.yaml").write_text(f"{RATE}: {{high: 100.0, why: w, source: s}}\n")
    refused = ballast(
        "calibrate", study, "--policy", "wide.yaml", "--set", f"space.{RATE}=null", "--set", f"{RATE}=50.0"
    )
    assert refused.code == 1
    assert "training diverges with them" in refused.err
    assert "--set models.gru.learning_rate=1e-3" in refused.err
    assert not FILE.exists()


def test_refused_data_are_not_calibrated_on(write_study: "WriteStudy", ballast: "Ballast") -> None:
    refused = ballast("calibrate", write_study(leak=True, audited=True, rows=1200).name)
    assert refused.code == 1
    assert "the data audit found what must not be trained on" in refused.err
    assert not list(Path().glob("*.safe_ranges.yaml"))


@pytest.mark.slow
def test_python_gives_frames_of_ranges_and_points(study: str) -> None:
    found = python.calibrate(study, keys=[RATE], seeds=1, epochs=1, output="policy.yaml")
    assert found.saved == Path("policy.yaml")
    ranges, points = found.ranges(), found.points()
    assert ranges["key"].tolist() == [RATE]
    assert set(points["outcome"]) >= {"frozen", "diverges"}
    assert np.all(np.diff(points["value"]) > 0)
    assert yaml.safe_load(found.saved.read_text()).keys() >= {RATE, "guard.lr_min"}
    with pytest.raises(python.errors.RequestError, match="seeds is 0; it must be 1 or more"):
        python.calibrate(study, seeds=0)
    with pytest.raises(AnswerIsNo, match="nothing can be measured"):
        python.calibrate(study, set={"guard.output_limit": 1e-3}, keys=RATE, seeds=1)


@pytest.mark.parametrize("loss", ["mse", "mae", "huber", "qlike"])
def test_learning_is_measured_from_the_best_constant_of_every_loss(
    write_study: "WriteStudy", loss: str
) -> None:
    target = {"transform": "log_parkinson", "high": "High", "low": "Low", "kind": "volatility"}
    log_of = {"log_of": "volatility"} if loss == "qlike" else {}
    path = write_study(training={**TRAINING, "loss": loss}, data={"target": {**target, **log_of}})
    resolved = resolve(path)
    fold, config = load_study_data(resolved).base[-1], resolved.trial({RATE: 1e-3}).config
    constant = training_loss_of_constant(fold, config)
    rows = fold.target[fold.train].astype(float)
    value = fold.in_units(config.loss).value
    assert constant == pytest.approx(
        min(value(np.full(len(rows), c), rows).mean() for c in np.linspace(-1, 1, 401)), rel=1e-3
    )


def test_a_loss_with_several_outputs_is_calibrated(study: str, ballast: "Ballast") -> None:
    told = ballast(
        *("calibrate", study, "--set", "training.loss=quantile", "--keys", RATE, "--seeds", 1),
        *("--epochs", 1, "--json"),
    )
    assert told.code == 0, told.err
    assert told.json["keys"][0]["high"] > 1e-3


@pytest.mark.parametrize("method", ["walk_forward", "cpcv"])
def test_of_several_folds_the_last_is_measured(
    write_study: "WriteStudy", ballast: "Ballast", method: str
) -> None:
    path = write_study(rows=600, data={"split": {"method": method}}, training=TRAINING)
    told = ballast("calibrate", path.name, "--keys", RATE, "--seeds", 1, "--epochs", 1, "--json").json
    last = load_study_data(resolve(path)).base[-1]
    assert told["fold"] == last.fold
    assert told["rows"] == len(last.train)


@pytest.mark.slow
def test_ctrl_c_writes_nothing_and_says_what_to_type(write_study: "WriteStudy") -> None:
    path = write_study(training={"epochs": 10_000, "patience": 10_000}).name
    command = [sys.executable, "-m", "search.cli", "calibrate", path, "--epochs", "10000"]
    environment = {**os.environ, "PYTHONPATH": str(CONFIGS.parent)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=environment, text=True) as process:
        try:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(10)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    assert f"nothing was written; begin again: ballast calibrate {path} --epochs 10000\n" in err
    assert "Traceback" not in err
    assert not list(Path().glob("*.safe_ranges.yaml"))
