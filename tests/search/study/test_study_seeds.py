"""Studies whose trials are trained with several seeds: record, choice, pages, export, rerun and import."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from search.api.model import Model
from search.config.resolve import resolve
from search.errors import StudyChanged
from search.record.continuation import resolve_from_store
from search.record.scored_forecasts import validated_forecasts
from search.record.validation_rows import forecasts, seed_forecasts, validation_rows
from search.seeds import seeds_of_trial, trial_seed
from search.selection.choice import choose_trials
from search.selection.export import write_export
from storage import query
from storage.verdicts import Verdict

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast, Launch, WriteStudy

SEEDS = "study.seeds_per_trial"


def test_the_first_seed_of_a_trial_is_its_own_and_the_others_follow_from_it() -> None:
    one, three, five = (seeds_of_trial(trial_seed(0, 4), count) for count in (1, 3, 5))
    assert one == (trial_seed(0, 4),)
    assert three[:1] == one
    assert five[:3] == three
    assert len(set(five)) == 5


def test_one_seed_is_in_no_digest_and_three_are_in_all(write_study: WriteStudy) -> None:
    plain, one, three = (resolve(write_study(), sets) for sets in ((), (f"{SEEDS}=1",), (f"{SEEDS}=3",)))
    sampled = {"models.gru.learning_rate": 1e-3}
    assert plain.fingerprints() == one.fingerprints()
    assert plain.trial(sampled).digests == one.trial(sampled).digests
    assert three.fingerprints()["settings"] != plain.fingerprints()["settings"]
    assert three.trial(sampled).digest != plain.trial(sampled).digest


@pytest.mark.slow
def test_a_trial_has_the_mean_of_three_trials_with_its_seeds_and_the_record_each_of_them(
    write_study: WriteStudy, launch: Launch
) -> None:
    done = launch(write_study(), "study.trials=2", f"{SEEDS}=3")
    rows = validation_rows(done.store, "small")
    assert rows is not None
    kept, told = seed_forecasts(done.store, "small"), forecasts(done.store, "small")
    of_seeds = query.best_seed_losses(done.store, "small")
    for trial in done.trials:
        assert trial.verdict is Verdict.ACCEPTED
        assert trial.value == fmean(of_seeds[trial.number])
        assert kept[trial.number].shape == (3, len(rows.target))
        np.testing.assert_allclose(
            rows.row_losses(kept[trial.number]).mean(axis=1), of_seeds[trial.number], rtol=1e-5
        )
        assert rows.mean_losses(kept[trial.number]).mean() == pytest.approx(trial.value, rel=1e-5)
        assert rows.losses(told[trial.number]).mean() < trial.value  # a mean forecast errs less
        scored = validated_forecasts(done.store, "small", trial.number)
        assert scored is not None
        assert (scored.seeds, scored.loss.mean()) == (3, pytest.approx(trial.value, rel=1e-5))
        reported = done.study.optuna.trials[trial.number]
        assert reported.value == trial.value
        assert reported.user_attrs["seeds"] == of_seeds[trial.number]
    (chosen,) = choose_trials(done.store, "small")
    assert chosen.why.bound is not None
    assert chosen.why.bound.seeds == 3
    assert chosen.why.bound.mean == pytest.approx(chosen.trial.skill, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("split", [{}, {"method": "walk_forward", "folds": 2}])
def test_an_export_is_trained_again_to_the_same_bits_with_all_its_seeds_and_saved(
    write_study: WriteStudy,
    launch: Launch,
    ballast: Ballast,
    tmp_path: Path,
    split: dict[str, Any],
) -> None:
    done = launch(write_study(data={"split": split}), "study.trials=1", f"{SEEDS}=3")
    target, folder = tmp_path / "best.yaml", tmp_path / "model"
    write_export(done.store, done.trials[0], target)
    assert "seeds_per_trial: 3" in target.read_text()
    answer = ballast("train", target, "--save", folder, "--json")
    told = json.loads(answer.out)
    assert (told["reproduction"], told["value"]) == ("bits", done.trials[0].value)
    assert told["seeds"] == list(seeds_of_trial(done.trials[0].seed, 3))
    model = json.loads((folder / "model.json").read_text())
    assert model["provenance"]["seeds"] == told["seeds"]
    assert Model(folder).description.networks == 3
    assert not Model(folder).description.is_refit
    refused = ballast("train", target, "--save", folder, "--onnx")
    assert refused.code == 2
    assert "3 networks (study.seeds_per_trial), and an ONNX graph holds one" in refused.err


def test_an_export_of_one_seed_does_not_name_the_setting(
    write_study: WriteStudy, launch: Launch, tmp_path: Path
) -> None:
    done = launch(write_study(), "study.trials=1")
    write_export(done.store, done.trials[0], tmp_path / "best.yaml")
    assert "seeds_per_trial" not in (tmp_path / "best.yaml").read_text()
    assert query.best_seed_losses(done.store, "small") == {}


def test_status_list_and_explanation_show_how_far_the_seeds_lie_apart(
    write_study: WriteStudy, launch: Launch, ballast: Ballast
) -> None:
    done = launch(write_study(), "study.trials=1", f"{SEEDS}=3")
    losses = query.best_seed_losses(done.store, "small")[0]
    apart = f"{stdev(losses):.4f}"
    each = ", ".join(f"{loss:.4f}" for loss in losses)
    assert f"{each}; standard deviation {apart}" in ballast("status", "small").out
    assert f"Loss of each seed in the best epoch: {each}" in ballast("explain", "small", "--trial", 0).out
    listed = ballast("trials", "small").out
    assert "seed sd" in listed
    assert apart in listed
    assert json.loads(ballast("trials", "small", "--json").out)[0]["seed_losses"] == losses
    assert json.loads(ballast("status", "small", "--json").out)["best_seed_losses"] == losses


def test_a_configuration_that_was_tried_has_the_seeds_of_its_first_trial(
    write_study: WriteStudy, launch: Launch
) -> None:
    done = launch(
        write_study(
            space={"models.gru.learning_rate": {"choices": [1e-3]}},
            study={"sampler": "random", "startup_trials": None},
        ),
        "study.trials=2",
        f"{SEEDS}=2",
    )
    first, copy = done.trials
    assert (copy.source_trial, copy.seed, copy.value) == (first.number, first.seed, first.value)
    kept = seed_forecasts(done.store, "small")
    assert kept[0].tobytes() == kept[1].tobytes()
    of_seeds = query.best_seed_losses(done.store, "small")
    assert of_seeds[0] == of_seeds[1]


@pytest.mark.slow
def test_a_study_goes_on_with_its_seeds_and_not_with_others(write_study: WriteStudy, launch: Launch) -> None:
    path = write_study()
    launch(path, "study.trials=1", f"{SEEDS}=2")
    done = launch(path, "study.trials=2", f"{SEEDS}=2")
    assert {len(losses) for losses in query.best_seed_losses(done.store, "small").values()} == {2}
    assert resolve_from_store(done.store, "small").file.study.seeds_per_trial == 2
    with pytest.raises(StudyChanged, match=r"study\.seeds_per_trial was 2, is 1"):
        launch(path, "study.trials=2")


@pytest.mark.slow
def test_trials_of_another_number_of_seeds_are_not_taken_over(
    write_study: WriteStudy, launch: Launch, ballast: Ballast
) -> None:
    done = launch(write_study(), "study.trials=1", f"{SEEDS}=2")
    path = write_study("new.yaml", study={"name": "new", "trials": 1})
    refused = ballast("run", path, "--continue-from", "small")
    assert refused.code == 2
    assert "study.seeds_per_trial was 2, is 1" in refused.err
    assert ballast("run", path, "--continue-from", "small", "--set", f"{SEEDS}=2").code == 0
    of_seeds = [query.best_seed_losses(done.store, name)[0] for name in ("small", "new")]
    assert of_seeds[0] == of_seeds[1]
    kept = [seed_forecasts(done.store, name)[0] for name in ("small", "new")]
    assert kept[0].tobytes() == kept[1].tobytes()


@pytest.mark.parametrize(("given", "told"), [("0", "1"), ("1.5", "whole number"), ("101", "100")])
def test_a_number_of_seeds_that_cannot_be_is_refused_in_a_sentence(
    write_study: WriteStudy, ballast: Ballast, given: str, told: str
) -> None:
    refused = ballast("run", write_study(), "--set", f"{SEEDS}={given}")
    assert refused.code == 2
    assert SEEDS in refused.err
    assert told in refused.err
