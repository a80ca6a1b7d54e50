"""What became of each planted leak and of each clean study, the goals, and how they are printed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from benchmarks.leaks.leak import Leak
from benchmarks.leaks.trials import Checked, Trials

FALSE_ALARMS = 1 / 40
"""Share of clean studies that may be blocked."""
_CELL = 21


class Found(StrEnum):
    """How a leak was found; the value is the letter in the table."""

    BLOCKED = "B"
    MISNAMED = "b"
    QUARANTINED = "Q"
    WARNED = "w"
    UNSEEN = "."


LEGEND = """\
B  blocked by `check`, naming the culprit      b  blocked, naming something else
Q  trained, and quarantined as `suspicious`    w  a warning of `check` only       .  not found
Then three lifts over the clean study: of the highest validation skill that a GRU reached, of the best that
would have been accepted (–: every trial was quarantined), and of the skill on the test rows."""
WORTH_A_WORD = 0.03
"""Lift of test skill from which a finding has to name the leak."""


@dataclass(frozen=True)
class Case:
    """One leak in one study; `trials` is None where none were run."""

    leak: Leak
    study: str
    checked: Checked
    trials: Trials | None
    clean: Trials
    test_lift: float | None = None
    """Of the skill on test rows over the clean study's; None where nothing was trained."""

    @property
    def found(self) -> Found:
        """By the check first, for what it blocks is not trained."""
        if self.checked.blocking:
            return Found.BLOCKED if self.checked.names(self.leak.named) else Found.MISNAMED
        if self.trials is not None and self.trials.suspicious:
            return Found.QUARANTINED
        return Found.WARNED if self.checked.warnings else Found.UNSEEN

    @property
    def lift(self) -> float | None:
        """Highest skill over the clean study's best; None without trials."""
        return None if self.trials is None else self.trials.reached - self._honest

    @property
    def contamination(self) -> float | None:
        """Skill of the best accepted trial over the clean study's best; None without an accepted trial."""
        if self.trials is None or self.trials.best is None:
            return None
        return self.trials.best - self._honest

    @property
    def missed(self) -> bool:
        """Whether skill was lifted above the ceiling and nothing blocked or quarantined it."""
        if self.trials is None or self.found in (Found.BLOCKED, Found.MISNAMED, Found.QUARANTINED):
            return False
        return max(self.trials.reached, self.trials.reached - self._honest) > self.trials.ceiling

    @property
    def unnamed(self) -> bool:
        """Whether it lifts the skill on test rows and no finding names it."""
        return (self.test_lift or 0.0) > WORTH_A_WORD and not self.checked.mentions(self.leak.named)

    @property
    def best_is_suspicious(self) -> bool:
        """Whether the best accepted trial has a skill that nobody believes."""
        return self.trials is not None and (self.trials.best or 0.0) > self.trials.ceiling

    @property
    def _honest(self) -> float:
        return 0.0 if self.clean.best is None else self.clean.best


def header(studies: Sequence[str]) -> str:
    """The line above the table of leaks."""
    return f"{'':40}" + "".join(f"{study.replace('volatility', 'vol.'):<{_CELL}}" for study in studies)


def row(leak: Leak, cases: Sequence[Case]) -> str:
    """One line for a leak, a cell per study."""
    return f"{leak.name:40}" + "".join(f"{_cell(case):<{_CELL}}" for case in cases).rstrip()


def _cell(case: Case) -> str:
    if case.trials is None:
        return case.found
    return " ".join([case.found, *map(_signed, (case.lift, case.contamination, case.test_lift))])


def _signed(value: float | None) -> str:
    return "   – " if value is None else f"{value:+.2f}"


def summary(cases: Sequence[Case]) -> str:
    """Counts by how the leaks were found, and what got through."""
    lines = [f"{len(cases)} cases of {len({case.leak.name for case in cases})} leaks"]
    for found, told in (
        (Found.BLOCKED, "blocked by check, culprit named"),
        (Found.MISNAMED, "blocked by check, something else named"),
        (Found.QUARANTINED, "quarantined in a trial"),
        (Found.WARNED, "warned of, lift below the ceiling"),
        (Found.UNSEEN, "not found, lift below the ceiling"),
    ):
        lines.append(f"  {sum(case.found is found for case in cases):4}  {told}")
    codes = Counter(code for case in cases for code in {finding.code for finding in case.checked.blocking})
    lines.append("  blocked by " + ", ".join(f"{code} in {n}" for code, n in codes.most_common()))
    lines.append("  worst contamination of an accepted best")
    for kind in ("return", "volatility"):
        of_kind = [case for case in cases if kind in case.study]
        lines.append(
            f"    {kind:10}  let through by check: {_worst([c for c in of_kind if not c.checked.blocking])}"
        )
        lines.append(f"    {kind:10}  had nothing been checked: {_worst(of_kind)}")
    return "\n".join(lines)


def _worst(cases: Sequence[Case]) -> str:
    trained = [case for case in cases if case.contamination is not None]
    if not trained:
        return "none was trained"
    worst = max(trained, key=lambda case: case.contamination or 0.0)
    return f"{_signed(worst.contamination)} ({worst.leak.name}; {worst.study})"


def goals(cases: Sequence[Case], blocked: int, controls: int, accused: int) -> list[tuple[str, bool]]:
    """Each goal with its figure, and whether it is reached. `accused`: clean, with a suspicious trial."""
    leaks = len({case.leak.name for case in cases})
    unnamed = [case for case in cases if case.unnamed]
    told = ", ".join(f"{case.leak.name} ({case.study})" for case in unnamed)
    missed, bad = sum(case.missed for case in cases), sum(case.best_is_suspicious for case in cases)
    return [
        (f"at least 24 leaks planted: {leaks}", leaks >= 24),
        (f"leaks that lift skill above the ceiling and are not flagged: {missed}, goal 0", missed == 0),
        (
            f"leaks that lift test skill by more than {WORTH_A_WORD} and are not named by any finding: "
            f"{len(unnamed)}{': ' * bool(told)}{told}, goal 0",
            not unnamed,
        ),
        (f"studies whose best is a suspicious trial: {bad}, goal 0", bad == 0),
        (f"clean studies blocked: {blocked} of {controls}, goal 1 in 40", blocked <= FALSE_ALARMS * controls),
        (f"clean studies with a suspicious trial: {accused}, goal 0", accused == 0),
    ]
