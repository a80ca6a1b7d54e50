"""The report on a study: one page for a colleague who did not follow the study. Pure."""

from collections.abc import Sequence

from search.text import duration
from search.watching.blocks import Block, CodeBlock, Heading, Paragraph, Plot, TableBlock
from search.watching.pages import panel_sections, study_sections, trial_sections, walk_forward_sections
from search.watching.pages.first_screen import first_screen
from search.watching.view import StudyView
from storage import tables
from storage.commands import ballast_command
from storage.verdicts import Verdict

MAX_TRIALS_LISTED = 200
"""Studies with at most so many trials list all of them."""

MAX_BEST_LISTED = MAX_STOPPED_LISTED = 50
"""Longer studies list so many of the best trials, and so many unstable and suspicious ones."""

MAX_FINDINGS_LISTED = 200
"""The largest number of findings that are listed."""


def report_blocks(view: StudyView, plots: Sequence[Plot], store: str | None = None) -> list[Block]:
    """Return the whole page; `store` is the URL that its commands name, None if they need none."""
    return [
        Heading(f"Study {view.study.name}", 1),
        Paragraph(_when(view)),
        *first_screen(view, store),
        *walk_forward_sections.of_study(view, store),
        *study_sections.verdict_counts(view),
        Heading("Best configuration"),
        *study_sections.best(view, store),
        Heading("Skill"),
        *study_sections.skill_blocks(view),
        *panel_sections.panel_blocks(view.panel),
        Heading("On unseen rows"),
        *study_sections.evaluation_blocks(view, store),
        *(_figures(plots) if plots else []),
        Heading("What was asked"),
        *_asked(view),
        Heading("Clamped"),
        *study_sections.clamps(view),
        Heading("Overridden"),
        *_overridden(view),
        Heading("Data"),
        *study_sections.data(view),
        Heading("Trials"),
        *_trials(view, store),
        Heading("The guard's diary"),
        *_findings(view),
        Heading("Look closer"),
        *_commands(view, store),
        Heading("Versions and fingerprints"),
        *_identity(view),
    ]


def _when(view: StudyView) -> str:
    ended = [trial.finished_at for trial in view.trials if trial.finished_at is not None]
    last = f" The last trial ended {max(ended):%Y-%m-%d %H:%M} UTC." if ended else ""
    each = view.summary.seconds_per_trial
    mean = "" if each is None else f" A trial took {duration(each)} on average."
    return f"Started {view.study.created_at:%Y-%m-%d %H:%M} UTC.{last}{mean}"


def _figures(plots: Sequence[Plot]) -> list[Block]:
    return [Heading("Figures"), *plots]


def _asked(view: StudyView) -> list[Block]:
    values = {setting.key: setting.value for setting in view.settings}
    asked = [
        ("study file", view.study.study_file.rpartition("/")[2]),
        ("trials", view.study.wanted),
        *((key, values[f"study.{key}"]) for key in ("sampler", "pruner") if f"study.{key}" in values),
        ("seed", view.study.seed),
        ("safe ranges", view.study.policy_file),
    ]
    return [TableBlock(("asked for", ""), asked), *study_sections.space(view)]


def _overridden(view: StudyView) -> list[Block]:
    searched = {one.key for one in view.space}
    fixed = [s for s in view.settings if s.key not in searched and not s.key.startswith("space.")]
    return [
        Paragraph("Every setting that a layer above the recommended ones set, or that was changed."),
        trial_sections.overrides_table(fixed),
    ]


def _trials(view: StudyView, store: str | None) -> list[Block]:
    if not view.trials:
        return [Paragraph("No trial has been started yet.")]
    shown = listed_trials(view.trials)
    stopped = {found.trial: found for found in view.findings}  # the last finding stopped the trial
    keys = sorted({key for trial in shown for key in trial.params})
    rows = [
        (
            trial.number,
            trial_sections.verdict_or_running(trial),
            ", ".join(trial.reasons),
            *trial_sections.loss_and_skill_texts(trial, stopped.get(trial.number)),
            *_seed_deviation(view, trial),
            trial.epochs,
            duration(trial.duration_s),
            *(_short(trial.params.get(key, "–")) for key in keys),
        )
        for trial in shown
    ]
    names = (key.rpartition(".")[2] for key in keys)
    seeds = ("seed sd",) if view.seed_losses else ()
    columns = ("trial", "verdict", "reasons", "loss", "skill", *seeds, "epochs", "time", *names)
    table = TableBlock(columns, rows)
    if len(shown) == len(view.trials):
        return [table]
    left_out = (
        f"Of {len(view.trials)} trials {len(shown)} are listed: the best {MAX_BEST_LISTED}, and the first "
        f"{MAX_STOPPED_LISTED} that were unstable or suspicious. All of them: "
        f"{ballast_command('trials', view.study.name, store=store)}"
    )
    return [Paragraph(left_out), table]


def _seed_deviation(view: StudyView, trial: tables.Trial) -> tuple[str, ...]:
    """The standard deviation of the losses of the trial's seeds; nothing in a study of one seed per trial."""
    if not view.seed_losses:
        return ()
    deviation = trial_sections.seed_deviation(view.seed_losses.get(trial.number))
    return (trial_sections.loss_text(deviation),)


def _short(value: object) -> object:
    return f"{value:.4g}" if isinstance(value, float) else value


def listed_trials(trials: Sequence[tables.Trial]) -> list[tables.Trial]:
    """Return the listed trials by number: all of them, or the best and those that the guard stopped."""
    if len(trials) <= MAX_TRIALS_LISTED:
        return list(trials)
    accepted = [t for t in trials if t.verdict is Verdict.ACCEPTED and t.value is not None]
    best = sorted(accepted, key=lambda trial: (trial.value, trial.number))[:MAX_BEST_LISTED]
    watched = [t for t in trials if t.verdict in (Verdict.UNSTABLE, Verdict.SUSPICIOUS)][:MAX_STOPPED_LISTED]
    return sorted([*best, *watched], key=lambda trial: trial.number)


def _findings(view: StudyView) -> list[Block]:
    if not view.findings:
        return [Paragraph("The guard found nothing.")]
    table = trial_sections.guard_findings_of_trials(view.findings[:MAX_FINDINGS_LISTED])
    if len(view.findings) <= MAX_FINDINGS_LISTED:
        return [table]
    return [Paragraph(f"The first {MAX_FINDINGS_LISTED} of {len(view.findings)} findings."), table]


def _commands(view: StudyView, store: str | None) -> list[Block]:
    best = view.summary.best
    lines = (
        ballast_command("trials", view.study.name, store=store),
        ballast_command("explain", view.study.name, store=store, trial=None if best is None else best.number),
        ballast_command("dashboard", store=store),
    )
    return [CodeBlock("\n".join(lines))]


def _identity(view: StudyView) -> list[Block]:
    return [
        TableBlock(("package", "version"), sorted(view.study.versions.items())),
        TableBlock(("fingerprint of", "sha256"), sorted(view.study.fingerprints.items())),
    ]
