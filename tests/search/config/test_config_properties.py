"""What holds for every combination of layers and for every text."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from search.config.layers import Layer
from search.config.resolve import resolve, resolve_recorded
from search.config.resolved_study import ResolvedStudy
from search.config.schema import LEAVES
from search.errors import ConfigError
from search.record.row_mapping import without_password

pytestmark = pytest.mark.slow

STUDY = """\
study: {name: demo}
data:
  source: sample:sp500
  time: Date
  features: [Close]
  target: {column: Close, transform: log_return, kind: return}
  split: {train_until: 2010-12-31, validation_until: 2014-12-31}
"""
KEY = "models.gru.weight_decay"
quickly = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@quickly
@given(
    set_by=st.fixed_dictionaries(
        {},
        optional={
            layer: st.integers(1, 40).map(lambda n: n / 200) for layer in (Layer.BASE, Layer.STUDY, Layer.CLI)
        },
    ),
    searched=st.booleans(),
    sampled=st.integers(1, 9).map(lambda n: n / 100),
)
def test_the_highest_layer_wins_and_every_override_is_recorded(
    tmp_path: Path, set_by: dict[Layer, float], searched: bool, sampled: float
) -> None:
    texts = {
        layer: f"{KEY}: {set_by[layer]}\n" if layer in set_by else "" for layer in (Layer.BASE, Layer.STUDY)
    }
    base, study = tmp_path / "base.yaml", tmp_path / "study.yaml"
    base.write_text(texts[Layer.BASE])
    study.write_text(
        STUDY + texts[Layer.STUDY] + (f"space: {{{KEY}: {{low: 0.01, high: 0.09}}}}\n" if searched else "")
    )
    sets = [f"{KEY}={set_by[Layer.CLI]}"] if Layer.CLI in set_by else []
    resolved = resolve(study, sets, base=base)

    order = [Layer.DEFAULT, *(layer for layer in Layer if layer in set_by)]
    wanted = {Layer.DEFAULT: 0.0, **set_by}[order[-1]]
    is_sampled = searched and Layer.CLI not in set_by
    if is_sampled:
        order, wanted = [*order, Layer.SAMPLED, Layer.SAMPLED], sampled
    elif wanted > 0.1:
        order.append(Layer.CLAMP)
    trial = resolved.trial({KEY: sampled} if is_sampled else {})
    setting = trial.settings[KEY]
    assert [override.layer for override in setting.overrides] == order
    assert setting.value == min(wanted, 0.1) == trial.config.models.gru.weight_decay
    assert {
        override.layer: override.requested for override in setting.overrides if override.layer in set_by
    } == set_by


def outcome(path: Path, sets: list[str]) -> ResolvedStudy | None:
    try:
        return resolve(path, sets)
    except ConfigError as error:
        refused = error
    assert refused.problems
    assert all(str(problem.location) and problem.message for problem in refused.problems)
    return None


keys = st.sampled_from(
    [*LEAVES, "models.gru.max_grad_norm", *(f"space.{key}" for key in LEAVES), "data", "space"]
)
scalars: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.sampled_from(["1e-3", "30m", "sample:sp500"]),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.one_of(keys, st.sampled_from(["low", "high", "log", "step", "choices", "name"]), st.text()),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=8,
)


def flow(value: Any) -> str:
    """Write a value as flow YAML without any help of the reader under test."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{flow(str(key))}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return {None: "null", True: "true", False: "false"}.get(value, repr(value)) if value != 0 else repr(value)


@quickly
@given(st.text(max_size=300))
@example("data: &a [*a]")
@example("space: {models.gru.learning_rate: {low: 1e-400, high: 1e400}}")
@example("models.gru.learning_rate: 99999999999999999")
@example("study.timeout: " + "9" * 400 + "h")
@example("guard: {max_bad_steps: .inf, loss_limit: .nan}")
@example("provenance: {a: .nan}")
def test_any_text_resolves_or_is_a_config_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "any.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    outcome(path, [])
    path.write_bytes((STUDY + text).encode("utf-8", "surrogatepass"))
    outcome(path, [text])


@quickly
@given(st.dictionaries(keys, values, max_size=5), st.lists(st.tuples(keys, values), max_size=3))
def test_any_values_of_known_keys_resolve_or_are_a_config_error(
    tmp_path: Path, tree: dict[str, Any], sets: list[tuple[str, Any]]
) -> None:
    path = tmp_path / "any.yaml"
    text = STUDY + "".join(f"{key}: {flow(value)}\n" for key, value in tree.items())
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    resolved = outcome(path, [f"{key}={flow(value)}" for key, value in sets])
    if resolved is not None:
        assert set(resolved.fingerprints()) == {"space", "policy", "settings", "data"}
        assert all(setting.value == setting.overrides[-1].effective for setting in resolved.settings.values())
        assert resolved.file.training.mixed_precision is False


fitting = st.sampled_from(
    [
        "study.trials=7",
        "study.stop={no_better_for: 3, min_delta: 1e-3}",
        "study.sampler=random",
        "models.gru.dropout=0.9",
        "models.gru.max_grad_norm=0.25",
        "training.mixed_precision=true",
        "training.max_seconds=60",
        "space.models.gru.dropout={low: 0.0, high: 0.9}",
        "space.models.gru.hidden_size={choices: [16, 256]}",
        "space.training.epochs={low: 2, high: 8, step: 2}",
        "space.models.gru.learning_rate=null",
        "data.seq_len=5",
        "storage.files='a folder'",
    ]
)
passwords = st.text(st.characters(exclude_categories=["Cs"]), min_size=4).map("s3cr".__add__)


@quickly
@given(
    st.lists(fitting, unique=True, max_size=6),
    st.one_of(st.none(), passwords),
    st.sampled_from([json.dumps, flow]),
)
def test_whatever_resolves_comes_back_equal_from_its_sources_without_a_password(
    tmp_path: Path, sets: list[str], password: str | None, written: Callable[[str], str]
) -> None:
    path = tmp_path / "study.yaml"
    text = f"{STUDY}space: {{models.gru.learning_rate: {{low: 1e-5, high: 1e-3}}}}\n"
    path.write_text(text + "study.enqueue: [{models.gru.learning_rate: 0.1}]\n")
    url = None if password is None else written(f"postgresql://ada:{password}@db/ballast")
    try:
        resolved = resolve(path, [*sets, *([] if url is None else [f"storage.url={url}"])])
    except ConfigError:
        return
    kept = json.dumps(resolved.sources)
    assert "s3cr" not in kept
    found = resolve_recorded(json.loads(kept))
    settings = {key: without_password(setting) for key, setting in resolved.settings.items()}
    again = {key: without_password(setting) for key, setting in found.settings.items()}
    assert again == settings
    alike = replace(resolved, settings=found.settings, file=found.file, folder=found.folder)
    assert found == alike
    assert found.fingerprints() == resolved.fingerprints()
