"""What there is to say of one trial, and of the layers that decided its settings, as blocks."""

from collections.abc import Iterable, Sequence
from typing import Any

from search.config.layers import Layer, Override, Setting
from search.record.row_mapping import best_folds
from search.text import duration, one_line, refused_number, short_origin, short_value
from search.watching.blocks import Paragraph, TableBlock
from storage import tables
from storage.verdicts import Verdict

TRIAL_SECTION_PREFIXES = ("data.", "models.", "training.", "guard.")
"""The sections of the configuration that a trial reads; the others are about the study."""

_LONGEST_VALUE = 60
"""Characters of a value in a table of overrides: a list of features is longer; the study file has it."""

_LONGEST_MESSAGE = 600
"""Characters of a trial's message: it may be that of any exception, and its log has it whole."""


def verdict_paragraph(trial: tables.Trial) -> Paragraph:
    """The verdict with its reasons, and why."""
    if trial.verdict is None:
        return Paragraph(f"running since {trial.started_at:%Y-%m-%d %H:%M:%S} UTC", strong=True)
    reasons = f" ({', '.join(trial.reasons)})" if trial.reasons else ""
    return Paragraph(
        f"{trial.verdict}{reasons}: {_shortened(one_line(trial.message or '–'), _LONGEST_MESSAGE)}",
        strong=True,
    )


def outcome_table(trial: tables.Trial, last: tables.Finding | None = None) -> TableBlock:
    """What came of it, in one row; `last` is the last finding, if there is any."""
    return TableBlock(
        ("loss", "skill", "best epoch", "epochs", "time", "seed"),
        [
            (
                *loss_and_skill_texts(trial, last),
                trial.best_epoch,
                trial.epochs,
                duration(trial.duration_s),
                trial.seed,
            )
        ],
    )


def fold_losses_paragraph(trial: tables.Trial, epochs: Sequence[tables.Epoch]) -> list[Paragraph]:
    """The losses that its own is the mean of, where it has several folds; `epochs` are all of the trial's."""
    losses = best_folds(epochs, trial.best_epoch)
    told = f"Loss of each fold in the best epoch: {', '.join(map(loss_text, losses))}."
    return [Paragraph(told)] if losses else []


def origin_paragraphs(trial: tables.Trial) -> list[Paragraph]:
    """Where its parameters or its result are from, if they are those of another trial."""
    told = []
    if trial.retry_of is not None:
        told.append(f"Takes up the parameters of trial {trial.retry_of} again.")
    if trial.source_study is not None:
        elsewhere = "" if trial.source_study == trial.study else f" of study {trial.source_study}"
        told.append(f"Its result is a copy of trial {trial.source_trial}{elsewhere}; it was not trained.")
    return [Paragraph(text) for text in told]


def guard_findings_table(findings: Iterable[tables.Finding], told: str | None = None) -> TableBlock:
    """What the guard found in a trial, and what it did about it; `told` is a message already shown above."""
    columns = ("epoch", "step", "finding", "value", "limit", "done", "learning rate", "what")
    rows = [
        (
            *(f.epoch, f.step, f.kind, f.value, f.threshold, f.action),
            change_text(f.lr_before, f.lr_after),
            "see above" if f.message == told else f.message,
        )
        for f in findings
    ]
    return TableBlock(columns, rows)


def guard_findings_of_trials(findings: Sequence[tables.Finding]) -> TableBlock:
    """The same for many trials, with the number of each."""
    table = guard_findings_table(findings)
    rows = [(found.trial, *row) for found, row in zip(findings, table.rows, strict=True)]
    return TableBlock(("trial", *table.columns), rows)


def overrides_table(settings: Iterable[Setting]) -> TableBlock:
    """Every layer that changed a setting, the highest layers first; a key is named in its first row alone."""
    changed = [(setting, acts) for setting in settings if (acts := _notable_acts(setting))]
    changed.sort(key=lambda pair: (-pair[0].layer.rank, pair[0].key))
    rows = [
        (
            setting.key if i == 0 else "",
            change_text(act.requested, act.effective),
            str(act.layer),
            short_origin(act.origin),
            act.reason,
        )
        for setting, acts in changed
        for i, act in enumerate(acts)
    ]
    return TableBlock(("key", "asked → used", "layer", "where", "why"), rows)


def change_text(before: Any, after: Any) -> str:
    """`a → b`, or only `a` where nothing changed."""
    old, new = (_shortened(short_value(value), _LONGEST_VALUE) for value in (before, after))
    return old if before == after else f"{old} → {new}"


def loss_text(value: float | None) -> str:
    """A loss, as precise as it is worth comparing."""
    return "–" if value is None else f"{value:.4f}"


def skill_text(value: float | None) -> str:
    """A skill, always with its sign."""
    return "–" if value is None else f"{value:+.4f}"


def loss_and_skill_texts(trial: tables.Trial, last: tables.Finding | None) -> tuple[str, str]:
    """Both, as precise as they are worth comparing. A suspicious trial has in their place the number that
    made it so, and its limit; `last` is the trial's last finding.
    """
    told = loss_text(trial.value), skill_text(trial.skill)
    if trial.verdict is not Verdict.SUSPICIOUS or last is None:
        return told
    return (refused_number(last), told[1]) if last.kind == "loss_too_low" else (told[0], refused_number(last))


def verdict_or_running(trial: tables.Trial) -> Verdict | str:
    """The verdict for a table, or that the trial still runs."""
    return trial.verdict or "running"


def _notable_acts(setting: Setting) -> Sequence[Override]:
    """The acts that the recommended settings do not explain; a whole dimension only where it was cut."""
    return [
        act
        for act in setting.overrides
        if act.requested != act.effective
        or (act.layer.rank > Layer.BASE.rank and not (act.layer is Layer.SAMPLED and _is_dimension(act)))
    ]


def _is_dimension(act: Override) -> bool:
    return isinstance(act.effective, dict)


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
