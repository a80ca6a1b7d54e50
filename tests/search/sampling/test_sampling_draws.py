"""The record says who drew each value: observed in studies that every sampler really runs."""

from typing import TYPE_CHECKING, Any

import optuna
import pytest
from optuna.samplers import RandomSampler

from search.record.row_mapping import settings_from_rows
from search.signals import StopRequest
from storage import query

if TYPE_CHECKING:
    from tests.search_fixtures import Launch, Launched, WriteStudy

LR, DROPOUT, SIZE = "models.gru.learning_rate", "models.gru.dropout", "models.gru.hidden_size"
MIXED: dict[str, Any] = {
    LR: {"low": 1e-3, "high": 1e-2, "log": True},
    DROPOUT: {"low": 0.0, "high": 0.2},
    SIZE: {"choices": [3, 4]},
}


def reasons(done: "Launched", trial: int) -> dict[str, str]:
    """The reason on record of each sampled value of a trial."""
    settings = settings_from_rows(query.setting_layers(done.store, "small", trial))
    return {
        setting.key: next(
            override.reason for override in reversed(setting.overrides) if override.layer == "sampled"
        )
        for setting in settings
        if setting.key in MIXED and any(override.layer == "sampled" for override in setting.overrides)
    }


def section(sampler: str, **more: Any) -> dict[str, Any]:
    learns = sampler in ("tpe", "gp", "cmaes")
    return {"sampler": sampler, "trials": 5, "startup_trials": 2 if learns else None, **more}


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["tpe", "gp", "cmaes", "random", "qmc"])
def test_what_the_record_calls_random_is_what_the_random_sampler_was_asked_for(
    write_study: "WriteStudy", launch: "Launch", monkeypatch: pytest.MonkeyPatch, sampler: str
) -> None:
    asked: list[set[str]] = []
    before, genuine = optuna.Trial.__init__, RandomSampler.sample_independent

    def begin(self: optuna.Trial, *args: Any) -> None:
        asked.append(set())
        before(self, *args)

    def draw(self: RandomSampler, study: Any, trial: Any, name: str, distribution: Any) -> Any:
        asked[-1].add(name)
        return genuine(self, study, trial, name, distribution)

    monkeypatch.setattr(optuna.Trial, "__init__", begin)
    monkeypatch.setattr(RandomSampler, "sample_independent", draw)
    done = launch(write_study(study=section(sampler), space=MIXED))
    told = [
        {key for key, reason in reasons(done, n).items() if reason.startswith("drawn at random")}
        for n in range(5)
    ]
    assert told == asked
    others = {reason for n in range(5) for key, reason in reasons(done, n).items() if key not in asked[n]}
    assert others <= {f"drawn by {sampler}"}


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["tpe", "gp"])
def test_the_first_draws_are_random_and_the_sampler_draws_the_rest(
    write_study: "WriteStudy", launch: "Launch", sampler: str
) -> None:
    done = launch(write_study(study=section(sampler), space=MIXED))
    assert set(reasons(done, 0).values()) == {f"drawn at random (start-up of {sampler})"}
    assert set(reasons(done, 1).values()) == {f"drawn at random (start-up of {sampler})"}
    assert set(reasons(done, 4).values()) == {f"drawn by {sampler}"}


@pytest.mark.slow
def test_cmaes_draws_numbers_and_leaves_choices_to_chance(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    done = launch(write_study(study=section("cmaes"), space=MIXED))
    assert reasons(done, 4) == {
        LR: "drawn by cmaes",
        DROPOUT: "drawn by cmaes",
        SIZE: "drawn at random (cmaes does not draw choices)",
    }
    assert reasons(done, 0)[LR] == "drawn at random (start-up of cmaes)"


def test_a_study_of_choices_alone_is_never_drawn_by_cmaes(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    space = {SIZE: MIXED[SIZE], LR: {"choices": [1e-3, 2e-3, 3e-3]}}
    done = launch(write_study(study=section("cmaes"), space=space))
    told = {reason for n in range(5) for reason in reasons(done, n).values()}
    assert told == {"drawn at random (cmaes does not draw choices)"}


def test_a_grid_draws_every_value_of_its_own(write_study: "WriteStudy", launch: "Launch") -> None:
    space = {SIZE: MIXED[SIZE], LR: {"choices": [1e-3, 2e-3]}}
    done = launch(write_study(study=section("grid", trials=4), space=space))
    assert {reason for n in range(4) for reason in reasons(done, n).values()} == {"drawn by grid"}


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["tpe", "grid"])
def test_what_a_queued_configuration_leaves_open_is_drawn_and_said_to_be(
    write_study: "WriteStudy", launch: "Launch", sampler: str
) -> None:
    space = {SIZE: MIXED[SIZE], LR: {"choices": [1e-3, 2e-3]}}
    done = launch(write_study(study=section(sampler, trials=4, enqueue=[{SIZE: 4}]), space=space))
    told = reasons(done, 0)
    assert told[SIZE] == "asked for in the queue"
    assert told[LR] == {"tpe": "drawn at random (start-up of tpe)", "grid": "drawn by grid"}[sampler]
    if sampler == "grid":
        assert len({tuple(sorted(row.params.items())) for row in done.trials}) == 4


@pytest.mark.slow
def test_a_retry_says_who_drew_its_values_first(write_study: "WriteStudy", launch: "Launch") -> None:
    path, asks = write_study(), iter(range(1000))
    launch(path, should_stop=lambda: next(asks) >= 3)
    done = launch(path, should_stop=StopRequest())
    assert done.trials[1].retry_of == 0
    assert reasons(done, 1)[LR] == (
        "taken up again from trial 0, where it was drawn at random (start-up of tpe)"
    )
