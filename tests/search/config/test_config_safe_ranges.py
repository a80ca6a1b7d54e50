"""Safe ranges: reading a policy strictly, and cutting values and dimensions to it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.config.files.shipped import CONFIGS
from search.config.safe_ranges import (
    EmptySafeRange,
    Policy,
    SafeRange,
    clamp_dimension,
    clamp_value,
    read_policy,
)
from search.config.space import Choices, Dimension, FloatRange, IntRange
from search.errors import ConfigError

DROPOUT = "models.gru.dropout"
REASONS = ", why: w, source: s"


def bounds(
    low: float | None = None, high: float | None = None, choices: tuple[Any, ...] | None = None
) -> SafeRange:
    return SafeRange("k", low, high, choices, {}, "it is known", "a paper", "policy.yaml:3")


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Policy]:
    def read(text: str, **others: str) -> Policy:
        for name, content in {"policy": text, **others}.items():
            (tmp_path / f"{name}.yaml").write_text(content)
        return read_policy(tmp_path / "policy.yaml", "policy.yaml")

    return read


@pytest.mark.parametrize(
    ("value", "safe", "moved"),
    [
        (0.5, bounds(high=0.1), 0.1),
        (1, bounds(low=16), 16),
        (0.05, bounds(0.01, 0.1), 0.05),
        (None, bounds(high=0.1), None),
        (5, bounds(choices=(1, 4, 8)), 4),
        (True, bounds(choices=(False,)), False),
        ("torch", bounds(choices=("gains",)), "gains"),
    ],
)
def test_a_value_moves_to_the_nearest_safe_one(value: Any, safe: SafeRange, moved: Any) -> None:
    found, clamp = clamp_value(value, safe)
    assert found == moved
    assert (clamp is None) == (value == moved)


def test_a_clamp_says_what_was_declared_why_and_by_which_rule() -> None:
    _, clamp = clamp_value(0.5, bounds(0.01, 0.1))
    assert clamp is not None
    assert (clamp.key, clamp.declared, clamp.effective, clamp.origin) == ("k", 0.5, 0.1, "policy.yaml:3")
    assert clamp.reason == "safe range: at least 0.01 and at most 0.1, because it is known"


@pytest.mark.parametrize(
    ("dimension", "safe", "expected"),
    [
        (FloatRange(1e-5, 1e-1, log=True), bounds(high=1e-2), FloatRange(1e-5, 1e-2, log=True)),
        (FloatRange(0.0, 1.0, step=0.25), bounds(high=0.6), FloatRange(0.0, 0.5, step=0.25)),
        (IntRange(1, 9), bounds(high=3), IntRange(1, 3)),
        (IntRange(8, 64, step=8), bounds(low=20), IntRange(24, 64, step=8)),
        (Choices((16, 32, 256)), bounds(high=128), Choices((16, 32))),
        (Choices((True, False)), bounds(choices=(False,)), Choices((False,))),
        (IntRange(1, 9), bounds(choices=(4, 8, 16)), Choices((4, 8))),
        (FloatRange(0.1, 0.4), bounds(high=0.5), FloatRange(0.1, 0.4)),
    ],
)
def test_a_dimension_is_cut_to_its_safe_part(
    dimension: Dimension, safe: SafeRange, expected: Dimension
) -> None:
    cut, clamp = clamp_dimension(dimension, safe)
    assert cut == expected
    if cut == dimension:
        assert clamp is None
    else:
        assert clamp is not None
        assert (clamp.declared, clamp.effective) == (dimension.to_json(), expected.to_json())


@pytest.mark.parametrize(
    ("dimension", "safe"),
    [
        (FloatRange(0.5, 1.0), bounds(high=0.1)),
        (Choices((256, 512)), bounds(high=128)),
        (FloatRange(0.0, 1.0, step=0.5), bounds(0.1, 0.4)),
        (IntRange(1, 3), bounds(choices=(8,))),
    ],
)
def test_an_empty_intersection_names_both_ranges_and_the_way_out(
    dimension: Dimension, safe: SafeRange
) -> None:
    with pytest.raises(EmptySafeRange) as caught:
        clamp_dimension(dimension, safe)
    told = str(caught.value)
    assert str(dimension.to_json()) in told
    assert f"{safe.in_words()} (policy.yaml:3)" in told
    assert told.endswith("change space.k, or name another policy with --policy")


numbers = st.floats(-1e3, 1e3, allow_nan=False)


@given(numbers, numbers, numbers)
def test_clamping_twice_is_clamping_once(a: float, b: float, value: float) -> None:
    safe = bounds(min(a, b), max(a, b))
    moved, _ = clamp_value(value, safe)
    assert clamp_value(moved, safe) == (moved, None)
    assert min(a, b) <= moved <= max(a, b)


@given(numbers, numbers, st.floats(0.001, 100), numbers, st.booleans())
def test_a_cut_dimension_is_safe_and_stays_as_it_is(
    a: float, b: float, width: float, start: float, stepped: bool
) -> None:
    safe = bounds(min(a, b), max(a, b))
    declared = FloatRange(start, start + 4 * width, step=width if stepped else None)
    try:
        cut, _ = clamp_dimension(declared, safe)
    except EmptySafeRange:
        return
    assert isinstance(cut, FloatRange)
    assert max(start, min(a, b)) <= cut.low <= cut.high <= max(a, b)
    assert clamp_dimension(cut, safe) == (cut, None)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{high: 0.5, why: w}", "the safe range of models.gru.dropout needs source, a sentence of text"),
        ("{high: 0.5, source: s, why: ''}", "needs why, a sentence of text"),
        (f"{{low: 0.5, high: 0.1{REASONS}}}", "low 0.5 of models.gru.dropout is above high 0.1; swap them"),
        (f"{{high: much{REASONS}}}", "high of models.gru.dropout is the text 'much': it must be a number"),
        (f"{{high: null{REASONS}}}", "high of models.gru.dropout is null; give a value or leave it out"),
        (
            f"{{hihg: 0.5{REASONS}}}",
            "unknown key hihg in the safe range of models.gru.dropout; did you mean high?",
        ),
        (f"{{high: 0.5, choices: [0.1]{REASONS}}}", "needs low and high, or choices, or only"),
        ("{why: w, source: s}", "needs low and high, or choices, or only"),
        (f"{{choices: []{REASONS}}}", r"choices of models.gru.dropout are \[\]; list the safe values"),
        (f"{{high: 0.5, when: 3{REASONS}}}", "when of models.gru.dropout is 3; write it as"),
        (f"{{high: 0.5, when: {{data.target.kid: return}}{REASONS}}}", "did you mean data.target.kind?"),
        (
            f"{{high: 0.5, when: {{data.target.kind: bond}}{REASONS}}}",
            "when data.target.kind is the text 'bond'",
        ),
        ("0.5", "the safe range of models.gru.dropout is 0.5; give low, high, choices or only"),
    ],
)
def test_a_wrong_entry_of_a_policy_is_reported_at_its_line(
    read: Callable[..., Policy], entry: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=f"^policy.yaml:2: .*{message}"):
        read(f"# a policy\n{DROPOUT}: {entry}\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "models.gru.dropuot: {}",
            "policy.yaml:1: unknown key models.gru.dropuot; did you mean models.gru.dropout?",
        ),
        ("study.trials: {high: 5}", "policy.yaml:1: unknown key study.trials"),
        (f"models.gru.init: {{low: 1{REASONS}}}", "models.gru.init is not a number; give choices or only"),
        (
            f"training.mixed_precision: {{choices: [true, false]{REASONS}}}",
            "mixed precision is false under every",
        ),
        ("extends: 3", "extends is 3; name one policy file"),
        ("extends: policy.yaml", "extends policy.yaml comes back to this file; break the circle"),
        ("extends: none.yaml", "none.yaml: there is no such file"),
    ],
)
def test_a_wrong_policy_is_refused(read: Callable[..., Policy], text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(text)


def test_a_policy_extends_another_and_replaces_single_keys(read: Callable[..., Policy]) -> None:
    other = f"{DROPOUT}: {{high: 0.5{REASONS}}}\ntraining.epochs: {{high: 50{REASONS}}}\n"
    policy = read(f"extends: other.yaml\n{DROPOUT}: {{high: 0.2{REASONS}}}\n", other=other)
    assert policy.ranges[DROPOUT].high == 0.2
    assert policy.ranges[DROPOUT].origin == "policy.yaml:2"
    assert policy.ranges["training.epochs"].high == 50
    assert policy.ranges["training.epochs"].origin == "other.yaml:2"


def test_a_condition_limits_a_rule_to_the_studies_that_meet_it(read: Callable[..., Policy]) -> None:
    policy = read(f"data.target.clip: {{high: 0.1, when: {{data.target.kind: return}}{REASONS}}}\n")
    assert policy.rule("data.target.clip", {"data.target.kind": "return"}) is not None
    assert policy.rule("data.target.clip", {"data.target.kind": "volatility"}) is None
    in_prices = {"data.target.kind": "return", "data.target.transform": "difference"}
    assert policy.rule("data.target.clip", in_prices) is None
    assert policy.rule("data.target.clip", {}) is not None
    assert policy.rule("models.gru.dropout", {}) is None


def test_the_default_policy_is_the_one_of_the_design() -> None:
    ranges = read_policy(CONFIGS / "safe_ranges.yaml").ranges
    highs = {key: safe.high for key, safe in ranges.items()}
    assert highs["models.gru.learning_rate"] == 1e-2
    assert highs["training.max_grad_norm"] == 1.0
    assert highs["models.gru.input_gain"] == highs["models.gru.hidden_gain"] == 0.01
    assert highs["models.gru.head_gain"] == 0.001
    assert highs["models.gru.dropout"] == 0.5
    assert highs["models.gru.hidden_size"] == 128
    assert highs["models.gru.num_layers"] == 3
    assert ranges["models.gru.batch_size"].low == 16
    assert highs["data.feature_clip"] == 3
    assert (highs["data.target.clip"], ranges["data.target.clip"].when) == (
        0.1,
        {"data.target.kind": "return"},
    )
    assert ranges["training.mixed_precision"].choices == (False,)


def test_the_conservative_profile_lowers_the_learning_rate_alone() -> None:
    default = read_policy(CONFIGS / "safe_ranges.yaml").ranges
    conservative = read_policy(CONFIGS / "safe_ranges.conservative.yaml").ranges
    changed = {key for key in default if default[key].to_json() != conservative[key].to_json()}
    assert changed == {"models.gru.learning_rate"}
    assert conservative["models.gru.learning_rate"].high == 1e-3
