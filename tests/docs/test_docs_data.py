"""docs/data.md names every key of the data section and every transform, and nothing that is not there."""

import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from search.config.schema import TRIAL_LEAVES
from trainer.config import OF_TEXTS, DataConfig, DerivedColumn, Feature, TransformName
from trainer.data.cross_section import CROSS
from trainer.data.transforms import TRANSFORMS, ewm_reach, lookback

PAGE = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
REQUIRED: dict[str, Any] = {
    "source": "prices.csv",
    "time": "Date",
    "features": ["Close"],
    "target": {"column": "Close", "kind": "return", "transform": "log_return"},
    "split": {"fractions": {"train": 0.6, "validation": 0.2}},
}


def first_cells(section: str) -> list[list[str]]:
    """The code in the first cell of each row of the table of a section."""
    text = PAGE.split(f"## {section}\n", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| (`[^|]*)\|", text, re.MULTILINE)
    return [re.findall(r"`([^`]+)`", cell) for cell in rows]


def test_every_key_of_the_data_section_is_in_the_table_once_and_in_order() -> None:
    keys = [key for key in TRIAL_LEAVES if key.startswith("data.")]
    assert sorted(name for cell in first_cells("Keys") for name in cell) == sorted(keys)


def test_every_key_of_a_feature_is_in_the_table() -> None:
    assert {name for cell in first_cells("Features") for name in cell} == set(Feature.model_fields)


def test_every_transform_is_in_the_table_once() -> None:
    named = [name for cell in first_cells("Transforms") for name in cell]
    assert sorted(named) == sorted(get_args(TransformName)) == sorted([*TRANSFORMS, *CROSS, *OF_TEXTS])


def test_the_defaults_in_the_table_are_those_of_the_settings() -> None:
    rows = re.findall(r"^\| `(data\.[\w.]+)` \|.*\| `?([\w.]+)`? \|$", PAGE, re.MULTILINE)
    known = {key: leaf.default for key, leaf in TRIAL_LEAVES.items() if not leaf.required}
    plain = {"detected", "required", "all", "none", "three", "equal"}
    shown = {key: yaml.safe_load(value) for key, value in rows if value not in plain}
    assert shown == {key: known[key] for key in shown}
    assert len(shown) > 8


@pytest.mark.parametrize("name", get_args(TransformName))
def test_the_lookback_in_the_table_is_that_of_the_code(name: TransformName) -> None:
    row = re.search(rf"^\| `{name}` \|.*\| ([^|]+) \|$", PAGE, re.MULTILINE)
    assert row is not None
    series = DerivedColumn.model_construct(transform=name, window=22)
    written = {
        "0": 0,
        "w": 22,
        "w − 1": 21,
        "the most rows of a day": 24,
        "about 3.5 w": ewm_reach(22),
        "about 3.5 w, see below": ewm_reach(22),
    }
    assert lookback(series, day_rows=24)[-1] == written[row[1]]
    assert f"{ewm_reach(22)} rows for a span of 22" in PAGE
    assert 0.95 < ewm_reach(220) / (3.5 * 220) < 1


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_example_is_a_section_that_ballast_takes(text: str) -> None:
    given = yaml.safe_load(text)["data"]
    DataConfig.model_validate(json.loads(json.dumps(REQUIRED | given, default=str)))
