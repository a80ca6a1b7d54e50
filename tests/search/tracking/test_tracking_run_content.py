"""What MLflow is told of a trial, as values: no MLflow is needed for it."""

from dataclasses import replace
from datetime import UTC, datetime
from math import inf, nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from search.config.layers import Layer, Override
from search.config.resolve import resolve
from search.selection.summary import MEASURED_FLOOR, summarise
from search.tracking import run_content
from search.watching.publishing.trial_files import trial_yaml
from search.watching.view import TrialView
from storage import query, record, tables
from storage.verdicts import Verdict

if TYPE_CHECKING:
    from tests.search_fixtures import Answer, Launch, WriteStudy

NOON = datetime(2024, 5, 17, 12, tzinfo=UTC)


@pytest.fixture
def view(write_study: "WriteStudy") -> TrialView:
    """A trial that was accepted."""
    path = write_study()
    study = tables.StudyRow(
        name="small",
        created_at=NOON,
        study_file=str(path),
        policy_file="safe_ranges.yaml",
        seed=0,
        fingerprints={},
        versions={},
    )
    trial = tables.Trial(
        study="small",
        number=3,
        params={"models.gru.learning_rate": 2e-3},
        seed=7,
        started_at=NOON,
        worker="here:1:2",
        verdict=Verdict.ACCEPTED,
        value=1.25,
        skill=-0.5,
        best_epoch=1,
        epochs=2,
        finished_at=NOON,
        duration_s=4.5,
    )
    settings = resolve(path).trial(trial.params).settings.values()
    return TrialView(study, trial, list(settings), [], [], [])


def ended(view: TrialView) -> tuple[dict[str, str], dict[str, float]]:
    tags, metrics = run_content.trial_end_content(view, NOON)
    return tags, {point.key: point.value for point in metrics}


def _epoch(number: int, **signals: float) -> tables.Epoch:
    finite = dict.fromkeys(("train_loss", "validation_loss", "skill", "learning_rate", "grad_norm_mean"), 0.5)
    others = dict.fromkeys(("grad_norm_max", "output_max", "movement", "prediction_std_ratio"), 0.5)
    known: dict[str, Any] = {**finite, **others, "steps": 3, "skipped_steps": 0, "seconds": 2.0, **signals}
    return tables.Epoch(study="s", trial=0, epoch=number, **known)


def test_what_is_not_finite_is_left_out_and_an_epoch_has_the_time_that_the_trainer_counted(
    view: TrialView,
) -> None:
    trial = view.trial
    epochs = [_epoch(0, grad_norm_max=inf, train_loss=nan), _epoch(1, seconds=nan), _epoch(2)]
    metrics = run_content.epoch_metrics(trial, epochs)
    assert [p.key for p in metrics if p.step == 0].count("validation_loss") == 1
    assert {p.key for p in metrics if p.step == 0}.isdisjoint({"grad_norm_max", "train_loss"})
    start = run_content.milliseconds(trial.started_at)
    assert {(p.step, p.timestamp - start) for p in metrics} == {(0, 2000), (1, 2000), (2, 4000)}


@pytest.mark.parametrize(
    ("verdict", "status"),
    [
        (Verdict.ACCEPTED, "FINISHED"),
        (Verdict.UNPROMISING, "KILLED"),
        (Verdict.INTERRUPTED, "KILLED"),
        (Verdict.UNSTABLE, "FAILED"),
        (Verdict.SUSPICIOUS, "FAILED"),
        (Verdict.FAILED, "FAILED"),
    ],
)
def test_a_verdict_has_a_status_and_only_what_is_believed_has_a_best_loss(
    view: TrialView, verdict: Verdict, status: str
) -> None:
    view.trial.verdict, view.trial.reasons = verdict, ["first", "second"]
    tags, numbers = ended(view)
    assert run_content.run_status(verdict) == status
    assert (tags["ballast.verdict"], tags["ballast.reasons"]) == (verdict, "first, second")
    assert ("best_loss" in numbers) is (verdict is Verdict.ACCEPTED)
    assert numbers["duration_s"] == 4.5


def test_a_retry_and_a_copy_say_of_what(view: TrialView) -> None:
    view.trial.retry_of, view.trial.source_study, view.trial.source_trial = 0, "other", 7
    tags = run_content.trial_start_tags(view, "parent")
    assert (tags["ballast.retry_of"], tags["ballast.copy_of"]) == ("0", "other, trial 7")


def test_long_texts_are_cut_to_what_mlflow_takes(view: TrialView) -> None:
    long = [replace(s, overrides=(replace(s.overrides[-1], effective="x" * 9000),)) for s in view.settings]
    params = run_content.trial_params(replace(view, settings=long))
    assert {len(value) for value in params.values()} == {6000}
    view.trial.message = "y" * 9000
    assert len(ended(view)[0]["ballast.message"]) == 5000


def test_what_the_guard_cut_is_an_override_and_the_param_stays_what_was_started_with(view: TrialView) -> None:
    key = "models.gru.learning_rate"
    cut = Override(Layer.GUARD, "guard: loss_explosion at epoch 1, step 4", 2e-3, 2e-4, "the loss was 300")
    settings = [replace(s, overrides=(*s.overrides, cut)) if s.key == key else s for s in view.settings]
    cut_view = replace(view, settings=settings)
    assert run_content.trial_params(cut_view)[key] == "0.002"
    assert ended(cut_view)[0][f"ballast.override.{key}"] == (
        "0.002 → 0.0002: the loss was 300 (guard, guard: loss_explosion at epoch 1, step 4)"
    )


def test_a_trial_of_any_verdict_has_a_settings_file(view: TrialView) -> None:
    view.trial.verdict, view.trial.message = Verdict.UNSTABLE, "it exploded\nstudy: {name: x}"
    text = trial_yaml(view)
    assert "# unstable: it exploded\\nstudy: {name: x}\n" in text
    assert "learning_rate: 0.002  # sampled · " in text
    values = yaml.safe_load(text)
    assert values["study"] == {"name": "small", "trials": 2, "seed": 0}
    assert Path(values["data"]["source"]).is_absolute()  # the file may be read anywhere


def test_the_run_of_a_study_has_its_newest_answer_its_rivals_and_both_noise_floors(
    write_study: "WriteStudy", launch: "Launch", answer: "Answer"
) -> None:
    store = launch(write_study()).store

    def told() -> tuple[dict[str, str], dict[str, float]]:
        found = run_content.study_content(
            summarise(store, "small"), query.data_fingerprint(store, "small"), NOON
        )
        return dict(found.tags), {point.key: point.value for point in found.metrics}

    record.set_study_facts(store, "small", {"strongest_rival": None})
    tags, numbers = told()
    assert (tags["ballast.verified"], tags["ballast.strongest_rival"]) == ("not yet", "none")
    assert not {"measured_noise_floor", "best_skill_over_rival", "verified_skill"} & numbers.keys()
    best = summarise(store, "small").best
    assert best is not None
    assert best.value is not None
    rival = {"name": "linear", "loss": 2 * best.value}
    floor = {"skill": 0.05, "trials": 2}
    record.set_study_facts(store, "small", {"strongest_rival": rival, MEASURED_FLOOR: floor})
    answer(store, best.number, "does not hold", 0.0239)
    tags, numbers = told()
    assert tags["mlflow.note.content"].startswith("Does not hold: on unseen rows skill +0.0239 over har")
    assert (tags["ballast.verified"], tags["ballast.skill_shown"]) == ("does not hold", "false")
    assert tags["ballast.strongest_rival"] == "linear"
    assert (numbers["best_skill_over_rival"], numbers["verified_skill"]) == (0.5, 0.0239)
    assert numbers["measured_noise_floor"] == 0.05
    assert numbers["trials_above_naive"] == summarise(store, "small").above_naive
