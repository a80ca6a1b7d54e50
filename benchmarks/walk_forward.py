"""What `ballast walk-forward` claims where nothing can be forecast, what it finds where something can, what
searching is worth on real series, and what a walk-forward costs.

    python -m benchmarks.walk_forward null    [--series 40]   skill is claimed on at most 5 % of null series
    python -m benchmarks.walk_forward planted [--series 40]   power beside one holdout of the same rows
    python -m benchmarks.walk_forward real    [--only NAME]   the search against the settings of the file
    python -m benchmarks.walk_forward speed                   ten blocks of 20 trials, killed once and resumed

`null` and `planted` make daily returns of 8 years whose volatility wanders as that of markets does; the
planted ones hold a share of variance that one feature forecasts. Each is walked through from the sixth year
on, in blocks of a year with a study of `--trials` trials each. The holdout is one study of the same rows up
to the sixth year, whose surest configuration is verified on the rest. A claim is the verdict *holds*.

`real` walks through the shipped studies from 2015 on, with and without a search, in one store each, and
compares the losses of both on the same rows. `speed` runs the command in a process of its own, kills it in
the middle of the fourth block, and runs it again. Each part exits with 1 where its goal is missed.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

import ballast
from search.selection.statistics.diebold_mariano import diebold_mariano
from search.selection.statistics.interval import skill_interval
from search.selection.walk_forward_record import WalkForwardRecord

DAYS = 8 * 252
FIRST_BLOCK = "2006"
MOST_CLAIMS = 0.05
MOST_SECONDS = 600
REAL = ("sp500-volatility", "nasdaq-volatility", "wti-volatility")
_SPEED = ("data.split.train_until=2004-12-31", "data.split.validation_until=2008-12-31", "data.split.folds=4")


def main(arguments: Sequence[str]) -> int:
    """Run one part; 1 where its goal is missed."""
    parser = argparse.ArgumentParser(prog="benchmarks.walk_forward", description=__doc__)
    parser.add_argument("part", choices=("null", "planted", "real", "speed"))
    parser.add_argument("--series", type=int, default=40, help="how many made-up series")
    parser.add_argument("--share", type=float, default=0.04, help="share of variance that can be forecast")
    parser.add_argument("--trials", type=int, default=6, help="trials of each study")
    parser.add_argument("--seeds", type=int, default=3, help="trainings with fresh seeds of each block")
    parser.add_argument("--workers", type=int, default=2, help="processes, for `real` and `speed`")
    parser.add_argument("--begin", help="where the first block begins, for `real` and `speed`")
    parser.add_argument("--only", choices=REAL, help="one real series alone")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        part = {"null": _null, "planted": _planted, "real": _real, "speed": _speed}[options.part]
        return part(options)


@dataclass(frozen=True)
class Answer:
    """What was said about one series by the walk-forward and by one holdout, and the skill of each."""

    walked: str
    walked_skill: float
    over_rival: str
    held_out: str = ""
    held_out_skill: float = float("nan")
    seconds: float = 0.0


def series(seed: int, share: float) -> pd.DataFrame:
    """Daily returns of a wandering volatility; `x` forecasts a share of the variance of the next one."""
    random = np.random.default_rng(seed)
    level, logs = 0.0, np.empty(DAYS)
    for day in range(DAYS):
        level = 0.97 * level + 0.12 * random.standard_normal()
        logs[day] = level
    known, noise = random.standard_normal(DAYS), random.standard_normal(DAYS)
    known_before = np.concatenate([[0.0], known[:-1]])
    returns = 0.01 * np.exp(logs) * (np.sqrt(share) * known_before + np.sqrt(1 - share) * noise)
    dates = pd.bdate_range("2001-01-01", periods=DAYS)
    return pd.DataFrame({"Date": dates, "Close": 100 * np.exp(np.cumsum(returns)), "x": known})


def study(name: str, trials: int) -> dict[str, Any]:
    """The study of a made-up series."""
    return {
        "study": {"name": name, "trials": trials, "startup_trials": 3, "pruner": "none"},
        "data": {
            "source": f"{name}.parquet",
            "time": "Date",
            "features": [
                {"name": "ret", "column": "Close", "transform": "log_return"},
                {"name": "x", "column": "x", "transform": "raw"},
            ],
            "target": {"column": "Close", "transform": "log_return", "kind": "return"},
            "seq_len": 5,
            "split": {"train_until": "2003-12-31", "validation_until": "2005-12-31"},
        },
        "models": {"gru": {"batch_size": 64, "hidden_size": 8, "init": "torch"}},
        "training": {"epochs": 6, "patience": 6},
        "tracking": {"dashboard": False},
        "space": {
            "models.gru.learning_rate": {"low": 5e-4, "high": 1e-2, "log": True},
            "models.gru.dropout": {"low": 0.0, "high": 0.3},
        },
    }


def answer(seed: int, share: float, options: argparse.Namespace, *, beside_holdout: bool) -> Answer:
    """Walk through one series and, if asked, verify one study on the same rows, in another store."""
    began, name = time.monotonic(), f"series-{seed}"
    series(seed, share).to_parquet(f"{name}.parquet")
    told = study(name, options.trials)
    walked = ballast.walk_forward(
        told, every="1y", begin=FIRST_BLOCK, seeds=options.seeds, store="sqlite:///walk.db", progress=False
    ).record()
    assert walked.skill is not None, "a block is finished"
    rival = "none" if walked.strongest_rival is None else str(walked.strongest_rival.verdict)
    found = Answer(str(walked.conclusion.verdict), walked.skill, rival, seconds=time.monotonic() - began)
    if not beside_holdout:
        return found
    try:
        done = ballast.run(told, store="sqlite:///holdout.db", progress=False)
        best = done.export(f"{name}.yaml")
        report = ballast.verify(
            best, seeds=options.seeds, store="sqlite:///holdout.db", progress=False
        ).scored[0]
        verdict, skill = str(report.conclusion.verdict), report.skill
    except ballast.errors.AnswerIsNo:  # no trial was accepted
        verdict, skill = "does not hold", None
    return Answer(
        found.walked,
        found.walked_skill,
        found.over_rival,
        verdict,
        float("nan") if skill is None else skill,
        found.seconds,
    )


def _null(options: argparse.Namespace) -> int:
    found = [answer(seed, 0.0, options, beside_holdout=False) for seed in range(options.series)]
    claims = sum(each.walked == "holds" for each in found)
    rivals = sum(each.over_rival == "yes" for each in found)
    print(f"{options.series} series of {DAYS} days without anything to forecast, {_asked(options)}")
    print(f"skill claimed: {claims} of {len(found)}; over the strongest rival: {rivals} of {len(found)}")
    print(f"mean skill {np.mean([each.walked_skill for each in found]):+.4f}, {_seconds(found)}")
    return 0 if claims <= MOST_CLAIMS * len(found) else 1


def _planted(options: argparse.Namespace) -> int:
    found = [
        answer(1000 + seed, options.share, options, beside_holdout=True) for seed in range(options.series)
    ]
    print(
        f"{options.series} series of {DAYS} days, {100 * options.share:g} % of the variance can be forecast, "
        f"{_asked(options)}"
    )
    for what, verdicts, skills in (
        ("walk-forward", [each.walked for each in found], [each.walked_skill for each in found]),
        ("one holdout", [each.held_out for each in found], [each.held_out_skill for each in found]),
    ):
        held, mean = sum(verdict == "holds" for verdict in verdicts), float(np.nanmean(skills))
        print(f"{what:13} skill found {held} of {len(found)}, mean skill {mean:+.4f}")
    print(_seconds(found))
    return 0 if sum(each.walked == "holds" for each in found) >= len(found) / 2 else 1


def _real(options: argparse.Namespace) -> int:
    begin = options.begin or "2015"
    print(
        "study, search: skill over the best naive forecast with its interval; over the strongest rival; cost"
    )
    for name in [options.only] if options.only else REAL:
        records = {}
        for search in ("study", "none"):
            records[search] = ballast.walk_forward(
                f"sample:{name}",
                every="1y",
                begin=begin,
                search=search,
                seeds=options.seeds,
                trials=options.trials if search == "study" else None,
                workers=options.workers if search == "study" else 1,
                name=f"{name}-{search}",
                store=f"sqlite:///{search}.db",  # apart, so that neither judges rows that the other used
                progress=False,
            ).record()
            _print_record(name, search, records[search])
        _print_worth(records["study"], records["none"])
    return 0


def _print_record(name: str, search: str, record: WalkForwardRecord) -> None:
    interval, rival = record.interval, record.strongest_rival
    assert record.skill is not None, "a block is finished"
    assert interval is not None, "there are rows enough"
    over = "no rival" if rival is None else f"{rival.name}: {rival.verdict} ({rival.skill:+.4f})"
    print(
        f"{name}, {search}: {record.skill:+.4f} ({interval.low:+.4f} … {interval.high:+.4f}), "
        f"{record.conclusion.verdict}; {over}; {record.cost()}"
    )
    by_block = [record.block_skill(position) for position in range(len(record.blocks))]
    print(f"   by block: {' '.join('–' if each is None else f'{each:+.3f}' for each in by_block)}")
    for each in record.calibration():
        said = "said skill" if each.said_skill else "said none"
        print(f"   validation {said}: {each.followed} of {each.blocks} blocks had skill")


def _print_worth(tuned: WalkForwardRecord, fixed: WalkForwardRecord) -> None:
    """What the search is worth: the skill of the tuned forecasts over those of the file's own settings."""
    assert tuned.rows is not None, "a block is finished"
    horizon = tuned.rows.moments.horizon
    interval = skill_interval(tuned.losses, fixed.losses, horizon=horizon)
    p = diebold_mariano(tuned.losses, fixed.losses, horizon=horizon).p_two_sided
    worth = 1 - float(tuned.losses.mean() / fixed.losses.mean())
    print(f"   searching is worth {worth:+.4f} ({interval.low:+.4f} … {interval.high:+.4f}), p = {p:.3f}")


def _speed(options: argparse.Namespace) -> int:
    """Ten blocks of the S&P 500, killed in the fourth."""
    url, began = "sqlite:///speed.db", time.monotonic()
    command = [
        *(sys.executable, "-m", "search.cli", "walk-forward", "sample:sp500-volatility"),
        *("--every", "1y", "--from", options.begin or "2009", "--store", url, "-q", "--name", "speed"),
        *("--trials", str(options.trials), "--seeds", str(options.seeds), "--workers", str(options.workers)),
        *(text for setting in _SPEED for text in ("--set", setting)),
    ]
    victim = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    while _blocks(url) < 4 and victim.poll() is None:
        time.sleep(1)
    time.sleep(5)
    if victim.poll() is not None:
        print(f"it ended before it could be killed, with exit code {victim.returncode}")
        return 1
    os.killpg(victim.pid, signal.SIGKILL)
    victim.wait()
    killed_at = time.monotonic() - began
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - began
    record = ballast.load_walk_forward("speed", store=url).record()
    print(f"killed after {killed_at:.0f} s in block 4 of {len(record.blocks)}, and started again")
    print(
        f"{len(record.blocks)} blocks of {options.trials} trials, {options.seeds} seeds each: {seconds:.0f} s"
    )
    _print_record("sp500-volatility", "study", record)
    return 0 if record.is_complete and done.returncode in (0, 1) and seconds <= MOST_SECONDS else 1


def _blocks(url: str) -> int:
    """How many blocks have begun."""
    try:
        record = ballast.load_walk_forward("speed", store=url).record()
    except (ballast.errors.StoreError, ballast.errors.StudyUnknown):
        return 0
    begun = sum(block.result is not None for block in record.blocks)
    return begun + 1


def _asked(options: argparse.Namespace) -> str:
    return f"studies of {options.trials} trials, {options.seeds} fresh seeds a block"


def _seconds(found: Sequence[Answer]) -> str:
    return f"{np.mean([each.seconds for each in found]):.0f} s a walk-forward"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
