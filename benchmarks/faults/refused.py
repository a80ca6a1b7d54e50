"""Faults that no trial ever sees: settings that are clamped, and tables that the audit refuses."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from benchmarks.faults.study import resolved_study
from trainer.audit.audit import audit
from trainer.config import DataConfig, Target
from trainer.data.source import Table, read_table

RATE = "models.gru.learning_rate"
_ROW = 300


@dataclass(frozen=True)
class Refusal:
    """A fault, what was said of it (None: nothing), and what became of it."""

    fault: str
    told: str | None
    outcome: str


def clamped(folder: Path) -> Iterator[Refusal]:
    """Settings of the command line, as a trial would get them."""
    for text in (f"{RATE}=1e3", "training.mixed_precision=true", "training.max_grad_norm=1e6"):
        key = text.partition("=")[0]
        resolved = resolved_study(folder, 0, text)
        cuts = [c for c in resolved.clamps if c.key == key]
        told = f"clamp: {cuts[-1].declared} to {cuts[-1].effective}" if cuts else None
        yield Refusal(f"--set {text}", told, f"runs with {resolved.settings[key].value}")


def audited(folder: Path) -> Iterator[Refusal]:
    """Tables, as `check` and `run` see them before they train."""
    resolved = resolved_study(folder, 0)
    volatility, guard = resolved.trial_config.data, resolved.trial_config.guard
    returns = volatility.model_copy(
        update={"target": Target(column="Close", transform="log_return", kind="return")}
    )
    table = read_table(volatility, folder=folder)
    flat = 1.0 + 1e-6 * (table.frame["Close"] / table.frame["Close"].iloc[0])
    damaged: list[tuple[str, DataConfig, Table]] = [
        *(
            (f"{value} in a cell of the table", volatility, _with_cell(table, value))
            for value in (math.nan, math.inf, -math.inf)
        ),
        ("a constant target", returns, _with_close(table, 100.0)),
        ("a target that hardly moves", returns, _with_close(table, flat)),
    ]
    for name, config, bad in damaged:
        found = audit(config, guard, bad)
        codes = dict.fromkeys(f"{f.code} ({f.severity})" for f in found.findings if f.severity != "info")
        refused = "refused" if not found.ok(strict=False) else "refused under --strict"
        yield Refusal(name, "audit: " + ", ".join(codes) if codes else None, refused)


def _with_cell(table: Table, value: float) -> Table:
    frame = table.frame.copy()
    frame.loc[frame.index[_ROW], "High"] = value
    return replace(table, frame=frame)


def _with_close(table: Table, values: "float | pd.Series[float]") -> Table:
    return replace(table, frame=table.frame.assign(Close=values))
