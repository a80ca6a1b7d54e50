"""Studies with conditional settings, run, continued, taken over, exported and shown as a user would."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from search.config.resolve import resolve
from search.record.row_mapping import recorded_settings
from search.watching.plots.parallel import plot_parallel
from search.watching.plots.slices import plot_slices
from search.watching.plots.space import plot_space
from search.watching.view import study_view
from storage.verdicts import Verdict

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast, Launch, WriteStudy

pytestmark = pytest.mark.slow

LAYERS, DROPOUT, LR = "models.gru.num_layers", "models.gru.dropout", "models.gru.learning_rate"
SPACE: dict[str, Any] = {
    DROPOUT: {"low": 0.1, "high": 0.3, "when": {LAYERS: [2, 3]}},
    LAYERS: {"choices": [1, 2]},
    LR: {"low": 1e-3, "high": 1e-2, "log": True},
}
WHEN = {LAYERS: 2}
TIED: dict[str, Any] = {**SPACE, DROPOUT: {**SPACE[DROPOUT], "when": WHEN}}
SECTION = {"sampler": "random", "trials": 6, "startup_trials": None}


def test_a_study_records_why_a_setting_is_idle_and_its_export_gives_the_same_bits(
    write_study: "WriteStudy", launch: "Launch", ballast: "Ballast", tmp_path: Path
) -> None:
    done = launch(write_study(study=SECTION, space=TIED))
    idle = [trial for trial in done.trials if DROPOUT not in trial.params]
    assert {trial.params[LAYERS] for trial in idle} == {1}
    assert all(trial.params[LAYERS] == 2 for trial in done.trials if trial not in idle)
    settings = {s.key: s for s in recorded_settings(done.store, "small", idle[0].number)}
    assert settings[DROPOUT].reason == f"idle: {LAYERS} is 1, not 2"
    assert settings[DROPOUT].value == 0.0
    best = tmp_path / "best.yaml"
    exported = ballast("export", "small", "-o", best, "--trial", idle[0].number, "--store", done.store.url)
    assert exported.code == 0
    assert dict(resolve(best).space) == {}
    assert "reproduced: the exported value, to the last bit" in ballast("train", best).out
    told = ballast("explain", "small", "--trial", idle[0].number, "--key", DROPOUT, "--store", done.store.url)
    assert f"idle: {LAYERS} is 1, not 2" in told.out
    table = ballast("trials", "small", "--store", done.store.url).out
    assert " – " in next(line for line in table.splitlines() if line.startswith(f"{idle[0].number} "))
    status = ballast("status", "small", "--store", done.store.url).out
    active = len(done.trials) - len(idle)
    assert f"{DROPOUT} 0.1 to 0.3, if {LAYERS} is 2: in {active} of 6 trials, – in the others" in status
    rows = ballast("trials", "small", "--json", "--store", done.store.url).json
    assert all((DROPOUT in row["params"]) == (row["params"][LAYERS] == 2) for row in rows)


def test_figures_say_where_a_setting_is_idle(write_study: "WriteStudy", launch: "Launch") -> None:
    view = study_view(launch(write_study(study=SECTION, space=TIED)).store, "small")
    sentence = f"{DROPOUT} is searched only if {LAYERS} is 2: other trials have no value of it here."
    slices, parallel = plot_slices(view), plot_parallel(view)
    assert sentence in plot_space(view).about
    assert slices is not None
    assert sentence in slices.about
    assert parallel is not None
    assert "idle (–) in its trial" in parallel.about
    told = [point for trace in parallel.figure["data"] for point in trace["customdata"] if point]
    idle = {trial.number for trial in view.trials if DROPOUT not in trial.params}
    assert {number for number, text in told if text == "–, idle"} == idle
    assert idle


def test_configurations_that_differ_in_an_idle_setting_are_trained_once(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    space = {DROPOUT: TIED[DROPOUT], LAYERS: TIED[LAYERS]}
    path = write_study(study={**SECTION, "trials": 4}, space=space)
    first = launch(path, "study.trials=1")
    for dropout in (0.1, 0.2):
        first.study.optuna.enqueue_trial({LAYERS: 1, DROPOUT: dropout})
    trials = launch(path, "study.trials=3").trials
    ones = [trial for trial in trials if trial.params == {LAYERS: 1}]
    assert len({trial.configuration for trial in ones}) == 1
    assert [trial.reasons for trial in ones][1:] == [["duplicate"]] * (len(ones) - 1)
    settings = {s.key: s for s in recorded_settings(first.store, "small", 1)}
    ignored = settings[DROPOUT].overrides[-2]
    assert (ignored.requested, ignored.effective) == (0.1, 0.0)
    assert ignored.reason == f"ignored, idle: {LAYERS} is 1, not 2"


def test_a_grid_with_conditions_ends_when_each_distinct_configuration_is_tried(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    space = {DROPOUT: {"choices": [0.1, 0.2], "when": WHEN}, LAYERS: {"choices": [1, 2]}}
    path = write_study(study={**SECTION, "sampler": "grid", "trials": 9}, space=space)
    launch(path, "study.trials=2")
    done = launch(path)
    assert done.end.reason == "every point of the grid has been tried"
    assert sorted(tuple(sorted(trial.params.items())) for trial in done.trials) == [
        ((DROPOUT, 0.1), (LAYERS, 2)),
        ((DROPOUT, 0.2), (LAYERS, 2)),
        ((LAYERS, 1),),
    ]


def test_a_study_does_not_go_on_with_another_idle_value(
    write_study: "WriteStudy", launch: "Launch", ballast: "Ballast"
) -> None:
    path = write_study(study=SECTION, space=TIED)
    done = launch(path, "study.trials=1")
    text = json.loads(path.read_text())
    text["models"]["gru"]["dropout"] = 0.2
    path.write_text(json.dumps(text))
    told = ballast("run", path, "--store", done.store.url)
    assert told.code == 2
    assert f"{DROPOUT}, where it is not searched, was 0.0, is 0.2" in told.told[0]


@pytest.mark.parametrize("to", ["flat", "conditional"])
def test_trials_are_taken_over_between_a_flat_and_a_conditional_space_if_they_lie_in_both(
    write_study: "WriteStudy", launch: "Launch", to: str
) -> None:
    flat = {**TIED, DROPOUT: {"choices": [0.0, 0.2]}}
    tied = {**TIED, DROPOUT: {"choices": [0.0, 0.2], "when": WHEN}}
    before, after = (tied, flat) if to == "flat" else (flat, tied)
    old = launch(write_study(study={**SECTION, "trials": 8}, space=before))
    path = write_study("other.yaml", study={**SECTION, "name": "other", "trials": 1}, space=after)
    taken = [t for t in launch(path, continue_from="small").trials if t.source_study == "small"]
    conclusive = [trial for trial in old.trials if trial.verdict is not Verdict.FAILED]
    outside = [t for t in conclusive if to == "conditional" and t.params[LAYERS] == 1 and t.params[DROPOUT]]
    assert [trial.source_trial for trial in taken] == [t.number for t in conclusive if t not in outside]
    for trial in taken:
        is_tied = to == "conditional"
        assert (DROPOUT in trial.params) == (not is_tied or trial.params[LAYERS] == 2)
        if not is_tied and trial.params[LAYERS] == 1:
            assert trial.params[DROPOUT] == 0.0
