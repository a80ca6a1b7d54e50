"""`f*` in `data.features` stands for the columns of the table, by name in every record and export."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from search.config.resolve import resolve_recorded
from search.config.resolved_study import ResolvedStudy

STUDY = """\
study: {name: demo}
data:
  source: table.csv
  time: Date
  features: [FEATURES]
  target: {column: f_target, kind: other, already_shifted: true}
  where: {f_market: US}
  split: {train_until: 2010-12-31, validation_until: 2014-12-31}
guard.max_skill: 0.2
"""
HEADER = "Date,f2,f_target,f1,f_market,g,Price [USD],a*b\n"

Resolve = Callable[..., ResolvedStudy]
Refuse = Callable[..., list[str]]


@pytest.fixture
def _table(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(HEADER + "2010-01-04,1,2,3,US,4,5,6\n")


def study(*features: str) -> str:
    return STUDY.replace("FEATURES", ", ".join(features))


def names(resolved: ResolvedStudy) -> list[str]:
    return [feature.name for feature in resolved.trial_config.data.features]


pytestmark = pytest.mark.usefixtures("_table")


@pytest.mark.parametrize(
    ("written", "expanded"),
    [
        ('"f*"', ["f2", "f1"]),
        ('g, "f?"', ["g", "f2", "f1"]),
        ('f1, "f*"', ["f1", "f2"]),
        ('"*"', ["f2", "f1", "g", "Price [USD]", "a*b"]),
        ('"a*b", "Price [USD]"', ["a*b", "Price [USD]"]),
        ('{name: r, column: f1, transform: difference}, "f1*"', ["r", "f1"]),
    ],
)
def test_a_wildcard_stands_for_the_columns_that_match_in_the_order_of_the_table(
    make: Resolve, written: str, expanded: list[str]
) -> None:
    assert names(make(study=study(written))) == expanded


def test_the_record_holds_the_columns_and_needs_no_table(make: Resolve, tmp_path: Path) -> None:
    resolved = make(study=study('"f*"'))
    setting = resolved.settings["data.features"]
    assert [feature["column"] for feature in setting.value] == ["f2", "f1"]
    assert setting.requested == ["f*"]
    (tmp_path / "table.csv").unlink()
    again = resolve_recorded(json.loads(json.dumps(resolved.sources)))
    assert names(again) == ["f2", "f1"]
    assert again.fingerprints() == resolved.fingerprints()


def test_a_study_without_wildcards_reads_no_table(make: Resolve, tmp_path: Path) -> None:
    (tmp_path / "table.csv").unlink()
    resolved = make(study=study("f1"))
    assert names(resolved) == ["f1"]
    assert "columns" not in resolved.sources


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_the_columns_of_a_parquet_or_arrow_file_are_found(make: Resolve, tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame({"Date": ["2010-01-04"], "f2": [1.0], "f1": [2.0]})
    path = tmp_path / f"table{suffix}"
    frame.to_parquet(path) if suffix == ".parquet" else frame.to_feather(path)
    text = study('"f*"').replace("table.csv", f"table{suffix}").replace("f_target", "f1")
    assert names(make(study=text.replace("  where: {f_market: US}\n", ""))) == ["f2"]


def test_a_wildcard_that_matches_nothing_is_refused_with_the_columns(refuse: Refuse) -> None:
    (problem,) = refuse(study=study('"x*"'))
    assert problem.startswith("study.yaml:5: data.features: 'x*' matches no column but those of the time")
    assert "the table holds Date, f2" in problem


def test_a_wildcard_on_a_missing_table_names_the_table(refuse: Refuse, tmp_path: Path) -> None:
    (tmp_path / "table.csv").unlink()
    (problem,) = refuse(study=study('"f*"'))
    assert problem.startswith("study.yaml:5: data.features: data.source 'table.csv' does not exist")
