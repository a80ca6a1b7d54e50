"""Plants leaks into one series of a panel, and into all; then counts what clean panels are accused of.

    python -m benchmarks.panel_leaks [--series 20] [--rows 1500] [--panels 20] [--seed 0]

The panels are made up: returns with a common factor and a common, clustered volatility, and two columns of
noise. Ends with 1 if a planted leak is not found, or a clean panel has a finding that blocks or warns.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.leaks.leak import Random, moved, rolling, spread
from trainer.audit.audit import audit
from trainer.audit.audit_findings import AuditFinding
from trainer.config import DataConfig, GuardConfig
from trainer.data.arrays import Floats
from trainer.data.source import Table

HORIZON, SEQ_LEN = 5, 10
CORRELATIONS = (0.0, 0.3, 0.7)
KINDS = ("return", "volatility")
IGNORED = frozenset({"outlier", "feature_clipped", "no_clustering"})
"""Warnings that are no accusation of a leak: large values, and a short series without clusters."""
Plant = Callable[[Floats, Floats, Random], dict[str, Floats]]


@dataclass(frozen=True)
class Panel:
    """Log returns (rows, series) of a common calendar, and two columns of noise for each series."""

    kind: str
    returns: Floats
    columns: dict[str, Floats]
    shifted: int | None = None
    """The series whose times are a row too early."""

    def config(self) -> DataConfig:
        """A study of the next five days on the panel."""
        features: list[dict[str, Any]] = [
            {"name": "ret", "column": "close", "transform": "log_return"},
            {"name": "size", "column": "close", "transform": "abs_log_return"},
            {"name": "month", "of": "size", "transform": "rolling_mean", "window": 22},
            *({"name": name, "column": name} for name in self.columns),
        ]
        target: dict[str, Any] = {"kind": self.kind, "window": HORIZON, "horizon": HORIZON}
        if self.kind == "return":
            target |= {"column": "close", "transform": "log_return", "clip": 2.0}
        else:
            target |= {"of": "size", "transform": "rolling_mean"}
        split = {"fractions": {"train": 0.6, "validation": 0.2}}
        section = {"source": "made.csv", "time": "date", "series": "name", "features": features}
        return DataConfig.model_validate(section | {"target": target, "split": split, "seq_len": SEQ_LEN})

    def table(self) -> Table:
        """The table as it would be read from a long file."""
        rows, series = self.returns.shape
        days = pd.bdate_range("2000-01-03", periods=rows + 1)
        frames = []
        for number in range(series):
            close = 100 * np.exp(np.cumsum(self.returns[:, number]))
            cells = {name: values[:, number] for name, values in self.columns.items()}
            early = number == self.shifted
            frames.append(pd.DataFrame({"close": close, **cells}, index=days[:-1] if early else days[1:]))
        count = rows * series
        return Table(
            pd.concat(frames),
            "made.csv",
            "0" * 64,
            count,
            np.arange(2, count + 2),
            "line",
            series_starts=np.arange(series) * rows,
            series_names=tuple(f"S{number:03d}" for number in range(series)),
        )

    def findings(self) -> list[AuditFinding]:
        """What the audit says beyond information."""
        found = audit(self.config(), GuardConfig(), self.table()).findings
        return [each for each in found if each.severity != "info" and each.code not in IGNORED]


def clean_panel(series: int, rows: int, correlation: float, kind: str, random: Random) -> Panel:
    """Returns that correlate by `correlation`, with a common log volatility that decays by 0.97 a day."""
    log_volatility, shocks = np.zeros(rows), 0.2 * random.standard_normal(rows)
    for row in range(1, rows):
        log_volatility[row] = 0.97 * log_volatility[row - 1] + shocks[row]
    common, own = random.standard_normal((rows, 1)), random.standard_normal((rows, series))
    moves = np.sqrt(correlation) * common + np.sqrt(1 - correlation) * own
    returns = 0.01 * np.exp(0.5 * log_volatility)[:, None] * moves
    noise = {name: random.standard_normal((rows, series)) for name in ("x", "z")}
    return Panel(kind, returns, noise)


def _noisy(times: float) -> Plant:
    def plant(target: Floats, returns: Floats, random: Random) -> dict[str, Floats]:
        return {"x": target + times * spread(target) * random.standard_normal(len(target))}

    return plant


def _hidden_sign(target: Floats, returns: Floats, random: Random) -> dict[str, Floats]:
    mask = random.choice([-1.0, 1.0], len(target))
    return {"x": target * mask, "z": mask}


_OF_VOLATILITY = "the size of tomorrow's return"
"""Says nothing of the sign of a return, and so is no leak for a forecast of returns."""
LEAKS: dict[str, Plant] = {
    "the target": _noisy(0.0),
    "the target + noise, 1 std": _noisy(1.0),
    "the target + noise, 3 std": _noisy(3.0),
    _OF_VOLATILITY: lambda target, returns, random: {"x": np.abs(moved(returns, -1))},
    "tomorrow's return": lambda target, returns, random: {"x": moved(returns, -1)},
    "a mean of 5 days, centred": lambda target, returns, random: {"x": rolling(returns, 5, center=True)},
    "the target, its sign in another column": _hidden_sign,
}


def leaks_of(kind: str) -> dict[str, Plant]:
    """The leaks that help a forecast of this kind."""
    return {name: leak for name, leak in LEAKS.items() if kind == "volatility" or name != _OF_VOLATILITY}


def planted(panel: Panel, leak: Plant, chosen: Sequence[int], random: Random) -> Panel:
    """The panel with a leak in the columns of the `chosen` series, in units of the noise that was there."""
    columns = {name: values.copy() for name, values in panel.columns.items()}
    for number in chosen:
        returns = panel.returns[:, number]
        known = rolling(returns if panel.kind == "return" else np.abs(returns), HORIZON)
        for name, values in leak(moved(known, -HORIZON), returns, random).items():
            column = np.nan_to_num(values)
            columns[name][:, number] = (column - column.mean()) / column.std()
    return replace(panel, columns=columns)


def is_found(findings: Sequence[AuditFinding], chosen: int | None) -> bool:
    """Whether a finding names a planted column and, for a leak in one series, that series."""
    for each in findings:
        column = bool({"x", "z", "time"} & set(each.where.split(", ")))
        if column and (chosen is None or each.series[:1] == (f"S{chosen:03d}",)):
            return True
    return False


def told(findings: Sequence[AuditFinding]) -> str:
    """Codes, with B for what blocks and w for a warning."""
    parts = [("B " if each.severity == "error" else "w ") + each.code for each in findings]
    return ", ".join(sorted(set(parts))) or "nothing"


def run_planted(series: int, rows: int, seed: int) -> Iterator[bool]:
    """A line for each leak in one series and in all, and for a series whose times are shifted."""
    for kind in KINDS:
        for name, leak in leaks_of(kind).items():
            for chosen in (series // 2, None):
                random = np.random.default_rng([seed, len(name)])
                clean = clean_panel(series, rows, 0.3, kind, random)
                into = range(series) if chosen is None else [chosen]
                found = planted(clean, leak, into, random).findings()
                where = "all" if chosen is None else f"1 of {series}"
                yield _line(kind, name, where, found, is_found(found, chosen))
        for correlation in CORRELATIONS[1:]:
            clean = clean_panel(series, rows, correlation, kind, np.random.default_rng(seed))
            found = replace(clean, shifted=series // 2).findings()
            name = f"times a day early, correlation {correlation:g}"
            yield _line(kind, name, f"1 of {series}", found, is_found(found, series // 2))


def _line(kind: str, name: str, where: str, found: Sequence[AuditFinding], is_named: bool) -> bool:
    print(f"{kind:11}{name:40}{where:9}{'named' if is_named else 'MISSED':8}{told(found)}", flush=True)
    return is_named


def run_clean(series: int, rows: int, panels: int, seed: int) -> int:
    """How many clean panels are accused, a line for each correlation and kind."""
    accused = 0
    for correlation in CORRELATIONS:
        for kind in KINDS:
            draws = range(KINDS.index(kind), panels, len(KINDS))
            found = [
                clean_panel(series, rows, correlation, kind, np.random.default_rng([seed, draw])).findings()
                for draw in draws
            ]
            count = sum(map(bool, found))
            accused += count
            said = told([each for one in found for each in one])
            print(
                f"{kind:11}correlation {correlation:<5}{count} of {len(found)} panels accused: {said}",
                flush=True,
            )
    return accused


def main(arguments: Sequence[str] | None = None) -> int:
    """Run everything and judge it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, value in (("series", 20), ("rows", 1500), ("panels", 20), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=value)
    asked = parser.parse_args(arguments)
    start = time.process_time()
    print(f"Leaks planted into panels of {asked.series} series of {asked.rows} days, seed {asked.seed}\n")
    named = list(run_planted(asked.series, asked.rows, asked.seed))
    print("\nClean panels\n")
    accused = run_clean(asked.series, asked.rows, asked.panels, asked.seed)
    print(f"\n{sum(named)} of {len(named)} leaks named; {accused} clean panels accused")
    print(f"{time.process_time() - start:.0f} s of CPU")
    return 0 if all(named) and not accused else 1


if __name__ == "__main__":
    sys.exit(main())
