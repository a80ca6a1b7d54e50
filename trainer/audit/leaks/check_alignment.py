"""Finds series whose times are shifted: they move some rows before or after the other series."""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from trainer.audit.audit_findings import AuditFinding
from trainer.audit.leaks.target_past import known_basis, remove_daily_pattern, target_surprises
from trainer.data.arrays import Floats, Rows
from trainer.data.panel import Times
from trainer.data.windows import Dataset
from trainer.rivals.regressors import first_known

_LONGEST = 5
"""Rows by which a series is searched for before and after the others: a week of days."""
_FALSE_ALARMS = 0.01
_LEAST = 0.1
"""Least correlation that counts; single stocks have 0.2 to 0.4 with each other."""
_CLEARER = 2.0
"""The shifted correlation must be so many times that of the same row: small stocks follow large ones by a
day with less than half."""
_FEWEST_ROWS = 100
_CLIP = 5.0


@dataclass(frozen=True)
class _Shifts:
    """Between S series: `correlation` (S, S) of the values of i with those of j `ahead` (S, S) rows later,
    where that is clearly the strongest relation; else 0. `same_row` (S, S) is that of the same row.
    """

    correlation: Floats
    ahead: Rows
    same_row: Floats
    usual: float


def alignment_findings(data: Dataset) -> list[AuditFinding]:
    """A warning for each series whose values come some rows before or after those of other series, on
    training and validation rows; the series that explains most such pairs is named first.
    """
    names = tuple(one.series_of(0) for _, one in data.each_series())
    if not data.series_names or len(names) < 2:
        return []
    values = _values(data)  # (moments, S), of the series that have rows
    shifts = _shifts(values)
    pairs = shifts.correlation > 0
    found = []
    while pairs.any():
        before, behind = pairs.sum(axis=1), pairs.sum(axis=0)
        series = int(np.argmax(before + behind))
        leads = bool(before[series] >= behind[series])
        others = np.flatnonzero(pairs[series] if leads else pairs[:, series])
        found.append(_finding(names, shifts, series, others, leads=leads))
        pairs[series], pairs[:, series] = False, False
    return found


def _finding(
    names: tuple[str, ...], shifts: _Shifts, series: int, others: Rows, *, leads: bool
) -> AuditFinding:
    pair = (series, others) if leads else (others, series)
    ahead = int(np.median(shifts.ahead[pair]))
    correlation, same_row = (float(np.median(each[pair])) for each in (shifts.correlation, shifts.same_row))
    name, rows = names[series], f"{ahead} row{'s' * (ahead > 1)}"
    side, wrong = ("before", "early") if leads else ("after", "late")
    message = (
        f"series {name}: it moves {rows} {side} {len(others)} of the {len(names) - 1} other "
        f"series (correlation {correlation:+.2f}, and {same_row:+.2f} in the same row), as if its times were "
        f"{rows} too {wrong}: correct them, or the splits and every feature across series know the future. A "
        "market that closes earlier or later than the others does that honestly"
    )
    return AuditFinding("misaligned_series", "warning", "time", correlation, shifts.usual, message, (name,))


def _shifts(values: Floats) -> _Shifts:
    series = values.shape[1]
    bar = NormalDist().inv_cdf(1 - _FALSE_ALARMS / (_LONGEST * series * (series - 1)))
    present = (values != 0).astype(np.float64)
    same_row = _correlation(values, values, present, present)[0]
    best, ahead = np.zeros_like(same_row), np.zeros(same_row.shape, np.int64)
    for rows in range(1, _LONGEST + 1):
        now, later = slice(None, -rows), slice(rows, None)
        found, errors = _correlation(values[now], values[later], present[now], present[later])
        clear = (found > bar * errors) & (found > _CLEARER * np.abs(same_row)) & (found > _LEAST)
        better = clear & (found > best)
        best[better], ahead[better] = found[better], rows
    np.fill_diagonal(best, 0.0)
    return _Shifts(best, ahead, same_row, _LEAST)


def _correlation(now: Floats, later: Floats, had: Floats, has: Floats) -> tuple[Floats, Floats]:
    """Correlations (S, S) of standardised values (m, S), and their standard errors, infinite if they have
    too few rows in common. `had` and `has` are 1 where a series has a row.
    """
    rows = had.T @ has
    few = rows < _FEWEST_ROWS
    errors = np.sqrt((now**2).T @ later**2) / np.maximum(rows, 1)
    errors[few] = np.inf
    return now.T @ later / np.maximum(rows, 1), errors


def _values(data: Dataset) -> Floats:
    """What is new in each series at each moment, standardised, (moments, S); 0 where it has no row."""
    columns = list(_news(data))
    moments = np.unique(np.concatenate([times for times, _ in columns]))
    values = np.zeros((len(moments), len(columns)))
    for number, (times, news) in enumerate(columns):
        values[np.searchsorted(moments, times), number] = news
    return values


def _news(data: Dataset) -> Iterator[tuple[Times, Floats]]:
    """The times (n,) and standardised news (n,) of each series: its returns if they are known, else the
    surprises of the target's one-row series.
    """
    for _, one in data.each_series():
        history, stop = one.history, one.seen
        own = history.own if history.returns is None else history.returns
        first = first_known(own[:stop])
        values = np.nan_to_num(own[first:stop])
        if len(values) < _FEWEST_ROWS:
            yield one.times[:0], values[:0]
            continue
        if history.returns is None:
            values = remove_daily_pattern(values, history.slots[first:stop])
            values = target_surprises(values, known_basis(values, None))
        else:
            values = values - values.mean()
        yield one.times[first:stop], np.clip(values / (values.std() or 1.0), -_CLIP, _CLIP)
