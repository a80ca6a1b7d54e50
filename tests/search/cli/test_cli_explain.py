"""Every value of a trial is traced: one study with a setting from each layer, and the promised shapes."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from trainer.training.batches import Batch
from trainer.training.guard import StepSignals
from trainer.training.learner import Learner

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast, WriteStudy

LR = "models.gru.learning_rate"


@pytest.fixture
def settings(
    write_study: "WriteStudy", ballast: "Ballast", monkeypatch: pytest.MonkeyPatch
) -> dict[str, dict[str, Any]]:
    """`explain --trial 0 --json` by key, of a trial that the guard had to save once."""
    genuine, count = Learner.backward, iter(range(10**6))

    def backward(learner: Learner, batch: Batch) -> StepSignals:
        signals = genuine(learner, batch)
        return signals._replace(loss=float("nan")) if next(count) == 1 else signals

    monkeypatch.setattr(Learner, "backward", backward)
    space = {LR: {"low": 1e-3, "high": 0.1, "log": True}}
    path = write_study(space=space, models={"gru": {"dropout": 0.9}}).name
    run = ballast("run", path, "--trials", 1, "--set", "training.max_grad_norm=0.5")
    assert run.code == 0, run.err
    return {entry["key"]: entry for entry in ballast("explain", "small", "--trial", 0, "--json").json}


def test_explain_has_exactly_the_promised_shape(settings: dict[str, dict[str, Any]]) -> None:
    for entry in settings.values():
        assert list(entry) == ["key", "value", "layer", "origin", "requested", "reason", "overrides"]
        for act in entry["overrides"]:
            assert list(act) == ["layer", "origin", "requested", "effective", "reason"]
        last = entry["overrides"][-1]
        assert (entry["value"], entry["layer"]) == (last["effective"], last["layer"])


LAYERS = {
    "data.feature_clip": (["default"], "trainer.config"),
    "models.gru.num_layers": (["default", "base"], "configs/base.yaml:"),
    "models.gru.hidden_size": (["default", "base", "study"], "study.yaml:"),
    "training.max_grad_norm": (["default", "base", "cli"], "--set training.max_grad_norm=0.5"),
    "study.trials": (["default", "base", "study", "cli"], "--set study.trials=1"),
    "models.gru.dropout": (["default", "base", "study", "clamp"], "configs/safe_ranges.yaml:"),
    f"space.{LR}": (["study", "clamp"], "configs/safe_ranges.yaml:"),
    LR: (
        ["default", "base", "sampled", "clamp", "sampled", "guard"],
        "guard: nonfinite_loss at epoch 0, step 1",
    ),
}


def test_each_layer_is_found_in_the_stack_of_a_setting(settings: dict[str, dict[str, Any]]) -> None:
    found = {key: [act["layer"] for act in settings[key]["overrides"]] for key in LAYERS}
    assert found == {key: layers for key, (layers, _) in LAYERS.items()}
    assert [
        key for key, (_, origin) in LAYERS.items() if not settings[key]["origin"].startswith(origin)
    ] == []


def test_every_setting_of_a_trial_is_listed(settings: dict[str, dict[str, Any]]) -> None:
    from search.config.schema import LEAVES

    assert settings.keys() == LEAVES.keys() | {f"space.{LR}"}
    assert settings["models.gru.dropout"]["requested"] == 0.9
    assert settings["models.gru.dropout"]["value"] == 0.5


def test_one_key_is_shown_with_all_its_layers_and_a_wrong_one_with_the_nearest(
    settings: dict[str, dict[str, Any]], ballast: "Ballast"
) -> None:
    shown = ballast("explain", "small", "--key", "models.gru.dropout")
    assert [word for word in ("default", "base", "study", "clamp") if word not in shown.out] == []
    wrong = ballast("explain", "small", "--key", "models.gru.dropuot")
    assert wrong.code == 2
    assert wrong.told == [
        "ballast: the study has no setting 'models.gru.dropuot'; did you mean models.gru.dropout? "
        "Leave --key out to see all"
    ]
    assert Path("ballast.db").exists()


def test_the_clamp_of_a_dimension_is_a_layer_of_what_is_searched(
    settings: dict[str, dict[str, Any]], ballast: "Ballast"
) -> None:
    declared, left = ({"low": 1e-3, "high": high, "log": True} for high in (0.1, 0.01))
    sampled, clamp = settings[LR]["overrides"][2:4]
    assert (sampled["requested"], sampled["effective"]) == (declared, declared)
    assert (clamp["requested"], clamp["effective"]) == (declared, left)
    for of in ((), ("--trial", 0)):
        told = ballast("explain", "small", "--key", LR, *of).out
        (cut,) = [line for line in told.splitlines() if line.startswith(("│  clamp", "▶  clamp"))]
        assert "0.001 to 0.1 (log) → 0.001 to 0.01 (log)" in cut
        silent = next(line for line in told.splitlines() if "silent" in line)
        assert "clamp" not in silent
