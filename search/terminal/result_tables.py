"""Tables of results, the same on a terminal and in a pipe, with colours on a terminal."""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from search.config.layers import Setting
from search.config.objectives import LOSS, OBJECTIVE
from search.terminal.styles import SEVERITY_STYLE, layer_cell, plain_text, verdict_cell
from search.terminal.text_table import (
    UNLIMITED_WIDTH,
    TableCell,
    TableColumn,
    TableRow,
    TextTable,
    make_table,
)
from search.text import dimension_text, duration, refused_number, short_origin, short_value
from search.watching.pages.trial_sections import change_text, loss_text, seed_deviation
from storage import query, tables
from storage.verdicts import Verdict
from trainer.text import printable, printable_lines

if TYPE_CHECKING:
    from search.study.comparison import Comparison
    from trainer.audit.panel_coverage import PanelCoverage


class SafeConsole(Console):
    """A console that makes text printable, so that no text but rich's own moves the cursor."""

    def print(self, *objects: Any, **how: Any) -> None:
        """Print as rich does; strings are made printable, line by line."""
        super().print(*(printable_lines(o) if isinstance(o, str) else o for o in objects), **how)


def console() -> Console:
    """The console of this process. rich reads NO_COLOR and COLUMNS, and detects a pipe."""
    screen = SafeConsole(highlight=False)
    if not screen.is_terminal and "COLUMNS" not in os.environ:
        screen.width = UNLIMITED_WIDTH
    return screen


def can_redraw(screen: Console) -> bool:
    """Whether the screen can be redrawn; a pipe and a dumb terminal only take more lines."""
    return screen.is_terminal and not screen.is_dumb_terminal


def values_table(names: Sequence[str], rows: Iterable[Sequence[Any]], title: str = "") -> TextTable:
    """A table of plain values whose last column folds."""
    columns = [TableColumn(name, folds=name == names[-1]) for name in names]
    return make_table(columns, (tuple(map(_cell, row)) for row in rows), title)


def clamp_table(clamps: Iterable[Any]) -> TextTable:
    """A row per clamp, from a configuration or from the record."""
    columns = (TableColumn("clamped"), TableColumn("asked for → used", folds=True))
    rows = [
        TableRow(
            (plain_text(clamp.key), f"{dimension_text(clamp.declared)} → {dimension_text(clamp.effective)}"),
            (short_value(clamp.reason),),
        )
        for clamp in clamps
    ]
    return TextTable(columns, rows, elsewhere="see --json")


def audit_table(findings: Iterable[Any]) -> TextTable:
    """Findings of the data audit, errors first."""
    worst_first = [*SEVERITY_STYLE].index
    columns = (TableColumn("severity"), TableColumn("finding"))
    rows = [
        TableRow(
            (Text(f.severity, style=SEVERITY_STYLE[f.severity]), plain_text(f.code)),
            (short_value(f.message),),
        )
        for f in sorted(findings, key=lambda finding: worst_first(finding.severity))
    ]
    return TextTable(columns, rows)


def coverage_table(panel: "PanelCoverage") -> TextTable:
    """The rows and series of each year, and how much of the table is filled."""
    columns = [TableColumn(name, right=True) for name in ("year", "rows", "series", "filled")]
    rows = [
        (str(year), str(each.rows), str(each.series), f"{each.share:.0%}")
        for year, each in panel.years.items()
    ]
    return make_table(columns, rows, f"{panel.series} series, {panel.times} times")


def guard_finding_table(findings: Iterable[tables.FindingRow], shown: str | None = None) -> TextTable:
    """A row per finding of the guard in a trial; below it its message, unless it is `shown` already."""
    findings = list(findings)
    seed = ("seed",) if any(f.seed for f in findings) else ()
    names = (*seed, "fold", "epoch", "step", "finding", "done", "learning rate")
    columns = [TableColumn(name, right=name in names[:-3]) for name in names]
    rows = [
        TableRow(
            (
                *(str(f.seed) for _ in seed),
                *map(short_value, (f.fold, f.epoch, f.step, f.kind, f.action)),
                change_text(f.lr_before, f.lr_after),
            ),
            () if f.message == shown else (f.message,),
        )
        for f in findings
    ]
    return TextTable(columns, rows, elsewhere="see: ballast report NAME, or a wider terminal")


FRONT_MARK = "●"

TrialLike = tables.Trial | query.TrialListItem
"""A trial with the fields of a row in the list of trials."""


SuspiciousFindings = Mapping[int, tables.FindingRow]
"""The finding that made a trial suspicious, by trial number."""

SeedLosses = Mapping[int, Sequence[float]]
"""The losses of the seeds of a trial, by trial number; without trials of one seed."""


def print_trials(
    screen: Console,
    trials: Sequence[TrialLike],
    suspicions: SuspiciousFindings = MappingProxyType({}),
    seed_losses: SeedLosses = MappingProxyType({}),
    front: Collection[int] = (),
) -> None:
    """Print a row per trial; `front` are the numbers of those on the Pareto front."""
    drawn = trial_table(trials, suspicions, seed_losses, front)
    if screen.width < UNLIMITED_WIDTH:
        screen.print(drawn)
    else:  # rich checks every character, which is slow for a very long list
        screen.file.writelines(f"{line}\n" for line in drawn.whole_lines())


def trial_table(
    trials: Sequence[TrialLike],
    suspicions: SuspiciousFindings = MappingProxyType({}),
    seed_losses: SeedLosses = MappingProxyType({}),
    front: Collection[int] = (),
) -> TextTable:
    """A row per trial. A parameter's column is named by the last part of its key; a suspicious trial shows
    the refused number beside its reasons. Of trials of several seeds, the standard deviation of the seeds'
    losses is shown. With several objectives each has a column, and the trials of the Pareto `front` a mark.
    """
    others = list(dict.fromkeys(name for trial in trials for name in trial.objectives or {} if name != LOSS))
    keys = sorted({key for trial in trials for key in trial.params})
    has_reasons = any(_has_notable_reasons(trial) for trial in trials)
    columns = [
        TableColumn("#", right=True),
        TableColumn("verdict"),
        TableColumn("loss", right=True),
        TableColumn("skill", right=True),
        *(TableColumn(name, right=True) for name in others),
        *((TableColumn("front"),) if others else ()),
        *((TableColumn("seed sd", right=True),) if seed_losses else ()),
        *((TableColumn("reasons", folds=True),) if has_reasons else ()),
        TableColumn("ep", right=True),
        TableColumn("time", right=True),
        *(TableColumn(printable(key.rpartition(".")[2]), right=True) for key in keys),
    ]
    verdicts = {
        verdict: verdict_cell(verdict) for verdict in (*Verdict, None)
    }  # made once: a list can be very long
    rows = (
        (
            str(trial.number),
            verdicts[trial.verdict],
            "–" if trial.value is None else f"{trial.value:.4f}",
            "–" if trial.skill is None else f"{trial.skill:+.4f}",
            *(OBJECTIVE[name].text((trial.objectives or {}).get(name)) for name in others),
            *((FRONT_MARK if trial.number in front else "",) if others else ()),
            *((loss_text(seed_deviation(seed_losses.get(trial.number))),) if seed_losses else ()),
            *((_reasons(trial, suspicions.get(trial.number)),) if has_reasons else ()),
            str(trial.epochs),
            duration(trial.duration_s),
            *(_short(trial.params.get(key)) for key in keys),
        )
        for trial in trials
    )
    return make_table(
        columns, rows, elsewhere="see: ballast explain NAME --trial N, --json, or a wider terminal"
    )


def _reasons(trial: TrialLike, suspicion: tables.FindingRow | None) -> tuple[Text, ...]:
    numbers = () if suspicion is None else (refused_number(suspicion),)
    return tuple(map(plain_text, (*trial.reasons, *numbers)))


def _has_notable_reasons(trial: TrialLike) -> bool:
    """Whether the reasons add to the verdict: for an unpromising trial the only reason is that it was
    pruned."""
    return bool(trial.reasons) and trial.verdict is not Verdict.UNPROMISING


def _short(value: Any) -> str:
    return f"{value:.2g}" if isinstance(value, float) else short_value(value)


def _cell(value: Any) -> TableCell:
    return value if isinstance(value, Text | tuple) else short_value(value)


def params_table(title: str, trial: tables.Trial) -> TextTable:
    """The parameters of one trial."""
    return values_table(("setting", "value"), sorted(trial.params.items()), title)


def comparison_tables(found: "Comparison") -> Iterator[TextTable]:
    """The results of two trials side by side, and the settings that differ, if any do."""
    sides = (found.a, found.b)
    rows: list[tuple[Any, ...]] = [
        ("verdict", *(verdict_cell(side.record.verdict) for side in sides)),
        ("loss on all its rows", *(_decimals(side.record.value) for side in sides)),
        ("skill over the best naive forecast", *(_decimals(side.record.skill, "+") for side in sides)),
        (f"loss on {found.rows} common rows", *(_decimals(side.loss) for side in sides)),
        ("epochs", *(side.record.epochs for side in sides)),
        ("seed", *(side.record.seed for side in sides)),
    ]
    yield values_table(("result", *(side.name for side in sides)), rows)
    if found.differences:
        names = ("setting", *(side.name for side in sides))
        yield values_table(names, ((each.key, each.a, each.b) for each in found.differences))


def _decimals(value: float | None, sign: str = "") -> str:
    return "–" if value is None else f"{value:{sign}.6f}"


def setting_table(settings: Iterable[Setting]) -> TextTable:
    """A row per setting: value, layer and origin; below it, what was asked for if it differs, and why."""
    columns = (
        TableColumn("key"),
        TableColumn("value", most=13),
        TableColumn("layer"),
        TableColumn("origin", most=24),
    )
    rows = [
        TableRow(
            (
                plain_text(setting.key),
                dimension_text(setting.value),
                layer_cell(setting.layer),
                short_origin(setting.origin),
            ),
            tuple(_why(setting)),
        )
        for setting in settings
    ]
    return TextTable(
        columns, rows, elsewhere="see: ballast explain NAME --key KEY, --json, or a wider terminal"
    )


def _why(setting: Setting) -> Iterator[str]:
    asked = "" if setting.requested == setting.value else f"asked for {dimension_text(setting.requested)}"
    text = "; ".join(part for part in (asked, short_value(setting.reason)) if part)
    if text:
        yield text
