"""benchmarks/null_and_signal: its data sets are what they claim, its oracle is judged as models are."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from benchmarks.coverage import Series
from benchmarks.leaks.studies import prices
from benchmarks.null_and_signal.__main__ import main
from benchmarks.null_and_signal.series import DAILY, FORMS, NOISES, NULLS, ROWS, STRENGTHS, DataSet, data_set
from benchmarks.null_and_signal.study import NOTHING, Judged, judged_oracle, outcome, study_file
from benchmarks.null_and_signal.study import Outcome as Found
from benchmarks.null_and_signal.tables import reached, report, share_interval
from benchmarks.null_and_signal.work import add, outcomes, recorded
from search.config.resolve import resolve
from search.config.resolved_study import ResolvedStudy, ResolvedTrial
from search.data.study_data import StudyData, load_study_data
from search.selection.candidate_score import score_candidate
from search.selection.candidates import Candidate
from search.selection.statistics.conclusion import SkillVerdict
from search.selection.trained_candidate import TrainedCandidate
from trainer.data.windows import prepare_refit
from trainer.training.result import Outcome, RefitResult


def returns(data: DataSet) -> Series:
    """What a reader of the table computes: (rows - 1,)."""
    found: Series = np.diff(np.log(data.frame["Close"].to_numpy(np.float64)))
    return found


def memory(values: Series) -> float:
    """Autocorrelation with the row before."""
    return float(np.corrcoef(values[1:], values[:-1])[0, 1])


@pytest.mark.parametrize("r2", STRENGTHS)
def test_the_planted_mean_explains_the_share_of_variance_that_it_is_said_to(r2: float) -> None:
    chosen = [data_set("signal", n, seed=1) for n in range(STRENGTHS.index(r2), 80, len(STRENGTHS))]
    left = np.mean([np.square(returns(data) - data.mean[:-1]).mean() for data in chosen])
    whole = np.mean([np.square(returns(data)).mean() for data in chosen])
    assert {data.r2 for data in chosen} == {r2}
    assert np.mean([data.mean.var() for data in chosen]) == pytest.approx(r2 * DAILY**2, rel=0.03)
    assert 1 - left / whole == pytest.approx(r2, abs=4 * 2 * np.sqrt(r2 / (20 * ROWS)))


def test_every_form_of_mean_meets_every_noise_at_every_strength() -> None:
    sets = [data_set("signal", number, seed=0) for number in range(len(STRENGTHS) * len(FORMS) * len(NOISES))]
    found = {(data.kind, data.r2) for data in sets}
    assert found == {(f"{form}, {noise}", r2) for form in FORMS for noise in NOISES for r2 in STRENGTHS}


def test_a_straight_line_finds_half_of_the_threshold() -> None:
    a, b = np.random.default_rng(0).standard_normal((2, 100_000))
    mean = FORMS["threshold"](a, b)
    assert np.corrcoef(mean, a)[0, 1] ** 2 == pytest.approx(0.5, abs=0.02)
    assert abs(np.corrcoef(mean, b)[0, 1]) < 0.02


@pytest.mark.parametrize("number", range(len(NULLS)))
def test_nothing_in_a_null_table_forecasts_its_returns(number: int) -> None:
    data = data_set("null", number, seed=0)
    ahead = returns(data)[1:]
    known = [returns(data)[:-1], data.frame["a"].to_numpy()[1:-1], data.frame["b"].to_numpy()[1:-1]]
    assert not data.mean.any()
    assert all(abs(np.corrcoef(ahead, each)[0, 1]) < 3.5 / np.sqrt(ROWS) for each in known)


@pytest.mark.parametrize(("kind", "clusters"), [(kind, "GARCH" in kind) for kind in NULLS])
def test_volatility_clusters_under_garch_alone(kind: str, clusters: bool) -> None:
    sets = [data_set("null", number, seed=0) for number in range(list(NULLS).index(kind), 40, len(NULLS))]
    assert {data.kind for data in sets} == {kind}
    found = np.mean([memory(np.abs(returns(data))) for data in sets])
    assert (found > 0.1) if clusters else (abs(found) < 0.02)


def test_shuffled_returns_are_real_ones_in_another_order() -> None:
    real = np.diff(np.log(prices("sp500")["Close"].to_numpy(np.float64)))
    shuffled = returns(data_set("null", 0, seed=0))
    assert np.isin(shuffled.round(10), real.round(10)).all()
    assert memory(np.abs(real)) > 0.2
    assert abs(memory(np.abs(shuffled))) < 0.05


def test_the_same_numbers_give_the_same_data_set() -> None:
    first, again, other = (data_set("signal", 5, seed) for seed in (3, 3, 4))
    assert first.frame.equals(again.frame)
    assert not first.frame.equals(other.frame)


@pytest.fixture(scope="module")
def strong(tmp_path_factory: pytest.TempPathFactory) -> tuple[DataSet, ResolvedStudy, StudyData]:
    """A data set of the strongest signal, and its study before any trial."""
    data, folder = data_set("signal", 3, seed=0), tmp_path_factory.mktemp("strong")
    data.frame.to_csv(folder / "prices.csv", index=False)
    (folder / "study.yaml").write_text(json.dumps(study_file("strong", seed=0, trials=2)))
    resolved = resolve(folder / "study.yaml")
    return data, resolved, load_study_data(resolved)


@pytest.mark.slow
def test_the_oracle_is_judged_as_verify_judges_a_model_that_forecasts_the_planted_mean(
    strong: tuple[DataSet, ResolvedStudy, StudyData],
) -> None:
    data, resolved, study_data = strong
    final = prepare_refit(resolved.trial_config.data, study_data.table)
    planted = data.mean[np.searchsorted(study_data.table.times.to_numpy(), final.times[final.test])]
    told = (planted - final.scaler.target_mean) / final.scaler.target_std
    refit = RefitResult(Outcome.FINISHED, (), {}, seed=0, weights=None, forecasts=told.astype(np.float32))
    trial = cast(ResolvedTrial, SimpleNamespace(config=resolved.trial_config))  # nothing else of it is read
    candidate = Candidate("strong", resolved, trial, 1, 0.5, 0.04, "strong", None)
    scored = score_candidate(TrainedCandidate(candidate, final, study_data.ceiling, (refit,) * 3), 1)
    oracle = judged_oracle(data, resolved, study_data)
    assert scored.interval is not None
    assert oracle.answer == scored.conclusion.verdict == SkillVerdict.HOLDS
    assert oracle.reason == scored.conclusion.reason
    assert oracle.skill == pytest.approx(scored.skill)
    assert oracle.low == pytest.approx(scored.interval.low, abs=1e-6)
    assert oracle.high == pytest.approx(scored.interval.high, abs=1e-6)
    assert len(final.test) >= 800


def test_a_refused_study_is_told_and_claims_nothing() -> None:
    honest = data_set("null", 1, seed=0)
    told = np.append(returns(honest), 0.0)
    leaking = replace(honest, frame=honest.frame.assign(a=told))
    found = outcome(leaking, seed=0, trials=2)
    assert found.ballast.answer == NOTHING
    assert "a" in found.ballast.reason
    assert found.verdicts == {}
    assert not any((found.ballast.holds, found.oracle.holds, found.value_claims, found.skill_shown))


@pytest.mark.slow
def test_one_data_set_goes_through_study_and_verification_in_a_process_of_its_own() -> None:
    (found,) = outcomes([("signal", 3)], seed=0, trials=2, workers=1)
    assert sum(found.verdicts.values()) == 2
    assert found.ballast.answer in set(SkillVerdict)
    assert found.ballast.skill == pytest.approx(0.04, abs=0.04)
    assert found.oracle.skill == pytest.approx(0.04, abs=0.025)
    assert found.oracle.holds
    assert Found.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_what_is_on_record_is_not_run_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "outcomes.jsonl"
    add(path, made(0, str(SkillVerdict.HOLDS), 0.01))
    assert main(["--sets", "1", "--only", "null", "--output", str(path)]) == 1
    told = capsys.readouterr()
    assert "| GARCH | 1 | 1 |" in told.out
    assert told.err == ""


def made(number: int, answer: str, validation_skill: float, *, seed: int = 0) -> Found:
    """A null data set that came to an answer."""
    verified, oracle = Judged(answer, "", 0.01), Judged(str(SkillVerdict.CANNOT_TELL), "", 0.0)
    verdicts = {"accepted": 29, "unstable": 1}
    return Found("null", number, seed, 30, "GARCH", 0.0, verified, oracle, verdicts, validation_skill, 0.02)


def test_two_false_claims_in_forty_are_the_most_that_reach_the_goal() -> None:
    claims = [made(number, str(SkillVerdict.HOLDS), 0.01) for number in range(3)]
    others = [made(number, str(SkillVerdict.DOES_NOT_HOLD), 0.01) for number in range(3, 41)]
    assert reached([*claims[:2], *others])
    assert not reached([*claims, *others[:37]])
    assert "verified: holds: 2 of 40 = 5.0% (0.6% … 16.9%)" in report([*claims[:2], *others])
    assert "verification says: 1 holds" in report(claims[:1])
    assert "trials: 29 accepted, 1 unstable" in report(claims[:1])


def test_the_goal_is_missed_where_the_best_loss_claims_too_little_to_be_refuted() -> None:
    sets = [
        made(number, str(SkillVerdict.CANNOT_TELL), 0.01 if number < 30 else -0.01) for number in range(40)
    ]
    assert not reached(sets)
    assert "best loss alone: 30 of 40 = 75.0%" in report(sets)
    assert "the same, over the mean: 40 of 40 = 100.0%" in report(sets)
    assert "best loss alone: at least 90%: missed" in report(sets)


def test_the_interval_of_a_share_is_clopper_and_pearsons() -> None:
    low, high = share_interval(0, 40)
    assert low == 0
    assert high == pytest.approx(1 - 0.025 ** (1 / 40))


def test_what_another_seed_left_is_not_taken_up(tmp_path: Path) -> None:
    path = tmp_path / "outcomes.jsonl"
    for seed in (0, 1):
        add(path, made(7, str(SkillVerdict.HOLDS), 0.01, seed=seed))
    assert recorded(path, seed=1, trials=30) == {("null", 7): made(7, str(SkillVerdict.HOLDS), 0.01, seed=1)}
    assert recorded(path, seed=1, trials=29) == {}
    assert recorded(tmp_path / "none.jsonl", seed=1, trials=30) == {}
