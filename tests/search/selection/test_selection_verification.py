"""Verification end to end: fresh seeds, test rows that are scored once, evaluations on record, studies."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import yaml

from search.api.study import Study
from search.data.study_data import load_study_data
from search.errors import AnswerIsNo, RequestError
from search.record.evaluations import configuration_number, earlier_evaluations
from search.record.scored_panel import ScoredPanel
from search.record.validation_rows import forecasts, validation_rows
from search.record.verification_answer import newest_verification
from search.selection.candidates import VerificationInterrupted, candidate_from_file, other_candidates
from search.selection.choice import best_trials
from search.selection.export import write_export
from search.selection.rerun import Rerun
from search.selection.selection_evidence import SelectionEvidence
from search.selection.statistics.conclusion import Conclusion, SkillVerdict
from search.selection.trained_candidate import VerificationCallbacks
from search.selection.verification import verify
from search.selection.verification_report import VerificationReport
from search.terminal.verification_text import print_verification
from search.watching.pages.markdown import to_markdown
from search.watching.pages.notes import study_note
from search.watching.view import study_view
from storage import evaluations, query, tables
from storage.engine import Store, open_store
from storage.verdicts import Verdict
from tests.trainer.inference.model_fixtures import PROVENANCE
from trainer.data.windows import Dataset, prepare_refit
from trainer.inference.forecast_intervals import CALIBRATION_LEVELS, in_own_unit
from trainer.inference.model_folder import save_model
from trainer.inference.prediction import predict
from trainer.training import loop
from trainer.training.result import RefitResult

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast, Launch, WriteStudy

pytestmark = pytest.mark.slow

Exported = tuple[Path, Store]


@pytest.fixture
def exported(write_study: "WriteStudy", launch: "Launch", tmp_path: Path) -> Exported:
    """The best of three trials, and the store that they are in."""
    done = launch(write_study(), "study.trials=3", "training.epochs=3")
    target = tmp_path / "best.yaml"
    write_export(done.store, best_trials(done.store, "small", 1)[0], target)
    return target, done.store


def test_fresh_seeds_are_trained_on_all_rows_before_the_test_and_scored_on_it(exported: Exported) -> None:
    path, store = exported
    report = verify(path, store, seeds=3)
    (scored,) = report.scored
    kept = yaml.safe_load(path.read_text())["provenance"]
    assert len({refit.seed for refit in scored.refits} | {kept["seed"]}) == 4
    assert scored.candidate.epochs == kept["best_epoch"] + 1
    split = kept["data"]["split"]
    assert scored.rows == {"train": split["train"] + split["validation"] + 1, "test": split["test"]}
    assert scored.value == pytest.approx(np.mean(scored.values))
    assert scored.skill == pytest.approx(1 - np.mean(scored.values) / scored.naive[scored.baseline])
    assert scored.baseline == min(scored.naive, key=lambda name: scored.naive[name])
    assert scored.interval is not None
    assert scored.interval.low < (scored.skill or 0) < scored.interval.high
    assert scored.comparisons.keys() == scored.naive.keys()


def test_the_same_command_gives_the_same_numbers(exported: Exported) -> None:
    path, store = exported
    first, second = (verify(path, store, seeds=2).scored[0] for _ in range(2))
    assert (first.values, first.interval) == (second.values, second.interval)


def test_test_targets_are_in_no_batch_of_any_training(
    exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, store = exported
    unpoisoned, untouched = verify(path, store, seeds=1).scored[0], loop.refit

    def poisoned(config: Any, data: Dataset, **how: Any) -> RefitResult:
        data.target[data.train[-1] + data.horizon :] += 100.0
        done = untouched(config, data, **how)
        data.target[data.train[-1] + data.horizon :] -= 100.0
        return done

    monkeypatch.setattr(loop, "refit", poisoned)
    again = verify(path, store, seeds=1).scored[0]
    np.testing.assert_array_equal(again.refits[0].forecasts, unpoisoned.refits[0].forecasts)


def test_an_evaluation_is_on_record_with_its_user_time_and_result(exported: Exported) -> None:
    path, store = exported
    report = verify(path, store, seeds=2)
    (evaluation,) = evaluations.verifications_of_study(store, "small")
    assert evaluation.looked_by.count("@") == 1
    assert evaluation.seeds == [refit.seed for refit in report.scored[0].refits]
    assert evaluation.verdict == report.scored[0].conclusion.verdict
    assert evaluation.report is not None
    assert evaluation.report["value"] == report.scored[0].value
    assert report.earlier == ()


def test_the_test_rows_are_kept_with_the_evaluation_and_given_by_the_api(exported: Exported) -> None:
    path, store = exported
    study = Study(store, "small")
    assert len(study.forecasts("test")) == 0
    assert [each.split for each in study_view(store, "small").scored] == ["validation"]
    (scored,) = verify(path, store, seeds=2).scored
    number = scored.candidate.number
    validated, tested = study_view(store, "small").scored
    assert (validated.trial, tested.trial, tested.seeds) == (number, number, 2)
    assert validated.times.max() < tested.times.min()
    assert len(tested.times) == scored.rows["test"]
    assert tested.loss.mean() == pytest.approx(scored.value, rel=1e-6)
    assert tested.baseline_loss.mean() == pytest.approx(scored.naive[scored.baseline], rel=1e-6)
    assert scored.strongest_rival is not None
    assert tested.rival_name == scored.strongest_rival.name
    assert tested.rival_loss is not None
    assert tested.rival_loss.mean() == pytest.approx(scored.strongest_rival.loss, rel=1e-6)
    assert scored.coverage is not None
    within = (tested.bounds["lower_80"] <= tested.target) & (tested.target <= tested.bounds["upper_80"])
    assert within.mean() == pytest.approx(scored.coverage.levels[0].covered)
    frame = study.forecasts("test")
    bounds = [f"{side}_{level}" for level in (80, 95) for side in ("lower", "upper")]
    named = ["time", "target", scored.baseline, tested.rival_name, f"trial_{number}", "loss", *bounds]
    assert list(frame.columns) == list(dict.fromkeys(named))  # HAR is both, a naive forecast and a rival
    np.testing.assert_array_equal(frame["target"], tested.target)
    assert frame["time"].iloc[0] == pd.Timestamp(tested.times[0])
    assert {"forecasts", "loss-difference", "residuals"} <= study.figures().keys()
    with pytest.raises(RequestError, match="split"):
        study.forecasts("training")  # type: ignore[arg-type]


def test_rows_kept_with_an_evaluation_are_recognised_as_before(exported: Exported) -> None:
    path, store = exported
    first = verify(path, store, seeds=1)
    (evaluation,) = evaluations.verifications_of_study(store, "small")
    assert evaluation.series is not None
    kept = ScoredPanel.unpacked(evaluation.series)
    np.testing.assert_array_equal(kept.times, first.unseen.series.times)
    assert [each.id for each in earlier_evaluations(store, first.unseen)] == [evaluation.id]


def test_the_bounds_of_the_forecasts_are_tested_on_the_test_rows(
    exported: Exported, capsys: pytest.CaptureFixture[str]
) -> None:
    path, store = exported
    report = verify(path, store, seeds=2)
    (scored,) = report.scored
    rows, told = validation_rows(store, "small"), forecasts(store, "small")
    assert rows is not None
    errors = np.abs((rows.target - told[scored.candidate.number or 0]) * rows.unit_std)
    rank = -(-(len(errors) + 1) * 80 // 100)
    assert scored.coverage is not None
    assert scored.coverage.intervals.pooled.at_80 == pytest.approx(np.sort(errors)[rank - 1])
    kept = report.to_json()["coverage"]
    assert (kept["source"], kept["residuals"], kept["horizon"]) == ("trial", len(errors), 1)
    first, second = kept["levels"]
    assert (first["level"], second["level"], first["rows"]) == (0.8, 0.95, scored.rows["test"])
    assert 0.5 < first["covered"] <= second["covered"] <= 1
    assert 0 <= first["kupiec"]["p_value"] <= 1
    (evaluation,) = evaluations.verifications_of_study(store, "small")
    assert (evaluation.report or {})["coverage"] == kept
    print_verification(report)
    assert f"Forecast intervals, from {len(errors)} errors on validation rows" in capsys.readouterr().out


@pytest.mark.slow
def test_the_bounds_that_are_tested_are_those_that_predict_gives(
    write_study: "WriteStudy", launch: "Launch", tmp_path: Path
) -> None:
    split = {"fractions": {"train": 0.4, "validation": 0.35}}
    done = launch(write_study(rows=1000, data={"split": split}), "training.epochs=3")
    path = tmp_path / "best.yaml"
    write_export(done.store, best_trials(done.store, "small", 1)[0], path)
    report = verify(path, done.store, seeds=1)
    coverage = report.scored[0].coverage
    assert coverage is not None
    assert coverage.intervals.recent is not None
    assert 0.5 < coverage.intervals.recent.seen <= 1
    assert coverage.following == report.scored[0].rows["test"]
    assert [level for level, _ in coverage.calibration.items()] == [*CALIBRATION_LEVELS]
    assert list(coverage.calibration.values()) == sorted(coverage.calibration.values())
    assert coverage.calibration[80] == coverage.levels[0].covered
    told = report.to_json()["coverage"]
    assert told["calibration"][7] == {"level": 0.8, "covered": coverage.calibration[80]}

    study_data = load_study_data(report.scored[0].candidate.resolved)
    config, (refit,) = report.scored[0].candidate.trial.config, report.scored[0].refits
    data = prepare_refit(config.data, study_data.table)
    assert refit.weights is not None
    save_model(
        tmp_path / "model",
        config,
        data,
        study_data.table,
        refit.weights,
        PROVENANCE,
        intervals=coverage.intervals,
    )
    frame = predict(tmp_path / "model", str(tmp_path / "prices.csv"), allow_range=True).frame()
    target = pd.Series(in_own_unit(data, data.test, data.target[data.test]), data.times[data.test])
    tested = frame.set_index("time").loc[target.index]
    for level in (80, 95):
        inside = (tested[f"lower_{level}"] <= target) & (target <= tested[f"upper_{level}"])
        assert inside.mean() == coverage.calibration[level]


def test_bounds_are_the_same_on_record_and_trained_again(exported: Exported, opened_elsewhere: Store) -> None:
    path, store = exported
    known, again = (
        candidate_from_file(path, None, lambda: False, each).intervals for each in (store, opened_elsewhere)
    )
    assert known is not None
    assert again is not None
    assert known.pooled.rows == again.pooled.rows
    assert known.pooled.at_95 == pytest.approx(again.pooled.at_95, rel=1e-5)
    assert evaluations.verifications_of_study(opened_elsewhere, "small") == []


def test_without_validation_errors_there_are_no_bounds_to_test(
    exported: Exported,
    opened_elsewhere: Store,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Rerun, "trustworthy", False)
    report = verify(exported[0], opened_elsewhere, seeds=1)
    assert report.to_json()["coverage"] is None
    print_verification(report)
    assert "Forecast intervals are not tested: no forecasts of validation rows" in capsys.readouterr().out


@pytest.mark.slow
def test_from_the_second_evaluation_on_another_configuration_must_be_surer(
    exported: Exported, tmp_path: Path
) -> None:
    path, store = exported
    verify(path, store, seeds=1)
    again = verify(path, store, seeds=1)
    assert len(again.earlier) == 1
    assert again.scored[0].evaluation_number == 1  # the same configuration is no second choice
    other = tmp_path / "other.yaml"
    write_export(store, best_trials(store, "small", 2)[1], other)
    second = verify(other, store, seeds=1)
    assert (len(second.earlier), second.scored[0].evaluation_number) == (2, 2)
    assert second.scored[0].interval is not None
    assert second.scored[0].interval.level == pytest.approx(0.9875)


@pytest.mark.slow
def test_another_draw_of_seeds_is_another_chance_to_be_lucky(exported: Exported) -> None:
    path, store = exported
    found = [verify(path, store, seeds=seeds).scored[0] for seeds in (1, 2, 1)]
    assert [scored.evaluation_number for scored in found] == [1, 2, 1]


@pytest.mark.slow
def test_where_the_table_lies_makes_no_other_configuration(
    write_study: "WriteStudy", launch: "Launch", tmp_path: Path
) -> None:
    done = launch(write_study(), "study.trials=1", "training.epochs=2")
    (tmp_path / "sub").mkdir()
    for target in (tmp_path / "best.yaml", tmp_path / "sub" / "best.yaml"):
        write_export(done.store, best_trials(done.store, "small", 1)[0], target)
        last = verify(target, done.store, seeds=1)
    assert (len(last.earlier), last.scored[0].evaluation_number) == (1, 1)


def test_an_export_that_was_edited_is_not_verified_as_its_trial(exported: Exported) -> None:
    path, store = exported
    content = yaml.safe_load(path.read_text())
    content["models"]["gru"]["hidden_size"] = 7
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(RequestError, match=r"models\.gru\.hidden_size is 7, was \d+.*section provenance"):
        verify(path, store, seeds=1)
    assert evaluations.verifications_of_study(store, "small") == []


def test_rows_too_few_for_the_horizon_are_reported_before_an_evaluation_is_spent(
    write_study: "WriteStudy", opened_elsewhere: Store
) -> None:
    target = {"transform": "log_parkinson", "high": "High", "low": "Low", "kind": "volatility", "horizon": 36}
    path = write_study(
        space=None,
        data={"target": target},
        models={"gru": {"learning_rate": 1e-2}},
        guard={"min_movement": 0},
    )
    with pytest.raises(RequestError, match=r"\d+ test rows at a horizon of 36, and an interval needs 144"):
        verify(path, opened_elsewhere, seeds=1)
    assert evaluations.verifications_of_study(opened_elsewhere, "small") == []


@pytest.mark.slow
def test_an_evaluation_of_other_rows_is_not_the_second_one(exported: Exported, tmp_path: Path) -> None:
    path, store = exported
    verify(path, store, seeds=1)
    content = yaml.safe_load(path.read_text())
    del content["provenance"]
    content["data"]["target"] = {
        "column": "Close",
        "transform": "raw",
        "kind": "other",
        "already_shifted": True,
    }
    content["guard"]["max_skill"] = 0.9
    Path("other.yaml").write_text(yaml.safe_dump(content))
    assert earlier_evaluations(store, verify(Path("other.yaml"), store, seeds=1).unseen)[:-1] == []


def test_an_evaluation_that_fails_while_it_scores_is_on_record(
    exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, store = exported

    def broken(*_: object, **__: object) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr("search.selection.candidate_score.skill_interval", broken)
    with pytest.raises(KeyboardInterrupt):
        verify(path, store, seeds=1)
    (evaluation,) = evaluations.verifications_of_study(store, "small")
    assert (evaluation.verdict, evaluation.report) == (None, None)


def test_one_that_is_interrupted_before_it_scores_is_not(exported: Exported) -> None:
    path, store = exported
    with pytest.raises(VerificationInterrupted):
        verify(path, store, seeds=1, progress=VerificationCallbacks(should_stop=lambda: True))
    assert evaluations.verifications_of_study(store, "small") == []


def test_one_that_is_interrupted_while_its_epochs_are_sought_is_no_refusal(
    write_study: "WriteStudy", opened_elsewhere: Store
) -> None:
    path = write_study(space=None)
    with pytest.raises(VerificationInterrupted):
        verify(path, opened_elsewhere, seeds=1, progress=VerificationCallbacks(should_stop=lambda: True))


def test_the_evaluation_is_recorded_in_the_store_of_the_study_file(
    write_study: "WriteStudy", ballast: "Ballast", monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("BALLAST_STORE", raising=False)
    path = write_study(space=None, storage={"url": f"sqlite:///{tmp_path / 'named.db'}"})
    ballast("verify", path, "--seeds", 1)
    named = open_store(f"sqlite:///{tmp_path / 'named.db'}", create=False)
    assert len(evaluations.verifications_of_study(named, "small")) == 1
    named.close()


@pytest.mark.slow
def test_what_was_exported_by_value_is_what_is_compared(exported: Exported, ballast: "Ballast") -> None:
    told = ballast(
        *("export", "small", "-o", "v.yaml", "--by", "value", "--top", 2, "--verify", "--seeds", 1, "--json")
    )
    assert all("verification" in shape for shape in told.json)
    path, store = exported
    (rival,) = other_candidates(store, candidate_from_file(path, None, lambda: False), 2, "value")
    assert rival.number == best_trials(store, "small", 2)[1].number


@pytest.mark.slow
def test_the_best_are_compared_with_each_other_and_with_the_naive_forecasts(exported: Exported) -> None:
    path, store = exported
    report = verify(path, store, seeds=1, top=3)
    assert len({each.candidate.number for each in report.scored}) == 3
    assert [each.evaluation_number for each in report.scored] == [1, 2, 3]
    assert report.confidence_set is not None
    names = {each.candidate.name for each in report.scored} | set(report.scored[0].naive)
    assert set(report.confidence_set.p_values) == names
    assert set(report.confidence_set.included) <= names


def test_rivals_need_the_store_of_their_study(
    exported: Exported, tmp_path: Path, opened_elsewhere: Store
) -> None:
    path, _ = exported
    with pytest.raises(
        RequestError, match="--top compares the best trials of study 'small', which is not in"
    ):
        verify(path, opened_elsewhere, seeds=1, top=2)


@pytest.fixture
def opened_elsewhere(tmp_path: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:///{tmp_path / 'elsewhere.db'}")
    yield store
    store.close()


def test_without_its_study_a_configuration_is_verified_all_the_same(
    exported: Exported, opened_elsewhere: Store
) -> None:
    report = verify(exported[0], opened_elsewhere, seeds=1)
    assert isinstance(report.evidence, str)
    assert "study 'small' is not in" in report.evidence
    assert len(evaluations.verifications_of_study(opened_elsewhere, "small")) == 1


def test_a_configuration_of_no_study_is_trained_once_to_find_its_epochs(
    write_study: "WriteStudy", opened_elsewhere: Store
) -> None:
    path = write_study(space=None, models={"gru": {"learning_rate": 5e-3}})
    found = candidate_from_file(path, None, lambda: False)
    assert (found.number, found.name) == (None, "study.yaml")
    assert 1 <= found.epochs <= 2
    assert verify(path, opened_elsewhere, seeds=1).evidence == "no study chose this configuration"


def test_what_is_not_accepted_is_not_verified(write_study: "WriteStudy", opened_elsewhere: Store) -> None:
    path = write_study(leak=True, space=None, models={"gru": {"learning_rate": 1e-2}})
    with pytest.raises(AnswerIsNo, match="only what trains can be verified"):
        verify(path, opened_elsewhere, seeds=1)
    assert evaluations.verifications_of_study(opened_elsewhere, "small") == []


def test_the_record_alone_gives_every_trial_its_value_and_the_study_its_evidence(exported: Exported) -> None:
    path, store = exported
    rows, told = validation_rows(store, "small"), forecasts(store, "small")
    assert rows is not None
    for trial in query.trials(store, "small"):
        assert rows.losses(told[trial.number]).mean() == pytest.approx(trial.value, rel=1e-5)
    facts = query.study(store, "small").facts
    for name, loss in facts["baselines"].items():
        assert rows.losses(rows.baselines[name]).mean() == pytest.approx(loss)
    found = verify(path, store, seeds=1).evidence
    assert isinstance(found, SelectionEvidence)
    assert (found.trials, found.rows) == (3, facts["rows"]["validation"])
    assert found.overfitting is not None
    assert 0 <= found.overfitting.probability <= 1
    assert found.sharpe is None  # volatility is no return


@pytest.mark.slow
def test_of_returns_the_sharpe_ratio_is_deflated_by_all_trials(
    write_study: "WriteStudy", launch: "Launch", tmp_path: Path
) -> None:
    target = {"column": "Close", "transform": "log_return", "kind": "return"}
    study = write_study(
        data={"target": target, "features": [{"name": "ret", "column": "Close", "transform": "log_return"}]},
        guard={"max_skill": 0.9},
    )
    done = launch(study, "study.trials=3")
    path = tmp_path / "best.yaml"
    write_export(done.store, best_trials(done.store, "small", 1)[0], path)
    found = verify(path, done.store, seeds=1).evidence
    assert isinstance(found, SelectionEvidence)
    assert found.sharpe is not None
    assert found.sharpe.trials == 3
    assert 0 <= found.sharpe.probability <= 1
    assert found.timing is not None
    assert set(found.timing) == {"long_only", "train_mean_sign"}
    for each in found.timing.values():
        assert each.rows == found.sharpe.rows
        assert (each.probability is None) == (each.differing < 20)
    assert found.to_json()["timing"]["long_only"]["differing"] == found.timing["long_only"].differing


@pytest.mark.slow
def test_quarantined_siblings_are_counted_with_the_highest_skill_among_them(
    write_study: "WriteStudy", launch: "Launch", tmp_path: Path, ballast: "Ballast"
) -> None:
    """Two trials of a study were found too good to be true; the one that is verified was not."""
    done = launch(write_study(), "study.trials=3")
    best = best_trials(done.store, "small", 1)[0]
    others = [trial.number for trial in query.trials(done.store, "small") if trial.number != best.number]
    path = tmp_path / "best.yaml"
    write_export(done.store, best, path)
    with done.store.session() as session:
        for number, skill in zip(others, (0.31, 0.47), strict=True):
            trial = session.get_one(tables.Trial, ("small", number))
            trial.verdict, trial.skill, trial.source_study, trial.source_trial = (
                Verdict.SUSPICIOUS,
                skill,
                None,
                None,
            )
    found = verify(path, done.store, seeds=1).evidence
    assert isinstance(found, SelectionEvidence)
    assert found.to_json()["quarantined"] == {"trials": 2, "highest_skill": 0.47, "trial": others[1]}
    shown = ballast("verify", path, "--seeds", 1).out
    assert "Quarantined in the study: 2 trials" in shown
    assert f"+0.4700, of trial {others[1]}" in shown


@pytest.mark.slow
def test_what_holds_ends_with_0_and_what_does_not_with_1(
    exported: Exported, ballast: "Ballast", monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = exported
    told = ballast("verify", path, "--seeds", 1, "--json")
    assert told.code == (0 if told.json["verdict"] == "holds" else 1)
    assert told.json["reproduced"] is None
    assert {"value", "skill", "interval", "baselines", "seeds", "study", "test"} <= told.json.keys()
    shown = ballast("verify", path, "--seeds", 2)
    assert shown.out.splitlines()[2].startswith(
        f"trial {told.json['trial']}: {told.json['verdict']}: the skill"
    )
    assert "looked at once before by ballast verify, on 100 % of them, " in shown.out
    assert "Probability of backtest overfitting" in shown.out


def test_an_export_that_is_verified_says_what_came_of_it(exported: Exported, ballast: "Ballast") -> None:
    told = ballast("export", "small", "-o", "best.yaml", "--verify", "--seeds", 1, "--json")
    (shape,) = told.json
    answer = shape["verification"]
    assert told.code == (0 if answer["verdict"] == SkillVerdict.HOLDS else 1)
    (evaluation,) = yaml.safe_load(Path("best.yaml").read_text())["provenance"]["looks"]
    assert (evaluation["verdict"], evaluation["skill"]) == (answer["verdict"], answer["skill"])
    assert f": {answer['verdict']}: the skill over" in Path("best.yaml").read_text()
    plain = ballast("export", "small", "-o", "plain.json")
    assert plain.code == 0


def test_the_pages_of_a_study_show_every_evaluation(exported: Exported) -> None:
    path, store = exported
    before = to_markdown(study_note(study_view(store, "small")))
    assert "Nothing of it was scored on the test rows." in before
    report = verify(path, store, seeds=1)
    after = to_markdown(study_note(study_view(store, "small")))
    assert f"|{report.scored[0].candidate.number}|{report.scored[0].conclusion.verdict}|" in after
    assert "--verify" not in after


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("verify", "nowhere.yaml"), "nowhere.yaml"),
        (("verify", "study.yaml"), "searches models.gru.learning_rate, and one configuration is wanted"),
        (("verify", "best.yaml", "--seeds", 0), "greater than or equal to 1"),
    ],
)
def test_what_cannot_be_verified_is_refused_in_a_sentence(
    exported: Exported, ballast: "Ballast", arguments: tuple[Any, ...], sentence: str
) -> None:
    told = ballast(*arguments)
    assert told.code == 2
    assert sentence in " ".join(told.err.replace("│", " ").split())


@pytest.mark.slow
def test_a_known_signal_holds_and_pure_noise_does_not(
    write_study: "WriteStudy", launch: "Launch", tmp_path: Path
) -> None:
    def answer(strength: float) -> VerificationReport:
        path = tmp_path / f"{strength}"
        path.mkdir()
        table(strength).to_csv(path / "prices.csv", index=False)
        study = write_study(
            data={
                "source": str(path / "prices.csv"),
                "features": ["x"],
                "target": {"column": "y", "transform": "raw", "kind": "other", "already_shifted": True},
            },
            study={"name": f"s{strength}", "trials": 1, "startup_trials": 1},
            models={"gru": {"batch_size": 32, "hidden_size": 8, "init": "torch"}},
            training={"epochs": 12, "patience": 12},
            guard={"max_skill": 0.9},
            space={"models.gru.learning_rate": {"low": 5e-3, "high": 1e-2}},
        )
        done = launch(study)
        write_export(done.store, best_trials(done.store, f"s{strength}", 1)[0], path / "best.yaml")
        return verify(path / "best.yaml", done.store, seeds=3)

    signal, noise = answer(1.0), answer(0.0)
    assert signal.scored[0].conclusion.verdict is SkillVerdict.HOLDS
    assert 0.3 < (signal.scored[0].skill or 0) < 0.6  # half of the variance is the signal's
    assert noise.scored[0].conclusion.verdict is not SkillVerdict.HOLDS


def table(strength: float) -> pd.DataFrame:
    random = np.random.default_rng(5)
    x, noise = random.standard_normal((2, 1200))
    dates = pd.bdate_range("2010-01-04", periods=1200).strftime("%Y-%m-%d")
    return pd.DataFrame({"Date": dates, "x": x, "y": strength * x + noise})


def test_what_was_only_compared_is_marked_on_record(exported: Exported) -> None:
    path, store = exported
    report = verify(path, store, seeds=1, top=2)
    first, second = evaluations.verifications_of_study(store, "small")
    assert first.report is not None
    assert second.report is not None
    assert (first.report["asked_for"], second.report["asked_for"]) == (True, False)
    found = newest_verification(store, "small")
    assert found is not None
    assert found.trial == report.scored[0].candidate.number


def policy_rate(*, moves: int) -> pd.DataFrame:
    """A feature, and a rate that moves each day in the first 900 of 1200 rows, and later `moves` times."""
    frame = table(1.0)
    frame.loc[900:, "y"] = 1.5
    for move in range(moves):
        frame.loc[950 + 20 * move :, "y"] += 0.25
    return frame


@pytest.mark.slow
@pytest.mark.parametrize("moves", [0, 1])
def test_a_target_that_hardly_moves_in_the_test_rows_is_refused_before_the_evaluation_is_on_record(
    write_study: "WriteStudy", launch: "Launch", tmp_path: Path, ballast: "Ballast", moves: int
) -> None:
    policy_rate(moves=moves).to_csv(tmp_path / "rate.csv", index=False)
    target = {"column": "y", "transform": "raw", "kind": "other", "already_shifted": False}
    data = {"source": "rate.csv", "features": ["x"], "target": target}
    done = launch(write_study(data=data, guard={"max_skill": 0.9}))
    write_export(done.store, best_trials(done.store, "small", 1)[0], tmp_path / "best.yaml")
    told = ballast("verify", "best.yaml", "--seeds", 1)
    assert told.code == 2
    assert len(told.told) == 1
    assert "rows in which the target varies" in told.told[0]
    assert evaluations.verifications_of_study(done.store, "small") == []


def test_an_evaluation_counts_itself_where_the_rows_on_record_are_not_known_again(exported: Exported) -> None:
    path, store = exported
    verify(path, store, seeds=1)
    (evaluation,) = evaluations.verifications_of_study(store, "small")
    assert configuration_number(evaluation, []) == 1


@pytest.mark.slow
def test_a_second_verification_says_that_the_first_one_refuted_it(
    exported: Exported, capsys: pytest.CaptureFixture[str]
) -> None:
    path, store = exported
    first = verify(path, store, seeds=2)
    (evaluation,) = evaluations.verifications_of_study(store, "small")
    evaluations.finish_evaluation(store, evaluation.id, "does not hold", first.to_json())
    again = verify(path, store, seeds=1)
    unsure = replace(again.scored[0], conclusion=Conclusion(SkillVerdict.CANNOT_TELL, "rows are few"))
    print_verification(replace(again, scored=(unsure,)))
    told = capsys.readouterr().out.splitlines()
    assert told[:2] == [
        f"{unsure.candidate.name}: cannot tell: rows are few.",
        f"On {evaluation.looked_at:%Y-%m-%d} it did not hold (2 seeds, 95 %).",
    ]
