"""The sections about a trial and about the layers that decided its settings, as blocks."""

from collections.abc import Iterable, Sequence
from statistics import stdev
from typing import Any

from search.config.layers import Layer, Override, Setting
from search.record.row_mapping import best_epoch, fold_losses, seed_losses
from search.text import duration, one_line, refused_number, short_origin, short_value
from search.watching.blocks import Paragraph, TableBlock
from storage import tables
from storage.verdicts import VOIDED, Verdict
from trainer.text import shortened

TRIAL_SECTION_PREFIXES = ("data.", "models.", "training.", "guard.")
"""Sections of the configuration that a trial reads; the others concern the study."""

_LONGEST_VALUE = 60
"""Characters of a value in a table of overrides; the study file has longer ones, such as a list of
features."""

_LONGEST_MESSAGE = 600
"""Characters of a trial's message, which may come from any exception; its log has the whole message."""


def verdict_paragraph(trial: tables.Trial) -> Paragraph:
    """Return the verdict with its reasons and its message."""
    if trial.verdict is None:
        return Paragraph(f"running since {trial.started_at:%Y-%m-%d %H:%M:%S} UTC", strong=True)
    reasons = f" ({', '.join(trial.reasons)})" if trial.reasons else ""
    return Paragraph(
        f"{trial.verdict}{reasons}: {shortened(one_line(trial.message or '–'), _LONGEST_MESSAGE)}",
        strong=True,
    )


def outcome_table(trial: tables.Trial, last: tables.FindingRow | None = None) -> TableBlock:
    """Return the result of a trial in one row; `last` is its last finding, if there is one."""
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


def losses_of_parts(trial: tables.Trial, epochs: Sequence[tables.Epoch]) -> list[Paragraph]:
    """Return the loss of each fold and of each seed in the best epoch, of what there are several; `epochs`
    are all of the trial's.
    """
    best = best_epoch(epochs, trial.best_epoch)
    folds, seeds = fold_losses(best), seed_losses(best)
    found = []
    if folds:
        text = ", ".join(map(loss_text, folds))
        found.append(Paragraph(f"Loss of each fold in the best epoch: {text}."))
    if seeds:
        found.append(Paragraph(f"Loss of each seed in the best epoch: {seed_spread_text(seeds)}."))
    return found


def seed_deviation(losses: Sequence[float] | None) -> float | None:
    """Return the standard deviation of the seeds' losses; None without several seeds."""
    return stdev(losses) if losses else None


def seed_spread_text(losses: Sequence[float]) -> str:
    """Return the losses of two or more seeds, and how far they lie apart."""
    return f"{', '.join(map(loss_text, losses))}; standard deviation {loss_text(stdev(losses))}"


def origin_paragraphs(trial: tables.Trial) -> list[Paragraph]:
    """Return where its parameters or its result come from, if from another trial."""
    texts = []
    if trial.retry_of is not None:
        texts.append(f"Takes up the parameters of trial {trial.retry_of} again.")
    if trial.source_study is not None:
        elsewhere = "" if trial.source_study == trial.study else f" of study {trial.source_study}"
        texts.append(f"Its result is a copy of trial {trial.source_trial}{elsewhere}; it was not trained.")
    return [Paragraph(text) for text in texts]


def guard_findings_table(findings: Iterable[tables.FindingRow], shown: str | None = None) -> TableBlock:
    """Return what the guard found in a trial and did about it; `shown` is a message already shown above."""
    columns = ("epoch", "step", "finding", "value", "limit", "done", "learning rate", "what")
    rows = [
        (
            *(f.epoch, f.step, f.kind, f.value, f.threshold, f.action),
            change_text(f.lr_before, f.lr_after),
            "see above" if f.message == shown else f.message,
        )
        for f in findings
    ]
    return TableBlock(columns, rows)


def guard_findings_of_trials(findings: Sequence[tables.FindingRow]) -> TableBlock:
    """Return the findings of many trials, with the number of each trial."""
    table = guard_findings_table(findings)
    rows = [(found.trial, *row) for found, row in zip(findings, table.rows, strict=True)]
    return TableBlock(("trial", *table.columns), rows)


def overrides_table(settings: Iterable[Setting]) -> TableBlock:
    """Return every layer that changed a setting, highest layers first; only its first row names the key."""
    changed = [(setting, overrides) for setting in settings if (overrides := _notable_overrides(setting))]
    changed.sort(key=lambda pair: (-pair[0].layer.rank, pair[0].key))
    rows = [
        (
            setting.key if i == 0 else "",
            change_text(override.requested, override.effective),
            str(override.layer),
            short_origin(override.origin),
            override.reason,
        )
        for setting, overrides in changed
        for i, override in enumerate(overrides)
    ]
    return TableBlock(("key", "asked → used", "layer", "where", "why"), rows)


def change_text(before: Any, after: Any) -> str:
    """Return `a → b`, or only `a` if nothing changed."""
    old, new = (shortened(short_value(value), _LONGEST_VALUE) for value in (before, after))
    return old if before == after else f"{old} → {new}"


def loss_text(value: float | None) -> str:
    """Return a loss to four decimals, the precision worth comparing."""
    return "–" if value is None else f"{value:.4f}"


def skill_text(value: float | None) -> str:
    """Return a skill to four decimals, always with its sign."""
    return "–" if value is None else f"{value:+.4f}"


def loss_and_skill_texts(trial: tables.Trial, last: tables.FindingRow | None) -> tuple[str, str]:
    """Return loss and skill. A suspicious trial shows the number that made it so, with its limit, in place of
    one of them; `last` is the trial's last finding. A voided trial keeps the numbers that are not believed.
    """
    texts = loss_text(trial.value), skill_text(trial.skill)
    if trial.verdict is not Verdict.SUSPICIOUS or last is None or VOIDED in trial.reasons:
        return texts
    return (
        (refused_number(last), texts[1]) if last.kind == "loss_too_low" else (texts[0], refused_number(last))
    )


def verdict_or_running(trial: tables.Trial) -> Verdict | str:
    """Return the verdict for a table, or that the trial is still running."""
    return trial.verdict or "running"


def _notable_overrides(setting: Setting) -> Sequence[Override]:
    """Return the overrides above the recommended settings; a whole dimension only if it was clamped."""
    return [
        override
        for override in setting.overrides
        if override.requested != override.effective
        or (
            override.layer.rank > Layer.BASE.rank
            and not (override.layer is Layer.SAMPLED and _is_dimension(override))
        )
    ]


def _is_dimension(override: Override) -> bool:
    return isinstance(override.effective, dict)
