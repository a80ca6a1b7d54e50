"""What the validation rows of a study are worth, from its facts on record."""

from collections.abc import Mapping
from typing import Any

from trainer.losses import MSE, recorded_loss
from trainer.rivals.skill import EffectiveRows, noise_floor


def recorded_effective_rows(facts: Mapping[str, Any]) -> EffectiveRows | None:
    """What the validation rows of a panel are worth; None for a single series."""
    found = facts.get("effective_rows")
    return None if found is None else EffectiveRows(**found)


def recorded_noise_floor(facts: Mapping[str, Any], attempts: int) -> float:
    """Skill that the luckiest of `attempts` ≥ 1 epochs without skill would show on a study's validation rows.

    Of a panel the rows count as many as they are worth. The formula is of squared errors. For another loss it
    is converted as if errors were normal, and holds only until the floor is measured.
    """
    panel = recorded_effective_rows(facts)
    if panel is None:
        share = noise_floor(attempts, facts["rows"]["validation"], facts["horizon"])
    else:
        share = noise_floor(attempts, panel.uncorrelated, panel.horizon)
    metric = recorded_loss(facts.get("metric"))
    return share if metric.name == MSE.name else metric.skill_of_share(min(share, 1.0))
