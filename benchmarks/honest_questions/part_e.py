"""(e) Power: how often `verify` finds a linear signal, beside least squares on the same columns and rows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.honest_questions.ballast import Answer, searched, study_file, written
from benchmarks.honest_questions.hosts import SPLIT
from benchmarks.honest_questions.part import Done, Goal, Part, Task, by_kind
from benchmarks.honest_questions.simulate import before, normal, prices
from benchmarks.leaks.leak import Random
from benchmarks.leaks.studies import Floats, Study
from benchmarks.null_and_signal.study import Judged, judge
from search.config.resolve import resolve
from search.data.study_data import load_study_data
from trainer.data.arrays import Rows
from trainer.data.windows import Dataset, prepare_refit
from trainer.losses import MSE
from trainer.rivals.baselines import baseline_forecasts
from trainer.rivals.skill import skill

ROWS = 4000
"""Sixteen years of days."""
STRENGTHS = (0.01, 0.02, 0.05)
"""Shares of the variance of returns that the planted mean makes up (R²)."""
COLUMNS = {"one column": ("a",), "two columns": ("a", "b")}
DRAWS = 20
"""Data sets of each strength and number of columns: 3 · 2 · 20 = 120 in all."""
TRIALS = 3
CEILING = 0.2
"""`guard.max_skill` of a user who expects so much: the planted skill is not to be taken for a leak."""


def signal(random: Random, r2: float, told: Sequence[str]) -> Study:
    """Returns that are linear in today's columns `told`; a and b are columns of every table."""
    columns = {name: normal(random, ROWS) for name in ("a", "b")}
    mean = sum((columns[name] for name in told), start=np.zeros(ROWS)) / np.sqrt(len(told))
    returns = np.sqrt(r2) * before(mean) + np.sqrt(1 - r2) * normal(random, ROWS)
    features = (
        {"name": "ret", "column": "Close", "transform": "log_return"},
        *({"name": name, "column": name} for name in columns),
    )
    target = {"column": "Close", "transform": "log_return", "kind": "return"}
    return Study("signal", prices(returns).assign(**columns), features, target, SPLIT, CEILING)


_KINDS = {f"R² {r2:.0%}, {columns}": (r2, told) for r2 in STRENGTHS for columns, told in COLUMNS.items()}


def tasks(quick: bool) -> list[Task]:
    """Each strength and number of columns, several times."""
    kinds, draws = (list(_KINDS)[-1:], 2) if quick else (list(_KINDS), DRAWS)
    return [Task("e", kind, 1, draw) for draw in range(draws) for kind in kinds]


def run(task: Task, seed: int) -> Mapping[str, Any]:
    """Search, export and verify; and least squares on the same columns, judged by the same rule."""
    study, training_seed = signal(task.random(seed), *_KINDS[task.kind]), task.training_seed(seed)
    answer = searched(study, seed=training_seed, trials=TRIALS)
    return {"answer": answer.to_json(), "least_squares": vars(least_squares(study, training_seed))}


def least_squares(study: Study, seed: int) -> Judged:
    """The answer to a least-squares forecast from the columns of the last row of each window."""
    with written(study_file(study, name="asked", seed=seed, trials=TRIALS), study) as path:
        resolved = resolve(path)
        data = load_study_data(resolved)
        final = prepare_refit(resolved.trial_config.data, data.table)
    losses, naive = _losses(final, final.test)
    held_out, naive_held_out = _losses(data.base[-1], data.base[-1].validation)
    claimed = skill(float(held_out.mean()), min(float(each.mean()) for each in naive_held_out.values()))
    return judge(losses, naive, claimed=claimed, ceiling=data.ceiling)


def _losses(data: Dataset, rows: Rows) -> tuple[Floats, dict[str, Floats]]:
    """Squared errors (rows,) of least squares that is fitted on the training rows, and of naive forecasts."""
    columns = np.column_stack([np.ones(len(data.target)), data.features]).astype(np.float64)
    target = data.target.astype(np.float64)
    coefficients, *_ = np.linalg.lstsq(columns[data.train], target[data.train], rcond=None)
    errors = target[rows] - columns[rows] @ coefficients
    naive = {name: (target[rows] - told) ** 2 for name, told in baseline_forecasts(data, rows, MSE).items()}
    return errors**2, naive


def tables(done: Sequence[Done]) -> str:
    """Shares that hold, and which of the two found what the other did not."""
    heads = ("data", "sets", "GRU holds", "least squares holds", "GRU alone", "least squares alone", "p")
    lines = [" | ".join(heads), " | ".join("---" for _ in heads)]
    for kind, of_kind in by_kind(done):
        gru, ols = _holds(of_kind)
        alone, behind = int((gru & ~ols).sum()), int((ols & ~gru).sum())
        cells = (
            kind,
            len(gru),
            int(gru.sum()),
            int(ols.sum()),
            alone,
            behind,
            f"{_mcnemar(alone, behind):.2f}",
        )
        lines.append(" | ".join(map(str, cells)))
    told = "p: that least squares finds more, were both as good (McNemar's test, exact, one-sided)"
    return "\n".join([*(f"| {line} |" for line in lines), "", told])


def _holds(done: Sequence[Done]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Whether the GRU holds, and whether least squares does, (sets,) each."""
    found = [Answer.from_json(each.found["answer"]).verified for each in done]
    gru = np.array([verified is not None and verified.holds for verified in found])
    ols = np.array([Judged(**each.found["least_squares"]).holds for each in done])
    return gru, ols


def _mcnemar(gru_alone: int, least_squares_alone: int) -> float:
    """McNemar (1947): the sign test on the sets in which the two differ."""
    from scipy.stats import binomtest

    differ = gru_alone + least_squares_alone
    return float(binomtest(least_squares_alone, differ, alternative="greater").pvalue) if differ else 1.0


def goals(done: Sequence[Done]) -> list[Goal]:
    """At each strength, as many data sets hold as under least squares."""
    found = []
    for r2 in STRENGTHS:
        of_strength = [each for each in done if _KINDS[each.task.kind][0] == r2]
        if of_strength:
            gru, ols = _holds(of_strength)
            told = f"R² {r2:.0%}: {gru.sum()} of {len(gru)} hold, least squares {ols.sum()}, goal not below"
            found.append(Goal(told, bool(gru.sum() >= ols.sum())))
    return found


PART = Part("e", "Power", tasks, run, tables, goals)
