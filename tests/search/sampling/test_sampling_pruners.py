"""No trial is pruned because it is worse than the one other that happened to come as far."""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.pruners import BasePruner, MedianPruner
from optuna.trial import TrialState

from search.config.schema import PrunerName, StudySection
from search.sampling.pruners import make_pruner
from search.sampling.tell import silence_optuna_warnings

CURVES: list[list[float]] = json.loads(Path(__file__).with_name("learning_curves.json").read_text())
"""Validation losses by epoch of 60 random trials on `sample:sp500`, until four epochs brought no progress."""


def pruner(name: PrunerName = "median", epochs: int = 150, **settings: Any) -> BasePruner:
    with silence_optuna_warnings():
        return make_pruner(StudySection(name="pruned", pruner=name, **settings), epochs)


def new(pruner: BasePruner) -> optuna.Study:
    with silence_optuna_warnings():
        return optuna.create_study(study_name="pruned", pruner=pruner)


def train(study: optuna.Study, losses: Sequence[float], verdict: str = "accepted") -> int | None:
    """Train one trial along its curve; the epoch that it was pruned in."""
    trial = study.ask()
    for epoch, loss in enumerate(losses):
        trial.report(loss, epoch)
        if trial.should_prune():
            study.tell(trial, state=TrialState.PRUNED)
            return epoch
    trial.set_user_attr("verdict", verdict)
    study.tell(trial, min(losses))
    return None


def judged_by(pruner: BasePruner, order: Sequence[int]) -> dict[int, int]:
    """The curves that are pruned, with how many others were trained as far."""
    study, whole, pruned = new(pruner), list[list[float]](), dict[int, int]()
    for curve in order:
        epoch = train(study, CURVES[curve])
        if epoch is None:
            whole.append(CURVES[curve])
        else:
            pruned[curve] = sum(epoch < len(other) for other in whole)
    return pruned


@pytest.mark.parametrize(("seed", "startup"), [(56, 6), (51, 2), (66, 2), (104, 2)])
def test_no_trial_of_the_top_decile_is_pruned_by_a_median_of_one(seed: int, startup: int) -> None:
    order = list(range(len(CURVES)))
    random.Random(seed).shuffle(order)
    order = order[:40]
    best = set(sorted(order, key=lambda curve: min(CURVES[curve]))[:4])
    optunas = judged_by(MedianPruner(startup, n_warmup_steps=3), order)
    assert any(optunas.get(curve) == 1 for curve in best), "what Optuna's own pruner does to it"
    ours = judged_by(pruner(startup_trials=startup), order)
    assert all(ours.get(curve) != 1 for curve in best)
    assert len(ours) > 10, "poor trials are still pruned"


def test_trials_that_ended_by_themselves_count_at_later_epochs_with_their_best_loss() -> None:
    study = new(pruner(startup_trials=4, pruner_warmup=0))
    for best in (0.5, 0.6, 0.7, 0.8):
        assert train(study, [1.0, best]) is None
    beyond = [0.6, 0.6, 0.6]
    assert train(study, [*beyond, 0.6, 0.6]) is None, "0.6 is below 0.65, the median of what they came to"
    assert train(study, [0.61, 0.61, 0.61]) == 1, "and 0.61 above the median with that trial"


def test_a_trial_that_was_pruned_counts_only_as_far_as_it_came() -> None:
    study = new(pruner(startup_trials=1, pruner_warmup=0, pruner_min_trials=2))
    for _ in range(2):
        train(study, [0.1, 0.1], verdict="unpromising")
    assert train(study, [0.1, 0.1, 0.9, 0.9]) is None
    assert train(study, [0.2]) == 0


@pytest.mark.parametrize("least", [1, 2, 3])
def test_a_median_needs_as_many_trials_as_are_asked_for(least: int) -> None:
    study = new(pruner(startup_trials=1, pruner_warmup=0, pruner_min_trials=least))
    pruned = [train(study, [0.1 + n, 0.1 + n]) for n in range(4)]
    assert pruned.index(0) == least


def test_a_patient_pruner_needs_them_too() -> None:
    patient = pruner("patient", startup_trials=1, pruner_warmup=0, pruner_patience=1)
    study = new(patient)
    assert [train(study, [0.1 + n] + [0.2 + n] * 5) for n in range(6)] == [None] * 4 + [2, 2]


def test_hyperband_stops_no_trial_at_a_rung_that_few_have_reached() -> None:
    bare = new(optuna.pruners.HyperbandPruner(min_resource=1, max_resource=2))
    assert train(bare, [0.1] * 3) is None
    assert train(bare, [0.2] * 3) is not None, "what Optuna's own does to the second trial"
    study = new(pruner("hyperband", epochs=2, pruner_warmup=1))
    pruned = [train(study, [0.1 + n] * 3) for n in range(8)]
    assert pruned[:4] == [None] * 4
    assert any(epoch is not None for epoch in pruned[4:])


def test_fewer_than_one_trial_is_refused() -> None:
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        StudySection(name="pruned", pruner_min_trials=0)
