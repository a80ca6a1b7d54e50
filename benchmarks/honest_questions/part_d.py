"""(d) The volatility of three real series: test losses of naive forecasts, rivals and GRU, with intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import yaml

from benchmarks.honest_questions.ballast import export_and_verify, opened
from benchmarks.honest_questions.part import Done, Goal, Part, Task
from search.config.resolve import resolve
from search.data.study_data import load_study_data
from search.selection.statistics.interval import skill_interval
from search.selection.verification_report import CandidateResult
from search.study.studies import open_study
from search.workers.loop import run_worker as run_trials
from search.workers.progress import NoProgress
from trainer.config import TrialConfig
from trainer.data.source import Table
from trainer.data.windows import prepare_refit
from trainer.losses import MSE
from trainer.rivals.baselines import baseline_forecasts
from trainer.rivals.fitted import rival_forecasts

RECIPES = Path(__file__).parents[2] / "configs" / "studies"
STUDIES = {"sp500": "sp500-volatility-verified", "nasdaq": "nasdaq-volatility", "wti": "wti-volatility"}
HORIZONS = (1, 5, 21)
TRIALS = 3
SEEDS = 5
LEVEL = 0.95
NEEDED = ("har", "lhar", "linear", "boosted")
"""Rivals without which the table says too little; `ewma` and `garch` are shown where they can be fitted."""


def tasks(quick: bool) -> list[Task]:
    """Each series at each horizon; a quick run has no time for them."""
    return [] if quick else [Task("d", name, horizon) for name in STUDIES for horizon in HORIZONS]


def target(name: str, horizon: int) -> dict[str, Any]:
    """The mean log range of the next `horizon` days; of WTI, which has closes alone, their deviation."""
    looks = {"kind": "volatility", "horizon": horizon}
    if name == "wti" and horizon == 1:
        return {"of": "absret", "transform": "rolling_mean", "window": 1, **looks}
    if name == "wti":
        return {"of": "ret", "transform": "rolling_std", "window": horizon, **looks}
    return {"of": "vol", "transform": "rolling_mean", "window": horizon, **looks}


def study_of(task: Task, seed: int) -> dict[str, Any]:
    """The study of configs/studies at this horizon, with few trials."""
    file: dict[str, Any] = yaml.safe_load((RECIPES / f"{STUDIES[task.kind]}.yaml").read_text())
    file["study"] |= {"trials": TRIALS, "seed": task.training_seed(seed)}
    file["data"]["target"] = target(task.kind, task.horizon)
    file["tracking"] = {"dashboard": False}
    return file


def run(task: Task, seed: int) -> Mapping[str, Any]:
    """Search, export and verify; then every rival on the same rows."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "study.yaml"
        path.write_text(yaml.safe_dump(study_of(task, seed)))
        resolved = resolve(path)
        data = load_study_data(resolved)
        with opened(path) as store:
            study = open_study(resolved, data, store)
            run_trials(study, NoProgress(), lambda: False)
            report = export_and_verify(store, study.name, path.with_name("best.yaml"), SEEDS)
    if report is None:
        raise RuntimeError(f"{task.shown}: no trial was accepted")
    return compared(report.scored[0], resolved.trial_config, data.table)


def compared(scored: CandidateResult, config: TrialConfig, table: Table) -> dict[str, Any]:
    """Test loss of each forecast, and the skill of the GRU over it with its interval."""
    data = prepare_refit(config.data, table)
    rivals = rival_forecasts(data, data.test, MSE)
    errors = {
        name: (data.target[data.test].astype(np.float64) - told) ** 2
        for name, told in {**baseline_forecasts(data, data.test, MSE), **rivals.forecasts}.items()
    }
    over = {
        name: {
            "skill": float(1 - scored.losses.mean() / each.mean()),
            **asdict(skill_interval(scored.losses, each, level=LEVEL, horizon=data.horizon)),
        }
        for name, each in errors.items()
    }
    losses = {name: float(each.mean()) for name, each in errors.items()}
    return {
        "rows": len(data.test),
        "losses": {**losses, "gru": float(scored.losses.mean())},
        "over": over,
        "absent": dict(rivals.absent),
        "verdict": str(scored.conclusion.verdict),
        "strongest_rival": scored.to_json().get("strongest_rival"),
    }


def tables(done: Sequence[Done]) -> str:
    """Losses, and below them the skill of the GRU over each forecast."""
    if not done:
        return "left out"
    names = list(dict.fromkeys(name for each in done for name in each.found["losses"] if name != "gru"))
    names.append("gru")
    losses = [_row(each, [_loss(each, name) for name in names]) for each in done]
    skills = [_row(each, [_skill(each, name) for name in names[:-1]]) for each in done]
    answers = [_row(each, [each.found["verdict"], _strongest(each)]) for each in done]
    told = "Skill of the GRU over each, with 95 % intervals"
    return "\n\n".join(
        [
            _table(["test loss", "h", "rows", *names], losses),
            f"{told}\n\n{_table(['over', 'h', 'rows', *names[:-1]], skills)}",
            _table(["verify", "h", "rows", "over naive forecasts", "over the strongest rival"], answers),
        ]
    )


def _row(done: Done, cells: Sequence[str]) -> list[str]:
    return [done.task.kind, str(done.task.horizon), str(done.found["rows"]), *cells]


def _loss(done: Done, name: str) -> str:
    loss = done.found["losses"].get(name)
    return "–" if loss is None else f"{loss:.4f}"


def _skill(done: Done, name: str) -> str:
    over = done.found["over"].get(name)
    return "–" if over is None else f"{over['skill']:+.3f} ({over['low']:+.3f} … {over['high']:+.3f})"


def _strongest(done: Done) -> str:
    told = done.found["strongest_rival"]
    if told is None:
        return "–"
    interval = told["interval"]
    reach = "" if interval is None else f" ({interval['low']:+.3f} … {interval['high']:+.3f})"
    return f"{told['name']} {told['skill']:+.3f}{reach}: {told['verdict']}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def goals(done: Sequence[Done]) -> list[Goal]:
    """The table is whole."""
    if not done:
        return []
    whole = sum(all(name in each.found["losses"] for name in NEEDED) for each in done)
    return [Goal(f"series and horizons with {', '.join(NEEDED)}: {whole} of {len(done)}", whole == len(done))]


PART = Part("d", "Real volatility", tasks, run, tables, goals)
