"""What to do with a study that has ended: the next step that fits its state, in words and commands. Pure."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from search.references import in_words, rivals
from search.summary import Summary
from search.verified import DOES_NOT_HOLD, HOLDS, Verified
from storage.verdicts import Verdict

_FEWEST_SEEDS = 3
"""Trainings below which `verify` does not say *holds*; as in search/trust/conclusion.py."""


@dataclass(frozen=True)
class Habits:
    """The two settings of a study that decide how lucky its best trial can be."""

    split_method: str = "holdout"
    schedule: str = "constant"


def next_steps(summary: Summary, where: str = "", habits: Habits | None = None) -> list[str]:
    """One line or several, the most important first; `where` is ` --store URL`, or empty."""
    step = _Step(summary, where, habits or Habits())
    return [*step.lines(), *_beside_rivals(summary)]


@dataclass(frozen=True)
class _Step:
    summary: Summary
    where: str
    habits: Habits

    def lines(self) -> Iterator[str]:
        summary = self.summary
        if summary.verified is not None:
            yield from self._after(summary.verified)
        elif summary.best is None:
            yield self._none_accepted()
        elif not summary.above_naive:
            yield (
                f"nothing is worth exporting: of {summary.accepted} accepted trials none is above "
                f"{summary.baseline}, the best naive forecast; try other features, or more rows"
            )
            yield f"if you want the file all the same, take it away: {self._export()}"
        elif not summary.above_floor:
            yield (
                "nothing is worth verifying yet: luck alone explains the best skill, and every look at the "
                "test rows makes the next one stricter; try other features, or more validation rows"
            )
            yield f"if you want the file all the same, take it away: {self._export()}"
        else:
            yield f"take it away: {self._export()}"
            yield f"then ask rows that no search has seen: ballast verify best.yaml{self.where}"

    def _export(self, trial: int | None = None) -> str:
        which = "" if trial is None else f" --trial {trial}"
        return f"ballast export {self._name}{self.where}{which} -o best.yaml"

    @property
    def _name(self) -> str:
        return shlex.quote(self.summary.study.name)

    def _none_accepted(self) -> str:
        summary = self.summary
        suspicious = summary.verdicts.get(Verdict.SUSPICIOUS, 0)
        if suspicious and suspicious == summary.trials:
            return (
                f"nothing is worth exporting: all trials are suspicious ({suspicious}), too good to be true; "
                f"{self._find_the_leak()}"
            )
        told = ", ".join(f"{n} {verdict}" for verdict, n in summary.verdicts.items()) or "no trial yet"
        return (
            f"nothing is worth exporting: no trial was accepted ({told}); see why: "
            f"ballast trials {self._name}{self.where}"
        )

    def _find_the_leak(self) -> str:
        return f"look for a leak: ballast check {shlex.quote(self.summary.study.study_file)} --deep"

    def _after(self, verified: Verified) -> Iterator[str]:
        when = f"trial {verified.trial}, {verified.at:%Y-%m-%d}"
        if verified.verdict == HOLDS:
            yield f"it holds on unseen rows ({when}); take it away: {self._export(verified.trial)}"
            yield "then make a model of it: ballast train best.yaml --save model"
        elif verified.verdict == DOES_NOT_HOLD:
            yield (
                f"it was refuted on unseen rows ({when}), and another trial would face the same rows at a "
                "stricter level; change the study first"
            )
            yield f"what to change: {'; '.join(self._changes())}"
        else:
            yield f"the unseen rows cannot tell ({when}); {self._to_tell(verified)}"

    def _changes(self) -> Iterator[str]:
        if self.habits.split_method == "holdout":
            yield "judge trials on several stretches of time (data.split.method: walk_forward)"
        if self.habits.schedule == "constant":
            yield "let the learning rate fall to 0 (training.schedule: cosine)"
        yield "try other features"

    def _to_tell(self, verified: Verified) -> str:
        ceiling = self.summary.study.facts.get("skill_ceiling")
        if ceiling is not None and verified.skill is not None and verified.skill > ceiling:
            return self._find_the_leak()
        if 0 < len(verified.report.get("seeds") or ()) < _FEWEST_SEEDS:
            return f"ask with more seeds: ballast verify best.yaml{self.where} --seeds 5"
        return (
            "more test rows would: end validation earlier (data.split.validation_until), or wait for new rows"
        )


def _beside_rivals(summary: Summary) -> Iterator[str]:
    """Says so where a fitted rival does as well: the linear one if it does, as it is the simplest."""
    if summary.best is None or summary.best.value is None or not summary.above_naive:
        return
    name = _equal_when_verified(summary.verified) if _has_rival(summary) else _equal_on_validation(summary)
    if name is not None:
        yield f"{in_words(name)} does as well; the network adds nothing that these rows can show"


def _has_rival(summary: Summary) -> bool:
    return summary.verified is not None and summary.verified.strongest_rival is not None


def _equal_when_verified(verified: Verified | None) -> str | None:
    """The rival that does as well on the test rows, by the answer to the second question."""
    found = None if verified is None else verified.strongest_rival
    if verified is None or found is None or found["verdict"] == "yes":
        return None
    losses, value = verified.report.get("rivals_losses") or {}, verified.report.get("value")
    linear = losses.get("linear")
    if linear is not None and value is not None and linear <= value:
        return "linear"
    return str(found["name"])


def _equal_on_validation(summary: Summary) -> str | None:
    """The rival over which the best trial's skill is no more than luck reaches, on the validation rows."""
    losses, best = rivals(summary.study.facts), summary.best
    assert best is not None, "asked for a study that has one"
    assert best.value is not None, "an accepted trial has a loss"
    equal = [name for name, loss in losses.items() if loss > 0 and 1 - best.value / loss <= summary.floor]
    if "linear" in equal:
        return "linear"
    return equal[0] if equal else None
