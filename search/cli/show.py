"""How results look on a terminal and in a pipe: the same tables, coloured by meaning where wanted."""

from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from search.config.layers import Layer, Setting
from storage import tables
from storage.verdicts import Verdict

VERDICT_STYLE = {
    Verdict.ACCEPTED: "green",
    Verdict.UNPROMISING: "dim",
    Verdict.UNSTABLE: "yellow",
    Verdict.SUSPICIOUS: "magenta",
    Verdict.INTERRUPTED: "cyan",
    Verdict.FAILED: "red",
}
LAYER_STYLE = {Layer.CLAMP: "yellow", Layer.GUARD: "magenta", Layer.SAMPLED: "cyan", Layer.CLI: "bold"}
SEVERITY_STYLE = {"error": "red", "warning": "yellow", "info": "dim"}


def console() -> Console:
    """The console of this process; rich itself obeys NO_COLOR and a pipe."""
    return Console(highlight=False, soft_wrap=False)


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str | None = None) -> Table:
    """A plain table; what is not text already is shown as `cell` does."""
    drawn = Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
    for name in columns:
        drawn.add_column(name, overflow="fold")
    for row in rows:
        drawn.add_row(*(item if isinstance(item, Text) else escape(cell(item)) for item in row))
    return drawn


def cell(value: Any) -> str:
    """A value in few characters; unprintable characters, which could move the cursor, are escaped."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {cell(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(cell(item) for item in value)
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(value))


def verdict_cell(verdict: Verdict | None) -> Text:
    """A verdict in its colour."""
    return Text("running") if verdict is None else Text(str(verdict), style=VERDICT_STYLE[verdict])


def duration(seconds: float | None) -> str:
    """`42 s`, `3 min 05 s`, `2 h 10 min`."""
    if seconds is None:
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def clamp_table(clamps: Iterable[Any]) -> Table:
    """Ranges and values that were cut: of a configuration, or of the record."""
    rows = ((clamp.key, clamp.declared, clamp.effective, clamp.reason) for clamp in clamps)
    return table(("clamped", "asked for", "used", "why"), rows)


def finding_table(findings: Iterable[Any]) -> Table:
    """Findings of the data audit."""
    rows = (
        (Text(f.severity, style=SEVERITY_STYLE[f.severity]), f.code, f.where, f.message) for f in findings
    )
    return table(("severity", "code", "where", "finding"), rows)


def trial_table(trials: Sequence[tables.Trial]) -> Table:
    """A row per trial, with its parameters under their last names."""
    keys = sorted({key for trial in trials for key in trial.params})
    short = [key.rpartition(".")[2] for key in keys]
    rows = (
        (
            trial.number,
            verdict_cell(trial.verdict),
            trial.reasons or None,
            trial.value,
            None if trial.skill is None else f"{trial.skill:+.4f}",
            trial.epochs,
            duration(trial.duration_s),
            *(trial.params.get(key) for key in keys),
        )
        for trial in trials
    )
    return table(("#", "verdict", "reasons", "loss", "skill", "epochs", "time", *short), rows)


def params_table(title: str, trial: tables.Trial) -> Table:
    """The parameters of one trial."""
    return table(("setting", "value"), sorted(trial.params.items()), title=title)


def setting_table(settings: Iterable[Setting]) -> Table:
    """A row per setting: what is used, who said so, and what was asked for instead."""
    rows = (
        (
            setting.key,
            setting.value,
            Text(setting.layer, style=LAYER_STYLE.get(setting.layer, "")),
            setting.origin,
            f"asked for {cell(setting.requested)}: {setting.reason}" if _differs(setting) else setting.reason,
        )
        for setting in settings
    )
    return table(("key", "value", "layer", "origin", "why"), rows)


def stack_table(setting: Setting) -> Table:
    """All layers of one setting, the lowest first; the last one is in force."""
    last = len(setting.overrides) - 1
    rows = (
        (
            "→" if i == last else "",
            Text(act.layer, style=LAYER_STYLE.get(act.layer, "")),
            act.requested,
            act.effective,
            act.origin,
            act.reason,
        )
        for i, act in enumerate(setting.overrides)
    )
    return table(("", "layer", "asked for", "used", "origin", "why"), rows, title=setting.key)


def _differs(setting: Setting) -> bool:
    return bool(setting.requested != setting.value)
