"""The pinball loss: of one quantile and of several, in NumPy, PyTorch and compiled code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from trainer.kernels.fused import compiled_loss
from trainer.kernels.workspace import workspace
from trainer.losses import AbsoluteError, judged_forecasts, mean_loss, point_forecast, recorded_loss
from trainer.quantile_loss import QUANTILES, PinballLoss, QuantileLoss, wrong_quantiles

if TYPE_CHECKING:
    from tests.trainer.fit_fixtures import MakeConfig

LOSS = QuantileLoss()


def forecasts_and_targets(rows: int = 37) -> tuple[Any, Any]:
    random = np.random.default_rng(0)
    return random.standard_normal((rows, LOSS.outputs)), random.standard_normal(rows)


def test_the_median_alone_costs_the_absolute_error() -> None:
    forecast, target = forecasts_and_targets()
    for one, shape in ((QuantileLoss((0.5,)), forecast[:, :1]), (PinballLoss(), forecast[:, 0])):
        absolute = AbsoluteError()
        np.testing.assert_allclose(one.value(shape, target), absolute.value(forecast[:, 0], target))
        slopes = one.gradient(shape, target).reshape(-1)
        np.testing.assert_allclose(slopes, absolute.gradient(forecast[:, 0], target))
        assert np.ravel(one.best_constant(target)) == pytest.approx([absolute.best_constant(target)])


def test_the_loss_of_several_quantiles_is_the_mean_of_theirs() -> None:
    forecast, target = forecasts_and_targets()
    parts = [part.value(forecast[:, number], target) for number, part in enumerate(LOSS.parts)]
    np.testing.assert_allclose(LOSS.value(forecast, target), np.mean(parts, axis=0))
    slopes = [part.gradient(forecast[:, number], target) for number, part in enumerate(LOSS.parts)]
    np.testing.assert_allclose(LOSS.gradient(forecast, target), np.stack(slopes, axis=1) / LOSS.outputs)


def test_the_gradient_is_the_slope_of_the_value() -> None:
    forecast, target = forecasts_and_targets()
    for number in range(LOSS.outputs):
        step = np.zeros(LOSS.outputs)
        step[number] = 1e-6
        slope = (LOSS.value(forecast + step, target) - LOSS.value(forecast - step, target)) / 2e-6
        np.testing.assert_allclose(LOSS.gradient(forecast, target)[:, number], slope, rtol=1e-6)


def test_no_other_constants_cost_less_than_the_quantiles_of_the_target() -> None:
    _, target = forecasts_and_targets(400)
    best = LOSS.best_constant(target)
    costs = [mean_loss(best + by, target, LOSS) for by in (-0.1, -0.01, 0.0, 0.01, 0.1)]
    assert min(costs) == costs[2]
    assert np.mean(target <= best[0]) == pytest.approx(0.025, abs=0.003)


def test_numpy_and_pytorch_give_the_same_numbers() -> None:
    forecast, target = forecasts_and_targets()
    tensors = torch.from_numpy(forecast), torch.from_numpy(target)
    for function in (LOSS.value, LOSS.gradient, LOSS.curvature):
        np.testing.assert_allclose(function(*tensors).numpy(), function(forecast, target), rtol=1e-14)


@pytest.mark.parametrize("rows", [1, 19, 32])
def test_the_compiled_code_computes_the_mean_and_its_gradient(rows: int) -> None:
    forecast, target = (values.astype(np.float32) for values in forecasts_and_targets(rows))
    room = workspace((1, rows), 2, 1, dropout=False, backward=True, outputs=LOSS.outputs)
    room.out[:] = forecast.ravel()
    weights = np.linspace(0, 2, rows, dtype=np.float32)
    for counts, given in ((np.ones(rows), None), (weights, weights)):
        mean, largest = compiled_loss(LOSS)(target, room, given)
        expected = (LOSS.value(forecast, target).astype(np.float64) * counts).mean()
        assert mean == pytest.approx(expected, rel=2e-6, abs=1e-9)
        assert largest == np.abs(forecast).max()
        slopes = LOSS.gradient(forecast, target) * counts[:, None] / rows
        np.testing.assert_allclose(room.d_out, slopes.ravel(), rtol=3e-6, atol=1e-8)


def test_it_keeps_a_nan_and_an_infinity() -> None:
    room = workspace((1, 3), 2, 1, dropout=False, backward=True, outputs=LOSS.outputs)
    for value in (np.nan, np.inf):
        room.out[:] = 0.1
        room.out[7] = value
        mean, largest = compiled_loss(LOSS)(np.zeros(3, np.float32), room)
        assert not np.isfinite(mean)
        assert not np.isfinite(largest)
        assert not np.isfinite(LOSS.value(room.out.reshape(3, -1), np.zeros(3, np.float32))).all()


def test_a_limit_on_the_squared_error_is_one_on_the_loss_of_such_a_forecast() -> None:
    for loss in (LOSS, QuantileLoss((0.05, 0.5)), PinballLoss(0.2)):
        for size in (1e-4, 10.0):
            both = [float(loss.value(np.array([miss]), np.zeros(1))[0]) for miss in (size, -size)]
            assert loss.of_squared_error(size**2) == pytest.approx((min(both), max(both)), rel=1e-9)


def test_errors_that_shrink_show_the_skill_of_the_share_that_is_removed() -> None:
    target = np.random.default_rng(1).standard_normal(200_000)
    best = LOSS.best_constant(target)
    before, after = mean_loss(best, target, LOSS), mean_loss(best * 0.9, target * 0.9, LOSS)
    assert LOSS.skill_of_share(1 - 0.81) == pytest.approx(1 - after / before)


def test_the_median_is_the_forecast_and_what_other_losses_judge() -> None:
    forecast, target = forecasts_and_targets()
    np.testing.assert_array_equal(point_forecast(forecast, LOSS), forecast[:, 2])
    np.testing.assert_array_equal(judged_forecasts(forecast, LOSS, AbsoluteError()), forecast[:, 2])
    assert judged_forecasts(forecast, LOSS, LOSS) is forecast
    assert point_forecast(target, AbsoluteError()) is target


def test_quantiles_in_order_cost_no_more_than_those_that_cross() -> None:
    forecast, target = forecasts_and_targets()
    in_order = np.sort(forecast, axis=1)
    assert (LOSS.value(in_order, target) <= LOSS.value(forecast, target) + 1e-15).all()


def test_it_is_recorded_with_its_quantiles() -> None:
    loss = QuantileLoss((0.1, 0.5))
    assert recorded_loss(loss.to_json()) == loss
    assert recorded_loss({"name": "quantile"}) == LOSS


@pytest.mark.parametrize(
    ("quantiles", "reason"),
    [
        ([0.1, 0.9], "0.5 is missing: the median is the forecast"),
        ([0.9, 0.5, 0.1], "quantiles ascend, and none occurs twice"),
        ([0.1, 0.5, 0.5], "quantiles ascend, and none occurs twice"),
        ([0.0, 0.5], "lies between 0 and 1"),
        ([2.5, 0.5], "lies between 0 and 1"),
        ([], "0.5 is missing"),
    ],
)
def test_wrong_quantiles_are_refused_with_one_reason(
    quantiles: list[float], reason: str, settings_of: MakeConfig
) -> None:
    assert wrong_quantiles(quantiles) is not None
    with pytest.raises(ValidationError, match=reason):
        settings_of(training={"loss": "quantile", "quantiles": quantiles})


def test_a_trial_forecasts_the_quantiles_of_its_settings(settings_of: MakeConfig) -> None:
    assert settings_of(training={"loss": "quantile"}).loss == QuantileLoss(QUANTILES)
    own = settings_of(training={"loss": "quantile", "quantiles": [0.05, 0.5]})
    assert own.loss == QuantileLoss((0.05, 0.5))
    assert "quantiles" not in settings_of(training={"loss": "quantile"}).training.model_dump()
