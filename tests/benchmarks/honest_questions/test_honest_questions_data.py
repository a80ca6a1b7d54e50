"""benchmarks/honest_questions: its series are what they claim, its honest columns honest, its leaks leaks."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.honest_questions.honest import HONEST
from benchmarks.honest_questions.hosts import HORIZONS
from benchmarks.honest_questions.leaking import LEAKS, host, own
from benchmarks.honest_questions.part import Task
from benchmarks.honest_questions.part_c import NULLS
from benchmarks.honest_questions.part_e import signal
from benchmarks.honest_questions.simulate import ar, bars, garch, har
from benchmarks.leaks.leak import rolling
from benchmarks.leaks.studies import Floats, Study
from trainer.data.bar_volatility import log_parkinson
from trainer.data.transforms import log_return
from trainer.data.windows import Dataset, prepare_last_fold

pytestmark = pytest.mark.slow  # the quick tests are to end within five minutes


def correlation(one: Floats, other: Floats) -> float:
    both = np.isfinite(one) & np.isfinite(other)
    return float(np.corrcoef(one[both], other[both])[0, 1])


def autocorrelation(values: Floats, lag: int = 1) -> float:
    return correlation(values[lag:], values[:-lag])


def made(kind: str, horizon: int, seed: int = 0) -> Study:
    return HONEST[kind](Task("a", kind, horizon).random(seed), horizon)


def prepared(study: Study) -> Dataset:
    return prepare_last_fold(study.config(), study.table())


def test_there_are_at_least_30_honest_kinds_and_30_leaks() -> None:
    assert len(HONEST) >= 30
    assert len(LEAKS) >= 30


@pytest.mark.parametrize("kind", HONEST)
def test_an_honest_table_gives_rows_enough_at_the_longest_horizon(kind: str) -> None:
    data = prepared(made(kind, max(HORIZONS)))
    assert data.horizon == max(HORIZONS)
    assert len(data.test) >= 3 * data.horizon


def test_the_same_task_gives_the_same_table_and_another_draw_another() -> None:
    first, again = (Task("c", "HAR", 5, draw=0) for _ in range(2))
    tables = [NULLS["HAR"](task.random(7), 5).frame for task in (first, again, Task("c", "HAR", 5, draw=1))]
    pd.testing.assert_frame_equal(tables[0], tables[1])
    assert not tables[0].equals(tables[2])


def test_the_memory_of_an_autoregression_is_what_it_is_said_to_be() -> None:
    values = ar(np.random.default_rng(0), 0.8, rows=50_000)
    assert autocorrelation(values) == pytest.approx(0.8, abs=0.01)
    assert values.std() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("leverage", [0.0, 0.15])
def test_volatility_clusters_and_falls_raise_it_where_there_is_leverage(leverage: float) -> None:
    returns = garch(np.random.default_rng(0), rows=50_000, leverage=leverage)
    assert returns.std() == pytest.approx(1, abs=0.15)
    assert autocorrelation(returns**2) > 0.1
    asymmetry = correlation(returns[:-1], returns[1:] ** 2)
    assert (asymmetry < -0.03) if leverage else abs(asymmetry) < 0.02


def test_a_har_is_forecast_by_its_day_week_and_month() -> None:
    values = har(np.random.default_rng(0), rows=20_000)
    known = [np.roll(rolling(values, days), 1)[30:] for days in (1, 5, 22)]
    coefficients, *_ = np.linalg.lstsq(np.column_stack(known), values[30:], rcond=None)
    assert coefficients == pytest.approx([0.4, 0.35, 0.2], abs=0.06)


def test_the_range_of_a_bar_tells_its_volatility() -> None:
    random = np.random.default_rng(0)
    volatility = np.where(np.arange(4000) % 2 == 0, 2.0, 1.0)
    frame = bars(random, volatility)
    told = log_parkinson(frame["High"].to_numpy(np.float64), frame["Low"].to_numpy(np.float64))
    assert told[::2].mean() - told[1::2].mean() == pytest.approx(np.log(2), abs=0.05)
    inside = frame[["Open", "Close"]]
    assert (frame["Low"] <= inside.min(axis=1) + 1e-9).all()
    assert (frame["High"] >= inside.max(axis=1) - 1e-9).all()


def test_new_york_is_known_before_tokyo_answers() -> None:
    study = made("Tokyo after New York", 1)
    new_york, tokyo = study.values("new_york"), own(study)
    assert correlation(new_york[:-1], tokyo[1:]) == pytest.approx(0.35, abs=0.06)
    assert abs(correlation(new_york, tokyo)) < 0.06


def test_two_markets_of_one_session_move_together_and_neither_leads() -> None:
    study = made("same session", 1)
    other, mine = study.values("other"), own(study)
    assert correlation(other, mine) == pytest.approx(0.6, abs=0.06)
    assert abs(correlation(other[:-1], mine[1:])) < 0.06


def test_implied_volatility_knows_more_than_the_past_does() -> None:
    study = made("implied volatility", 21)
    month = study.future()
    past = rolling(study.values("logvol"), 22)
    assert correlation(study.values("iv"), month) > correlation(past, month) + 0.05


@pytest.mark.parametrize(
    "kind", ["random walk", "GARCH", "regimes", "drift", "fat tails", "hourly returns", "weekly returns"]
)
def test_returns_that_nothing_forecasts_have_no_memory(kind: str) -> None:
    returns = own(made(kind, 1))[1:]
    assert abs(autocorrelation(returns)) < 4 / np.sqrt(len(returns))


@pytest.mark.parametrize("name", LEAKS)
@pytest.mark.parametrize("horizon", [1, 21])
def test_a_leak_stands_in_a_column_without_gaps_beside_an_honest_host(name: str, horizon: int) -> None:
    leak = LEAKS[name]
    planted = leak.plant(host(leak.kind, horizon), Task("b", name, horizon).random(0))
    honest = host(leak.kind, horizon)
    assert np.isfinite(planted.frame.drop(columns="Date").to_numpy(np.float64)).all()
    assert len(planted.frame) > 0.98 * len(honest.frame)
    features = [feature["name"] for feature in planted.features]
    assert features[: len(honest.features)] == [feature["name"] for feature in honest.features]
    assert features[len(honest.features) :] == ([] if name == "today's value as raw target" else ["leak"])


@pytest.mark.parametrize(
    "name",
    ["future 20-day return, R² 0.3", "target under noise, 3 std", "mean by month", "two-sided EWMA, 5"],
)
def test_a_leak_tells_of_the_target_what_the_past_does_not(name: str) -> None:
    leak = LEAKS[name]
    planted = leak.plant(host(leak.kind, 21), Task("b", name, 21).random(0))
    future, known = planted.future(), planted.known()
    held = np.isfinite(future) & np.isfinite(known)
    columns = np.column_stack([np.ones(held.sum()), known[held], planted.values("leak")[held]])
    past, both = (_unexplained(columns[:, :used], future[held]) for used in (2, 3))
    assert both < 0.97 * past


def _unexplained(columns: Floats, target: Floats) -> float:
    coefficients, *_ = np.linalg.lstsq(columns, target, rcond=None)
    return float(np.mean((target - columns @ coefficients) ** 2))


@pytest.mark.parametrize(("r2", "told"), [(0.01, ("a",)), (0.05, ("a", "b"))])
def test_the_planted_mean_explains_the_share_that_it_is_said_to(r2: float, told: tuple[str, ...]) -> None:
    found = []
    for draw in range(10):
        study = signal(np.random.default_rng(draw), r2, told)
        returns = log_return(study.values("Close"))[1:]
        columns = np.column_stack([np.ones(len(returns)), *(study.values(name)[:-1] for name in told)])
        found.append(1 - _unexplained(columns, returns) / returns.var())
    assert np.mean(found) == pytest.approx(r2, abs=0.004)


@pytest.mark.parametrize(("kind", "lag"), [("hourly volatility", 24), ("hourly load", 24)])
def test_a_season_of_the_day_is_in_the_table(kind: str, lag: int) -> None:
    study = made(kind, 1)
    values = study.known()
    values = values[np.isfinite(values)]
    assert autocorrelation(values, lag) > autocorrelation(values, lag // 2) + 0.2
