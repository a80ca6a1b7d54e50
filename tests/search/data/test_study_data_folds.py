"""Studies with several folds, on the real S&P 500, to the record and back; and why means are told."""

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
import pytest
from optuna.pruners import MedianPruner
from optuna.trial import TrialState

from search.config.resolve import resolve
from search.data.study_data import inspect_data, load_study_data
from search.errors import ConfigError, RequestError, StudyChanged
from search.record.row_mapping import best_epoch, fold_losses
from search.record.validation_rows import forecasts, validation_rows
from search.watching.blocks import Paragraph
from search.watching.pages.notes import trial_note
from search.watching.view import trial_view
from storage import query
from storage.engine import Store
from storage.verdicts import Verdict

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast, Launch, Launched, WriteStudy

WALK: dict[str, Any] = {"method": "walk_forward", "folds": 3}
CPCV: dict[str, Any] = {"method": "cpcv", "groups": 4, "held_out": 2}
FOLDS = {"walk_forward": 3, "cpcv": 6}
BOTH = pytest.mark.parametrize("split", [WALK, CPCV], ids=lambda split: str(split["method"]))


def on_real_rows(split: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The small study on the first years of the S&P 500: 452 usable rows to train on, 302 to validate on."""
    shares = {"fractions": {"train": 0.09, "validation": 0.06}}
    return {"data": {"source": "sample:sp500", "seq_len": 4, "split": {**shares, **split}}, **changes}


def mean_loss_of(store: Store, trial: int) -> float:
    """A trial's value, made again of what is kept of it: the mean over folds of the mean over rows."""
    rows = validation_rows(store, "small")
    assert rows is not None
    losses = rows.losses(forecasts(store, "small")[trial])
    return float(np.mean([losses[rows.folds == fold].mean() for fold in np.unique(rows.folds)]))


@BOTH
def test_the_record_gives_the_value_of_every_trial_again(
    split: dict[str, Any], write_study: "WriteStudy", launch: "Launch"
) -> None:
    done = launch(write_study(**on_real_rows(split)))
    count = FOLDS[split["method"]]
    assert query.study(done.store, "small").facts["folds"] == count
    for trial in done.trials:
        assert trial.verdict is Verdict.ACCEPTED
        assert trial.value == pytest.approx(mean_loss_of(done.store, trial.number), rel=1e-6)
        epochs = query.epochs(done.store, "small", trial.number)
        assert {len(epoch.fold_losses) for epoch in epochs} == {count}
        told = {epoch.epoch: float(np.mean(epoch.fold_losses)) for epoch in epochs}
        assert done.study.optuna.trials[trial.number].intermediate_values == pytest.approx(told)
        folds = done.study.optuna.trials[trial.number].user_attrs["folds"]
        assert tuple(folds) == fold_losses(best_epoch(epochs, trial.best_epoch))
        assert np.mean(folds) == pytest.approx(trial.value)


@pytest.mark.slow
@BOTH
def test_the_rows_on_record_have_the_loss_of_the_best_naive_forecast(
    split: dict[str, Any], write_study: "WriteStudy", launch: "Launch"
) -> None:
    done = launch(write_study(**on_real_rows(split, study={"trials": 1})))
    rows = validation_rows(done.store, "small")
    assert rows is not None
    losses = rows.baseline_losses
    naive = np.mean([losses[rows.folds == fold].mean() for fold in np.unique(rows.folds)])
    assert naive == pytest.approx(query.study(done.store, "small").facts["baseline"]["loss"])
    held = query.study(done.store, "small").facts["rows"]["validation"]
    assert len(np.unique(rows.times)) == len(rows.by_time(losses)) == held
    assert len(rows.times) == held * (3 if split["method"] == "cpcv" else 1)


def test_a_study_of_one_fold_has_no_folds_to_tell(write_study: "WriteStudy", launch: "Launch") -> None:
    done = launch(write_study(**on_real_rows({}, study={"trials": 1})))
    (trial,) = done.trials
    assert trial.value == pytest.approx(mean_loss_of(done.store, 0), rel=1e-6)
    assert "folds" not in done.study.optuna.trials[0].user_attrs


def test_the_same_configuration_gets_its_folds_again(write_study: "WriteStudy", launch: "Launch") -> None:
    space = {"models.gru.hidden_size": {"choices": [4]}}
    done = launch(
        write_study(**on_real_rows(WALK, study={"sampler": "random", "startup_trials": None}, space=space))
    )
    first, copy = done.trials
    assert copy.source_trial == first.number
    told = [trial.user_attrs["folds"] for trial in done.study.optuna.trials]
    assert told[0] == told[1]
    kept = forecasts(done.store, "small")
    assert kept[0].tobytes() == kept[1].tobytes()


@pytest.mark.slow
def test_a_study_goes_on_with_its_folds_and_not_with_others(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    path = write_study(**on_real_rows(WALK, study={"trials": 1}))
    launch(path)
    done = launch(path, "study.trials=2")
    assert sorted(forecasts(done.store, "small")) == [0, 1]
    assert done.trials[1].value == pytest.approx(mean_loss_of(done.store, 1), rel=1e-6)
    with pytest.raises(StudyChanged, match=r"data\.split\.folds was 3, is 4"):
        launch(path, "data.split.folds=4")
    with pytest.raises(StudyChanged, match=r"data\.split\.method was 'walk_forward', is 'holdout'"):
        launch(write_study(**on_real_rows({}, study={"trials": 2})))


@pytest.mark.slow
def test_trials_that_are_taken_over_bring_their_folds_and_forecasts(
    write_study: "WriteStudy", launch: "Launch", ballast: "Ballast"
) -> None:
    done = launch(write_study(**on_real_rows(WALK, study={"trials": 1})))
    wider = {"models.gru.learning_rate": {"low": 5e-4, "high": 1e-2, "log": True}}
    path = write_study("new.yaml", **on_real_rows(WALK, study={"name": "new", "trials": 1}, space=wider))
    assert ballast("run", path, "--continue-from", "small").code == 0
    assert forecasts(done.store, "new")[0].tobytes() == forecasts(done.store, "small")[0].tobytes()
    (old, *_), (new, *_) = (query.epochs(done.store, name, 0) for name in ("small", "new"))
    assert old.fold_losses == new.fold_losses
    other = write_study("other.yaml", **on_real_rows(CPCV, study={"name": "other"}))
    refused = ballast("run", other, "--continue-from", "small")
    assert refused.code == 2
    assert "data.split.method was 'walk_forward', is 'cpcv'" in " ".join(refused.told)


@pytest.mark.slow
def test_a_trial_that_is_worse_on_the_mean_of_its_folds_is_pruned_and_keeps_its_forecasts(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    rate = "models.gru.learning_rate"
    queue = [{rate: value} for value in (1e-2, 9e-3, 2e-4)]
    pruner = {"pruner": "median", "pruner_warmup": 0, "startup_trials": 2, "pruner_min_trials": 2}
    study = {"trials": 3, "enqueue": queue, **pruner}
    space = {rate: {"low": 1e-4, "high": 1e-2, "log": True}}
    done = launch(write_study(**on_real_rows(WALK, study=study, space=space, training={"epochs": 3})))
    assert [trial.verdict for trial in done.trials][:2] == [Verdict.ACCEPTED] * 2
    pruned = done.trials[2]
    assert (pruned.verdict, pruned.epochs) == (Verdict.UNPROMISING, 1)
    assert pruned.value == pytest.approx(mean_loss_of(done.store, 2), rel=1e-6)


@pytest.fixture
def walked(write_study: "WriteStudy", launch: "Launch") -> "Launched":
    return launch(write_study(**on_real_rows(WALK, study={"trials": 1})))


@pytest.mark.slow
def test_a_trials_note_and_explain_tell_the_loss_of_each_fold(walked: "Launched", ballast: "Ballast") -> None:
    told = ", ".join(f"{loss:.4f}" for loss in walked.study.optuna.trials[0].user_attrs["folds"])
    sentence = f"Loss of each fold in the best epoch: {told}."
    assert told.count(",") == 2
    assert sentence in ballast("explain", "small", "--trial", 0).out
    assert Paragraph(sentence) in trial_note(trial_view(walked.store, "small", 0))


@pytest.mark.slow
def test_a_searched_window_is_refused_where_it_decides_which_rows_are_forecast(
    write_study: "WriteStudy", launch: "Launch", ballast: "Ballast"
) -> None:
    space = {"data.seq_len": {"choices": [3, 30]}}
    sentence = (
        r"study\.yaml:\d+: data\.seq_len is searched, and under data\.split\.method = cpcv the first rows "
        r"to be forecast depend on it; fix it with --set data\.seq_len=22, or use another method"
    )
    path = write_study(**on_real_rows(CPCV, space=space))
    for asked in (load_study_data, lambda resolved: inspect_data(resolved).require()):
        with pytest.raises(RequestError, match=sentence):
            asked(resolve(path))
    refused = ballast("check", path)
    assert refused.code == 2
    assert "data.seq_len is searched" in " ".join(refused.told)
    launch(write_study(**on_real_rows(CPCV, space=space)), "data.seq_len=3")


@pytest.mark.slow
def test_a_searched_window_leaves_the_rows_of_walk_forward_as_they_are(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    space = {"data.seq_len": {"choices": [2, 30]}, "data.feature_clip": {"low": 1.0, "high": 3.0}}
    queue = [{"data.seq_len": rows, "data.feature_clip": 2.0} for rows in (2, 30)]
    done = launch(write_study(**on_real_rows(WALK, study={"enqueue": queue}, space=space)))
    assert len({trial.params["data.seq_len"] for trial in done.trials}) == 2
    for trial in done.trials:
        assert trial.value == pytest.approx(mean_loss_of(done.store, trial.number), rel=1e-6)


@pytest.mark.parametrize(
    ("split", "sentence"),
    [
        (
            {"folds": 3},
            r"data\.split\.folds has no effect: data\.split\.method is not walk_forward; remove it",
        ),
        (
            {**WALK, "groups": 4},
            r"data\.split\.groups has no effect: data\.split\.method is not cpcv; remove it",
        ),
        (
            {**CPCV, "window": "rolling"},
            r"data\.split\.window has no effect: data\.split\.method is not walk_forw",
        ),
        ({**CPCV, "folds": 2}, r"data\.split\.folds has no effect: data\.split\.method is not walk_forward"),
    ],
)
def test_a_key_of_another_method_is_an_error_with_its_line(
    split: dict[str, Any], sentence: str, write_study: "WriteStudy"
) -> None:
    with pytest.raises(ConfigError, match=rf"study\.yaml:\d+: {sentence}"):
        resolve(write_study(**on_real_rows(split)))


def test_a_fold_without_rows_enough_is_a_finding_of_check(
    write_study: "WriteStudy", ballast: "Ballast"
) -> None:
    told = ballast("check", write_study(**on_real_rows({**WALK, "folds": 20})), "--json")
    assert (told.code, told.json["ok"]) == (1, False)
    (finding,) = [each for each in told.json["findings"] if each["code"] == "too_few_rows"]
    assert "fold 0 of 20, validation " in finding["message"]
    assert "): validation has 16 rows and needs 20" in finding["message"]


@pytest.mark.slow
def test_check_counts_a_row_that_several_folds_hold_out_once(
    write_study: "WriteStudy", ballast: "Ballast"
) -> None:
    told = ballast("check", write_study(**on_real_rows(CPCV)), "--json").json
    data = load_study_data(resolve(write_study(**on_real_rows(CPCV))))
    held = np.concatenate([fold.validation for fold in data.base])
    assert told["rows"]["validation"] == len(np.unique(held)) == len(held) / 3


EASY, HARD = 0.1, 1.0
"""Losses of a first fold that any model forecasts well, and of the second."""


@pytest.fixture
def plain() -> Iterator[optuna.Study]:
    """Bare Optuna with three finished trials, whose epochs are to be compared with."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield optuna.create_study(pruner=MedianPruner(n_startup_trials=3, n_warmup_steps=0))
    optuna.logging.set_verbosity(before)


def pruned_at(study: optuna.Study, losses: list[float]) -> int | None:
    """Report the losses step by step to a new trial: where the pruner would end it, None if nowhere."""
    trial = study.ask()
    for step, loss in enumerate(losses):
        trial.report(loss, step)
        if trial.should_prune():
            study.tell(trial, state=TrialState.PRUNED)
            return step
    study.tell(trial, losses[-1])
    return None


def test_an_easy_fold_that_is_reported_first_blinds_optunas_median_pruner(plain: optuna.Study) -> None:
    """It compares a trial's best loss over all steps so far with the others' of this step."""
    fold_after_fold = [EASY, EASY, HARD, HARD]
    for _ in range(3):
        assert pruned_at(plain, fold_after_fold) is None
    hopeless = [EASY, EASY, 50 * HARD, 50 * HARD]
    assert pruned_at(plain, hopeless) is None


def test_means_over_the_folds_let_it_see_the_same_trial_at_once(plain: optuna.Study) -> None:
    means = [(EASY + HARD) / 2] * 2
    for _ in range(3):
        assert pruned_at(plain, means) is None
    assert pruned_at(plain, [(EASY + 50 * HARD) / 2] * 2) == 0


def test_optuna_gets_one_report_an_epoch_over_all_folds(walked: "Launched") -> None:
    steps = [*walked.study.optuna.trials[0].intermediate_values]
    assert steps == [0, 1]
    assert all(later - earlier == 1 for earlier, later in pairwise(steps))


@pytest.mark.slow
def test_a_searched_window_is_refused_where_gaps_decide_which_rows_have_one(
    write_study: "WriteStudy",
) -> None:
    study = on_real_rows({"method": "holdout"}, space={"data.seq_len": {"choices": [3, 4]}})
    study["data"]["max_gap"] = "3d"
    sentence = (
        r"data\.seq_len is searched, and with data\.max_gap = 3d the rows to be forecast depend on it: those "
        r"whose window crosses no longer gap; fix it with --set data\.seq_len=4, or remove data\.max_gap"
    )
    with pytest.raises(RequestError, match=sentence):
        load_study_data(resolve(write_study(**study)))
