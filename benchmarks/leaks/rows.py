"""Leaks in the target and in the rows: filled targets, overlaps, copies, shuffles, a wrong sign of shift."""

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from benchmarks.leaks.leak import (
    Leak,
    Random,
    floats,
    moved,
    rolling,
    with_raw_target,
    with_stored_features,
)
from benchmarks.leaks.studies import Study


def filled_target(study: Study, random: Random, *, missing: float) -> Study:
    """A target with cells lost, each filled with the last one: the answer is the row before."""
    target = pd.Series(study.future())
    filled = floats(target.mask(random.random(len(target)) < missing).ffill())
    return with_raw_target(study, filled).without_gaps()


def weekly_target(study: Study, _: Random) -> Study:
    """A weekly target written into the four days after it."""
    target = pd.Series(study.future())
    weekly = floats(target.where(np.arange(len(target)) % 5 == 0).ffill())
    return with_raw_target(study, weekly).without_gaps()


def overlapping(study: Study, _: Random, *, days: int) -> Study:
    """A target over the next `days` rows that says it looks ahead by one: nothing is purged."""
    ahead = moved(rolling(study.known(), days), -days)
    return with_raw_target(study, ahead).without_gaps()


def overlapping_with_lag(study: Study, random: Random, *, days: int) -> Study:
    """The same, with yesterday's target as a feature: it still looks `days` − 1 rows ahead."""
    planted = overlapping(study, random, days=days)
    return planted.with_columns(leak=moved(planted.values("y"), 1)).without_gaps()


def copied(study: Study, random: Random, *, share: float, noise: float = 0.0) -> Study:
    """Held-out rows that were written into the training years too, `noise` of a standard deviation apart."""
    stored = with_raw_target(with_stored_features(study), study.future()).without_gaps()
    names = ["ret", "vol", "vol5", "y"]
    frame = stored.frame[["Date", *names]]
    late = frame[frame["Date"] > "2010-12-31"]
    chosen = late.sample(frac=share, random_state=int(random.integers(2**31)))
    early = frame[frame["Date"] <= "2010-12-31"].sample(
        n=len(chosen), replace=True, random_state=int(random.integers(2**31))
    )
    # A copy stands some minutes after a training day, so that no time occurs twice.
    minutes = pd.to_timedelta(1 + np.arange(len(chosen)) % 1400, unit="min")
    apart = noise * frame[names].std().to_numpy() * random.standard_normal((len(chosen), len(names)))
    shaken = chosen[names] + apart
    copies = shaken.assign(Date=early["Date"].to_numpy() + minutes)
    rows = pd.concat([frame, copies]).drop_duplicates("Date").sort_values("Date")
    return replace(stored, frame=rows.reset_index(drop=True))


def shuffled(study: Study, random: Random, *, days: int) -> Study:
    """Rows in random order under the old times, with a target over the next `days` rows."""
    ahead = moved(rolling(study.known(), days), -days)
    stored = with_raw_target(with_stored_features(study), ahead).without_gaps()
    names = ["ret", "vol", "vol5", "y"]
    order = random.permutation(len(stored.frame))
    mixed = stored.frame[names].iloc[order].reset_index(drop=True)
    return replace(stored, frame=stored.frame[["Date"]].join(mixed))


def shifted_back(study: Study, _: Random, *, rows: int) -> Study:
    """A target shifted the wrong way: what it asks for happened `rows` ago and is a feature."""
    return with_raw_target(study, moved(study.known(), rows)).without_gaps()


def known_range(study: Study, _: Random) -> Study:
    """A target over five rows, one of which is to come: four fifths of it are known."""
    if study.target["kind"] == "return":
        target = {"of": "ret", "transform": "rolling_mean", "window": 5, "kind": "return"}
    else:
        target = {"of": "ret", "transform": "rolling_std", "window": 5, "kind": "volatility"}
    return replace(study, target=target)


CORE = (
    Leak("forward-filled target", "50% lost", partial(filled_target, missing=0.5), ("target",)),
    Leak("overlap without purge", "5 days", partial(overlapping, days=5), ("target",)),
    Leak("copied rows", "50% of the held-out", partial(copied, share=0.5), ("validation", "test")),
    Leak("shuffled split", "1 day", partial(shuffled, days=1), ("target", *("ret", "vol", "vol5"))),
    Leak("wrong sign of shift", "today", partial(shifted_back, rows=0), ("ret", "vol")),
)
MORE = (
    Leak("forward-filled target", "20% lost", partial(filled_target, missing=0.2), ("target",)),
    Leak("forward-filled target", "weekly", weekly_target, ("target",)),
    Leak("overlap without purge", "21 days", partial(overlapping, days=21), ("target",)),
    Leak("overlap with lagged target", "5 days", partial(overlapping_with_lag, days=5), ("leak", "target")),
    Leak("copied rows", "5% of the held-out", partial(copied, share=0.05), ("validation", "test")),
    Leak(
        "shaken copies",
        "50%, by 0.01 std",
        partial(copied, share=0.5, noise=0.01),
        ("validation", "test"),
    ),
    Leak("shuffled split", "5 days", partial(shuffled, days=5), ("target", *("ret", "vol", "vol5"))),
    Leak("wrong sign of shift", "yesterday", partial(shifted_back, rows=1), ("ret", "vol")),
    Leak("target mostly known", "4 of 5 days", known_range, ("target", "ret")),
)
