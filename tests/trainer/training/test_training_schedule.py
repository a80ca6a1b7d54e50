"""A learning rate that falls over the epochs: what the steps use, what the guard cuts, what comes again."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import torch

from search.verdict import judge
from storage.verdicts import Verdict
from trainer.kernels import compiled
from trainer.kernels.self_test import compile_kernel
from trainer.training.batches import Batch
from trainer.training.learner import Learner
from trainer.training.loop import fit, refit
from trainer.training.schedule import learning_rate_factor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.trainer.fit_fixtures import LearnerPatches, MakeConfig
    from trainer.config import TrialConfig
    from trainer.data.windows import Dataset
    from trainer.rivals.skill import Baseline
    from trainer.training.result import TrialResult

RATE = 3e-3
STEPS = 5
"""Batches of an epoch: 160 rows by 32."""
CEILING = 0.9


@pytest.fixture
def cosine(settings_of: MakeConfig) -> TrialConfig:
    """Four epochs whose learning rate falls to 0."""
    return settings_of(
        gru={"learning_rate": RATE}, training={"schedule": "cosine", "epochs": 4, "patience": 4}
    )


@pytest.fixture
def rates(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The learning rate that the optimiser uses in each step, as the optimiser itself says."""
    seen: list[float] = []
    compile_kernel()  # or its own call would be seen
    step, update = torch.optim.AdamW.step, compiled.update

    def watched(self: torch.optim.AdamW, *args: Any) -> Any:
        seen.append(self.param_groups[0]["lr"])
        return step(self, *args)

    def watched_too(flat: Any, gradient: Any, averages: Any, scale: float, lr: float, *others: Any) -> None:
        seen.append(lr)
        update(flat, gradient, averages, scale, lr, *others)

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    monkeypatch.setattr(compiled, "update", watched_too)
    return seen


def rated(share: float) -> Any:
    return pytest.approx(share * RATE, rel=1e-12)


def test_a_constant_schedule_uses_all_of_the_rate_at_every_step() -> None:
    assert {learning_rate_factor("constant", step, 100) for step in range(100)} == {1.0}


def test_a_cosine_begins_with_all_of_the_rate_and_ends_with_nearly_none() -> None:
    shares = [learning_rate_factor("cosine", step, 100) for step in range(100)]
    assert shares[0] == 1.0
    assert shares[50] == pytest.approx(0.5)
    assert 0 < shares[99] < 3e-4
    assert shares == sorted(shares, reverse=True)


def test_every_step_of_a_trial_uses_what_the_schedule_leaves(
    cosine: TrialConfig, market: Dataset, naive: Baseline, rates: list[float]
) -> None:
    result = fit(cosine, market, baseline=naive, ceiling=CEILING, seed=0)
    assert rates == [rated(learning_rate_factor("cosine", step, 4 * STEPS)) for step in range(4 * STEPS)]
    assert [epoch.learning_rate for epoch in result.epochs] == rates[STEPS - 1 :: STEPS]


def test_the_last_epoch_counts_where_the_rate_falls_and_the_best_where_it_does_not(
    settings_of: MakeConfig, market: Dataset, naive: Baseline
) -> None:
    training = {"epochs": 8, "patience": 8}
    best, last = [
        fit(
            settings_of(gru={"learning_rate": 1e-2}, training={**training, "schedule": schedule}),
            market,
            baseline=naive,
            ceiling=CEILING,
            seed=1,
        )
        for schedule in ("constant", "cosine")
    ]
    losses = [epoch.validation_loss for epoch in best.epochs]
    assert best.best_epoch == losses.index(min(losses)) != 7
    assert (last.best_epoch, last.value) == (7, last.epochs[7].validation_loss)
    assert min(epoch.validation_loss for epoch in last.epochs) < last.epochs[7].validation_loss


def test_patience_ends_no_trial_whose_rate_falls(
    settings_of: MakeConfig, market: Dataset, naive: Baseline
) -> None:
    config = settings_of(
        gru={"learning_rate": 1e-2}, training={"epochs": 8, "patience": 1, "schedule": "cosine"}
    )
    assert len(fit(config, market, baseline=naive, ceiling=CEILING, seed=5).epochs) == 8


def test_a_falling_rate_is_no_override_that_did_not_apply(
    cosine: TrialConfig, market: Dataset, naive: Baseline
) -> None:
    result = fit(cosine, market, baseline=naive, ceiling=CEILING, seed=0)
    judgement = judge(result, {"models.gru.learning_rate": RATE})
    assert (judgement.verdict, judgement.message[:7]) == (Verdict.ACCEPTED, "trained")
    assert result.final_learning_rates == (RATE,)


def test_a_cut_of_the_guard_holds_under_the_schedule(
    settings_of: MakeConfig, market: Dataset, naive: Baseline, rates: list[float], lab: LearnerPatches
) -> None:
    config = settings_of(gru={"learning_rate": RATE}, training={"schedule": "cosine"}, guard={"lr_cut": 0.5})

    @contextmanager
    def broken(learner: Learner, batch: Batch) -> Iterator[None]:
        kept = batch.y.clone()
        batch.y.fill_(torch.nan)
        yield
        batch.y.copy_(kept)

    lab.faults[3] = broken
    result = fit(config, market, baseline=naive, ceiling=CEILING, seed=0)
    left = [1.0] * 3 + [0.5] * 6  # step 3 is skipped
    steps = [step for step in range(2 * STEPS) if step != 3]
    assert rates == [
        rated(cut * learning_rate_factor("cosine", step, 10)) for cut, step in zip(left, steps, strict=True)
    ]
    assert judge(result, {"models.gru.learning_rate": RATE}).verdict is Verdict.ACCEPTED


def test_a_foreign_rate_is_seen_under_the_schedule(
    cosine: TrialConfig, market: Dataset, naive: Baseline, lab: LearnerPatches
) -> None:
    @contextmanager
    def foreign(learner: Learner, batch: Batch) -> Iterator[None]:
        learner.lr = 1e-3
        yield

    lab.faults[6] = foreign
    result = fit(cosine, market, baseline=naive, ceiling=CEILING, seed=0)
    assert "later found to be 0.001" in judge(result, {"models.gru.learning_rate": RATE}).message


def test_a_trial_goes_on_from_its_checkpoint_at_the_rate_where_it_stopped(
    cosine: TrialConfig, market: Dataset, naive: Baseline, tmp_path: Path
) -> None:
    def train(**how: Any) -> TrialResult:
        return fit(cosine, market, baseline=naive, ceiling=CEILING, seed=0, **how)

    whole, file = train(), tmp_path / "trial"
    train(checkpoint=file, on_epoch=lambda report: report.epoch == 1)
    resumed = train(checkpoint=file)
    assert resumed.resumed_from == 1
    assert resumed.value == whole.value
    assert [epoch.learning_rate for epoch in resumed.epochs] == [e.learning_rate for e in whole.epochs]


def test_a_refit_learns_at_the_rates_of_the_epochs_that_were_validated(
    cosine: TrialConfig, market: Dataset, rates: list[float]
) -> None:
    assert refit(cosine, market, epochs=2, seed=0).forecasts is not None
    assert rates == [rated(learning_rate_factor("cosine", step, 4 * STEPS)) for step in range(2 * STEPS)]
