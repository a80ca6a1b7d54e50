"""(a) Honest data: how many studies are blocked or quarantined, and what each message says."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from benchmarks.honest_questions.ballast import Answer, tried
from benchmarks.honest_questions.honest import HONEST
from benchmarks.honest_questions.hosts import HORIZONS
from benchmarks.honest_questions.part import Done, Goal, Part, Task, by_kind

MOST_ACCUSED = 1 / 40
TRIALS = 3
_QUICK = ("random walk", "hourly volatility", "sp500 volatility", "spread")


def tasks(quick: bool) -> list[Task]:
    """Each kind at each horizon."""
    kinds, horizons = (_QUICK, (1, 21)) if quick else (tuple(HONEST), HORIZONS)
    return [Task("a", kind, horizon) for horizon in horizons for kind in kinds]


def run(task: Task, seed: int) -> Mapping[str, Any]:
    """Audit, and a few trials; and again with the keys that messages name, where it is refused."""
    study, training_seed = HONEST[task.kind](task.random(seed), task.horizon), task.training_seed(seed)
    answer = tried(study, seed=training_seed, trials=TRIALS)
    refused = [said for said in answer.said if said.severity == "error"]
    named = {said.where for said in refused if f"may_lead: true for {said.where}" in said.message}
    if not refused:
        return {"answer": answer.to_json(), "declared": None}
    declared = tuple(
        {**feature, "may_lead": True} if feature["name"] in named else feature for feature in study.features
    )
    again = tried(replace(study, features=declared), seed=training_seed, trials=TRIALS)
    return {"answer": answer.to_json(), "declared": again.to_json()}


def tables(done: Sequence[Done]) -> str:
    """A cell for each kind and horizon, then each message."""
    horizons = sorted({each.task.horizon for each in done})
    lines = ["B blocked by check, Q a trial quarantined, w warned of, . nothing said", ""]
    lines.append(f"{'':28}" + "".join(f"h = {horizon:<6}" for horizon in horizons))
    for kind, of_kind in by_kind(done):
        cells = {each.task.horizon: _cell(_answer(each)) for each in of_kind}
        lines.append(f"{kind:28}" + "".join(f"{cells.get(horizon, ''):10}" for horizon in horizons).rstrip())
    lines += ["", "What was said of honest data"]
    for each in done:
        for said in _answer(each).said:
            lines.append(
                f"  {each.task.kind}, h = {each.task.horizon}: {said.severity} {said.code}: {said.message}"
            )
    return "\n".join(lines)


def _answer(done: Done) -> Answer:
    return Answer.from_json(done.found["answer"])


def _cell(answer: Answer) -> str:
    if answer.blocked:
        return "B"
    if answer.quarantined:
        return "Q"
    return "w" if answer.said else "."


def goals(done: Sequence[Done]) -> list[Goal]:
    """At most 1 in 40 blocked or quarantined (one, in a run of fewer), and a way out of each refusal."""
    answers = [_answer(each) for each in done]
    accused = sum(answer.blocked or answer.quarantined for answer in answers)
    kinds = len({each.task.kind for each in done})
    told = f"honest studies blocked or quarantined: {accused} of {len(done)} ({kinds} kinds), goal 1 in 40"
    again = [Answer.from_json(each.found["declared"]) for each in done if each.found["declared"] is not None]
    stay = sum(answer.blocked or answer.quarantined for answer in again)
    way_out = f"blocked ones that stay so with the keys that are named: {stay} of {len(again)}, goal 0"
    return [Goal(told, accused <= max(1.0, MOST_ACCUSED * len(done))), Goal(way_out, stay == 0)]


PART = Part("a", "Honest data", tasks, run, tables, goals)
