"""The importance of settings that only some trials have."""

from datetime import UTC, datetime
from typing import Any

import numpy as np

from search.config.conditions import Condition
from search.config.space import Dimension, FloatRange, IntRange
from search.selection.setting_importances import setting_importances
from storage import tables
from storage.verdicts import Verdict

SPACE: dict[str, Dimension] = {
    "depth": IntRange(1, 2),
    "dropout": FloatRange(0.0, 1.0, when=(Condition("depth", (2,)),)),
    "noise": FloatRange(0.0, 1.0),
}


def trials(count: int, *, idle: bool) -> list[tables.Trial]:
    """Trials whose loss is decided by the dropout where there is one."""
    random, found = np.random.default_rng(0), []
    for number in range(count):
        depth = 1 if idle else 1 + number % 2
        params: dict[str, Any] = {"depth": depth, "noise": float(random.uniform())}
        if depth == 2:
            params["dropout"] = float(random.uniform())
        found.append(
            tables.Trial(
                study="s",
                number=number,
                seed=1,
                started_at=datetime(2024, 5, 17, tzinfo=UTC),
                worker="w",
                params=params,
                verdict=Verdict.ACCEPTED,
                value=1.0 + params.get("dropout", 0.5) + 0.01 * params["noise"],
            )
        )
    return found


def test_a_setting_counts_in_the_trials_that_have_it_and_idle_trials_stay() -> None:
    found = setting_importances(trials(120, idle=False), SPACE)
    assert found is not None
    assert found.trials == 120
    assert {each.key for each in found.settings} == {"depth", "dropout", "noise"}
    shares = {each.key: each for each in found.settings}
    assert shares["dropout"].share > shares["dropout"].luck
    assert shares["noise"].share < shares["dropout"].share


def test_a_setting_that_was_idle_in_every_trial_has_no_importance() -> None:
    found = setting_importances(trials(60, idle=True), SPACE)
    assert found is None or "dropout" not in {each.key for each in found.settings}
