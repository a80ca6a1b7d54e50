"""A study of each loss, from the search to the verification; and what makes losses incomparable."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml

from search.api.record_frames import forecasts_frame
from search.config.resolve import resolve
from search.errors import ConfigError
from search.record.validation_rows import forecasts, validation_rows
from search.selection.choice import best_trials
from search.selection.export import write_export
from search.selection.panel_result import validated_panel
from search.selection.rerun import Reproduction, rerun
from search.selection.summary import summarise
from search.selection.verification import verify
from search.terminal.study_status import read_study_status, status_rows
from storage import query
from tests.search.selection.panel_studies import RETURNS, write_panel
from trainer.losses import AbsoluteError, HuberLoss, QLike, mean_loss

if TYPE_CHECKING:
    from tests.search_fixtures import Launch, WriteStudy

LOSS = "training.loss"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mse", "mae", "huber", "qlike", "quantile"])
def test_a_study_is_searched_exported_trained_again_and_verified_by_its_loss(
    name: str, write_study: WriteStudy, launch: Launch, tmp_path: Path
) -> None:
    done = launch(write_study(), "study.trials=2", f"{LOSS}={name}")
    row = best_trials(done.store, "small", 1)[0]
    rows = validation_rows(done.store, "small")
    assert rows is not None
    assert rows.loss.name == name
    forecast = forecasts(done.store, "small")[row.number].astype(float)
    assert row.value == pytest.approx(rows.row_losses(forecast).mean(), rel=1e-5)
    facts = query.study(done.store, "small").facts
    assert facts["baselines"] == pytest.approx(
        {each: rows.row_losses(values).mean() for each, values in rows.baselines.items()}
    )
    assert row.skill == pytest.approx(1 - row.value / min(facts["baselines"].values()))
    summary = summarise(done.store, "small")
    assert summary.metric.name == name
    assert (
        dict(status_rows(read_study_status(done.store, summary))).get("loss", "MSE") == summary.metric.label
    )

    target = tmp_path / "best.yaml"
    write_export(done.store, best_trials(done.store, "small", 1)[0], target)
    assert yaml.safe_load(target.read_text())["training"].get("loss", "mse") == name
    assert rerun(target).reproduction is Reproduction.BITS
    (scored,) = verify(target, done.store, seeds=1).scored
    assert scored.value is not None
    assert scored.skill == pytest.approx(1 - scored.value / min(scored.naive.values()))


@pytest.mark.slow
def test_trials_of_two_losses_are_compared_by_the_metric_of_the_study(
    write_study: WriteStudy, launch: Launch
) -> None:
    names = ["mse", "mae", "qlike"]
    queue = [{LOSS: name} for name in names]
    path = write_study(
        space={LOSS: {"choices": names}}, study={"trials": 3, "metric": "mae", "enqueue": queue}
    )
    done = launch(path)
    rows = validation_rows(done.store, "small")
    assert rows is not None
    assert rows.loss == AbsoluteError()
    told = forecasts(done.store, "small")
    assert len({trial.params[LOSS] for trial in done.study.optuna.trials}) == 3
    for trial in done.study.optuna.trials:
        by_mae = mean_loss(told[trial.number].astype(float), rows.target, AbsoluteError())
        assert trial.value == pytest.approx(by_mae, rel=1e-5)


def test_a_study_that_searches_its_loss_says_by_which_one_it_judges(write_study: WriteStudy) -> None:
    path = write_study(space={LOSS: {"choices": ["mse", "mae"]}})
    with pytest.raises(ConfigError, match=r"training\.loss is searched.*--set study\.metric=mse"):
        resolve(path)
    assert resolve(path, ["study.metric=mae"]).metric == AbsoluteError()


def test_huber_losses_of_different_deltas_are_not_compared(write_study: WriteStudy) -> None:
    path = write_study(space={"training.huber_delta": {"low": 0.5, "high": 2.0}}, training={"loss": "huber"})
    with pytest.raises(ConfigError, match=r"huber_delta is searched.*--set study\.metric=mae"):
        resolve(path)
    assert resolve(path, ["study.metric=mse"]).metric.name == "mse"
    fixed = resolve(write_study(training={"loss": "huber", "huber_delta": 0.5}))
    assert fixed.metric == HuberLoss(0.5)


def test_quantiles_are_compared_with_quantiles_alone(write_study: WriteStudy) -> None:
    path = write_study(space={LOSS: {"choices": ["quantile", "mae"]}})
    with pytest.raises(ConfigError, match=r"training\.loss is searched.*--set study\.metric=mae"):
        resolve(path)
    assert resolve(path, ["study.metric=mae"]).metric == AbsoluteError()
    with pytest.raises(ConfigError, match=r"training\.loss mae gives none.*--set study\.metric=mae"):
        resolve(path, ["study.metric=quantile"])
    with pytest.raises(ConfigError, match=r"quantiles cannot be searched: forecasts of other quantiles"):
        resolve(write_study(space={"training.quantiles": {"choices": [[0.5]]}}))


@pytest.mark.slow
def test_the_median_of_quantiles_is_judged_by_another_metric(write_study: WriteStudy, launch: Launch) -> None:
    done = launch(write_study(), "study.trials=1", f"{LOSS}=quantile", "study.metric=mae")
    rows = validation_rows(done.store, "small")
    assert rows is not None
    (told,) = forecasts(done.store, "small").values()
    assert told.shape == rows.target.shape
    assert done.study.optuna.trials[0].value == pytest.approx(rows.row_losses(told).mean(), rel=1e-5)


@pytest.mark.slow
def test_a_panel_is_judged_by_its_quantiles(write_study: WriteStudy, launch: Launch, tmp_path: Path) -> None:
    write_panel(tmp_path)
    done = launch(write_study(**RETURNS), "study.trials=1", f"{LOSS}=quantile")
    rows = validation_rows(done.store, "small")
    assert rows is not None
    told = forecasts(done.store, "small")[0]
    assert told.shape == (len(rows.target), 5)
    assert (np.diff(told, axis=1) >= 0).all()
    assert validated_panel(done.store, "small", 0) is not None
    frame = forecasts_frame(done.store, "small", 0)
    assert (frame["lower_80"] <= frame["trial_0"]).all()
    assert frame[["zero", "trial_0", "upper_95"]].notna().all(axis=None)


@pytest.mark.parametrize(
    "settings", [{"training": {"loss": "qlike"}}, {"study": {"metric": "qlike"}}], ids=["loss", "metric"]
)
def test_qlike_is_refused_with_the_place_for_a_target_that_is_no_log_of_a_variance(
    settings: dict[str, Any], write_study: WriteStudy
) -> None:
    target = {"column": "Close", "kind": "volatility", "already_shifted": False}
    path = write_study(data={"target": target}, **settings)
    with pytest.raises(ConfigError, match=r"study\.yaml:\d+.*qlike compares variances"):
        resolve(path)
    assert resolve(write_study(**settings)).metric == QLike(2.0)


def test_a_trial_that_another_loss_judges_is_another_trial(write_study: WriteStudy) -> None:
    path, one = write_study(), {"models.gru.learning_rate": 2e-3}
    digests = {
        sets: resolve(path, list(sets)).trial(one).digest
        for sets in ((), ("study.metric=mse",), ("study.metric=mae",), (f"{LOSS}=mae",))
    }
    usual, named, judged, trained = digests.values()
    assert usual == named
    assert len({usual, judged, trained}) == 3
    both = resolve(path, [f"{LOSS}=mae", "study.metric=mae"]).trial(one)
    assert both.digest == trained


@pytest.mark.slow
def test_a_forecast_by_qlike_is_the_mean_variance_and_lies_above_one_by_squared_errors(
    write_study: WriteStudy, launch: Launch
) -> None:
    done = launch(write_study(), "study.trials=1", f"{LOSS}=qlike")
    rows = validation_rows(done.store, "small")
    assert rows is not None
    mean_logs = float(np.mean(rows.target))
    assert rows.loss.scaled(float(rows.unit_std[0])).best_constant(rows.target) > mean_logs


@pytest.mark.slow
def test_a_panel_is_judged_by_absolute_errors_by_date(
    write_study: WriteStudy, launch: Launch, tmp_path: Path
) -> None:
    write_panel(tmp_path)
    done = launch(write_study(**RETURNS), "study.trials=2", f"{LOSS}=mae")
    rows = validation_rows(done.store, "small")
    assert rows is not None
    told = forecasts(done.store, "small")
    for trial in best_trials(done.store, "small", 2):
        errors = np.abs(told[trial.number].astype(float) - rows.target)
        assert trial.value == pytest.approx(errors.mean(), rel=1e-5)
        assert rows.losses(told[trial.number]).mean() == pytest.approx(trial.value, rel=1e-5)
    best = best_trials(done.store, "small", 1)[0]
    write_export(done.store, best, tmp_path / "best.yaml")
    (scored,) = verify(tmp_path / "best.yaml", done.store, seeds=1).scored
    assert scored.skill is not None
    assert validated_panel(done.store, "small", best.number) is not None
