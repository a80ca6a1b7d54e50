"""Figures of settings, columns and time: their numbers are those of a computation by hand."""

import json
import math
import random
import re
from collections.abc import Sequence
from datetime import timedelta
from statistics import median
from typing import TYPE_CHECKING, Any

import optuna
import pytest
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

from search.config.space import Choices, FloatRange, IntRange, to_distributions
from search.selection.setting_importances import MOST_TRIALS, setting_importances
from search.watching.blocks import Plot
from search.watching.plots.contour import cell_edges
from search.watching.plots.dot_rows import MOST_ROWS
from search.watching.plots.figures import figures
from search.watching.plots.plotly_parts import SYMBOLS
from search.watching.view import SearchedDimension, study_view
from storage import tables
from storage.verdicts import Verdict
from tests.search.watching.plots.view_fixtures import (
    LOG_RATE,
    NOON,
    RATE,
    UNITS,
    a_trial,
    a_view,
    assert_readable,
    plot,
    searched,
    trace,
)

if TYPE_CHECKING:
    from tests.search_fixtures import Launch, WriteStudy

LENGTH, SCHEDULE = "data.seq_len", "training.schedule"
SPACE = (
    LOG_RATE,
    searched(UNITS, {"choices": [64, 16, 32, 256]}, Choices((64, 16, 32)), high=128),
    searched(LENGTH, {"low": 8, "high": 32, "step": 8}, IntRange(8, 32, step=8)),
)
DIMENSIONS = {each.key: each.effective for each in SPACE}


def some_trials(count: int, seed: int = 0) -> list[tables.Trial]:
    """The learning rate decides the loss; suspicious trials have the lowest ones."""
    drawn, trials = random.Random(seed), []
    for number in range(count):
        rate = 10 ** drawn.uniform(-5, -2)
        params = {RATE: rate, UNITS: drawn.choice([64, 16, 32]), LENGTH: drawn.choice([8, 16, 24, 32])}
        verdict = drawn.choices(
            [Verdict.ACCEPTED, Verdict.UNPROMISING, Verdict.SUSPICIOUS, Verdict.UNSTABLE], [6, 3, 1, 1]
        )[0]
        loss: float | None = 0.5 + 0.02 * (math.log10(rate) + 3) ** 2 + drawn.gauss(0, 0.002)
        if verdict is Verdict.SUSPICIOUS:
            loss = 0.1 + 0.1 * (params[UNITS] == 16)  # would make the units important
        if verdict is Verdict.UNSTABLE:
            loss = None
        trials.append(a_trial(number, verdict, params=params, value=loss, skill=None))
    return trials


def of_verdict(trials: Sequence[tables.Trial], *verdicts: Verdict) -> list[tables.Trial]:
    return [trial for trial in trials if trial.verdict in verdicts]


def dots(found: Plot, name: str) -> dict[str, float]:
    drawn = trace(found, name)
    return dict(zip(drawn["y"], drawn["x"], strict=True))


def test_the_importance_of_settings_is_that_of_optuna_over_honest_trials() -> None:
    trials = some_trials(80)
    honest = of_verdict(trials, Verdict.ACCEPTED, Verdict.UNPROMISING)
    study = optuna.create_study()
    for trial in honest:
        study.add_trial(
            optuna.trial.create_trial(
                params=trial.params, distributions=to_distributions(DIMENSIONS), value=trial.value
            )
        )
    expected = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    found = setting_importances(trials, DIMENSIONS)
    assert found is not None
    assert {each.key: each.share for each in found.settings} == pytest.approx(expected)
    assert [each.key for each in found.settings] == sorted(expected, key=lambda key: -expected[key])
    assert (found.trials, found.top) == (len(honest), math.ceil(len(honest) / 10))


def test_a_setting_that_decides_is_filled_and_those_within_luck_are_hollow() -> None:
    found = plot(a_view(some_trials(80), space=SPACE), "setting-importance")
    assert list(dots(found, "matters")) == ["learning_rate"]
    assert set(dots(found, "no more than luck")) == {"hidden_size", "seq_len"}
    assert trace(found, "matters")["marker"]["symbol"] == "circle"
    assert trace(found, "no more than luck")["marker"]["symbol"] == "circle-open"
    reached = trace(found, "shuffled losses")
    luck = dict(zip(reached["y"][1::3], reached["x"][1::3], strict=True))
    assert luck["learning_rate"] < dots(found, "matters")["learning_rate"]
    assert all(luck[name] >= share for name, share in dots(found, "no more than luck").items())


def test_of_many_settings_the_most_important_have_a_panel() -> None:
    others = [searched(f"data.x{i}", {}, FloatRange(0.0, 1.0)) for i in range(6)]
    trials, drawn = some_trials(40), random.Random(1)
    for trial in trials:
        trial.params |= {each.key: drawn.random() for each in others}
    found = plot(a_view(trials, space=[*others, *SPACE]), "slices")
    names = [value["title"]["text"] for key, value in found.figure["layout"].items() if key[:5] == "xaxis"]
    assert len(names) == 4
    assert "learning_rate" in names
    assert "Of 9 settings the 4 most important are drawn." in found.about
    assert found.figure["layout"]["height"] <= 450


def test_few_trials_show_no_importance_and_no_contour() -> None:
    ids = [found.id for found in figures(a_view(some_trials(15), space=SPACE))]
    assert "slices" in ids
    assert "setting-importance" not in ids
    assert "contour" not in ids


def test_slices_have_each_loss_at_the_value_used_in_the_shape_of_its_verdict() -> None:
    trials = some_trials(40)
    found = plot(a_view(trials, space=SPACE), "slices")
    layout = found.figure["layout"]
    for verdict in (Verdict.ACCEPTED, Verdict.UNPROMISING, Verdict.SUSPICIOUS):
        mine = of_verdict(trials, verdict)
        panels = [each for each in found.figure["data"] if each["name"] == verdict.value]
        assert [each["showlegend"] for each in panels] == [True, False, False]
        assert panels[0]["marker"]["symbol"] == SYMBOLS[verdict]
        assert panels[0]["x"] == pytest.approx([t.params[RATE] for t in mine], rel=1e-4)
        assert panels[0]["y"] == pytest.approx([t.value for t in mine], rel=1e-4)
        assert panels[1]["x"] == [[16, 32, 64].index(t.params[UNITS]) for t in mine]
    assert [layout[name]["type"] for name in ("xaxis", "xaxis2", "xaxis3")] == ["log", "linear", "linear"]
    assert layout["xaxis2"]["ticktext"] == ["16", "32", "64"]  # in their order, without what was clamped
    assert 10 ** layout["xaxis"]["range"][1] < 0.02  # up to 0.1 was asked for


def test_suspicious_losses_move_no_axis_and_are_counted() -> None:
    trials = some_trials(40)
    found = plot(a_view(trials, space=SPACE), "slices")
    low, high = found.figure["layout"]["yaxis"]["range"]
    best = min(t.value or 9 for t in of_verdict(trials, Verdict.ACCEPTED))
    assert best - 0.05 < low < best < 0.6 < high
    below = len(of_verdict(trials, Verdict.SUSPICIOUS))
    assert f"{below} below the axes" in found.figure["layout"]["title"]["text"]


def test_a_parallel_line_goes_through_the_places_of_its_values() -> None:
    trials = [
        a_trial(0, params={RATE: 1e-5, UNITS: 32, LENGTH: 8}, value=0.5),
        a_trial(1, params={RATE: 1e-3, UNITS: 16, LENGTH: 32}, value=0.55),
        a_trial(2, Verdict.SUSPICIOUS, params={RATE: 1e-2, UNITS: 64, LENGTH: 16}, value=0.01),
    ]
    found = plot(a_view(trials, space=SPACE), "parallel")
    best = trace(found, "best accepted trial")
    assert best["x"][:3] == [0.0, 0.5, 0.0]  # a log range, choices in their order, whole steps
    assert trace(found, "accepted")["x"][:3] == pytest.approx([2 / 3, 0.0, 1.0], abs=1e-4)
    assert trace(found, "suspicious")["x"] == [1.0, 1.0, pytest.approx(1 / 3, abs=1e-4), None, None]
    low, high = 0.5 - 0.06 * 0.1, 0.6 + 0.06 * 0.1  # from the best to the naive forecast, with some room
    assert best["x"][3] == pytest.approx((0.5 - low) / (high - low), abs=1e-3)
    assert best["y"] == [0, 1, 2, 3, None]
    assert [label.partition("<br>")[0] for label in found.figure["layout"]["yaxis"]["ticktext"]] == [
        "learning_rate",
        "hidden_size",
        "seq_len",
        "validation loss",
    ]


def test_a_cell_of_the_contour_is_the_median_of_accepted_trials_alone() -> None:
    trials = some_trials(80)
    view = a_view(trials, space=SPACE)
    assert view.setting_importances is not None
    keys = [each.key for each in view.setting_importances.settings[:2]]
    assert keys[0] == RATE
    found = plot(view, "contour")
    (cells,) = [each for each in found.figure["data"] if each["type"] == "heatmap"]
    steps = (len(cells["x"]) - 1, len(cells["y"]) - 1)
    values = sorted({trial.params[keys[1]] for trial in trials})
    assert steps[1] == len(values)  # one for each choice or step
    by_cell: dict[tuple[int, int], list[float]] = {}
    for trial in of_verdict(trials, Verdict.ACCEPTED):
        column = min(int((math.log10(trial.params[RATE]) + 5) / 3 * steps[0]), steps[0] - 1)
        by_cell.setdefault((values.index(trial.params[keys[1]]), column), []).append(trial.value or 0)
    for row in range(steps[1]):
        for column in range(steps[0]):
            losses = by_cell.get((row, column))
            expected = None if losses is None else pytest.approx(median(losses), rel=1e-4)
            assert cells["z"][row][column] == expected
            assert cells["customdata"][row][column] == len(losses or ())


@pytest.mark.parametrize(
    ("dimension", "edges"),
    [
        (searched(RATE, {}, FloatRange(1e-4, 1e-2, log=True)), [1e-4, 1e-3, 1e-2]),
        (searched("models.gru.dropout", {}, FloatRange(0.0, 0.5)), [0, 0.25, 0.5]),
        (searched(LENGTH, {}, IntRange(8, 24, step=8)), [4, 12, 20, 28]),
        (searched(SCHEDULE, {}, Choices(("constant", "cosine"))), [-0.5, 0.5, 1.5]),
    ],
    ids=["log", "linear", "steps", "choices"],
)
def test_cells_are_equal_parts_of_the_axis(dimension: SearchedDimension, edges: list[float]) -> None:
    from search.watching.plots.dimension_axis import in_force

    assert cell_edges(in_force(dimension), 2) == pytest.approx(edges)


def test_the_timeline_goes_from_start_to_end_and_a_running_trial_to_the_latest_moment() -> None:
    later = NOON + timedelta(minutes=5)
    trials = [
        a_trial(0, started_at=NOON, finished_at=later),
        a_trial(1, None, started_at=NOON + timedelta(minutes=1), value=None, skill=None),
    ]
    found = plot(a_view(trials), "timeline")
    lines = [each for each in found.figure["data"] if each["mode"] == "lines"]
    assert lines[0]["x"] == ["2024-05-17 12:00:00.000", "2024-05-17 12:05:00.000", None]
    assert lines[1]["x"] == ["2024-05-17 12:01:00.000", "2024-05-17 12:05:00.000", None]
    assert trace(found, "running")["marker"]["symbol"] == SYMBOLS[None]
    assert trace(found, "accepted")["y"] == [0]


def test_ten_thousand_trials_give_figures_of_less_than_300_kilobytes() -> None:
    trials = some_trials(10_000)
    drawn = {each.id: each for each in figures(a_view(trials, epochs={}, space=SPACE))}
    for name in ("slices", "parallel", "contour", "timeline"):
        assert "of 10,000 trials" in drawn[name].title
    told = re.search(r"over (\d+) trials", drawn["setting-importance"].figure["layout"]["title"]["text"])
    assert told is not None
    assert 500 < int(told[1]) <= MOST_TRIALS
    sizes = {name: len(json.dumps(each.figure)) for name, each in drawn.items()}
    assert sum(sizes[name] for name in ("slices", "parallel", "contour", "timeline")) < 300_000


def column(name: str, increase: float, low: float, high: float, *folds: float) -> dict[str, Any]:
    return {"name": name, "increase": increase, "low": low, "high": high, "by_fold": list(folds)}


def recorded(trial: int, *columns: dict[str, Any]) -> dict[str, Any]:
    found = {"columns": list(columns), "loss": 0.5, "rows": 1500, "repeats": 19, "block": 33}
    return {"column_importances": {"trial": trial, "loss_name": "mse", "found": found}}


def test_columns_are_drawn_by_importance_and_what_luck_reaches_is_hollow() -> None:
    view = a_view([a_trial(0, value=0.5), a_trial(1, value=0.4)])
    view.study.facts |= recorded(
        1, column("noise", 0.001, -0.01, 0.02, 0.0, 0.002), column("ret", 0.3, 0.2, 0.4, 0.25, 0.35)
    )
    assert_readable(view)
    found = plot(view, "column-importance")
    assert dots(found, "carries the forecast") == {"ret": 30.0}
    assert dots(found, "no more than luck") == {"noise": 0.1}
    assert found.figure["layout"]["yaxis"]["categoryarray"] == ["ret", "noise"]
    assert trace(found, "19 shuffles")["x"] == [20.0, 40.0, None, -1.0, 2.0, None]
    assert trace(found, "each fold")["x"] == [25.0, 35.0, 0.0, 0.2]
    for said in ("1,500 validation rows", "share what they carry", "more than 33 rows", "single folds"):
        assert said in found.about


def test_the_columns_of_another_trial_are_not_shown_and_of_many_the_first_alone() -> None:
    view = a_view([a_trial(0, value=0.5), a_trial(1, value=0.4)])
    view.study.facts |= recorded(0, column("ret", 0.3, 0.2, 0.4, 0.3))
    assert "column-importance" not in [found.id for found in figures(view)]
    view.study.facts |= recorded(1, *(column(f"x{i}", 0.01 * i, 0, 1, 0.01 * i) for i in range(50)))
    found = plot(view, "column-importance")
    assert len(found.figure["layout"]["yaxis"]["categoryarray"]) == MOST_ROWS
    assert "The 34 columns with the least are not drawn." in found.about


@pytest.mark.parametrize("method", ["holdout", "walk_forward"])
def test_a_study_that_was_run_tells_which_column_carries_its_best_trial(
    method: str, write_study: "WriteStudy", launch: "Launch"
) -> None:
    done = launch(write_study(data={"split": {"method": method}}, rows=1200), "study.trials=3")
    view = study_view(done.store, "small")
    assert view.summary.best is not None
    found = plot(view, "column-importance")
    assert f"trial {view.summary.best.number} on" in found.about
    known = view.study.facts["column_importances"]["found"]
    assert len(known["columns"]) == len(set(found.figure["layout"]["yaxis"]["categoryarray"]))
    assert ("single folds" in found.about) == (method == "walk_forward")
    for each in known["columns"]:
        assert each["low"] <= each["increase"] <= each["high"]
    if method == "holdout":  # the mean loss of the rows that were used, here all or nearly all
        assert known["loss"] == pytest.approx(view.summary.best.value, rel=0.2)


def test_an_interrupted_run_does_not_make_its_user_wait(write_study: "WriteStudy", launch: "Launch") -> None:
    asked = iter(range(10**6))
    done = launch(write_study(), "study.trials=3", should_stop=lambda: next(asked) > 400)
    facts = study_view(done.store, "small").study.facts
    assert ("column_importances" in facts) == (not done.end.interrupted)
