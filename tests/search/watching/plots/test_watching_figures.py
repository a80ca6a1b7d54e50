"""The plots say what the record says, and plotly can read them, whatever the record holds."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.config.space import Choices, Dimension, FloatRange, IntRange
from search.text import COLOURS
from search.watching.blocks import Plot
from search.watching.plots.calibration import plot_calibration
from search.watching.plots.dimension_axis import clamped_intervals, shortest_unique_names
from search.watching.plots.figures import figures
from search.watching.plots.plotly_parts import MAX_POINTS, thin_trials
from search.watching.plots.step_timeline import step_timeline
from search.watching.view import MAX_CURVES, SearchedDimension, StudyView, drawn_trials, study_view
from storage import tables
from storage.verdicts import Verdict
from tests.search.watching.plots.view_fixtures import (
    COVERAGE,
    FEW_UNITS,
    LOG_RATE,
    RATE,
    ROWS,
    UNITS,
    a_finding,
    a_trial,
    a_view,
    an_epoch,
    assert_readable,
    plot,
    searched,
    trace,
)
from trainer.rivals.skill import noise_floor

if TYPE_CHECKING:
    from tests.search_fixtures import Launch, WriteStudy


def test_a_study_that_was_really_run_is_drawn(write_study: "WriteStudy", launch: "Launch") -> None:
    done = launch(write_study(leak=True), "study.trials=3")
    view = study_view(done.store, "small")
    assert {trial.verdict for trial in view.trials} == {Verdict.SUSPICIOUS}
    assert_readable(view)
    shown = trace(plot(view, "skill"), "suspicious")
    refused = {f.trial: f.value for f in view.findings if f.kind == "skill_too_high"}
    assert shown["y"] == pytest.approx([refused[number] for number in shown["x"]], rel=1e-4)
    assert shown["x"] == sorted(refused)
    assert shown["marker"]["color"] == COLOURS[Verdict.SUSPICIOUS]
    assert trace(plot(view, "skill"), "noise floor")["y"][-1] == pytest.approx(
        view.summary.noise_floor, rel=1e-4
    )


@pytest.mark.parametrize(
    "trials",
    [
        [],
        [a_trial(0, None, epochs=0, best_epoch=None), a_trial(1, None, epochs=0, best_epoch=None)],
        [a_trial(0)],
        [a_trial(0, Verdict.UNSTABLE, skill=None, value=None, best_epoch=None, epochs=0)],
    ],
    ids=["no trial", "running trials", "one trial", "no honest epoch"],
)
@pytest.mark.parametrize("space", [(), (LOG_RATE, FEW_UNITS)], ids=["no space", "space"])
def test_a_study_with_little_to_show_is_drawn(
    trials: list[tables.Trial], space: Sequence[SearchedDimension]
) -> None:
    assert_readable(a_view(trials, space=space))
    assert_readable(a_view(trials, epochs={}, space=space))


_ANY = st.floats() | st.sampled_from([0.0, -1.0, 1e-300, 1e300])


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(list(COLOURS)), _ANY, _ANY, _ANY, st.lists(st.tuples(_ANY, _ANY), max_size=3)
        ),
        max_size=6,
    )
)
def test_whatever_the_numbers_no_figure_has_one_that_is_not_finite(
    rows: list[tuple[Verdict | None, float, float, float, list[tuple[float, float]]]],
) -> None:
    trials = [
        a_trial(n, verdict, skill=skill, duration_s=took, params={RATE: rate, UNITS: 7})
        for n, (verdict, skill, took, rate, _) in enumerate(rows)
    ]
    epochs = {
        n: [
            an_epoch(n, e, validation_loss=a, grad_norm_max=b, learning_rate=b)
            for e, (a, b) in enumerate(pairs)
        ]
        for n, (*_, pairs) in enumerate(rows)
        if pairs
    }
    findings = [a_finding(n, lr_before=row[1], lr_after=row[2], value=row[3]) for n, row in enumerate(rows)]
    assert_readable(a_view(trials, epochs, findings))


def test_text_of_users_is_no_html() -> None:
    evil = "<script>alert(1)</script>&<b>"
    space = [searched("data.x", {"choices": [evil, "mean"]}, Choices(("mean",)))]
    clamp = tables.ClampRow(study="s", key=evil, declared=evil, effective="x", reason="", origin="")
    findings = [a_finding(0, kind=evil, action="stop")]
    view = a_view(
        [a_trial(0, params={"data.x": evil})], space=space, baseline=evil, findings=findings, clamps=[clamp]
    )
    assert_readable(view)
    for found in figures(view):
        assert "<script" not in json.dumps(found.figure)
        assert "&<b>" not in json.dumps(found.figure)
    assert "baseline &lt;script&gt;" in json.dumps(plot(view, "learning-curves").figure)


def test_learning_curves_have_one_trace_a_verdict_and_the_best_on_top() -> None:
    trials = [a_trial(0), a_trial(1, value=0.4), a_trial(2, Verdict.UNPROMISING)]
    epochs = {n: [an_epoch(n, e, validation_loss=0.9 - 0.1 * e) for e in range(2)] for n in range(3)}
    epochs[2][1].validation_loss = math.inf
    found = plot(a_view(trials, epochs), "learning-curves")
    assert [t["name"] for t in found.figure["data"]] == [
        "unpromising",
        "accepted",
        "baseline har",
        "best: trial 1",
    ]
    accepted = trace(found, "accepted")
    assert accepted["x"] == [0, 1, None, 0, 1, None]
    assert accepted["y"] == [0.9, 0.8, None, 0.9, 0.8, None]
    assert accepted["customdata"] == [0, 0, None, 1, 1, None]
    assert accepted["line"]["color"] == COLOURS[Verdict.ACCEPTED]
    assert trace(found, "best: trial 1")["line"]["width"] > accepted["line"]["width"]
    assert trace(found, "unpromising")["y"] == [0.9, None, None]
    assert trace(found, "baseline har")["y"] == [0.6, 0.6]
    assert found.title == "Learning curves"


def test_curves_that_the_guard_stopped_lie_over_the_others_and_the_legend_keeps_its_order() -> None:
    trials = [a_trial(n, verdict) for n, verdict in enumerate(COLOURS)]
    drawn = plot(a_view(trials), "learning-curves").figure["data"]
    curves = [t for t in drawn if "legendrank" in t]
    names = [t["name"] for t in curves]
    assert len(names) == len(COLOURS)
    assert names[0] == "unpromising"
    assert names[-3:] == ["accepted", "unstable", "suspicious"]
    assert [t["name"] for t in drawn][-1] == "best: trial 0"
    in_legend = [t["name"] for t in sorted(curves, key=lambda t: t["legendrank"])]
    assert in_legend == ["running" if verdict is None else verdict.value for verdict in COLOURS]


def test_losses_that_are_far_apart_are_drawn_on_a_log_scale() -> None:
    near = {0: [an_epoch(0, e, validation_loss=0.5 + e) for e in range(2)]}
    far = {0: [an_epoch(0, e, validation_loss=0.5 * 100**e) for e in range(2)]}
    zero = {0: [an_epoch(0, e, validation_loss=100.0 * e) for e in range(2)]}
    kinds = [
        plot(a_view([a_trial(0)], epochs), "learning-curves").figure["layout"]["yaxis"]["type"]
        for epochs in (near, far, zero)
    ]
    assert kinds == ["linear", "log", "linear"]


def test_skill_is_shown_beside_the_floor_the_best_so_far_and_the_ceiling() -> None:
    skills = [0.01, -0.05, 0.04, 0.02]
    trials = [a_trial(n, skill=skill, value=1 - skill, epochs=5) for n, skill in enumerate(skills)]
    trials[3].verdict = Verdict.UNPROMISING
    view = a_view(trials)
    found = plot(view, "skill")
    assert trace(found, "accepted")["y"] == skills[:3]
    assert trace(found, "unpromising")["y"] == skills[3:]
    assert trace(found, "unpromising")["marker"]["symbol"] != trace(found, "accepted")["marker"]["symbol"]
    best = trace(found, "best so far")
    assert (best["x"], best["y"]) == ([0, 2, 3], [0.01, 0.04, 0.04])
    floor = trace(found, "noise floor")
    assert floor["y"] == pytest.approx([noise_floor(5 * k, ROWS, 1) for k in (1, 2, 3, 4)], rel=1e-4)
    assert floor["y"][-1] == pytest.approx(view.summary.noise_floor, rel=1e-4)
    assert trace(found, "ceiling")["y"] == [0.3, 0.3]


def test_a_very_low_skill_moves_the_axis_not_the_data() -> None:
    found = plot(
        a_view([a_trial(n, skill=skill) for n, skill in enumerate([0.1, 0.05, 0.02, -900.0])]), "skill"
    )
    low, high = found.figure["layout"]["yaxis"]["range"]
    assert -900 in trace(found, "accepted")["y"]
    assert -1 < low < 0 < 0.3 < high
    assert "1 below the axis" in found.figure["layout"]["title"]["text"]


def test_the_skill_axis_is_chosen_from_the_accepted_trials_and_the_marks() -> None:
    skills = [0.24, 0.25, 0.26, 0.27, 0.28, 0.29, -1.2]
    trials = [a_trial(n, skill=skill) for n, skill in enumerate(skills)]
    trials += [a_trial(n, Verdict.UNPROMISING, skill=-0.9) for n in range(7, 60)]
    found = plot(a_view(trials), "skill")
    low, high = found.figure["layout"]["yaxis"]["range"]
    assert -0.04 < low < 0  # the ceiling of 0.3, the noise floor and 0 are in it
    assert 0.3 < high < 0.34
    assert "54 below the axis" in found.figure["layout"]["title"]["text"]


def test_where_no_trial_beats_the_baseline_the_better_ones_are_on_the_skill_axis() -> None:
    found = plot(a_view([a_trial(n, skill=-0.5 - 0.1 * n) for n in range(8)]), "skill")
    low, high = found.figure["layout"]["yaxis"]["range"]
    assert -1 < low < -0.6
    assert high > 0.3


def test_a_leak_does_not_flatten_the_honest_trials() -> None:
    trials = [a_trial(0, skill=0.02), a_trial(1, Verdict.SUSPICIOUS, skill=None)]
    leak = a_finding(1, kind="skill_too_high", value=30.0, step=None, action="stop")
    found = plot(a_view(trials, findings=[leak]), "skill")
    assert trace(found, "suspicious")["y"] == [30.0]
    assert found.figure["layout"]["yaxis"]["range"][1] < 2
    assert "1 above the axis" in found.figure["layout"]["title"]["text"]


def test_trials_without_a_skill_are_counted() -> None:
    trials = [a_trial(0), a_trial(1, Verdict.UNSTABLE, skill=None), a_trial(2, None)]
    assert "2 without a skill" in plot(a_view(trials), "skill").figure["layout"]["title"]["text"]


def test_the_clamped_part_of_a_log_dimension_is_shaded_where_it_is() -> None:
    layout = plot(a_view(), "space").figure["layout"]
    (shade,) = [shape for shape in layout["shapes"] if shape["xref"] == "x"]
    assert (shade["x0"], shade["x1"]) == (pytest.approx(1e-2), pytest.approx(1e-1))
    (name,) = [text for text in layout["annotations"] if text["xref"] == "x"]
    assert (name["text"], name["x"]) == ("clamped", -1.5)  # an exponent: so plotly has it
    assert layout["xaxis"]["type"] == "log"
    left, right = layout["xaxis"]["range"]
    assert left < -5
    assert right > -1


def _same_ends(count: int) -> list[SearchedDimension]:
    """Dimensions whose last parts are alike, two by two."""
    keys = [f"models.{model}.size_{n}" for n in range(4) for model in ("gru", "lstm")]
    return [searched(key, {"low": 1e-6, "high": 0.1, "log": True}, FloatRange(1e-6, 0.1)) for key in keys][
        :count
    ]


def test_two_columns_of_strips_leave_room_for_the_ends_of_their_ticks_on_a_phone() -> None:
    layout = plot(a_view(space=_same_ends(4)), "space").figure["layout"]
    left, right = layout["xaxis"]["domain"], layout["xaxis2"]["domain"]
    words = 90
    phone = 390 - words - layout["margin"]["r"]
    assert (right[0] - left[1]) * phone > 30  # half of `0.8` and half of `1e-6`
    assert right[1] == pytest.approx(1, abs=1e-3)


def test_strips_are_named_by_as_few_parts_of_their_keys_as_tell_them_apart() -> None:
    keys = ["models.gru.dropout", "models.lstm.dropout", "training.epochs", "dropout", "a.b", "c.a.b"]
    assert shortest_unique_names(keys) == {
        "models.gru.dropout": "gru.dropout",
        "models.lstm.dropout": "lstm.dropout",
        "training.epochs": "epochs",
        "dropout": "dropout",
        "a.b": "a.b",
        "c.a.b": "c.a.b",
    }


@pytest.mark.parametrize("count", range(9))
def test_up_to_eight_keys_fit_into_the_box_of_the_dashboard(count: int) -> None:
    trials = [a_trial(n, verdict) for n, verdict in enumerate(COLOURS)]
    view = a_view(trials, space=_same_ends(count), findings=[a_finding(n) for n in range(len(trials))])
    for found in figures(view):
        assert found.figure["layout"]["height"] <= 450


@pytest.mark.parametrize("count", range(1, 9))
def test_safe_ranges_have_each_bar_beside_its_text(count: int) -> None:
    many = searched("data.x", {"choices": list(range(100, 130))}, Choices((100, 101)))
    found = plot(a_view(space=[*_same_ends(count - 1), many]), "safe-ranges")
    look = found.figure["layout"]
    texts = [text for text in look["annotations"] if not text["text"].startswith("<b>")]
    bars = sorted(y for t in found.figure["data"] for y in t["y"])
    assert [text["y"] for text in texts] == bars
    a_line = (look["height"] - look["margin"]["t"] - look["margin"]["b"]) / (4 * count)
    assert a_line >= texts[0]["font"]["size"] + 1
    assert texts[0]["font"]["size"] >= 10
    assert texts[-3]["text"] == "asked for 100, 101 … 129"
    assert ", 115, " in found.figure["data"][0]["text"][-1]  # hovering tells all
    for text in texts:
        ends = -text["xshift"] - 0.55 * text["font"]["size"] * len(text["text"])
        assert 0 < ends < 390 / 2
        assert look["margin"]["l"] < 390 * 0.6


def test_a_dropped_choice_is_shaded_and_named() -> None:
    layout = plot(a_view(), "space").figure["layout"]
    (shade,) = [shape for shape in layout["shapes"] if shape["xref"] == "x2"]
    assert (shade["x0"], shade["x1"]) == (2.5, 3.5)
    assert layout["xaxis2"]["ticktext"] == ["16", "32", "64", "256"]


def test_what_was_cut_away_is_the_declared_less_the_effective() -> None:
    cases: list[tuple[Mapping[str, Any], Dimension, list[tuple[float, float]]]] = [
        ({"low": 0.0, "high": 0.7}, FloatRange(0.0, 0.5), [(0.5, 0.7)]),
        ({"low": 8, "high": 64}, IntRange(16, 32), [(8, 16), (32, 64)]),
        ({"low": 0.0, "high": 0.4}, FloatRange(0.0, 0.4), []),
        ({"low": 1, "high": 9}, Choices((2, 4)), [(1, 2), (2, 4), (4, 9)]),
        ({"choices": ["a", "b", "c"]}, Choices(("b",)), [(-0.5, 0.5), (1.5, 2.5)]),
        ({"low": 0.1, "high": 0.4}, FloatRange(0.0, 0.5), []),
    ]
    for declared, effective, cuts in cases:
        assert clamped_intervals(searched("k", declared, effective)) == cuts


def test_each_trial_stands_in_the_row_of_its_verdict_at_its_own_value() -> None:
    verdicts = (Verdict.ACCEPTED, Verdict.UNSTABLE, Verdict.SUSPICIOUS)
    trials = [
        a_trial(n, verdict, params={RATE: 10.0 ** (-3 - n), UNITS: 64}) for n, verdict in enumerate(verdicts)
    ]
    found = plot(a_view(trials), "space")
    assert found.figure["layout"]["yaxis"]["ticktext"] == ["accepted", "unstable", "suspicious"]
    for row, verdict in enumerate(verdicts):
        first, second = [t for t in found.figure["data"] if t["name"] == verdict.value]
        assert first["x"] == [10.0 ** (-3 - row)]
        assert first["y"] == [row]
        assert (second["x"], second["y"], second["text"]) == ([2], [row], ["1"])
        assert first["marker"]["color"] == COLOURS[verdict]


def test_a_trial_without_a_value_that_fits_is_left_out_of_the_strip() -> None:
    trials = [a_trial(0, params={}), a_trial(1, params={RATE: "fast", UNITS: 48}), a_trial(2)]
    first, second = plot(a_view(trials), "space").figure["data"]
    assert first["customdata"] == [2]
    assert second["text"] == ["1"]


def test_no_point_is_moved_from_its_value_and_equal_values_lie_above_each_other() -> None:
    trials = [
        a_trial(n, params={RATE: 1e-3 if n < 9 else 1e-4, UNITS: 16 if n < 7 else 64}) for n in range(10)
    ]
    rates, units = plot(a_view(trials), "space").figure["data"]
    assert rates["x"] == [1e-3] * 9 + [1e-4]
    assert len(set(rates["y"][:9])) == 9
    assert max(map(abs, rates["y"])) < 0.5
    assert rates["y"][9] == 0
    assert (units["x"], units["text"]) == ([0, 2], ["7", "3"])


def _lines(found: Plot) -> list[str]:
    return [text["text"] for text in found.figure["layout"]["annotations"]]


def test_safe_ranges_tell_the_true_ends_and_draw_them_on_one_scale() -> None:
    found = plot(a_view(), "safe-ranges")
    assert _lines(found) == [
        f"<b>{RATE}</b>",
        "asked for 1e-05 to 0.1",
        "safe 1e-08 to 0.01",
        "in force 1e-05 to 0.01",
        f"<b>{UNITS}</b>",
        "asked for 16, 32, 64, 256",
        "safe at most 128",
        "in force 16, 32, 64",
    ]
    starts = {t["name"]: t["base"] for t in found.figure["data"]}
    ends = {t["name"]: [a + b for a, b in zip(t["base"], t["x"], strict=True)] for t in found.figure["data"]}
    assert starts["asked for"] == pytest.approx(starts["in force"])
    assert starts["safe"][0] < starts["asked for"][0]
    assert starts["safe"][1] == 0  # open: it runs to the edge
    assert ends["safe"][0] == pytest.approx(ends["in force"][0], abs=1e-4)
    assert ends["in force"][0] < ends["asked for"][0]
    # 1e-8 … 1e-1 is drawn as 7 equal decades: each end is where its exponent is.
    assert (starts["asked for"][0] - starts["safe"][0]) / (ends["asked for"][0] - starts["safe"][0]) == (
        pytest.approx(3 / 7, abs=1e-3)
    )


def test_a_fixed_value_that_was_clamped_has_a_row_of_its_own() -> None:
    clamps = [
        tables.ClampRow(study="s", key=key, declared=asked, effective=effective, reason="", origin="")
        for key, asked, effective in (
            ("training.max_grad_norm", 5.0, 1.0),
            ("training.mixed_precision", True, False),
            ("models.gru.batch_size", 4, 16),
            ("models.gru.colour", "red", None),
            (RATE, 1.0, 0.01),
        )
    ]
    lines = _lines(plot(a_view(space=(), clamps=clamps[:4]), "safe-ranges"))
    assert lines[1:4] == ["asked for 5", "safe at most 1", "in force 1"]
    assert lines[5:8] == ["asked for true", "safe only false", "in force false"]
    assert lines[9:12] == ["asked for 4", "safe at least 16", "in force 16"]
    assert lines[13:] == ["asked for red", "safe no value of its kind", "in force left out"]
    assert len(_lines(plot(a_view(clamps=clamps), "safe-ranges"))) == 6 * 4  # RATE is searched: told once


def test_a_course_counts_steps_over_the_whole_trial_and_shows_every_cut() -> None:
    epochs = [an_epoch(0, 0, learning_rate=1e-3), an_epoch(0, 1, learning_rate=1e-4)]
    stopped = a_finding(0, kind="frozen", epoch=2, step=None, action="stop", lr_before=1e-4, lr_after=1e-4)
    done = step_timeline(epochs, [a_finding(0), stopped])
    assert done.ends == [100, 200]
    assert done.rates == [(0, 1e-3), (100, 1e-3), (120, 1e-3), (120, 1e-4), (200, 1e-4), (300, 1e-4)]
    assert [(step, finding.kind) for step, finding in done.marks] == [
        (120, "nonfinite_loss"),
        (300, "frozen"),
    ]


@pytest.mark.parametrize("step", [0, 7, 19])
def test_a_finding_of_one_of_five_folds_is_drawn_in_its_epoch_and_fold(step: int) -> None:
    """Each of five folds makes 20 steps in an epoch, and counts its own."""
    epochs = [an_epoch(0, number, fold_losses=[0.8] * 5) for number in range(4)]
    found = a_finding(0, fold=3, epoch=2, step=2 * 20 + step)
    (mark,) = step_timeline(epochs, [found]).marks
    assert mark == (2 * 100 + 3 * 20 + step, found)


@pytest.mark.parametrize("fold", range(5))
@pytest.mark.parametrize("epoch", range(5))
def test_findings_of_folds_that_grow_are_drawn_in_their_epoch(fold: int, epoch: int) -> None:
    lengths = [4, 8, 12, 16, 60]
    epochs = [an_epoch(0, number, fold_losses=[0.8] * 5) for number in range(4)]
    for step in (0, lengths[fold] - 1):
        found = a_finding(0, fold=fold, epoch=epoch, step=epoch * lengths[fold] + step)
        ((drawn, _),) = step_timeline(epochs, [found]).marks
        assert 100 * epoch + 20 * fold <= drawn < 100 * epoch + 20 * (fold + 1)


def test_interventions_are_marked_by_action_and_named_by_kind() -> None:
    findings = [a_finding(0), a_finding(0, kind="output_explosion", action="rewind", step=150)]
    found = plot(a_view([a_trial(0)], findings=findings), "interventions")
    rate, norm, marks = found.figure["data"]
    assert rate["name"] == "#0 best"
    assert (norm["x"], norm["y"], norm["yaxis"]) == ([100, 200], [0.7, 0.7], "y2")
    assert (marks["x"], marks["y"]) == ([120, 150], [1e-4, 1e-4])
    assert marks["marker"]["symbol"] == ["triangle-down", "diamond"]
    assert marks["text"] == ["nonfinite_loss: skip_and_cut, epoch 1", "output_explosion: rewind, epoch 1"]
    assert [t.get("showlegend", True) for t in (rate, norm, marks)] == [True, False, False]


def _intervened(verdicts: Sequence[Verdict], several: Sequence[int] = ()) -> list[str]:
    """The legend where trial 0 is the best, the others have findings, `several` of them more than one."""
    trials = [a_trial(0)] + [a_trial(n, verdict, value=0.6) for n, verdict in enumerate(verdicts, start=1)]
    findings = [a_finding(n) for n in sorted([*range(1, len(trials)), *several])]
    found = plot(a_view(trials, findings=findings), "interventions")
    return [t["name"] for t in found.figure["data"] if t.get("showlegend", True)]


def test_interventions_show_the_best_and_the_latest_with_findings_six_in_all() -> None:
    names = _intervened([Verdict.UNSTABLE] * 13)
    assert names == ["#0 best", *(f"#{n} unstable" for n in range(13, 8, -1))]


def test_interventions_take_unstable_and_suspicious_trials_in_turn_then_others() -> None:
    names = _intervened([Verdict.ACCEPTED] * 4 + [Verdict.UNSTABLE] * 2 + [Verdict.SUSPICIOUS] * 3)
    assert names[1:] == [
        "#6 unstable",
        "#9 suspicious",
        "#5 unstable",
        "#8 suspicious",
        "#7 suspicious",
    ]
    names = _intervened([Verdict.ACCEPTED] * 4 + [Verdict.UNSTABLE])
    assert names[1:] == ["#5 unstable", "#4 accepted", "#3 accepted", "#2 accepted", "#1 accepted"]


def test_interventions_prefer_trials_with_several() -> None:
    names = _intervened([Verdict.UNSTABLE] * 20, several=[2, 4])
    assert names[:4] == ["#0 best", "#4 unstable", "#2 unstable", "#20 unstable"]


def test_interventions_of_trials_whose_epochs_are_not_at_hand_come_last() -> None:
    trials = [a_trial(n, Verdict.UNSTABLE, epochs=0 if n == 1 else 2) for n in range(4)]
    findings = [a_finding(n) for n in (0, 1, 1, 2, 3, 3)]
    epochs = {n: [an_epoch(n, 0), an_epoch(n, 1)] for n in (0, 2)}
    drawn = plot(a_view(trials, epochs, findings), "interventions").figure["data"]
    names = [t["name"] for t in drawn if t.get("showlegend", True)]
    assert names == [f"#{n} unstable" for n in (1, 2, 0, 3)]


def test_equal_learning_rates_do_not_hide_each_other() -> None:
    trials = [a_trial(n, Verdict.UNSTABLE) for n in range(12)]
    found = plot(a_view(trials, findings=[a_finding(n) for n in range(12)]), "interventions")
    rates = [t for t in found.figure["data"] if t.get("showlegend", True)]
    marks = [t for t in found.figure["data"] if t["mode"] == "markers"]
    widths, sizes = [t["line"]["width"] for t in rates], [t["marker"]["size"] for t in marks]
    assert len({tuple(t["y"]) for t in rates}) == 1
    assert widths == sorted(set(widths), reverse=True)
    assert sizes == sorted(set(sizes), reverse=True)
    assert (widths[-1], sizes[-1]) >= (1, 7)


def test_a_mark_at_the_first_or_the_last_step_is_not_cut_in_half() -> None:
    findings = [a_finding(0, step=0), a_finding(0, epoch=2, step=None)]
    layout = plot(a_view([a_trial(0)], findings=findings), "interventions").figure["layout"]
    for name in ("xaxis", "xaxis2"):
        assert layout[name]["range"] == [pytest.approx(-9), pytest.approx(309)]


def test_the_running_median_looks_back_at_25_trials() -> None:
    took = [float((7 * n) % 41 + 1) for n in range(60)]
    found = plot(a_view([a_trial(n, duration_s=s) for n, s in enumerate(took)], {}), "seconds")
    expected = [median(took[max(0, n - 24) : n + 1]) for n in range(60)]
    assert trace(found, "running median")["y"] == expected
    assert trace(found, "accepted")["y"] == took


def _many(count: int) -> StudyView:
    verdicts = [*(Verdict.ACCEPTED,) * 6, Verdict.UNPROMISING, Verdict.UNSTABLE, Verdict.SUSPICIOUS]
    trials = [
        a_trial(
            n,
            verdicts[n % 9],
            skill=math.sin(n) / 7,
            value=1 - math.sin(n) / 7,
            epochs=15,
            duration_s=3 + math.cos(n),
            params={
                RATE: 10 ** (-3.5 + 1.5 * math.sin(n * n)),
                UNITS: (16, 32, 64)[n % 3],
                "a.x": n / 7e4,
                "b.x": n,
            },
        )
        for n in range(count)
    ]
    space = [LOG_RATE, FEW_UNITS]
    space += [searched(key, {"low": 0, "high": count}, IntRange(0, count)) for key in ("a.x", "b.x")]
    view = a_view(trials, {}, [a_finding(n) for n in range(7, count, 9)], space)
    drawn = drawn_trials(trials, view.summary.best, view.findings)
    losses = {n: [an_epoch(n, e, validation_loss=1 / (1.123456 + e + n)) for e in range(15)] for n in drawn}
    return replace(view, epochs=losses)


def test_two_thousand_trials_are_less_than_600_kilobytes() -> None:
    view = _many(2000)
    drawn = figures(view)
    assert sum(len(json.dumps(found.figure, allow_nan=False)) for found in drawn) < 600_000
    assert plot(view, "learning-curves").title == f"Learning curves: {len(view.epochs)} of 2,000 trials"
    assert len(view.epochs) <= MAX_CURVES


@pytest.mark.slow
def test_beyond_two_thousand_trials_are_thinned_and_the_title_says_so() -> None:
    trials = [a_trial(n, Verdict.UNSTABLE if n % 50 == 0 else Verdict.ACCEPTED) for n in range(3000)]
    kept = thin_trials(trials, None)
    assert len(kept) == MAX_POINTS
    assert sum(trial.verdict is Verdict.UNSTABLE for trial in kept) == 60
    assert [trial.number for trial in kept] == sorted(trial.number for trial in kept)
    view = a_view(trials, {})
    assert plot(view, "skill").title == "Skill: 2,000 of 3,000 trials"
    assert trace(plot(view, "skill"), "noise floor")["y"][-1] == pytest.approx(
        view.summary.noise_floor, rel=1e-4
    )


@pytest.mark.slow
@pytest.mark.parametrize("best", [0, 1, 1501, 2999])
def test_the_best_trial_is_drawn_however_many_there_are(best: int) -> None:
    trials = [a_trial(n, Verdict.UNSTABLE if n % 50 == 7 else Verdict.ACCEPTED) for n in range(3000)]
    kept = [trial.number for trial in thin_trials(trials, trials[best])]
    assert best in kept
    assert len(kept) == len(set(kept)) == MAX_POINTS
    trials[best].value = 0.1
    view = a_view(trials, {})
    assert best in trace(plot(view, "skill"), "accepted")["x"]
    assert best in trace(plot(view, "seconds"), "accepted")["x"]
    assert best in plot(view, "space").figure["data"][0]["customdata"]


def test_calibration_draws_the_share_of_test_rows_within_bounds_against_their_level() -> None:
    drawn = plot_calibration({"coverage": COVERAGE})
    assert drawn is not None
    go.Figure(drawn.figure)
    measured = drawn.figure["data"][-1]
    assert measured["x"] == [10, 50, 80, 95]
    assert measured["y"] == pytest.approx([8.3333, 41.667, 66.667, 79.167])
    assert "1,005 test rows" in drawn.figure["layout"]["title"]["text"]


@pytest.mark.parametrize("report", [None, {}, {"coverage": None}, {"coverage": {"levels": []}}])
def test_without_tested_bounds_there_is_no_calibration(report: dict[str, Any] | None) -> None:
    assert plot_calibration(report) is None
