"""A trial's configuration: when two are the same, and a worker's own device in it."""

import hashlib
import json
from collections.abc import Callable

import pytest

from search.config.layers import Layer
from search.config.resolved_study import ResolvedStudy
from search.errors import RequestError

Resolve = Callable[..., ResolvedStudy]
Refuse = Callable[..., list[str]]

RATE = "models.gru.learning_rate"
SPACE = f"space: {{{RATE}: {{low: 1e-4, high: 1e-3}}}}\n"


def test_a_configuration_is_the_same_whether_its_values_are_searched_or_fixed(make: Resolve) -> None:
    searched = make(SPACE).trial({RATE: 5e-4})
    assert searched.digest == make(f"{RATE}: 5e-4\n").trial({}).digest
    assert searched.digest == make(SPACE, "study.seed=3", "study.name=other").trial({RATE: 5e-4}).digest
    assert len(searched.digest) == 64


@pytest.mark.parametrize(
    "text", [f"{RATE}=4e-4", "data.seq_len=5", "guard.rewinds=0", "training.patience=9", "data.source=a.csv"]
)
def test_every_setting_that_decides_a_loss_makes_another_configuration(make: Resolve, text: str) -> None:
    assert make(f"{RATE}: 5e-4\n", text).trial({}).digest != make(f"{RATE}: 5e-4\n").trial({}).digest


def test_neither_the_device_nor_the_time_limit_makes_another_configuration(make: Resolve) -> None:
    usual = make(SPACE).trial({RATE: 5e-4})
    assert make(SPACE, "training.max_seconds=60").trial({RATE: 5e-4}).digest == usual.digest
    assert make(SPACE, "training.device=cuda").trial({RATE: 5e-4}).digest == usual.digest
    assert make(SPACE).trial({RATE: 5e-4}, device="cuda:1").digest == usual.digest
    assert make(SPACE, "training.kernel=torch").trial({RATE: 5e-4}).digest == usual.digest


def test_a_setting_that_older_records_lack_is_left_out_of_the_digest_at_its_default(make: "Resolve") -> None:
    trial = make(SPACE).trial({RATE: 5e-4})
    split = {f"data.split.{name}" for name in ("method", "folds", "window", "groups", "held_out")}
    unknown = split | {f"training.{name}" for name in ("schedule", "device", "kernel", "max_seconds")}
    unknown |= {"data.target.already_shifted", "data.target.clip_follows_spread"}
    unknown |= {f"data.target.{name}" for name in ("open", "close", "floor", "min_series", "relative")}
    unknown |= {f"data.{name}" for name in ("timezone", "sort", "where", "drop_empty", "max_gap", "calendar")}
    unknown |= {
        "data.since",
        "data.until",
        "data.series",
        "data.layout",
        "data.scale",
        "data.weights",
        "data.target.log_of",
        *(f"training.{name}" for name in ("batches", "loss", "huber_delta", "quantiles", "half_life")),
        "data.split.unseen_series",
    }
    unknown |= {key for key in trial.values if key.startswith("data.csv.")}
    known = {key: value for key, value in trial.values.items() if key not in unknown}
    text = json.dumps(known, sort_keys=True, separators=(",", ":"))
    assert trial.digest == hashlib.sha256(text.encode()).hexdigest()
    cosine = make(SPACE, "training.schedule=cosine").trial({RATE: 5e-4})
    assert cosine.digest != trial.digest


def test_the_device_of_a_worker_is_a_layer_of_its_trials(make: Resolve) -> None:
    study = make(SPACE, "training.device=cuda:0")
    trial = study.trial({RATE: 5e-4}, device="cuda:1")
    assert trial.config.training.device == "cuda:1"
    assert sorted(trial.changed) == [RATE, "training.device"]
    overrides = trial.changed["training.device"].overrides
    assert [(override.layer, override.origin, override.effective) for override in overrides[-2:]] == [
        (Layer.CLI, "--set training.device=cuda:0", "cuda:0"),
        (Layer.CLI, "--devices", "cuda:1"),
    ]
    assert list(study.trial({RATE: 5e-4}).changed) == [RATE]


def test_the_device_of_a_worker_is_clamped_as_any_value_from_outside(make: Resolve) -> None:
    policy = "training.device: {only: cpu, why: this machine is shared, source: its owner}\n"
    trial = make(policy=policy).trial({}, device="cuda")
    assert trial.config.training.device == "cpu"
    assert trial.changed["training.device"].layer is Layer.CLAMP
    assert [clamp.key for clamp in trial.clamps] == ["training.device"]


def test_what_was_taken_over_says_where_it_is_from(make: Resolve) -> None:
    trial = make(SPACE).trial({RATE: 5e-4}, source="trial 3 of study 'old'")
    assert trial.changed[RATE].reason == "taken over from trial 3 of study 'old'"
    with pytest.raises(RequestError, match=f"the trial has no value for {RATE}"):
        make(SPACE).trial({}, device="cuda:1")


def test_a_time_limit_cannot_be_searched(refuse: Refuse) -> None:
    (problem,) = refuse("space: {training.max_seconds: {low: 1, high: 9}}\n")
    assert problem == (
        "study.yaml:8: training.max_seconds cannot be searched: how long a trial may run must not decide "
        "which one is best; fix it instead"
    )
