"""What a study can minimise beside its loss: the closed set of names, what each means, and which are refused.

The loss is always the first objective: it alone is reported, prunes, is judged, and decides the best trial.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

ObjectiveName = Literal["loss", "turnover", "seconds", "parameters", "worst_fold"]
SelectionRule = Literal["robust", "value", "knee", "loss", "turnover", "seconds", "parameters", "worst_fold"]
"""How the trial to export is chosen: `knee` and the objectives choose from the Pareto front."""
RULES: tuple[SelectionRule, ...] = get_args(SelectionRule)

OBJECTIVES = "study.objectives"
LOSS: Literal["loss"] = "loss"
LOSS_ALONE: tuple[ObjectiveName, ...] = (LOSS,)
MOST_OBJECTIVES = 4
"""With more, nearly every trial lies on the front (Ishibuchi et al. 2008), and nothing is chosen."""


@dataclass(frozen=True)
class Objective:
    """What an objective measures. All are minimised."""

    label: str
    """For axes and tables, with its unit."""
    formula: str
    decimals: int
    reproducible: bool = True
    """Whether a rerun of the trial must find the same value."""

    def text(self, value: float | None) -> str:
        """A value as people read it."""
        return "–" if value is None else f"{value:,.{self.decimals}f}"


OBJECTIVE: Mapping[str, Objective] = {
    "loss": Objective("validation loss", "the loss that judges the trial, in its best epoch", 6),
    "turnover": Objective(
        "turnover, share of the stake per row",
        "mean |change of the sign of the forecast| / 2 per row of the validation rows, 0 to 1",
        4,
    ),
    "seconds": Objective(
        "seconds of training", "time in training and validation; it differs from run to run", 2, False
    ),
    "parameters": Objective("weights of the network", "number of trained weights of one network", 0),
    "worst_fold": Objective("loss of the worst fold", "the largest loss of a fold in the best epoch", 6),
}


def objective_name(value: object) -> object:
    """`turnover` for `{metric: turnover}`; anything else is returned unchanged."""
    return value["metric"] if isinstance(value, dict) and value.keys() == {"metric"} else value


def require_objectives(names: tuple[ObjectiveName, ...]) -> None:
    """Raise ValueError, with the reason, for a list of objectives that no study can have."""
    if LOSS not in names or names[0] != LOSS:
        raise ValueError("the first objective must be loss: it judges trials and prunes them")
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"{twice[0]} is named twice")
    if len(names) > MOST_OBJECTIVES:
        raise ValueError(
            f"it names {len(names)} objectives; with more than {MOST_OBJECTIVES} nearly every trial is on "
            "the front"
        )


def refused_objectives(values: Mapping[str, Any]) -> str | None:
    """Why a study with these settings cannot have its objectives, in one sentence; None if it can."""
    names = values[OBJECTIVES]
    if len(names) == 1:
        return None
    if values["study.sampler"] == "cmaes":
        return (
            f"study.sampler is cmaes, which can minimise one objective alone, and {OBJECTIVES} has "
            f"{len(names)}; use another one: --set study.sampler=tpe"
        )
    kind = values.get("data.target.kind")
    if "turnover" in names and kind != "return":
        return (
            f"{OBJECTIVES} names turnover, and the target is no return (data.target.kind is {kind}), so its "
            "sign is no position; leave turnover out"
        )
    if "worst_fold" in names and values.get("data.split.method") == "holdout":
        return (
            f"{OBJECTIVES} names worst_fold, and data.split.method holdout has a single fold; leave it out, "
            "or use several: --set data.split.method=walk_forward"
        )
    return None
