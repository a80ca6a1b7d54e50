"""The floor's table rests on counts: they are checked by counting what a GRU written out by hand does."""

import math
from collections import Counter
from collections.abc import Callable
from functools import partial

import pytest
import torch
from threadpoolctl import threadpool_info
from torch import Tensor
from torch.nn.functional import linear, mse_loss
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.floor.__main__ import answer
from benchmarks.floor.counts import (
    BACKWARD_ELEMENTS,
    FORWARD_ELEMENTS,
    OPTIMISER_ELEMENTS,
    SIGMOID_EXTRA,
    TANH,
    Work,
    count,
    products,
)
from benchmarks.floor.epochs import EXPERT, KERNELS, epoch_tasks
from benchmarks.floor.floors import floors
from benchmarks.floor.profile import AROUND, CALLED, profile
from benchmarks.floor.rates import HOT, Key, Rates, rate_tasks, read_rates
from benchmarks.floor.timing import Task, best, one_thread, repeated
from trainer.config import GRUConfig, KernelName
from trainer.models.network import GRUForecaster

SMALL = Work(units=5, windows=8, seq_len=3, batch=4, features=2)


@pytest.fixture
def model() -> GRUForecaster:
    torch.manual_seed(0)
    return GRUForecaster(SMALL.features, GRUConfig(hidden_size=SMALL.units, init="torch"))


def unrolled(model: GRUForecaster, x: Tensor) -> Tensor:
    """Forecasts (batch,) of windows x (seq_len, batch, features), with no product of the state of zeros."""
    w_ih, w_hh, b_ih, b_hh = model.gru.parameters()
    given = linear(x.flatten(0, 1), w_ih, b_ih).view(*x.shape[:2], -1)  # (seq_len, batch, 3 * hidden)
    state = torch.zeros(x.shape[1], w_hh.shape[1])
    for t, part in enumerate(given):
        own = b_hh.expand_as(part) if t == 0 else linear(state, w_hh, b_hh)
        (r_in, z_in, n_in), (r_own, z_own, n_own) = part.chunk(3, 1), own.chunk(3, 1)
        r, z = torch.sigmoid(r_in + r_own), torch.sigmoid(z_in + z_own)
        n = torch.tanh(n_in + r * n_own)
        state = n + z * (state - n)
    return linear(state, model.head.weight, model.head.bias).squeeze(-1)


def test_the_products_that_are_counted_are_those_of_the_model_written_out(model: GRUForecaster) -> None:
    x, y = torch.randn(SMALL.seq_len, SMALL.batch, SMALL.features), torch.randn(SMALL.batch)
    assert torch.allclose(unrolled(model, x), model(x), atol=1e-6)
    with FlopCounterMode(display=False) as counted:
        mse_loss(unrolled(model, x), y).backward()  # type: ignore[no-untyped-call]
    of_a_step = counted.get_total_flops()
    assert count(SMALL).product_flops == SMALL.steps * of_a_step
    assert of_a_step == 2 * sum(product.multiply_adds for product in products(SMALL))


def test_the_weights_that_are_counted_are_those_of_the_model(model: GRUForecaster) -> None:
    assert SMALL.weights == sum(parameter.numel() for parameter in model.parameters())


class Counted:
    """A number that counts the operations that it takes part in."""

    def __init__(self, value: float, operations: Counter[str]) -> None:
        self.value, self.operations = value, operations

    def _with(self, other: "Counted", operate: Callable[[float, float], float]) -> "Counted":
        self.operations["elements"] += 1
        return Counted(operate(self.value, other.value), self.operations)

    def __add__(self, other: "Counted") -> "Counted":
        return self._with(other, lambda a, b: a + b)

    def __sub__(self, other: "Counted") -> "Counted":
        return self._with(other, lambda a, b: a - b)

    def __mul__(self, other: "Counted") -> "Counted":
        return self._with(other, lambda a, b: a * b)

    def __truediv__(self, other: "Counted") -> "Counted":
        return self._with(other, lambda a, b: a / b)

    def root(self) -> "Counted":
        self.operations["elements"] += 1
        return Counted(math.sqrt(self.value), self.operations)

    def through(self, activation: Callable[[Tensor], Tensor]) -> "Counted":
        self.operations["activations"] += 1
        return Counted(float(activation(torch.tensor(self.value, dtype=torch.float64))), self.operations)


def test_the_operations_of_a_cell_are_those_of_its_formulas() -> None:
    seen: Counter[str] = Counter()
    torch.manual_seed(0)
    cell = torch.nn.GRUCell(1, 1).double()
    x, before = torch.randn(1, 1).double(), torch.randn(1, 1).double().requires_grad_()
    after = cell(x, before)
    after.sum().backward()

    def numbers(of: Tensor) -> list[Counted]:
        return [Counted(value, seen) for value in of.detach().flatten().tolist()]

    one, g, (h,) = Counted(1.0, seen), Counted(1.0, seen), numbers(before)
    r_x, z_x, n_x = numbers(cell.weight_ih @ x.T)  # products are counted elsewhere
    r_h, z_h, n_h = numbers(cell.weight_hh @ before.T)
    r_bias, z_bias, _ = numbers(cell.bias_ih + cell.bias_hh)  # once in a step, for all windows
    (*_, n_x_bias), (*_, n_h_bias) = numbers(cell.bias_ih), numbers(cell.bias_hh)

    r, z = (r_x + r_h + r_bias).through(torch.sigmoid), (z_x + z_h + z_bias).through(torch.sigmoid)
    inner = n_h + n_h_bias
    n = (n_x + n_x_bias + r * inner).through(torch.tanh)
    state = n + z * (h - n)
    assert state.value == pytest.approx(after.item())
    assert seen == {"elements": FORWARD_ELEMENTS, "activations": 3}

    seen.clear()
    rest = one - z
    d_n = g * rest * (one - n * n)
    d_z = g * (h - n) * z * rest
    d_r = d_n * inner * r * (one - r)
    d_inner = d_n * r
    through = sum(
        w * d.value for w, d in zip(cell.weight_hh.flatten().tolist(), (d_r, d_z, d_inner), strict=True)
    )
    d_h = g * z + Counted(through, seen)
    sums = [Counted(0.0, seen) + d for d in (d_r, d_z, d_n, d_inner)]
    assert before.grad is not None
    assert cell.bias_ih.grad is not None
    assert cell.bias_hh.grad is not None
    assert d_h.value == pytest.approx(float(before.grad))
    assert [d.value for d in sums[:3]] == pytest.approx(cell.bias_ih.grad.tolist())
    assert sums[3].value == pytest.approx(float(cell.bias_hh.grad[2]))
    assert seen == {"elements": BACKWARD_ELEMENTS}


def test_the_operations_of_the_optimiser_are_those_of_clipped_adamw() -> None:
    seen: Counter[str] = Counter()
    weight = torch.nn.Parameter(torch.tensor([0.5], dtype=torch.float64))
    gradient, lr, decay = 3.0, 1e-2, 0.1
    weight.grad = torch.tensor([gradient], dtype=torch.float64)
    torch.nn.utils.clip_grad_norm_([weight], 1.0)
    torch.optim.AdamW([weight], lr=lr, weight_decay=decay).step()

    def number(value: float) -> Counted:
        return Counted(value, seen)

    p, g, m, v = number(0.5), number(gradient), number(0.0), number(0.0)
    squares = number(0.0) + g * g
    g = g * number(1 / (math.sqrt(squares.value) + 1e-6))
    p = p * number(1 - lr * decay)
    m = number(0.9) * m + number(0.1) * g
    v = number(0.999) * v + number(0.001) * g * g
    root = v.root() / number(math.sqrt(1 - 0.999)) + number(1e-8)
    p = p - number(lr / (1 - 0.9)) * m / root
    assert p.value == pytest.approx(float(weight.detach()), rel=1e-9)
    assert seen == {"elements": OPTIMISER_ELEMENTS}


def test_bytes_and_elements_of_a_single_cell_come_out_as_by_hand() -> None:
    work = Work(units=1, windows=2, seq_len=1, batch=1, features=1)
    counts, weights = count(work), 14
    assert work.weights == weights
    assert counts.activations == 2 * 3
    cell = 3 * TANH + 2 * SIGMOID_EXTRA + FORWARD_ELEMENTS + BACKWARD_ELEMENTS
    assert counts.element_flops == 2 * (cell + OPTIMISER_ELEMENTS * weights)
    assert counts.bytes == 2 * 4 * (1 + 2 * 5 + 8 * weights)


def made_up(**changes: float) -> Rates:
    rates = {"product": 1e9, "cached": 1e9, "memory": 1e8, "element": 1e9, **changes}
    return Rates(**rates, own_shapes={SMALL.units: 0.25})


def test_the_arithmetic_floor_is_the_larger_of_products_and_bytes() -> None:
    counts = count(SMALL)
    few, many = floors(SMALL, made_up(cached=1e18)), floors(SMALL, made_up(cached=1.0))
    assert few.arithmetic == counts.product_flops / 1e9
    assert many.arithmetic == counts.bytes
    assert many.both == counts.bytes + counts.product_flops / 1e9
    assert few.own_shapes == 0.25 * SMALL.steps
    assert few.elements == counts.product_flops / 1e9 + counts.element_flops / 1e9
    assert few.memory == max(counts.product_flops / 1e9, counts.bytes / 1e8)


@pytest.mark.parametrize(("of_128", "reached"), [(2.5, True), (2.51, False)])
def test_the_goal_is_told_against_the_worse_of_both_sizes(of_128: float, reached: bool) -> None:
    works = {units: Work(units) for units in (64, 128)}
    rates = Rates(1e9, 1e18, 1e18, 1e18, own_shapes=dict.fromkeys(works, 0.0))
    lowest = {units: floors(work, rates) for units, work in works.items()}
    seconds: dict[Key, float] = {
        ("epoch", str(units), "fused"): ratio * lowest[units].arithmetic
        for units, ratio in ((64, 1.5), (128, of_128))
    }
    assert answer(lowest, seconds)[0] is reached
    assert f"1.50 at 64 units, {of_128:.2f} at 128 units" in answer(lowest, seconds)[1]


def test_a_rate_is_that_of_the_fastest_way() -> None:
    works = {SMALL.units: SMALL}
    seconds = dict.fromkeys(rate_tasks(works), 1.0)
    seconds["square", "512", "torch"] = 1e-3
    seconds["square", "2048", "numpy"] = 10.0
    seconds["recurrence", "5", "numpy"] = 0.5
    found = read_rates(seconds, works)
    assert found.product == 2 * 512**3 / 1e-3
    assert found.cached == 3 * 4 * (1 << 16)  # triad moves more than copy in the same time
    assert found.element == TANH * HOT
    later = SMALL.seq_len - 1
    assert found.own_shapes[SMALL.units] == 0.5 * later + 1.0 * later + 6


def test_every_measurement_runs_and_takes_its_turn() -> None:
    order: list[str] = []
    tasks = {name: Task(repeated(partial(order.append, name)), times=2) for name in "ab"}
    assert set(best(tasks, rounds=2)) == {"a", "b"}
    assert "".join(order) == "aabb" * 3


def test_one_thread_holds_for_every_library_that_multiplies_matrices() -> None:
    with one_thread():
        threads = {library["filepath"]: library["num_threads"] for library in threadpool_info()}
    assert any("scipy" in path for path in threads)
    assert set(threads.values()) == {1}


def test_every_trainer_does_an_epoch_of_the_same_size() -> None:
    work = Work(units=4, windows=64, seq_len=5, batch=32, features=5)
    tasks = epoch_tasks(work)
    assert set(tasks) == {EXPERT, *KERNELS}
    assert all(task.seconds() > 0 for task in tasks.values())


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_profile_finds_every_part_of_a_step(kernel: KernelName) -> None:
    spent = profile(Work(units=4, windows=64, seq_len=5, batch=32, features=5), kernel, rounds=1)
    assert set(spent) == {*CALLED, AROUND}
    assert all(spent[part] > 0 for part in CALLED)
