"""From a long CSV of four tickers to the forecasts of all of them, with a series that was held back."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast

pytestmark = pytest.mark.slow

TICKERS = ("AAA", "BBB", "CCC", "DDD")
QUICK = ("--set", "study.trials=2", "--set", "training.epochs=2", "--set", "data.split.folds=2")
STUDY = """
study: {name: long}
data:
  source: long.csv
  time: Date
  series: Ticker
  features: [{name: ret, column: Close, transform: log_return}]
  target: {column: Close, transform: log_return, kind: return, horizon: 1}
  seq_len: 8
  scale: series
  split: {fractions: {train: 0.6, validation: 0.2}}
training: {epochs: 2}
"""


def write_long(path: Path) -> None:
    """Four made-up prices by day, the last of which begins late."""
    days, parts = pd.bdate_range("2000-01-03", periods=1200), []
    for number, name in enumerate(TICKERS):
        random = np.random.default_rng(number)
        first = 300 if name == "DDD" else 0
        close = 100 * np.exp(np.cumsum(0.01 * random.standard_normal(len(days) - first)))
        parts.append(pd.DataFrame({"Date": days[first:], "Ticker": name, "Close": close}))
    pd.concat(parts).sort_values(["Date", "Ticker"]).to_csv(path, index=False)


def test_a_long_file_of_four_tickers_ends_in_a_forecast_of_each(
    ballast: "Ballast", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_long(Path("long.csv"))
    for command in (
        ("init", "long.csv"),
        ("check", "long.yaml"),
        ("run", "long.yaml", *QUICK),
        ("export", "long", "-o", "best.yaml"),
        ("train", "best.yaml", "--save", "model"),
        ("report", "long", "-o", "report.html"),
    ):
        told = ballast(*command)
        assert told.code == 0, (command, told.err)
    found = ballast("predict", "model", "--data", "long.csv", "--latest", "--json").json
    assert [row["series"] for row in found["forecasts"]] == list(TICKERS)
    assert {row["time"][:10] for row in found["forecasts"]} == {"2004-08-06"}
    assert 'id="figure-series-years"' in Path("report.html").read_text()


def test_a_series_that_was_held_back_is_scored_apart(
    ballast: "Ballast", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_long(Path("long.csv"))
    assert ballast("init", "long.csv").code == 0
    held = ("--set", "data.split.unseen_series=[BBB]")
    assert ballast("run", "long.yaml", *QUICK, *held).code == 0
    assert ballast("export", "long", "-o", "best.yaml").code == 0
    found = ballast("verify", "best.yaml", "--seeds", "1", "--json").json
    apart = found["unseen_series"]
    assert apart["series"] == ["BBB"]
    assert apart["rows"] == apart["times"] > 100
    assert apart["skill"] == pytest.approx(1 - apart["value"] / apart["reference"]["loss"])
    assert apart["interval"]["low"] < apart["skill"] < apart["interval"]["high"]
    assert "BBB" not in [each["name"] for each in found["panel"]["by_series"]]
    assert ballast("train", "best.yaml", "--save", "model").code == 0
    refused = ballast("predict", "model", "--data", "long.csv", "--latest")
    assert refused.code == 2
    assert "not on BBB" in refused.err


def test_models_of_series_with_moments_of_their_own_forecast_as_their_graph_does(
    ballast: "Ballast", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The moments of model.json and model.onnx alone give the forecasts of `predict`, for each series."""
    runtime = pytest.importorskip("onnxruntime")
    monkeypatch.chdir(tmp_path)
    write_long(Path("long.csv"))
    frame = pd.read_csv("long.csv")
    frame.loc[frame["Ticker"] == "BBB", "Close"] **= 5  # a volatility of five times that of the others
    frame.to_csv("long.csv", index=False)
    Path("long.yaml").write_text(STUDY)
    assert ballast("train", "long.yaml", "--save", "model", "--onnx").code == 0
    told = ballast("predict", "model", "--data", "long.csv", "--latest", "--json").json["forecasts"]
    described = json.loads(Path("model/model.json").read_text())
    graph = runtime.InferenceSession("model/model.onnx", providers=["CPUExecutionProvider"])
    for row, own in zip(told, described["series"], strict=True):
        close = frame.loc[frame["Ticker"] == own["name"], "Close"].to_numpy()
        returns = np.diff(np.log(close))[-8:]
        scaled = np.clip((returns - own["feature_mean"][0]) / own["feature_std"][0], -3, 3)
        (output,) = graph.run(None, {"windows": scaled.astype(np.float32).reshape(1, 8, 1)})
        expected = float(output[0]) * own["target_std"] + own["target_mean"]
        np.testing.assert_allclose(row["forecast"], expected, rtol=1e-5, atol=1e-9)
    stds = [own["target_std"] for own in described["series"]]
    assert stds[1] > 4 * stds[0]
    assert ballast("refit", "long.yaml", "--save", "live", "--seeds", "2").code == 0
    live = ballast("predict", "live", "--data", "long.csv", "--latest", "--json").json["forecasts"]
    assert [row["series"] for row in live] == list(TICKERS)
    moments = json.loads(Path("live/model.json").read_text())["series"]
    close = frame.loc[frame["Ticker"] == "BBB", "Close"].to_numpy()
    np.testing.assert_allclose(moments[1]["target_std"], np.diff(np.log(close))[8:].std(), rtol=1e-2)
