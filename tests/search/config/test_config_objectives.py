"""Which objectives a study can have, and the one sentence that refuses each of the others."""

import pytest

from search.config.files.shipped import CONFIGS
from search.config.resolve import resolve
from search.config.resolved_study import ResolvedStudy
from search.errors import ConfigError

SMOKE = CONFIGS / "studies/smoke.yaml"
"""Its target is a volatility, its split a holdout."""


def smoke_with(*sets: str) -> ResolvedStudy:
    return resolve(SMOKE, list(sets))


def test_the_loss_alone_is_the_default_and_changes_no_digest() -> None:
    assert smoke_with().file.study.objectives == ("loss",)
    assert smoke_with("study.objectives=[loss]").fingerprints() == smoke_with().fingerprints()


def test_objectives_are_named_plainly_or_as_metrics() -> None:
    several = smoke_with("study.objectives=[loss, {metric: seconds}, parameters]")
    assert several.file.study.objectives == ("loss", "seconds", "parameters")
    assert several.fingerprints()["settings"] != smoke_with().fingerprints()["settings"]


@pytest.mark.parametrize(
    ("sets", "says"),
    [
        (["study.objectives=[seconds]"], "the first objective must be loss"),
        (["study.objectives=[seconds, loss]"], "the first objective must be loss"),
        (["study.objectives=[]"], "the first objective must be loss"),
        (["study.objectives=[loss, speed]"], "it must be 'loss', 'turnover', 'seconds'"),
        (["study.objectives=[loss, seconds, seconds]"], "seconds is named twice"),
        (["study.objectives=[loss, turnover]"], "the target is no return"),
        (["study.objectives=[loss, worst_fold]"], "holdout has a single fold"),
        (
            ["study.objectives=[loss, seconds]", "study.sampler=cmaes"],
            "study.sampler is cmaes, which can minimise one objective alone",
        ),
        (
            ["study.objectives=[loss, turnover, seconds, parameters, worst_fold]"],
            "it names 5 objectives; with more than 4",
        ),
    ],
)
def test_an_impossible_list_is_refused_in_one_sentence(sets: list[str], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        smoke_with(*sets)
