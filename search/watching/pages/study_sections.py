"""The sections of a study's note and report, as blocks: one function for each section."""

import shlex
from collections.abc import Mapping
from typing import Any

from search.record.rival_facts import (
    FORECASTS,
    absent_rivals,
    recorded_rival_losses,
    rival_notes,
    shown_names,
)
from search.record.setting_facts import importance_text
from search.selection.summary import MeasuredFloor
from search.text import short_value
from search.watching.blocks import Block, CodeBlock, Paragraph, TableBlock
from search.watching.pages.interval_sections import coverage_blocks
from search.watching.pages.next_step import StudyDesign, next_steps
from search.watching.pages.range_ends import range_end_sentences
from search.watching.pages.trial_sections import loss_text, skill_text
from search.watching.view import StudyView
from storage.commands import ballast_command, masked_url
from storage.verdicts import Verdict

_DESIGN_KEYS = ("data.split.method", "training.schedule")


def verdict_counts(view: StudyView) -> list[Block]:
    """Return the number of trials by verdict, and the voided ones; nothing without trials."""
    counts = view.summary.verdicts
    rows = [(name if name == "running" else Verdict(name), n) for name, n in counts.items()]
    return [TableBlock(("verdict", "trials"), rows), *voided_blocks(view)] if rows else []


def voided_blocks(view: StudyView) -> list[Block]:
    """Return the trials that somebody has voided, and why; nothing if there are none."""
    rows = [
        (each.trial, each.verdict, f"{each.voided_at:%Y-%m-%d %H:%M}", each.voided_by, each.why)
        for each in view.summary.voided
    ]
    return [TableBlock(("voided trial", "it was", "voided on (UTC)", "by", "why"), rows)] if rows else []


def skill_blocks(view: StudyView) -> list[Block]:
    """Return the best trial's skill beside noise floors and ceiling, and over each naive forecast and
    rival.
    """
    summary, facts = view.summary, view.study.facts
    name, best, measured = summary.baseline, summary.best, summary.measured
    marks = [
        ("skill of the best trial on validation rows", None if best is None else skill_text(best.skill)),
        ("noise floor by the formula", skill_text(summary.noise_floor)),
        ("noise floor as measured", "not measured yet" if measured is None else _measured(measured)),
        ("ceiling", skill_text(facts["skill_ceiling"])),
    ]
    explained = (
        f"Skill is the share of the loss of a naive forecast ({name}, the best of those below) that a trial "
        "takes away: 0 is no better, 1 is perfect. Luck alone reaches the noise floors: one follows from the "
        "number of epochs and rows, the other is measured on the forecasts of these trials. A skill below "
        "either shows nothing. A skill above the ceiling is taken for a leak, and its trial is suspicious."
    )
    return [Paragraph(explained), TableBlock(("", "skill"), marks), baselines(view), *fitted_rivals(view)]


def _measured(found: MeasuredFloor) -> str:
    return f"{skill_text(found.skill)} on {found.trials} trials"


def evaluation_blocks(view: StudyView, store: str | None) -> list[Block]:
    """Return what its configurations showed on test rows, one row for each evaluation, and how the bounds of
    the newest answer held.
    """
    if not view.evaluations and view.summary.best is None:
        return [Paragraph("Nothing of it was scored on the test rows: no trial was accepted.")]
    if not view.evaluations and not (view.summary.above_naive and view.summary.above_floor):
        return [Paragraph("Nothing of it was scored on the test rows.")]
    if not view.evaluations:
        return [
            Paragraph("Nothing of it was scored on the test rows yet, and what a search finds is lucky:"),
            CodeBlock(ballast_command("export", view.study.name, store=store, o="best.yaml", verify=True)),
        ]
    rows = [
        (
            f"{each.looked_at:%Y-%m-%d %H:%M}",
            each.trial,
            each.verdict or "broken off",
            None if each.report is None else skill_text(each.report["skill"]),
            _over_strongest(each.report),
            None if each.report is None else each.report["reason"],
        )
        for each in view.evaluations
    ]
    columns = ("looked at", "trial", "answer", "skill", "over the strongest rival", "reason")
    newest = view.summary.verified
    return [TableBlock(columns, rows), *coverage_blocks(None if newest is None else newest.report)]


def _over_strongest(report: Mapping[str, Any] | None) -> str | None:
    """Return the second answer, as in `cannot tell (lhar, -0.0030)`."""
    rival = None if report is None else report.get("strongest_rival")
    return None if rival is None else f"{rival['verdict']} ({rival['name']}, {skill_text(rival['skill'])})"


def baselines(view: StudyView) -> TableBlock:
    """Return the loss of each naive forecast on the validation rows, and the best trial's skill over it."""
    return _compared(view, "naive forecast", view.study.facts["baselines"])


def fitted_rivals(view: StudyView) -> list[Block]:
    """Return the same for each fitted rival, and why others are missing; nothing for a study without
    rivals.
    """
    losses, absent = recorded_rival_losses(view.study.facts), absent_rivals(view.study.facts)
    shown = shown_names([*losses, *absent])
    blocks: list[Block] = [_compared(view, "fitted rival", losses)] if losses else []
    blocks += [Paragraph(f"Not fitted: {shown[name]}: {reason}.") for name, reason in absent.items()]
    notes = rival_notes(view.study.facts)
    return [*blocks, *(Paragraph(f"{names}: {note}.") for names, note in notes.items())]


def _compared(view: StudyView, what: str, losses: Mapping[str, float]) -> TableBlock:
    best, shown = view.summary.best, shown_names(losses)
    value = None if best is None else best.value
    rows = [
        (
            shown[name],
            loss_text(other),
            None if value is None or not other else skill_text(1 - value / other),
            FORECASTS.get(name),
        )
        for name, other in sorted(losses.items(), key=lambda pair: pair[1])
    ]
    return TableBlock((what, "loss", "skill over it", "it is"), rows)


def data(view: StudyView) -> list[Block]:
    """Return the source of the data, its split, and the findings of the audit."""
    facts, table = view.study.facts, view.data
    period = " to ".join(time.removesuffix(" 00:00:00") for time in (table.first_time, table.last_time))
    rows = [
        ("source", table.source),
        *([] if view.panel is None else [("series", len(view.panel.skill.by_series))]),
        ("period", period),
        *((f"{split} rows", count) for split, count in facts["rows"].items()),
        ("target", f"{facts['kind']}, {facts['horizon']} ahead"),
        ("sha256", table.sha256[:12]),
    ]
    findings = [(found["severity"], found["code"], found["message"]) for found in facts["audit"]]
    if not findings:
        return [TableBlock(("data", ""), rows), Paragraph("The audit of the data found nothing.")]
    return [
        TableBlock(("data", ""), rows),
        TableBlock(("severity", "code", "what the audit found"), findings),
    ]


def space(view: StudyView) -> list[Block]:
    """Return the searched dimensions: declared → in force, and the safe range of each."""
    if not view.space:
        return [Paragraph("The record does not say what was searched.")]
    rows = [
        (
            searched.key,
            _declared_to_used(searched.declared, searched.effective.to_json()),
            None if searched.safe is None else searched.safe.in_words(),
        )
        for searched in view.space
    ]
    return [TableBlock(("searched", "declared → in force", "safe range"), rows)]


def clamps(view: StudyView) -> list[Block]:
    """Return every range and value that was clamped, and why."""
    if not view.clamps:
        return [Paragraph("Nothing was clamped: all that was asked for is safe.")]
    rows = [(c.key, _declared_to_used(c.declared, c.effective), c.reason) for c in view.clamps]
    return [TableBlock(("clamped", "declared → in force", "why"), rows)]


def best(view: StudyView, store: str | None) -> list[Block]:
    """Return the best configuration and the next steps as `ballast run` prints them; `store` is as in
    `ballast_command`."""
    trial = view.summary.best
    if trial is None:
        return [Paragraph("There is no best configuration yet.")]
    loss, skill = loss_text(trial.value), skill_text(trial.skill)
    return [
        Paragraph(f"Trial {trial.number}: loss {loss}, skill {skill}, seed {trial.seed}."),
        TableBlock(("setting", "value"), sorted(trial.params.items())),
        *map(Paragraph, range_end_sentences(view.summary.best, view.space)),
        Paragraph(f"Importance: {importance_text(view.setting_importances, view.scored_count)}."),
        *(block for line in study_steps(view, store) for block in step_blocks(line, store)),
    ]


def study_steps(view: StudyView, store: str | None) -> list[str]:
    """Return the next steps as `ballast run` prints them; `store` is as in `ballast_command`."""
    values = {setting.key: setting.value for setting in view.settings}
    design = StudyDesign(*(str(values[key]) for key in _DESIGN_KEYS if key in values))
    return next_steps(view.summary, store, design)


def step_blocks(line: str, store: str | None) -> list[Paragraph | CodeBlock]:
    """Return a next step as a sentence with its command below it."""
    text, _, asked = line.partition(": ballast ")
    sentence = f"{text[0].upper()}{text[1:]}"
    if not asked:
        return [Paragraph(f"{sentence}.")]
    if store is not None:  # a line that fits on a phone
        where = f" --store {shlex.quote(masked_url(store))}"
        asked = asked.replace(where, f" \\\n    {where.strip()} \\\n   ").removesuffix(" \\\n   ")
    return [Paragraph(f"{sentence}:"), CodeBlock(f"ballast {asked}")]


def _declared_to_used(declared: object, used: object) -> str:
    return short_value(used) if declared == used else f"{short_value(declared)} → {short_value(used)}"
