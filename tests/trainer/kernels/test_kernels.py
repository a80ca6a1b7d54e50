"""The compiled kernel computes what PyTorch's GRU does: signals, gradients, updates, forecasts."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor

from trainer.errors import TrainerError
from trainer.kernels import compiled
from trainer.kernels.choice import kernel_name
from trainer.kernels.fused import FusedKernel
from trainer.kernels.workspace import workspace
from trainer.models.network import GRUForecaster, flat_copy
from trainer.runtime import reproducible
from trainer.training.batches import Batch
from trainer.training.learner import Learner
from trainer.training.loop import fit

if TYPE_CHECKING:
    from tests.trainer.fit_fixtures import Fit, LearnerPatches, MakeConfig
    from trainer.data.windows import Dataset
    from trainer.rivals.skill import Baseline

CPU = torch.device("cpu")


@pytest.fixture
def kernel() -> str:
    """Of settings that name none: these tests take both kernels in their own hands."""
    return "fused"


@dataclass(frozen=True)
class Shape:
    steps: int
    batch: int
    features: int
    hidden: int
    layers: int = 1
    dropout: float = 0.0

    def __str__(self) -> str:
        return f"{self.layers}x{self.hidden} of {self.steps}x{self.batch}x{self.features}, {self.dropout}"


SHAPES = [
    Shape(1, 1, 1, 1),
    Shape(4, 7, 3, 5),
    Shape(30, 32, 5, 16),
    Shape(30, 32, 5, 32, dropout=0.3),
    Shape(30, 32, 5, 64),
    Shape(22, 19, 4, 33, layers=2),
    Shape(5, 256, 2, 128),
    Shape(12, 32, 5, 128, layers=2, dropout=0.5),
    Shape(9, 17, 3, 8, layers=3, dropout=0.2),
    Shape(60, 16, 12, 24, layers=3),
]


def batch_of(shape: Shape, seed: int = 0) -> Batch:
    random = torch.Generator().manual_seed(seed)
    x = torch.randn(shape.steps, shape.batch, shape.features, generator=random)
    y = torch.randn(shape.batch, generator=random)
    return Batch(x, y, torch.arange(shape.batch), known_finite=False)


def learner_of(shape: Shape, kernel: str, settings_of: MakeConfig, **training: Any) -> Learner:
    gru = {
        "hidden_size": shape.hidden,
        "num_layers": shape.layers,
        "dropout": shape.dropout,
        "init": "torch",
        "learning_rate": 1e-2,
        "weight_decay": 0.1,
    }
    return Learner(shape.features, settings_of(gru=gru, training={"kernel": kernel, **training}), CPU)


def gradients(learner: Learner) -> Tensor:
    return torch.cat([p.grad.reshape(-1) for p in learner.model.parameters() if p.grad is not None])


def both(shape: Shape, settings_of: MakeConfig, steps: int, **training: Any) -> Sequence[list[Any]]:
    """What each kernel says of the same steps: signals, the first gradients, weights, forecasts."""
    told = []
    for kernel in ("torch", "fused"):
        with reproducible(1):
            learner = learner_of(shape, kernel, settings_of, **training)
            signals, first = [], None
            for step in range(steps):
                signals.append(learner.backward(batch_of(shape, step)))
                first = gradients(learner).clone() if first is None else first
                learner.apply()
            forecasts = learner.forecast([batch_of(shape, 99)])
            told.append([signals, first, flat_copy(learner.model), forecasts])
    return told


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_step_has_the_same_signals_and_gradients(shape: Shape, settings_of: MakeConfig) -> None:
    (signals, gradient, *_), (its_signals, its_gradient, *_) = both(shape, settings_of, 1)
    for name, value in signals[0]._asdict().items():
        assert getattr(its_signals[0], name) == pytest.approx(value, rel=2e-6, abs=1e-6), name
    assert its_gradient.dtype == torch.float32
    torch.testing.assert_close(its_gradient, gradient, rtol=0, atol=2e-6 * float(gradient.abs().max()))


@pytest.mark.parametrize("shape", SHAPES[1:4], ids=str)
def test_weights_count_the_same_in_both_kernels(shape: Shape, settings_of: MakeConfig) -> None:
    told = []
    counts = torch.rand(shape.batch, generator=torch.Generator().manual_seed(3)) * 2
    for kernel in ("torch", "fused"):
        with reproducible(1):
            learner, batch = learner_of(shape, kernel, settings_of), batch_of(shape)
            plain = learner.backward(batch)
        with reproducible(1):
            signals = learner.backward(replace(batch, weights=counts))
            told.append((plain, signals, gradients(learner).clone()))
    (plain, signals, gradient), (_, its_signals, its_gradient) = told
    assert signals.loss != plain.loss
    assert its_signals.loss == pytest.approx(signals.loss, rel=2e-6)
    assert its_signals.grad_norm == pytest.approx(signals.grad_norm, rel=1e-5)
    torch.testing.assert_close(its_gradient, gradient, rtol=0, atol=2e-6 * float(gradient.abs().max()))


def test_batches_of_other_sizes_leave_nothing_behind(settings_of: MakeConfig) -> None:
    """All sizes share the memory of the largest; what one leaves there is of no effect on the next."""
    sizes = [replace(SHAPES[5], batch=batch) for batch in (7, 19, 3, 19, 12, 7)]
    told = []
    for kernel in ("torch", "fused"):
        with reproducible(1):
            learner = learner_of(SHAPES[5], kernel, settings_of)
            for step, shape in enumerate(sizes):
                learner.backward(batch_of(shape, step))
                learner.apply()
            told.append([flat_copy(learner.model), learner.forecast([batch_of(each) for each in sizes])])
    torch.testing.assert_close(told[1], told[0], rtol=0, atol=2e-4)


@pytest.mark.parametrize("max_grad_norm", [0.1, 1e6])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_ten_updates_leave_the_same_weights_and_forecasts(
    shape: Shape, max_grad_norm: float, settings_of: MakeConfig
) -> None:
    one, other = both(shape, settings_of, 10, max_grad_norm=max_grad_norm)
    torch.testing.assert_close(other[2], one[2], rtol=0, atol=2e-4)  # 10 steps of 1e-2 have moved them by 0.1
    torch.testing.assert_close(other[3], one[3], rtol=0, atol=2e-4)


def test_the_tolerance_of_ten_updates_would_see_another_optimiser(settings_of: MakeConfig) -> None:
    shape = SHAPES[2]
    (_, _, weights, *_), _ = both(shape, settings_of, 10)
    (_, _, nine, *_), _ = both(shape, settings_of, 9)
    assert float((weights - nine).abs().max()) > 20 * 2e-4


def loss_of(shape: Shape, batch: Batch, masks: Tensor, counts: Tensor | None = None) -> Any:
    """The compiled loss, weighted by `counts`, as a function of the flat weights that autograd can check, in
    float64.
    """
    room = workspace(
        (shape.steps, shape.batch),
        shape.hidden,
        shape.layers,
        dropout=shape.dropout > 0,
        backward=True,
        dtype=np.float64,
    )
    if shape.dropout:
        room.masks[:] = masks[:-1].numpy()
        room.last_mask[:] = masks[-1, 0].numpy()
    x, y = batch.x.double().numpy(), batch.y.double().numpy()

    def error() -> float:
        if counts is None:
            return compiled.squared_error(y, room)[0]
        return compiled.weighted_squared_error(y, counts.double().numpy(), room)[0]

    class Loss(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, flat: Tensor) -> Tensor:
            ctx.save_for_backward(flat)
            compiled.forward(flat.detach().numpy(), x, room)
            return torch.tensor(error(), dtype=torch.float64)

        @staticmethod
        def backward(ctx: Any, *gradient: Tensor) -> Tensor:
            (flat,) = ctx.saved_tensors
            mine = torch.empty_like(flat)
            compiled.forward(flat.detach().numpy(), x, room)
            error()
            compiled.backward(flat.detach().numpy(), x, room, mine.numpy())
            return gradient[0] * mine

    return Loss.apply


@pytest.mark.slow  # compiles everything once more, for float64
@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize(
    "shape",
    [Shape(1, 1, 1, 1), Shape(4, 3, 2, 3), Shape(3, 2, 2, 3, layers=3), Shape(3, 4, 2, 2, 2, dropout=0.5)],
    ids=str,
)
def test_the_gradients_are_those_of_the_loss(
    shape: Shape, is_weighted: bool, settings_of: MakeConfig
) -> None:
    torch.manual_seed(0)
    weights = flat_copy(learner_of(shape, "torch", settings_of).model).double().requires_grad_()
    masks = (torch.rand(shape.layers, shape.steps, shape.batch, shape.hidden) > shape.dropout).double() * 2
    counts = 3 * torch.rand(shape.batch) if is_weighted else None
    function = loss_of(shape, batch_of(shape), masks, counts)
    assert torch.autograd.gradcheck(function, (weights,))


def test_a_forecast_needs_no_more_windows_than_one_and_takes_more_than_fit_in_the_cache(
    settings_of: MakeConfig,
) -> None:
    shape = Shape(6, 300, 3, 16, layers=2, dropout=0.4)
    torch.manual_seed(0)
    learner, batch = learner_of(shape, "fused", settings_of), batch_of(shape)
    with torch.no_grad():
        expected = learner.model.eval()(batch.x)
    torch.testing.assert_close(learner.kernel.forecast(batch.x), expected, rtol=0, atol=1e-6)
    alone = torch.cat([learner.kernel.forecast(batch.x[:, [n]]) for n in (0, 299)])
    torch.testing.assert_close(alone, expected[[0, 299]], rtol=0, atol=1e-6)


def test_the_model_is_pytorchs_own_with_the_weights_that_the_compiled_kernel_trains(
    settings_of: MakeConfig,
) -> None:
    shape = Shape(8, 32, 3, 12, layers=2)
    config = settings_of(gru={"hidden_size": 12, "num_layers": 2})
    learner = Learner(3, config, CPU)
    for step in range(5):
        learner.backward(batch_of(shape, step))
        learner.apply()
    plain = GRUForecaster(3, config.models.gru)
    plain.load_state_dict(learner.weights())
    with torch.no_grad():
        told = plain.eval()(batch_of(shape).x)
    torch.testing.assert_close(learner.kernel.forecast(batch_of(shape).x), told, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["gru.weight_hh_l0", "head.bias"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_broken_weight_gives_the_same_signals(name: str, value: float, settings_of: MakeConfig) -> None:
    told = []
    for kernel in ("torch", "fused"):
        torch.manual_seed(0)
        learner = learner_of(SHAPES[1], kernel, settings_of)
        learner.model.get_parameter(name).data.view(-1)[0] = value
        signals = learner.backward(batch_of(SHAPES[1]))
        told.append({name: math.isfinite(value) for name, value in signals._asdict().items()})
    assert told[0] == told[1]
    assert not all(told[0].values())


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e30])
@pytest.mark.parametrize("where", ["x", "y"])
def test_a_broken_cell_gives_the_same_signals(where: str, value: float, settings_of: MakeConfig) -> None:
    told = []
    for kernel in ("torch", "fused"):
        torch.manual_seed(0)
        learner, batch = learner_of(SHAPES[1], kernel, settings_of), batch_of(SHAPES[1])
        getattr(batch, where).view(-1)[0] = value
        signals = learner.backward(batch)
        told.append({name: math.isfinite(value) for name, value in signals._asdict().items()})
    assert told[0] == told[1]


def test_whole_trials_agree_but_for_rounding(settings_of: MakeConfig, run_fit: Fit) -> None:
    gru = {"dropout": 0.2, "num_layers": 2}
    one, other = (run_fit(settings_of(gru=gru, training={"kernel": name})) for name in ("torch", "fused"))
    assert other.value == pytest.approx(one.value, rel=1e-5)
    assert [epoch.steps for epoch in other.epochs] == [epoch.steps for epoch in one.epochs]
    assert other.effective == {**one.effective, "training.kernel": "fused"}


def test_auto_is_the_compiled_kernel_on_the_cpu_and_pytorch_elsewhere() -> None:
    assert kernel_name("auto", CPU) == "fused"
    assert kernel_name("auto", torch.device("cuda:0")) == "torch"
    assert kernel_name("torch", CPU) == "torch"


def test_the_compiled_kernel_on_another_device_is_refused_with_the_way_out() -> None:
    with pytest.raises(TrainerError, match=r"'fused' runs on the CPU alone.*'cuda:1'; try --set training\."):
        kernel_name("fused", torch.device("cuda:1"))


def test_a_kernel_that_is_not_the_one_asked_for_is_read_back(settings_of: MakeConfig) -> None:
    learner = learner_of(SHAPES[1], "fused", settings_of)
    learner.kernel.name = "torch"
    learner.backward(batch_of(SHAPES[1]))
    assert learner.effective["training.kernel"] == "torch"


def in_a_process(program: str, **environment: str) -> str:
    """What a new process that has imported nothing yet prints."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[3],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout


@pytest.mark.slow
def test_the_first_trial_of_a_process_multiplies_on_one_thread() -> None:
    program = """
from threadpoolctl import threadpool_info
from trainer.runtime import reproducible
with reproducible(0):
    from trainer.kernels.self_test import compile_kernel
    compile_kernel()
    print({pool["num_threads"] for pool in threadpool_info() if "scipy" in pool["filepath"]})
"""
    assert in_a_process(program, OPENBLAS_NUM_THREADS="2").strip() == "{1}"


def test_learners_that_take_turns_in_one_room_have_the_bits_of_each_alone(settings_of: MakeConfig) -> None:
    shape = SHAPES[8]

    def made(seed: int) -> Learner:
        torch.manual_seed(seed)
        return learner_of(shape, "fused", settings_of)

    def step(learner: Learner, number: int) -> None:
        torch.manual_seed(number)
        learner.backward(batch_of(shape, number))
        learner.apply()

    alone, together = [made(0), made(1)], [made(0), made(1)]
    together[1].share_workspace(together[0])
    for learner in alone:
        for number in range(4):
            step(learner, number)
    for number in range(4):
        for learner in together:
            step(learner, number)
            learner.forecast([batch_of(shape, 99)])
    for one, other in zip(alone, together, strict=True):
        assert torch.equal(flat_copy(one.model), flat_copy(other.model))


def test_the_folds_of_a_trial_share_one_room(
    market: Dataset, naive: Baseline, settings_of: MakeConfig, lab: LearnerPatches
) -> None:
    fit(settings_of(), [market, market, market], baseline=naive, ceiling=0.9, seed=0)
    rooms = [cast(FusedKernel, learner.kernel)._workspaces for learner in lab.learners]
    assert len(rooms) == 3
    assert all(room is rooms[0] for room in rooms)
    assert rooms[0]
