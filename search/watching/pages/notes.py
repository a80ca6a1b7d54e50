"""The notes on a study and on a trial for optuna-dashboard, composed from their sections. Pure."""

from dataclasses import replace

from search.watching.blocks import Block, Heading
from search.watching.pages import panel_sections, study_sections, trial_sections, walk_forward_sections
from search.watching.pages.first_screen import first_screen
from search.watching.view import StudyView, TrialView


def study_note(view: StudyView, store: str | None = None) -> list[Block]:
    """Return the note on a study's page; `store` is the URL that its commands name, None if they need
    none.
    """
    return [
        *first_screen(view, store),
        *walk_forward_sections.of_study(view, store, 3),
        *study_sections.verdict_counts(view),
        Heading("Best configuration", 3),
        *study_sections.best(view, store),
        Heading("Skill", 3),
        *study_sections.skill_blocks(view),
        *panel_sections.panel_blocks(view.panel, 3),
        Heading("On unseen rows", 3),
        *study_sections.evaluation_blocks(view, store),
        Heading("Data", 3),
        *study_sections.data(view),
        Heading("Clamped", 3),
        *study_sections.clamps(view),
        Heading("Searched", 3),
        *study_sections.space(view),
    ]


def trial_note(view: TrialView) -> list[Block]:
    """Return the note on a trial: its verdict and why, what the guard did, and where its settings come
    from.
    """
    trial = view.trial
    if trial.verdict is None:
        trial = replace(trial, epochs=len(view.epochs))  # its own count is recorded when it ends
    last = view.findings[-1] if view.findings else None
    blocks: list[Block] = [trial_sections.verdict_paragraph(trial), trial_sections.outcome_table(trial, last)]
    blocks += trial_sections.losses_of_parts(trial, view.epochs)
    blocks += trial_sections.origin_paragraphs(trial)
    if view.findings:
        blocks += [
            Heading("The guard", 3),
            trial_sections.guard_findings_table(view.findings, shown=trial.message),
        ]
    own = [
        setting for setting in view.settings if setting.key.startswith(trial_sections.TRIAL_SECTION_PREFIXES)
    ]
    return [*blocks, Heading("Overrides", 3), trial_sections.overrides_table(own)]
