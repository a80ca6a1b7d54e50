"""What the notes on a study and on a trial say, of studies that were really run."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from search.config.layers import Layer, Override, Setting
from search.config.resolve import resolve
from search.data.study_data import load_study_data
from search.selection.summary import MEASURED_FLOOR
from search.study.studies import open_study
from search.watching.blocks import Block, CodeBlock, Paragraph, TableBlock
from search.watching.pages import study_sections, trial_sections
from search.watching.pages.markdown import to_markdown
from search.watching.pages.notes import study_note, trial_note
from search.watching.pages.report import report_blocks
from search.watching.view import StudyView, TrialView, study_view, trial_view
from storage import record, tables
from storage.engine import open_store
from storage.verdicts import Verdict

if TYPE_CHECKING:
    from tests.search_fixtures import Answer, Ballast, Launch, WriteStudy

NOON = datetime(2024, 5, 17, 12, tzinfo=UTC)
CHUNK = 2045
"""Characters of a note that optuna-dashboard keeps in one attribute."""


def table(blocks: Sequence[Block], first_column: str) -> TableBlock:
    (found,) = [b for b in blocks if isinstance(b, TableBlock) and b.columns[0] == first_column]
    return found


def words(blocks: Sequence[Block]) -> list[str]:
    return [block.text for block in blocks if isinstance(block, Paragraph)]


def rows(found: TableBlock) -> dict[Any, Sequence[Any]]:
    return {row[0]: row[1:] for row in found.rows}


def a_trial(**more: Any) -> tables.Trial:
    return tables.Trial(
        study="s",
        number=3,
        params={"models.gru.hidden_size": 8},
        seed=17,
        started_at=NOON,
        worker="w",
        **more,
    )


@pytest.mark.slow
def test_trials_taken_over_are_none_of_those_that_are_done(
    launch: "Launch", write_study: "WriteStudy", ballast: "Ballast"
) -> None:
    path = write_study()
    store = launch(path).store
    assert ballast("run", path, "--name", "more", "--continue-from", "small").code == 0
    view = study_view(store, "more")
    assert len(view.trials) == 4
    assert any(text.startswith("2 of 2 trials are done.") for text in words(study_note(view)))
    assert any(text.startswith("2 of 2 trials are done.") for text in words(report_blocks(view, [])))
    told = ballast("status", "more").out
    assert "2 of 2 done, 4 in all" in told
    assert view.summary.sentence() in told
    assert "the best of 4 trials" in told  # the best may be one of those taken over


@pytest.fixture
def unrun(write_study: "WriteStudy", tmp_path: Path) -> StudyView:
    """A study that has been made, and has no trial."""
    resolved = resolve(write_study(), ())
    store = open_store(f"sqlite:///{tmp_path / 'ballast.db'}")
    open_study(resolved, load_study_data(resolved), store)
    try:
        return study_view(store, "small")
    finally:
        store.close()


@pytest.mark.slow
def test_a_study_note_says_the_result_first_and_how_to_take_it_away(
    launch: "Launch", write_study: "WriteStudy"
) -> None:
    store = launch(write_study(models={"gru": {"head_gain": 0.5}})).store
    view = study_view(store, "small")

    note = study_note(view, "sqlite:///x.db")

    assert note[0] == Paragraph(view.summary.sentence(), strong=True)
    above = view.summary.above_naive
    assert f"2 of 2 trials are done. Of 2 accepted ones {above} are above har." in words(note)
    assert table(note, "verdict").rows == [(Verdict.ACCEPTED, 2)]
    best = view.summary.best
    assert best is not None
    assert table(note, "setting").rows == sorted(best.params.items())
    export = "ballast export small \\\n    --store sqlite:///x.db \\\n    -o best.yaml"
    assert CodeBlock(export) in note
    first_step = "Nothing is worth exporting: of 2 accepted trials none beats the best naive forecast (har)"
    assert any(text.startswith(first_step) for text in words(note))
    assert not any("--verify" in block.text for block in note if isinstance(block, CodeBlock))
    assert rows(table(note, "naive forecast")).keys() == {"zero", "train_mean", "persistence", "har"}
    assert rows(table(note, "data"))["train rows"] == (view.study.facts["rows"]["train"],)
    assert (
        rows(table(note, "searched"))["models.gru.learning_rate"][0] == "{low: 0.001, high: 0.01, log: true}"
    )
    change, why = rows(table(note, "clamped"))["models.gru.head_gain"]
    assert change == "0.5 → 0.001"
    assert "the first forecasts start near the mean of the target" in why


@pytest.mark.slow
def test_the_skill_over_each_baseline_is_that_of_the_best_trial(
    launch: "Launch", write_study: "WriteStudy"
) -> None:
    view = study_view(launch(write_study()).store, "small")
    best, baseline = view.summary.best, view.study.facts["baseline"]["name"]
    assert best is not None

    told = rows(study_sections.baselines(view))

    assert told[baseline][1] == trial_sections.skill_text(best.skill)
    assert [row[0] for row in told.values()] == sorted((row[0] for row in told.values()), key=float)


@pytest.mark.slow
def test_the_newest_answer_of_verify_is_the_first_line_of_note_and_report(
    launch: "Launch", write_study: "WriteStudy", answer: "Answer"
) -> None:
    store = launch(write_study()).store
    answer(store, 0, "does not hold", 0.0239)
    view = study_view(store, "small")
    headline = Paragraph(view.summary.sentence(), strong=True)
    assert headline.text.startswith("Does not hold: on unseen rows skill +0.0239 over har")
    assert study_note(view)[0] == headline
    assert report_blocks(view, [])[2] == headline


def test_rivals_have_a_table_beside_that_of_the_naive_forecasts_and_absent_ones_a_reason(
    launch: "Launch", write_study: "WriteStudy"
) -> None:
    store = launch(write_study()).store
    record.set_study_facts(store, "small", {"rivals": {}, "strongest_rival": None})
    assert not any(
        isinstance(block, TableBlock) and block.columns[0] == "fitted rival"
        for block in study_note(study_view(store, "small"))
    )
    facts = {
        "rivals": {"lhar": 0.9, "linear": 0.8},
        "strongest_rival": {"name": "linear", "loss": 0.8},
        "rivals_absent": {"boosted": "LightGBM is not installed"},
    }
    record.set_study_facts(store, "small", facts)
    view = study_view(store, "small")
    best = view.summary.best
    assert best is not None
    assert best.value is not None
    note = study_note(view)
    told = table(note, "fitted rival").rows
    assert [row[0] for row in told] == ["linear", "lhar"]
    assert told[0][1:3] == ("0.8000", trial_sections.skill_text(1 - best.value / 0.8))
    assert "ridge" in told[0][3]
    assert "Not fitted: boosted: LightGBM is not installed; pip install lightgbm." in words(note)


def test_the_measured_noise_floor_stands_beside_the_formulas(
    launch: "Launch", write_study: "WriteStudy"
) -> None:
    store = launch(write_study()).store
    before = rows(table(study_note(study_view(store, "small")), ""))
    assert before["noise floor as measured"] == ("not measured yet",)
    record.set_study_facts(store, "small", {MEASURED_FLOOR: {"skill": 0.0515, "trials": 2}})
    after = rows(table(study_note(study_view(store, "small")), ""))
    assert after["noise floor as measured"] == ("+0.0515 on 2 trials",)
    assert after["noise floor by the formula"] == before["noise floor by the formula"]


def test_a_study_without_trials_has_a_note_that_says_so(unrun: StudyView) -> None:
    note = study_note(unrun)

    assert words(note)[:3] == [
        "No trial was accepted: there is no best configuration.",
        "0 of 2 trials are done.",
        "There is no best configuration yet.",
    ]
    assert {row[2] for row in table(note, "naive forecast").rows} == {None}
    assert "Nothing was clamped: all that was asked for is safe." in words(note)


def test_a_study_without_an_accepted_trial_names_no_export_that_would_be_refused(unrun: StudyView) -> None:
    told = study_sections.evaluation_blocks(unrun, "")
    assert not any(isinstance(block, CodeBlock) for block in told)
    assert words(told) == ["Nothing of it was scored on the test rows: no trial was accepted."]


def test_findings_of_the_audit_are_listed_with_their_severity(unrun: StudyView) -> None:
    found = {"code": "gaps", "severity": "warning", "message": "3 days are missing", "where": "Date"}
    facts = {**unrun.study.facts, "audit": [found]}
    study = tables.StudyRow(
        **{c.key: getattr(unrun.study, c.key) for c in tables.StudyRow.__table__.columns} | {"facts": facts}
    )
    view = replace(unrun, summary=replace(unrun.summary, study=study))

    assert table(study_note(view), "severity").rows == [("warning", "gaps", "3 days are missing")]


def test_a_trial_note_shows_what_was_sampled_and_what_the_study_set_and_no_defaults(
    launch: "Launch", write_study: "WriteStudy"
) -> None:
    launched = launch(write_study(models={"gru": {"head_gain": 0.5}}), "training.patience=1")
    view = trial_view(launched.store, "small", 1)

    note = trial_note(view)

    trial = view.trial
    assert note[0] == Paragraph(f"accepted: {trial.message}", strong=True)
    assert table(note, "loss").rows[0][-1] == trial.seed
    told = rows(table(note, "key"))
    rate = trial.params["models.gru.learning_rate"]
    asked, layer, where, why = told["models.gru.learning_rate"]
    assert (asked, layer, why) == (f"{rate:.6g}", "sampled", "drawn at random (start-up of tpe)")
    assert where.startswith("study.yaml:")
    assert told["training.patience"][:2] == ("2", "study")
    assert ("", "1", "cli", "--set training.patience=1", "") in table(note, "key").rows
    assert ("", "0.5 → 0.001", "clamp") in [row[:3] for row in table(note, "key").rows]
    assert "training.max_grad_norm" not in told
    assert not any(key.startswith(("study.", "storage.", "space.")) for key in told)


def test_the_note_of_an_ordinary_trial_fits_into_one_attribute(
    launch: "Launch", write_study: "WriteStudy"
) -> None:
    store = launch(write_study()).store

    assert len(to_markdown(trial_note(trial_view(store, "small", 0)))) <= CHUNK


def test_an_unstable_trial_has_the_guards_diary_in_its_note(
    launch: "Launch", write_study: "WriteStudy"
) -> None:
    frozen = {"models.gru.learning_rate": {"low": 1e-8, "high": 2e-8}}
    view = trial_view(launch(write_study(space=frozen)).store, "small", 0)

    note = trial_note(view)

    assert words(note)[0] == f"unstable (frozen): {view.trial.message}"
    (entry,) = table(note, "epoch").rows
    assert (entry[2], entry[5], entry[7]) == ("frozen", "stop", "see above")


def test_a_suspicious_trial_says_to_look_for_a_leak(launch: "Launch", write_study: "WriteStudy") -> None:
    store = launch(write_study(leak=True)).store
    view = study_view(store, "small")

    view_of_trial = trial_view(store, "small", 0)
    assert view.summary.verdicts == {"suspicious": 2}
    assert "look for a leak" in words(trial_note(trial_view(store, "small", 0)))[0]
    assert table(study_note(view), "verdict").rows == [(Verdict.SUSPICIOUS, 2)]
    (found,) = view_of_trial.findings
    number = f"{found.value:+.4f} > {found.threshold:+.4f}"
    assert table(trial_note(view_of_trial), "loss").rows[0][1] == number
    page = report_blocks(view, [])
    (listed,) = [
        block for block in page if isinstance(block, TableBlock) and block.columns[:2] == ("trial", "verdict")
    ]
    assert rows(listed)[0][3] == number


def bare(trial: tables.Trial, *settings: Setting) -> TrialView:
    """A trial without a study around it."""
    study = tables.StudyRow(
        name="s", created_at=NOON, study_file="s.yaml", policy_file="p", seed=0, fingerprints={}, versions={}
    )
    return TrialView(study, trial, settings, epochs=[], findings=[], artifacts=[])


def test_a_retry_and_a_copy_say_whose() -> None:
    retried = trial_note(bare(a_trial(retry_of=1)))
    copied = trial_note(bare(a_trial(source_study="s", source_trial=2)))
    inherited = trial_note(bare(a_trial(source_study="<b>", source_trial=2)))

    assert words(retried)[1] == "Takes up the parameters of trial 1 again."
    assert words(copied)[1] == "Its result is a copy of trial 2; it was not trained."
    assert words(inherited)[1] == "Its result is a copy of trial 2 of study <b>; it was not trained."


def test_a_running_trial_says_since_when() -> None:
    assert words(trial_note(bare(a_trial())))[0] == "running since 2024-05-17 12:00:00 UTC"


def test_a_long_message_is_cut_and_made_one_line() -> None:
    failed = a_trial(verdict=Verdict.FAILED, finished_at=NOON, reasons=["crashed"], message="line\n" * 1000)

    (told,) = words(trial_note(bare(failed)))

    assert told.startswith("failed (crashed): line line line")
    assert told.endswith("…")
    assert len(told) < 650


def test_the_layers_that_changed_a_setting_stand_in_order_the_highest_settings_first() -> None:
    key = "models.gru.learning_rate"
    rate = Setting(
        key,
        (
            Override(Layer.DEFAULT, "trainer.config", 1e-4, 1e-4),
            Override(Layer.SAMPLED, "a/b/s.yaml:7", {"low": 0, "high": 1}, {"low": 0, "high": 1}, "searched"),
            Override(Layer.SAMPLED, "a/b/s.yaml:7", 0.5, 0.5, "drawn by tpe"),
            Override(Layer.CLAMP, "a/safe_ranges.yaml:9", 0.5, 0.01, "too large"),
            Override(Layer.GUARD, "guard: nonfinite at epoch 1, step 2", 0.01, 0.001, "NaN"),
        ),
    )
    fixed = Setting("a.b", (Override(Layer.STUDY, "s.yaml:1", ["x" * 100], ["x" * 100]),))
    untouched = Setting("a.c", (Override(Layer.BASE, "base.yaml:1", 1, 1),))

    told = trial_sections.overrides_table([untouched, fixed, rate]).rows

    assert told == [
        (key, "0.5", "sampled", "s.yaml:7", "drawn by tpe"),
        ("", "0.5 → 0.01", "clamp", "safe_ranges.yaml:9", "too large"),
        ("", "0.01 → 0.001", "guard", "guard: nonfinite at epoch 1, step 2", "NaN"),
        ("a.b", f"[{'x' * 58}…", "study", "s.yaml:1", ""),
    ]
