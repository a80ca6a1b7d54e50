"""(a) Honest data: how many studies are blocked or quarantined, and what each message says."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.honest_questions.ballast import Answer, tried
from benchmarks.honest_questions.honest import HONEST
from benchmarks.honest_questions.hosts import HORIZONS
from benchmarks.honest_questions.part import Done, Goal, Part, Task, by_kind

MOST_ACCUSED = 1 / 40
TRIALS = 3
_QUICK = ("random walk", "Tokyo after New York", "hourly volatility", "sp500 volatility", "spread")


def tasks(quick: bool) -> list[Task]:
    """Each kind at each horizon."""
    kinds, horizons = (_QUICK, (1, 21)) if quick else (tuple(HONEST), HORIZONS)
    return [Task("a", kind, horizon) for horizon in horizons for kind in kinds]


def run(task: Task, seed: int) -> Mapping[str, Any]:
    """Audit, and a few trials."""
    study = HONEST[task.kind](task.random(seed), task.horizon)
    return tried(study, seed=task.training_seed(seed), trials=TRIALS).to_json()


def tables(done: Sequence[Done]) -> str:
    """A cell for each kind and horizon, then each message."""
    horizons = sorted({each.task.horizon for each in done})
    lines = ["B blocked by check, Q a trial quarantined, w warned of, . nothing said", ""]
    lines.append(f"{'':28}" + "".join(f"h = {horizon:<6}" for horizon in horizons))
    for kind, of_kind in by_kind(done):
        cells = {each.task.horizon: _cell(Answer.from_json(each.found)) for each in of_kind}
        lines.append(f"{kind:28}" + "".join(f"{cells.get(horizon, ''):10}" for horizon in horizons).rstrip())
    lines += ["", "What was said of honest data"]
    for each in done:
        for said in Answer.from_json(each.found).said:
            lines.append(
                f"  {each.task.kind}, h = {each.task.horizon}: {said.severity} {said.code}: {said.message}"
            )
    return "\n".join(lines)


def _cell(answer: Answer) -> str:
    if answer.blocked:
        return "B"
    if answer.quarantined:
        return "Q"
    return "w" if answer.said else "."


def goals(done: Sequence[Done]) -> list[Goal]:
    """At most 1 in 40 blocked or quarantined."""
    answers = [Answer.from_json(each.found) for each in done]
    accused = sum(answer.blocked or answer.quarantined for answer in answers)
    kinds = len({each.task.kind for each in done})
    told = f"honest studies blocked or quarantined: {accused} of {len(done)} ({kinds} kinds), goal 1 in 40"
    return [Goal(told, accused <= MOST_ACCUSED * len(done))]


PART = Part("a", "Honest data", tasks, run, tables, goals)
