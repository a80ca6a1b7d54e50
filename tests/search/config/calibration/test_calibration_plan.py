"""Which keys of a policy a calibration measures, on which values, and why not the others."""

from typing import Any

import pytest

from search.config.calibration.plan import METHODS, Plan, own_values, plan_calibration
from search.config.files.shipped import CONFIGS
from search.config.safe_ranges import Policy, read_policy
from search.config.schema import TRIAL_LEAVES
from search.config.space import Choices, FloatRange, IntRange
from search.errors import RequestError

LEARNING_RATE = "models.gru.learning_rate"


@pytest.fixture(scope="module")
def policy() -> Policy:
    return read_policy(CONFIGS / "safe_ranges.yaml")


def values(init: str) -> dict[str, Any]:
    """The settings of a trial that decide what is measured."""
    return {
        LEARNING_RATE: 2e-3,
        "training.max_grad_norm": 1.0,
        "data.feature_clip": 3.0,
        "data.target.kind": "volatility",
        "models.gru.init": init,
        **dict.fromkeys(("models.gru.input_gain", "models.gru.hidden_gain", "models.gru.head_gain"), 0.01),
        "models.gru.batch_size": 128,
        "models.gru.hidden_size": 32,
        "models.gru.num_layers": 1,
        "models.gru.dropout": 0.1,
        "models.gru.weight_decay": 0.0,
    }


def planned(policy: Policy, *keys: str, rows: int = 5000, init: str = "torch") -> Plan:
    return plan_calibration(policy, values(init), keys, rows)


def test_every_key_of_the_policy_is_measured_or_has_a_reason(policy: Policy) -> None:
    plan = planned(policy)
    measured = {each.key for each in plan.keys}
    assert measured | plan.not_measured.keys() == policy.ranges.keys()
    assert measured == {key for key in METHODS if not key.endswith("_gain")}
    assert plan.keys[0].key == LEARNING_RATE
    assert "guard" in plan.not_measured["guard.loss_limit"]
    assert "changes the target" in plan.not_measured["data.target.clip"]


def test_gains_are_measured_where_they_have_an_effect(policy: Policy) -> None:
    assert "init is torch" in planned(policy).not_measured["models.gru.head_gain"]
    with_gains = planned(policy, init="gains")
    assert "models.gru.head_gain" in {each.key for each in with_gains.keys}


def test_the_grid_has_the_own_value_and_reaches_beyond_the_policy(policy: Policy) -> None:
    for each in planned(policy, init="gains").keys:
        assert each.own in each.grid
        assert [*each.grid] == sorted(each.grid)
        for value in each.grid:
            TRIAL_LEAVES[each.key].check(value)  # never beyond the schema
        if not each.method.widens:
            assert max(each.grid) == each.safe.high
        elif each.safe.high is not None:
            assert max(each.grid) > each.safe.high
        elif each.safe.low is not None:
            assert min(each.grid) < each.safe.low


def test_a_batch_is_never_larger_than_the_training_rows(policy: Policy) -> None:
    (batch,) = planned(policy, "models.gru.batch_size", rows=150).keys
    assert batch.grid == (8, 16, 32, 64, 128)


def test_only_the_keys_that_were_asked_for_are_measured(policy: Policy) -> None:
    plan = planned(policy, "training.max_grad_norm", LEARNING_RATE, LEARNING_RATE)
    assert [each.key for each in plan.keys] == [LEARNING_RATE, "training.max_grad_norm"]
    assert plan.not_measured["models.gru.dropout"] == "it was not asked for with --keys"


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("models.gru.learning_rat", "it is not known; did you mean models.gru.learning_rate?"),
        ("guard.loss_limit", "the guard is what measures"),
        ("models.gru.head_gain", "it has no effect"),
        ("data.seq_len", "has no safe range for it"),
    ],
)
def test_a_key_that_cannot_be_measured_is_refused_with_its_reason(policy: Policy, key: str, why: str) -> None:
    with pytest.raises(RequestError, match=r"These can be measured: models\.gru\.learning_rate") as refused:
        planned(policy, key)
    assert f"--keys {key}: " in str(refused.value)
    assert why in str(refused.value)


def test_the_own_value_of_a_searched_setting_is_the_middle_of_its_dimension() -> None:
    assert own_values(
        {
            "rate": FloatRange(1e-4, 1e-2, log=True),
            "dropout": FloatRange(0.0, 0.3),
            "layers": IntRange(1, 3),
            "grid": FloatRange(0.0, 1.0, step=0.25),
            "size": Choices((64, 16, 32)),
            "init": Choices(("torch", "gains")),
        }
    ) == {"rate": 1e-3, "dropout": 0.15, "layers": 2, "grid": 0.5, "size": 32, "init": "torch"}
