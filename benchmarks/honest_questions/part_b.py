"""(b) Leaks: which are flagged, which lift the skill on test rows, and of which `verify` says *holds*."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from benchmarks.honest_questions.ballast import Answer, searched, skill_on_test
from benchmarks.honest_questions.hosts import HORIZONS
from benchmarks.honest_questions.leaking import LEAKS, host
from benchmarks.honest_questions.part import Done, Goal, Part, Task, by_kind
from benchmarks.leaks.studies import Kind

MOST_UNSEEN = 0.03
"""Lift of test skill up to which a leak may go unseen."""
TRIALS = 2
_QUICK = ("future 20-day return, R² 0.3", "lead behind today", "mean by month")


def tasks(quick: bool) -> list[Task]:
    """Each leak at each horizon."""
    kinds, horizons = (_QUICK, (1, 21)) if quick else (tuple(LEAKS), HORIZONS)
    return [Task("b", kind, horizon) for horizon in horizons for kind in kinds]


def run(task: Task, seed: int) -> Mapping[str, Any]:
    """Plant, audit, search and verify; and the lift of test skill, whatever the audit says."""
    leak = LEAKS[task.kind]
    study = leak.plant(host(leak.kind, task.horizon), task.random(seed))
    answer = searched(study, seed=task.training_seed(seed), trials=TRIALS)
    clean_skill, clean_holds = _clean(leak.kind, task.horizon, seed)
    lift = skill_on_test(study, seed=seed) - clean_skill
    return {"lift": lift, "clean_holds": clean_holds, "answer": answer.to_json()}


@cache
def _clean(kind: Kind, horizon: int, seed: int) -> tuple[float, bool]:
    """Test skill of the study without the leak, and whether it *holds*."""
    study = host(kind, horizon)
    verified = searched(study, seed=seed, trials=TRIALS).verified
    return skill_on_test(study, seed=seed), verified is not None and verified.holds


class Case:
    """A leak at a horizon, and what became of it."""

    def __init__(self, done: Done) -> None:
        self.task = done.task
        self.lift = float(done.found["lift"])
        self.clean_holds = bool(done.found["clean_holds"])
        self.answer = Answer.from_json(done.found["answer"])
        self.named = any(said.names(LEAKS[done.task.kind].named) for said in self.answer.said)

    @property
    def flagged(self) -> bool:
        """Whether a finding names the column, or a trial is suspicious."""
        return self.named or self.answer.quarantined

    @property
    def missed(self) -> bool:
        """Whether it lifts the test skill and is not flagged."""
        return self.lift > MOST_UNSEEN and not self.flagged

    @property
    def holds(self) -> bool:
        """Whether `verify` says that its skill holds, and no finding names its column."""
        verified = self.answer.verified
        return verified is not None and verified.holds and not self.named

    @property
    def certified(self) -> bool:
        """Whether it *holds* by its leak: a column that lifts nothing leaves an honest skill honest."""
        return self.holds and (not self.clean_holds or self.lift > MOST_UNSEEN)

    @property
    def cell(self) -> str:
        """How it was found, the lift, and an H where it *holds*."""
        found = "B" if self.answer.blocked and self.named else "b" if self.answer.blocked else ""
        found = found or ("Q" if self.answer.quarantined else "w" if self.named else ".")
        holds = "H" if self.answer.verified is not None and self.answer.verified.holds else " "
        mark = "!" if self.missed or self.certified else " "
        return f"{found} {self.lift:+.2f} {holds}{mark}"


def tables(done: Sequence[Done]) -> str:
    """A cell for each leak and horizon."""
    horizons = sorted({each.task.horizon for each in done})
    lines = [
        "B blocked, the column named; b blocked, something else named; Q a trial quarantined; w warned of,",
        "the column named; . nothing; then the lift of test skill; H verify says *holds*; ! a goal is missed",
        "",
        f"{'':32}" + "".join(f"h = {horizon:<8}" for horizon in horizons),
    ]
    for kind, of_kind in by_kind(done):
        cells = {each.task.horizon: Case(each).cell for each in of_kind}
        lines.append(f"{kind:32}" + "".join(f"{cells.get(horizon, ''):12}" for horizon in horizons).rstrip())
    return "\n".join(lines)


def goals(done: Sequence[Done]) -> list[Goal]:
    """Nothing that lifts is unseen, nothing unseen is certified."""
    cases = [Case(each) for each in done]
    lifting = sum(case.lift > MOST_UNSEEN for case in cases)
    missed, holding = sum(case.missed for case in cases), sum(case.holds for case in cases)
    certified = sum(case.certified for case in cases)
    return [
        Goal(
            f"leaks that lift test skill by over 0.03 and are not flagged: {missed} of {lifting}, goal 0",
            missed == 0,
        ),
        Goal(
            f"leaks that hold and are not named: {certified} of {len(cases)}, goal 0; beside them "
            f"{holding - certified} that lift nothing, in studies which hold without them",
            certified == 0,
        ),
    ]


PART = Part("b", "Leaks", tasks, run, tables, goals)
