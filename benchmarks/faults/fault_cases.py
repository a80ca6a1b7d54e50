"""Puts a tampered learner and batches in the trainer's place, and watches every bit that must not move."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import torch

from benchmarks.faults.faults import FEATURE, INPUT, ITEM, TARGET, Fault
from trainer.config import TrialConfig
from trainer.data.windows import Dataset
from trainer.training import loop
from trainer.training.batches import Batch, Batches
from trainer.training.guard import StepSignals
from trainer.training.learner import Learner, LearnerSnapshot, TrialLosses, ValidationResult
from trainer.training.result import TrialResult


@dataclass(frozen=True)
class Moment:
    """When a fault strikes: at steps (0-based), or in the validation pass of an epoch."""

    name: str
    steps: tuple[int, ...] = ()
    epoch: int | None = None


@dataclass
class Case:
    """One trial to be: its fault and moment; then what was seen of it."""

    fault: Fault
    moment: Moment
    data: Dataset | None = None
    result: TrialResult | None = None
    skipped: list[bool] = field(default_factory=list)
    """For each step that was not applied: whether every bit of weights and optimiser state stayed."""
    rewound: list[bool] = field(default_factory=list)
    """For each rewind: whether every bit is that of the snapshot."""
    victim: str | None = None
    """The parameter or the cell that a finding must name."""
    rows: list[int] = field(default_factory=list)
    """Rows of the batch that was struck."""
    sane_at_end: bool = False
    """Whether weights and optimiser state were finite when the trial ended."""

    def strike(self, batch: Batch) -> Batch:
        """The batch as the learner is to see it; remembers what the fault breaks, as a finding would say."""
        assert self.data is not None, "a case strikes within its trial"
        self.rows, self.victim = batch.rows.tolist(), self.fault.victim
        if self.victim in (INPUT, TARGET):
            column = self.data.feature_names[FEATURE] if self.victim == INPUT else "target"
            self.victim = f"{column} at {self.data.where(int(self.rows[ITEM]))}"
        return self.fault.corrupt(batch)


@dataclass
class Rig:
    """The cases to come, by trial; when they are used up, trials run as they are."""

    cases: list[Case]
    began: int = 0

    @property
    def current(self) -> Case:
        """The case of the trial that runs."""
        return self.cases[self.began - 1]

    def begin(self, data: Dataset) -> None:
        """The next trial."""
        self.began += 1
        if self.began > len(self.cases):
            self.cases.append(Case(Fault(), Moment("never")))
        self.current.data = data


def bits(snapshot: LearnerSnapshot) -> list[bytes]:
    """Every bit of weights and optimiser state, so that NaN is itself and 0.0 is not -0.0."""
    averages = [value for state in snapshot.optimizer["state"].values() for value in state.values()]
    return [tensor.numpy().tobytes() for tensor in (*snapshot.weights.values(), *averages)]


@contextmanager
def tampered(cases: list[Case]) -> Iterator[Rig]:
    """While this lasts, the n-th trial is the n-th case."""
    rig = Rig(cases)

    class TamperedBatches(Batches):
        """Hands out batches that the fault of the moment has been at."""

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self._step, self._epoch = 0, -1

        def shuffled(self, batch_size: int) -> Iterator[Batch]:
            self._epoch += 1
            for batch in super().shuffled(batch_size):
                now = self._step in rig.current.moment.steps
                self._step += 1
                yield rig.current.strike(batch) if now else batch

        def validation(self) -> Iterator[Batch]:
            now = self._epoch == rig.current.moment.epoch
            return map(rig.current.strike, super().validation()) if now else super().validation()

    class TamperedLearner(Learner):
        """Computes under the fault of the moment; notices what moves in a step that is not applied."""

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self._step, self._epoch = 0, 0
            self._before: list[bytes] | None = None

        def backward(self, batch: Batch) -> StepSignals:
            self.settle()
            now = self._step in rig.current.moment.steps
            self._step += 1
            with rig.current.fault.around(self) if now else nullcontext():
                self._before = bits(self.snapshot())
                return super().backward(batch)

        def apply(self) -> None:
            self._before = None
            super().apply()

        def validate(self, batches: Any) -> ValidationResult:
            self.settle()
            now = self._epoch == rig.current.moment.epoch
            self._epoch += 1
            with rig.current.fault.around(self) if now else nullcontext():
                return super().validate(batches)

        def restore(self, snapshot: LearnerSnapshot, lr: float) -> None:
            self.settle()
            super().restore(snapshot, lr)
            rig.current.rewound.append(bits(self.snapshot()) == bits(snapshot))

        def settle(self) -> None:
            """If the last step was not applied, see whether anything moved in it."""
            if self._before is not None:
                rig.current.skipped.append(bits(self.snapshot()) == self._before)
            self._before = None

    learners: list[TamperedLearner] = []

    def learner(
        n_features: int, config: TrialConfig, device: torch.device, losses: TrialLosses | None = None
    ) -> Learner:
        learners.append(TamperedLearner(n_features, config, device, losses))
        return learners[-1]

    untouched = loop.fit

    def fit(config: TrialConfig, folds: Sequence[Dataset], **how: Any) -> TrialResult:
        rig.begin(folds[-1])
        rig.current.result = untouched(config, folds, **how)
        learners[-1].settle()
        rig.current.sane_at_end = _is_finite(learners[-1].snapshot())
        return rig.current.result

    with (
        patch("trainer.training.loop.Learner", learner),
        patch("trainer.training.loop.Batches", TamperedBatches),
        patch("trainer.training.loop.fit", fit),
    ):
        yield rig


def _is_finite(snapshot: LearnerSnapshot) -> bool:
    moments = (value for state in snapshot.optimizer["state"].values() for value in state.values())
    return all(bool(torch.isfinite(tensor).all()) for tensor in (*snapshot.weights.values(), *moments))
