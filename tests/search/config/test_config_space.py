"""Dimensions: how they are read, what they hold, and what Optuna makes of them."""

import warnings
from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from search.config.dimensions import parse_dimension
from search.config.schema import TRIAL_LEAVES
from search.config.space import (
    Choices,
    Dimension,
    FloatRange,
    IntRange,
    clamp_to_space,
    grid_values,
    only_value,
    to_distributions,
)
from search.errors import RequestError

LR = "models.gru.learning_rate"
SIZE = "models.gru.hidden_size"


@pytest.mark.parametrize(
    ("key", "declared", "expected"),
    [
        (LR, {"low": 1e-5, "high": 1e-2, "log": True}, FloatRange(1e-5, 1e-2, log=True)),
        ("models.gru.dropout", {"low": 0, "high": 0.5, "step": 0.1}, FloatRange(0.0, 0.5, step=0.1)),
        (SIZE, {"low": 8, "high": 64, "step": 8}, IntRange(8, 64, step=8)),
        (SIZE, {"low": 8, "high": 64, "log": True}, IntRange(8, 64, log=True)),
        (SIZE, {"choices": [16, 32]}, Choices((16, 32))),
        (LR, {"choices": [1, 1e-3]}, Choices((1.0, 1e-3))),
        ("models.gru.init", {"choices": ["gains", "torch"]}, Choices(("gains", "torch"))),
        ("data.seq_len", {"low": 5, "high": 44}, IntRange(5, 44)),
        ("training.mixed_precision", {"choices": [True, False]}, Choices((True, False))),
    ],
)
def test_a_dimension_takes_its_kind_from_the_setting(key: str, declared: Any, expected: Dimension) -> None:
    found = parse_dimension(TRIAL_LEAVES[key], declared)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("key", "declared", "message"),
    [
        (LR, 3, "the dimension of models.gru.learning_rate is 3; write it as {low: 1, high: 8}"),
        (LR, {}, "lacks low and high"),
        (LR, {"low": 1e-5}, "lacks high"),
        (LR, {"low": 1e-2, "high": 1e-5}, "low 0.01 of models.gru.learning_rate is not below high 1e-05"),
        (LR, {"low": 1e-5, "high": 1e-5}, "is not below high"),
        (
            LR,
            {"low": "1e-5", "high": 1},
            "low of models.gru.learning_rate is the text '1e-5': it must be a number",
        ),
        (LR, {"low": 0, "high": 1}, "low of models.gru.learning_rate is 0: it must be greater than 0"),
        (LR, {"low": float("nan"), "high": 1}, "it must be a finite number"),
        (LR, {"low": 1e-5, "high": 1, "log": 1}, "log of models.gru.learning_rate is 1; write true or false"),
        (LR, {"low": 1e-5, "high": 1, "log": True, "step": 0.1}, "has both log and step"),
        (LR, {"low": 1e-5, "hihg": 1}, "has the unknown key hihg"),
        (LR, {"low": 1e-5, "high": 1, "choices": [1]}, "mixes choices with a range"),
        (
            "models.gru.dropout",
            {"low": 0, "high": 0.5, "log": True},
            "low 0.0 of models.gru.dropout has no logarithm",
        ),
        ("models.gru.dropout", {"low": 0, "high": 0.5, "step": 0.2}, "is not reached .* write 0.4$"),
        (
            "models.gru.dropout",
            {"low": 0, "high": 0.5, "step": -1},
            "step of models.gru.dropout is -1; it must be",
        ),
        (SIZE, {"low": 1.5, "high": 8}, "low of models.gru.hidden_size is 1.5: it must be a whole number"),
        (
            SIZE,
            {"low": 1, "high": 8, "step": 0.5},
            "step of models.gru.hidden_size is 0.5; it must be a whole number",
        ),
        (SIZE, {"choices": []}, r"the choices of models.gru.hidden_size are \[\]"),
        (SIZE, {"choices": [8, 16, 8]}, "hold 8 twice"),
        (SIZE, {"choices": [8, "16"]}, "a choice of models.gru.hidden_size is the text '16'"),
        (
            "models.gru.init",
            {"low": 1, "high": 2},
            r"is not a number and has no range; write it as \{choices",
        ),
        ("models.gru.init", {"choices": ["xavier"]}, "it must be 'gains' or 'torch'"),
        ("guard.loss_limit", {"low": 1, "high": 2}, "a search would loosen the guard that watches it"),
        ("training.device", {"choices": ["cpu", "cuda"]}, "where a trial runs must not decide"),
        ("data.target.horizon", {"low": 1, "high": 5}, "the losses of two trials could not be compared"),
        ("data.target.clip", {"low": 0.01, "high": 0.1}, "the losses of two trials could not be compared"),
    ],
)
def test_a_wrong_dimension_is_refused_with_a_way_out(key: str, declared: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_dimension(TRIAL_LEAVES[key], declared)


def test_decimal_steps_meet_their_end() -> None:
    dimension = parse_dimension(TRIAL_LEAVES["models.gru.dropout"], {"low": 0.1, "high": 0.7, "step": 0.1})
    assert dimension.values() == (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)


@pytest.mark.parametrize(
    ("dimension", "low", "high", "expected"),
    [
        (FloatRange(0.0, 1.0, step=0.25), 0.3, 0.8, FloatRange(0.5, 0.75, step=0.25)),
        (FloatRange(0.0, 1.0, step=0.25), 0.3, 0.4, None),
        (IntRange(1, 9, step=4), 2, None, IntRange(5, 9, step=4)),
        (IntRange(1, 9), 2.5, 6.5, IntRange(3, 6)),
        (FloatRange(1e-5, 1.0, log=True), None, 1e-2, FloatRange(1e-5, 1e-2, log=True)),
        (FloatRange(0.5, 1.0), None, 0.1, None),
    ],
)
def test_a_range_is_cut_on_its_grid(
    dimension: FloatRange | IntRange, low: float | None, high: float | None, expected: Dimension | None
) -> None:
    assert dimension.within(low, high) == expected


def test_a_dimension_of_one_value_is_no_search() -> None:
    assert only_value(Choices((False,))) is False
    assert only_value(IntRange(3, 3)) == 3
    assert only_value(Choices((1, 2))) is None
    assert only_value(FloatRange(0.0, 1.0)) is None


def test_optuna_gets_the_same_dimensions() -> None:
    space: dict[str, Dimension] = {
        "a": FloatRange(1e-5, 1e-2, log=True),
        "b": FloatRange(0.0, 0.5, step=0.1),
        "c": IntRange(8, 64, step=8),
        "d": IntRange(8, 64, log=True),
        "e": Choices(("gains", "torch")),
    }
    assert to_distributions(space) == {
        "a": FloatDistribution(1e-5, 1e-2, log=True),
        "b": FloatDistribution(0.0, 0.5, step=0.1),
        "c": IntDistribution(8, 64, step=8),
        "d": IntDistribution(8, 64, log=True),
        "e": CategoricalDistribution(("gains", "torch")),
    }


def test_everything_that_optuna_samples_lies_in_the_space() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space: dict[str, Dimension] = {
        "a": FloatRange(1e-5, 1e-2, log=True),
        "b": FloatRange(0.1, 0.7, step=0.1),
        "c": IntRange(8, 64, log=True),
    }
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(50):
        trial = study.ask(to_distributions(space))
        assert clamp_to_space(space, trial.params) == (trial.params, [])


def test_a_grid_lists_every_value_or_names_what_has_none() -> None:
    assert grid_values({"a": Choices((1, 2)), "b": IntRange(1, 3), "c": FloatRange(0.0, 0.2, step=0.1)}) == {
        "a": [1, 2],
        "b": [1, 2, 3],
        "c": [0.0, 0.1, 0.2],
    }
    with pytest.raises(RequestError, match="needs choices or a step for b, c"):
        grid_values({"a": Choices((1, 2)), "b": FloatRange(0.0, 1.0), "c": IntRange(1, 8, log=True)})


def test_a_grid_that_no_memory_holds_is_refused() -> None:
    with pytest.raises(RequestError, match="needs choices or a step for a, b"):
        grid_values({"a": IntRange(1, 10**17), "b": FloatRange(0.0, 0.5, step=1e-12)})
    with pytest.raises(RequestError, match="the grid has 1000000 configurations, more than 10000"):
        grid_values({"a": IntRange(1, 1000), "b": IntRange(1, 1000)})


def test_a_configuration_from_outside_is_moved_into_the_space() -> None:
    space: dict[str, Dimension] = {
        "lr": FloatRange(1e-5, 1e-2, log=True),
        "size": Choices((16, 32, 64)),
        "steps": FloatRange(0.0, 0.5, step=0.1),
        "layers": IntRange(1, 3),
        "init": Choices(("gains",)),
    }
    params = {"lr": 5.0, "size": 50, "steps": 0.24, "layers": 2.6, "init": "torch", "gone": 1}
    moved, clamps = clamp_to_space(space, params)
    assert moved == {"lr": 1e-2, "size": 64, "steps": 0.2, "layers": 3}
    assert [(clamp.key, clamp.effective) for clamp in clamps] == [
        ("lr", 1e-2),
        ("size", 64),
        ("steps", 0.2),
        ("layers", 3),
        ("init", None),
        ("gone", None),
    ]
    assert clamp_to_space(space, moved) == (moved, [])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "fast", None, True])
def test_a_value_that_is_no_number_is_left_to_the_sampler(value: Any) -> None:
    moved, (clamp,) = clamp_to_space({"lr": FloatRange(1e-5, 1e-2)}, {"lr": value})
    assert moved == {}
    assert clamp.reason == "no value of its kind; left to the sampler"


@given(
    low=st.integers(1, 50),
    width=st.integers(1, 50),
    step=st.integers(1, 7),
    value=st.floats(-1e6, 1e6, allow_nan=False),
)
def test_projection_lands_in_the_space_and_rests_there(low: int, width: int, step: int, value: float) -> None:
    dimension = IntRange(low, low + width * step, step=step)
    moved, _ = clamp_to_space({"k": dimension}, {"k": value})
    assert moved["k"] in (dimension.values() or ())
    assert clamp_to_space({"k": dimension}, moved) == (moved, [])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert to_distributions({"k": dimension})["k"]._contains(moved["k"])
