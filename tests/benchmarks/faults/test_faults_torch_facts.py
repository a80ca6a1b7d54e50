"""What the guard relies on in PyTorch, so that a release that changes it is noticed."""

import math

import pytest
import torch
from torch import Tensor, nn


def layer_with_gradients(*, spoilt: float | None = None) -> nn.Linear:
    """Six weights and two biases, gradients of one, the first of them spoilt."""
    torch.manual_seed(0)
    layer = nn.Linear(3, 2)
    for parameter in layer.parameters():
        parameter.grad = torch.ones_like(parameter)
    if spoilt is not None:
        gradient_of(layer)[0, 0] = spoilt
    return layer


def gradient_of(layer: nn.Linear) -> Tensor:
    assert layer.weight.grad is not None
    return layer.weight.grad


def all_bits(layer: nn.Linear, optimizer: torch.optim.Optimizer) -> list[bytes]:
    averages = [v for p in layer.parameters() for v in optimizer.state[p].values()]
    return [t.detach().numpy().tobytes() for t in (*layer.parameters(), *averages)]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_multiplying_an_update_by_zero_keeps_what_is_not_finite(value: float) -> None:
    assert math.isnan(float(torch.tensor(value) * 0.0))


@pytest.mark.slow
def test_a_learning_rate_of_zero_does_not_keep_nan_out_of_the_weights() -> None:
    layer = layer_with_gradients(spoilt=math.nan)
    torch.optim.AdamW(layer.parameters(), lr=0.0, fused=True).step()
    assert bool(layer.weight[0, 0].isnan())


def test_clipping_the_norm_spreads_nan_from_one_gradient_to_all() -> None:
    layer = layer_with_gradients(spoilt=math.nan)
    nn.utils.clip_grad_norm_(layer.parameters(), 1.0)
    assert all(bool(p.grad.isnan().all()) for p in layer.parameters() if p.grad is not None)


def test_clipping_the_norm_makes_nan_of_inf_and_zero_of_all_other_gradients() -> None:
    layer = layer_with_gradients(spoilt=math.inf)
    nn.utils.clip_grad_norm_(layer.parameters(), 1.0)
    flat = torch.cat([p.grad.flatten() for p in layer.parameters() if p.grad is not None])
    assert int(flat.isnan().sum()) == 1
    assert int((flat == 0).sum()) == len(flat) - 1


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e38])
def test_the_norm_that_clipping_computes_tells_of_every_gradient_it_cannot_clip(value: float) -> None:
    layer = layer_with_gradients(spoilt=value)
    norm = nn.utils.get_total_norm([p.grad for p in layer.parameters() if p.grad is not None])
    assert not bool(norm.isfinite())


def test_the_norm_of_large_finite_gradients_is_a_float_up_to_the_root_of_the_largest() -> None:
    root = math.sqrt(torch.finfo(torch.float32).max)
    for value, finite in ((0.99 * root, True), (1.01 * root, False)):
        norm = nn.utils.get_total_norm([gradient_of(layer_with_gradients(spoilt=value))])
        assert bool(norm.isfinite()) is finite


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e38])
def test_found_inf_makes_the_fused_optimiser_skip_to_the_bit_on_cpu(value: float) -> None:
    layer = layer_with_gradients()
    optimizer = torch.optim.AdamW(layer.parameters(), lr=0.1, weight_decay=0.1, fused=True)
    optimizer.step()
    before = all_bits(layer, optimizer)
    gradient_of(layer)[0, 0] = value
    optimizer.grad_scale, optimizer.found_inf = None, torch.ones(())  # type: ignore[attr-defined]
    optimizer.step()
    assert all_bits(layer, optimizer) == before
    gradient_of(layer)[0, 0] = 1.0
    optimizer.found_inf = torch.zeros(())  # type: ignore[attr-defined]
    optimizer.step()
    assert all_bits(layer, optimizer) != before


def test_clamp_and_clip_keep_nan() -> None:
    cell = torch.tensor([math.nan, math.inf, -math.inf])
    for clipped in (cell.clamp(-3, 3), cell.clip(-3, 3)):
        assert bool(clipped[0].isnan())
        assert clipped[1:].tolist() == [3.0, -3.0]


def test_nan_is_never_above_a_threshold_and_one_blinds_a_mean() -> None:
    nan = torch.tensor(math.nan)
    assert not bool(nan > 100)
    assert not bool(nan < 1e-8)
    assert not bool(torch.tensor([1e6, math.nan]).mean() > 100)
    assert max(0.0, float(nan)) == 0.0
