"""`ballast refit`: a model of every row, with several seeds, that says who has judged which rows."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from trainer.inference.model_folder import load_model
from trainer.training import loop
from trainer.training.result import Finding, FindingKind, Outcome, RefitResult

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast, WriteStudy


@pytest.fixture
def best(write_study: "WriteStudy") -> Path:
    """One configuration on 400 rows, of which a search would use 300."""
    return write_study("best.yaml", space=None)


def test_every_row_with_a_target_is_trained_on(best: Path, ballast: "Ballast") -> None:
    told = ballast("refit", best, "--save", "live", "--seeds", "2")
    assert told.code == 0, told.err
    dates = pd.read_csv("prices.csv")["Date"]
    described, networks = load_model(Path("live"))
    assert described.rows.train_until == described.rows.until == dates[398]
    assert described.rows.train == 399 - 2
    assert len(networks) == 2
    assert f"only rows after {dates[398]} 00:00:00 can judge this model" in told.out


def test_the_newest_forecast_comes_from_the_mean_of_its_networks(best: Path, ballast: "Ballast") -> None:
    seeds = [refitted["seed"] for refitted in refit_json(ballast, best)["seeds"]]
    told = ballast("predict", "live", "--data", "prices.csv", "--latest", "--json").json
    assert [row["split"] for row in told["forecasts"]] == ["unseen"]
    content = json.loads(Path("live/model.json").read_text())
    assert (content["format"], content["provenance"]["seeds"]) == (4, seeds)
    assert len(set(seeds)) == 3


def refit_json(ballast: "Ballast", best: Path, *options: str) -> Any:
    told = ballast("refit", best, "--save", "live", "--seeds", "3", *options, "--json")
    assert told.code == 0, told.err
    return told.json


def test_bounds_come_from_the_validation_errors_of_a_training_before(best: Path, ballast: "Ballast") -> None:
    told = ballast("refit", best, "--save", "live", "--seeds", "1")
    assert told.code == 0, told.err
    assert ballast("train", best, "--save", "model").code == 0
    live, model = (load_model(Path(name))[0].intervals for name in ("live", "model"))
    assert live is not None
    assert model is not None
    assert (live.source, model.source) == ("trial", "training")
    assert live.pooled == model.pooled
    rows = f"{live.pooled.rows} validation rows"
    assert f"bounds of forecasts come from the errors of best.yaml on {rows}, before this" in told.out


def test_it_says_which_rows_nobody_has_judged_and_that_no_verify_is_known(
    best: Path, ballast: "Ballast"
) -> None:
    told = refit_json(ballast, best)
    dates = pd.read_csv("prices.csv")["Date"]
    assert told["unjudged"]["until"] == f"{dates[398]} 00:00:00"
    assert dates[290] < told["unjudged"]["from"] < dates[310], "the study validated up to row 300"
    assert told["verified"] is None
    assert told["left_out"] == []


@pytest.mark.slow
def test_verify_is_repeated_its_rows_are_judged_and_the_unfinished_row_is_left_out(
    write_study: "WriteStudy", ballast: "Ballast"
) -> None:
    path = write_study(rows=1500)
    assert ballast("run", path).code == 0
    assert ballast("export", "small", "-o", "best.yaml").code == 0
    assert ballast("verify", "best.yaml", "--seeds", "1").code in (0, 1)
    table = pd.read_csv("prices.csv")
    today = {**table.iloc[-1], "Date": "2100-01-01", "High": np.nan}
    pd.concat([table, pd.DataFrame([today])]).to_csv("prices.csv", index=False)
    told = ballast("refit", "best.yaml", "--save", "live", "--seeds", "1")
    assert told.code == 0, told.err
    assert "left out, as it is not whole: prices.csv, line 1502: column High is nan at 2100" in told.out
    assert "the newest verify on record says: " in told.out
    assert "judged the configuration on rows up to the last one" in told.out


def diverging(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard stops the first trainings, so many: a real one that diverges in one seed only is rare."""
    genuine, calls = loop.refit, iter(range(100))

    def refit(*arguments: Any, **options: Any) -> RefitResult:
        done = genuine(*arguments, **options)
        if next(calls) >= count:
            return done
        finding = Finding(FindingKind.NONFINITE_LOSS, float("nan"), None, "the loss is nan")
        return replace(done, outcome=Outcome.UNSTABLE, findings=(finding,), weights=None, forecasts=None)

    monkeypatch.setattr(loop, "refit", refit)


def test_a_seed_that_diverges_is_named_and_the_others_are_saved(
    best: Path, ballast: "Ballast", monkeypatch: pytest.MonkeyPatch
) -> None:
    diverging(1, monkeypatch)
    told = ballast("refit", best, "--save", "live", "--seeds", "3")
    assert told.code == 0, told.err
    assert " diverged and is left out: the loss is nan" in told.out
    assert len(load_model(Path("live"))[1]) == 2


def test_if_half_of_the_seeds_diverge_nothing_is_saved(
    best: Path, ballast: "Ballast", monkeypatch: pytest.MonkeyPatch
) -> None:
    diverging(1, monkeypatch)
    told = ballast("refit", best, "--save", "live", "--seeds", "2")
    assert told.code == 1
    assert "nothing was saved: the guard stopped 1 of 2 trainings (seed " in told.told[-1]
    assert not Path("live").exists()


def test_a_file_that_searches_settings_or_a_place_that_is_taken_is_refused_before_the_training(
    write_study: "WriteStudy", ballast: "Ballast"
) -> None:
    path = write_study()
    assert ballast("refit", path, "--save", "live").code == 2
    Path("live").write_text("mine")
    told = ballast("refit", path, "--save", "live")
    assert (told.code, told.out) == (2, "")
    assert "it is a file; name a folder: --save live-model" in told.err
