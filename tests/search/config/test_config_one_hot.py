"""`one_hot` in `data.features` stands for an `equals` of each text of a column, or of each series."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from search.config.resolve import resolve_recorded
from search.config.resolved_study import ResolvedStudy
from trainer.data.features import build_features
from trainer.data.source import read_table
from trainer.data.windows import prepare_last_fold

STUDY = """\
study: {name: demo}
data:
  source: long.csv
  time: Date
  series: Ticker
  features: [{name: ret, column: Close, transform: log_return}, FEATURES]
  target: {column: Close, transform: log_return, kind: return}
  split: {fractions: {train: 0.6, validation: 0.2}}
"""
SECTORS = {"AAPL": "Tech", "JPM": "Banks", "MSFT": "Tech"}

Resolve = Callable[..., ResolvedStudy]
Refuse = Callable[..., list[str]]


@pytest.fixture
def _table(tmp_path: Path) -> None:
    days = pd.bdate_range("2010-01-04", periods=200)
    parts = [
        pd.DataFrame({"Date": days, "Ticker": ticker, "Sector": f" {sector} "})
        for ticker, sector in SECTORS.items()
    ]
    frame = pd.concat(parts, ignore_index=True)
    frame["Close"] = np.exp(np.random.default_rng(0).normal(0, 0.01, len(frame)).cumsum())
    frame["Row"] = [f"r{row}" for row in range(len(frame))]
    frame.to_csv(tmp_path / "long.csv", index=False)


pytestmark = pytest.mark.usefixtures("_table")


def study(feature: str) -> str:
    return STUDY.replace("FEATURES", feature)


SECTOR = study("{name: sector, column: Sector, transform: one_hot}")
NAMES = study("{name: id, transform: one_hot}")


def made(resolved: ResolvedStudy) -> list[tuple[str, str | None]]:
    features = resolved.trial_config.data.features
    return [(feature.name, feature.value) for feature in features if feature.transform == "equals"]


def test_one_hot_of_a_column_is_an_equals_of_each_text(make: Resolve) -> None:
    assert made(make(study=SECTOR)) == [("sector_Banks", "Banks"), ("sector_Tech", "Tech")]


def test_one_hot_without_a_column_is_an_equals_of_each_series(make: Resolve) -> None:
    assert made(make(study=NAMES)) == [("id_AAPL", "AAPL"), ("id_JPM", "JPM"), ("id_MSFT", "MSFT")]


@pytest.mark.parametrize("text", [SECTOR, NAMES])
def test_a_recorded_study_has_the_same_inputs_without_its_table(
    make: Resolve, tmp_path: Path, text: str
) -> None:
    resolved = make(study=text)
    (tmp_path / "long.csv").unlink()
    again = resolve_recorded(json.loads(json.dumps(resolved.sources)))
    assert again.trial_config == resolved.trial_config


@pytest.mark.parametrize(("text", "held"), [(SECTOR, SECTORS), (NAMES, {name: name for name in SECTORS})])
def test_each_input_is_1_in_its_own_rows_and_not_scaled(
    make: Resolve, tmp_path: Path, text: str, held: dict[str, str]
) -> None:
    config = make(study=text).trial_config.data
    table = read_table(config, folder=tmp_path)
    data = prepare_last_fold(config, table)
    for column, feature in enumerate(config.features):
        if feature.transform != "equals":
            continue
        for name, (_, own) in zip(table.series_names, data.each_series(), strict=True):
            assert (own.features[:, column] == (held[name] == feature.value)).all()


def test_a_text_of_some_rows_alone_is_known_at_those_rows(tmp_path: Path, make: Resolve) -> None:
    text = study("{name: late, column: Row, transform: equals, value: r7}")
    config = make(study=text).trial_config.data
    built = build_features(config, read_table(config, folder=tmp_path))
    assert np.flatnonzero(built.features["late"]).tolist() == [7]


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        ("{name: row, column: Row, transform: one_hot}", "column Row holds 600 texts; it may be 2 to 100"),
        (
            "{name: s, column: sector, transform: one_hot}",
            "column 'sector' is missing; did you mean 'Sector'?",
        ),
        ("{name: s, column: Sector, transform: equals}", "equals needs value"),
        ("{name: s, of: ret, transform: one_hot}", "one_hot takes a column of texts"),
    ],
)
def test_what_cannot_be_one_hot_is_refused(refuse: Refuse, feature: str, message: str) -> None:
    assert message in "\n".join(refuse(study=study(feature)))


def test_the_names_of_one_series_cannot_be_one_hot(refuse: Refuse) -> None:
    text = NAMES.replace("  series: Ticker\n", "  where: {Ticker: JPM}\n")
    assert "the source holds 0 series" in "\n".join(refuse(study=text))
