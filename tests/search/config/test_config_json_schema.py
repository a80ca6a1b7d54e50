"""The JSON Schema of a study file takes what the reader takes, and refuses what it refuses."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from search.config.files.reader import parse_mapping, plain_value, read_source
from search.config.files.shipped import CONFIGS
from search.config.json_schema import SCHEMA_FILE, modeline, study_schema
from search.config.resolve import resolve
from search.config.schema import LEAVES
from search.errors import ConfigError

SCHEMA = study_schema()
STUDIES = sorted((CONFIGS / "studies").glob("*.yaml"))
VALIDATOR = Draft7Validator(SCHEMA)


def content(path: Path) -> dict[str, Any]:
    entries, problems = parse_mapping(read_source(path, str(path)))
    assert problems == []
    return {key: plain_value(node) for key, node in entries.items()}


def changed(key: str, value: object) -> dict[str, Any]:
    """The shipped volatility study with one key, `a/b/c`, set otherwise; ... removes it."""
    whole = copy.deepcopy(content(CONFIGS / "studies" / "sp500-volatility.yaml"))
    *sections, name = key.split("/")
    section = whole
    for part in sections:
        section = section.setdefault(part, {})
    if value is ...:
        del section[name]
    else:
        section[name] = value
    return whole


def test_the_schema_is_one() -> None:
    Draft7Validator.check_schema(SCHEMA)


def test_the_schema_that_ships_is_the_one_that_is_printed() -> None:
    shipped = json.loads((CONFIGS / SCHEMA_FILE).read_text())
    assert shipped == SCHEMA, f"run: ballast schema -o configs/{SCHEMA_FILE}"


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_shipped_study_is_valid_and_names_the_schema(path: Path) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(content(path))] == []
    first, *_ = path.read_text().splitlines()
    assert first == modeline("../")
    assert (path.parent / first.partition("=")[2]).resolve() == CONFIGS / SCHEMA_FILE


TAKEN = [
    ("models.gru.dropout", 0.1),
    ("models/gru.dropout", 0.1),
    ("models.gru", {"dropout": 0.1}),
    ("models/gru/max_grad_norm", 0.5),
    ("space/models/gru/batch_size", {"choices": [32, 64]}),
    ("space/models.gru.init", {"choices": ["gains", "torch"]}),
    ("space.training.schedule", {"choices": ["constant", "cosine"]}),
    ("space/models.gru.dropout", None),
    ("space/models.gru.dropout", {"low": 0, "high": 0.4, "when": {"models.gru.num_layers": [2, 3]}}),
    ("space/models.gru.dropout", {"choices": [0.1], "when": {"models": {"gru": {"num_layers": {"low": 2}}}}}),
    ("study/timeout", "1h30m"),
    ("study/timeout", 90),
    ("study/timeout", None),
    ("study/enqueue", [{"models.gru.learning_rate": 1e-3}, {"models": {"gru": {"dropout": 0.1}}}]),
    ("training", {"mixed_precision": True}),
    ("storage/patience", "5m"),
    ("tracking", None),
    ("provenance", {"anything": 1}),
    ("data/target", {"kind": "return", "column": "Close", "transform": "raw", "already_shifted": False}),
    ("data/features", ["Open", {"name": "ret", "column": "Close", "transform": "log_return"}]),
    ("data/split", {"fractions": {"train": 0.5, "validation": 0.2}}),
]


@pytest.mark.parametrize(("key", "value"), TAKEN)
def test_what_the_reader_takes_is_valid(key: str, value: object, tmp_path: Path) -> None:
    whole = changed(key, value)
    assert [error.message for error in VALIDATOR.iter_errors(whole)] == []
    path = tmp_path / "study.json"
    path.write_text(json.dumps(whole))
    resolve(path)


WRONG = [
    ("modles", {}, "modles"),
    ("models/gru/droput", 0.1, "droput"),
    ("models.gru.droput", 0.1, "models.gru.droput"),
    ("models/gru/dropout", 1.5, "1.5"),
    ("models/gru/hidden_size", 1.5, "1.5"),
    ("models/gru/hidden_size", "16", "'16'"),
    ("study/sampler", "tpee", "tpee"),
    ("study/timeout", "soon", "soon"),
    ("study/trials", 0, "0"),
    ("study/name", ..., "study.name"),
    ("data/source", ..., "data.source"),
    ("data/target/kind", ..., "kind"),
    ("data/features", [], "[]"),
    ("data/features", [{"name": "ret", "transform": "log_retrun", "column": "Close"}], "log_retrun"),
    ("data/target/horizon", 0, "0"),
    ("space/models.gru.dropout", {"low": 0.1}, "low"),
    ("space/models.gru.dropout", {"choices": []}, "choices"),
    ("space/models.gru.init", {"low": 0, "high": 1}, "low"),
    ("space/training.device", {"choices": ["cpu"]}, "training.device"),
    ("space/data.split.embargo", {"low": 0, "high": 3}, "data.split.embargo"),
    ("study/enqueue", [{"models.gru.droput": 1}], "droput"),
]


@pytest.mark.parametrize(("key", "value", "named"), WRONG)
def test_what_the_reader_refuses_is_marked(key: str, value: object, named: str, tmp_path: Path) -> None:
    whole = changed(key, value)
    told = " ".join(_messages(VALIDATOR.iter_errors(whole)))
    assert named in told
    path = tmp_path / "study.json"
    path.write_text(json.dumps(whole))
    with pytest.raises(ConfigError):
        resolve(path)


def _messages(errors: Any) -> list[str]:
    return [text for error in errors for text in (error.message, *_messages(error.context or ()))]


def test_every_setting_has_a_description_and_bounds_where_the_reader_has_them() -> None:
    definitions = SCHEMA["definitions"]
    assert [key for key in LEAVES if not definitions[key].get("description")] == []
    assert definitions["models.gru.dropout"]["exclusiveMaximum"] == 1
    assert "Safe: at most 0.5" in definitions["models.gru.dropout"]["description"]
    assert definitions["study.trials"]["default"] == 20
    assert definitions["Feature"]["properties"]["may_lead"]["description"]


def test_an_editor_proposes_nested_keys_and_dotted_ones_in_space() -> None:
    definitions = SCHEMA["definitions"]
    assert {"study", "data", "space"} <= set(SCHEMA["properties"])
    assert not [name for name in SCHEMA["properties"] if "." in name]
    assert "models.gru.learning_rate" in definitions["space"]["properties"]
    assert "data.source" not in definitions["space"]["properties"]
