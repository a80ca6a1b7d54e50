"""A short slice of the real S&P 500 series, a trial on it, and a learner with faults at chosen steps."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest
from torch import Tensor

from benchmarks.faults import tamper
from benchmarks.market import SP500
from trainer.config import DataConfig, TrialConfig
from trainer.data.source import Table, read_table
from trainer.data.windows import Dataset, prepare_last_fold
from trainer.losses import MSE
from trainer.rivals.baselines import baseline_losses
from trainer.rivals.skill import Baseline, best_baseline
from trainer.training.batches import Batch
from trainer.training.guard import StepSignals
from trainer.training.learner import Learner
from trainer.training.loop import fit
from trainer.training.result import EpochReport, TrialResult

CEILING = 0.9
"""Above any skill that a few epochs on honest rows could show, so that it is met on purpose alone."""

DATA = DataConfig.model_validate({**SP500, "seq_len": 8})

Fault = Callable[[Learner, Batch], AbstractContextManager[None]]
"""Tampers with a learner for one step; what it does stays unless leaving the context undoes it."""


class MakeConfig(Protocol):
    def __call__(
        self,
        *,
        gru: Mapping[str, Any] | None = None,
        training: Mapping[str, Any] | None = None,
        guard: Mapping[str, Any] | None = None,
    ) -> TrialConfig: ...


class Fit(Protocol):
    def __call__(
        self,
        config: TrialConfig,
        data: Dataset = ...,
        *,
        ceiling: float = ...,
        seed: int = ...,
        on_epoch: Callable[[EpochReport], bool] = ...,
        should_stop: Callable[[], bool] = ...,
    ) -> TrialResult: ...


HEAD = "head.bias"


def gradients_times(factor: float) -> Fault:
    """The gradient of the head's bias alone, multiplied."""

    @contextmanager
    def struck(learner: Learner, batch: Batch) -> Iterator[None]:
        with tamper.gradient(learner, HEAD, lambda gradient: gradient * factor):
            yield

    return struck


@dataclass
class LearnerPatches:
    """What was seen of the learners that ran, and the faults that they are given, by step."""

    faults: dict[int, Fault] = field(default_factory=dict)
    states: list[tuple[Tensor, ...]] = field(default_factory=list)
    """Weights and optimiser state before each step, and after the last one with `close`."""
    learners: list[Learner] = field(default_factory=list)

    def close(self) -> None:
        """Remember the state after the last step."""
        self.states.append(state_of(self.learners[-1]))

    def unchanged_by(self, step: int) -> bool:
        """Whether step left every bit of the weights and of the optimiser state as it was."""
        before, after = self.states[step], self.states[step + 1]
        return len(before) == len(after) and all(map(same_bits, before, after))


def state_of(learner: Learner) -> tuple[Tensor, ...]:
    """Copies of all weights and of all tensors of the optimiser's state."""
    weights = list(learner.model.parameters())
    kept = [value for values in learner.kernel.averages().values() for value in values]
    return tuple(tensor.detach().clone() for tensor in (*weights, *kept))


def same_bits(left: Tensor, right: Tensor) -> bool:
    """Equal to the bit, so that NaN is itself and 0.0 is not -0.0."""
    return left.dtype == right.dtype and left.numpy().tobytes() == right.numpy().tobytes()


@pytest.fixture(scope="session")
def prices() -> Table:
    return read_table(DATA, folder=Path())


@pytest.fixture(scope="session")
def whole_market(prices: Table) -> Dataset:
    """All rows of the series, with windows of 8 rows."""
    return prepare_last_fold(DATA, prices)


@pytest.fixture
def market(whole_market: Dataset) -> Dataset:
    """The last 160 training rows (five batches of 32), 96 validation rows, arrays of its own."""
    return replace(
        whole_market,
        features=whole_market.features.copy(),
        target=whole_market.target.copy(),
        train=whole_market.train[-160:],
        validation=whole_market.validation[:96],
    )


@pytest.fixture(scope="session")
def naive(whole_market: Dataset) -> Baseline:
    """The best naive forecast of the 96 validation rows."""
    return best_baseline(baseline_losses(whole_market, whole_market.validation[:96], MSE))


@pytest.fixture(params=["torch", "fused"])
def kernel(request: pytest.FixtureRequest) -> str:
    """Each kernel in turn: what holds of a trial holds on every path."""
    return str(request.param)


@pytest.fixture
def settings_of(kernel: str) -> MakeConfig:
    """A quick trial: 8 units, 2 epochs, learning rate 1e-3, no rewind; keyword arguments replace keys."""

    def make(
        *,
        gru: Mapping[str, Any] | None = None,
        training: Mapping[str, Any] | None = None,
        guard: Mapping[str, Any] | None = None,
    ) -> TrialConfig:
        return TrialConfig.model_validate(
            {
                "data": DATA,
                "models": {"gru": {"hidden_size": 8, "learning_rate": 1e-3, **(gru or {})}},
                "training": {"epochs": 2, "kernel": kernel, **(training or {})},
                "guard": {"rewinds": 0, **(guard or {})},
            }
        )

    return make


@pytest.fixture
def run_fit(market: Dataset, naive: Baseline) -> Fit:
    """`fit` on the market, or on other data, against the naive forecast."""

    def run(
        config: TrialConfig,
        data: Dataset = market,
        *,
        ceiling: float = CEILING,
        seed: int = 0,
        on_epoch: Callable[[EpochReport], bool] = lambda report: False,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> TrialResult:
        return fit(
            config,
            data,
            baseline=naive,
            ceiling=ceiling,
            seed=seed,
            on_epoch=on_epoch,
            should_stop=should_stop,
        )

    return run


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> LearnerPatches:
    """Has `fit` use a learner that applies the faults of the lab and shows its state before each step."""
    lab = LearnerPatches()

    class Tampered(Learner):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            lab.learners.append(self)

        def backward(self, batch: Batch) -> StepSignals:
            fault = lab.faults.get(len(lab.states))
            lab.states.append(state_of(self))
            with fault(self, batch) if fault else nullcontext():
                return super().backward(batch)

    monkeypatch.setattr("trainer.training.loop.Learner", Tampered)
    return lab


def numbers_of(result: TrialResult) -> list[float]:
    """Every number that a result offers as honest: of its epochs, its value and its weights."""
    reports = [v for report in result.epochs for v in (*vars(report).values(), *report.fold_losses)]
    reports = [value for value in reports if not isinstance(value, tuple)]
    weights = [] if result.weights is None else [w.flatten().tolist() for w in result.weights.values()]
    told = [
        result.value,
        result.skill,
        *result.final_learning_rates,
        *np.concatenate([[], *result.forecasts]),
    ]
    return [*reports, *np.concatenate([[], *weights]).tolist(), *(x for x in told if x is not None)]


@pytest.fixture
def all_finite() -> Callable[[TrialResult], bool]:
    """Whether no number that a result offers as honest is NaN or infinite."""
    return lambda result: bool(np.isfinite(numbers_of(result)).all())
