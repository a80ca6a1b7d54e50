"""The next steps for a study in its present state, in words and commands. Pure."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from search.record.rival_facts import describe_gain_over_rivals, describe_rival, recorded_rival_losses
from search.record.verification_answer import DOES_NOT_HOLD, HOLDS, VerificationAnswer
from search.selection.summary import Summary
from storage.commands import ballast_command
from storage.verdicts import Verdict

_FEWEST_SEEDS = 3
"""With fewer trainings `verify` does not answer *holds*; as in search/selection/statistics/conclusion.py."""


@dataclass(frozen=True)
class StudyDesign:
    """The two settings of a study that decide how much luck its best trial can have."""

    split_method: str = "holdout"
    schedule: str = "constant"


def next_steps(summary: Summary, store: str | None = None, design: StudyDesign | None = None) -> list[str]:
    """Return one or several lines, the most important first.

    `store` is the URL of the store, None if commands find the store without it.
    """
    step = _Step(summary, store, design or StudyDesign())
    return [*step.lines(), *_beside_rivals(summary)]


@dataclass(frozen=True)
class _Step:
    summary: Summary
    store: str | None
    design: StudyDesign

    def lines(self) -> Iterator[str]:
        summary = self.summary
        if summary.verified is not None:
            yield from self._after(summary.verified)
        elif summary.best is None:
            yield self._none_accepted()
        elif not summary.above_naive:
            yield (
                f"nothing is worth exporting: of {summary.accepted} accepted trials none beats the best "
                f"naive forecast ({summary.baseline}); try other features, or more rows"
            )
            yield f"to have it all the same, write it to a file: {self._export()}"
        elif not summary.above_floor:
            yield (
                "nothing is worth verifying yet: luck alone explains the best skill, and every look at the "
                "test rows makes the next one stricter; try other features, or more validation rows"
            )
            yield f"to have it all the same, write it to a file: {self._export()}"
        else:
            yield f"write it to a file: {self._export()}"
            verify = ballast_command("verify", "best.yaml", store=self.store)
            yield f"then ask rows that no search has seen: {verify}"

    def _export(self, trial: int | None = None) -> str:
        return ballast_command(
            "export", self.summary.study.name, store=self.store, trial=trial, o="best.yaml"
        )

    def _none_accepted(self) -> str:
        summary = self.summary
        suspicious = summary.verdicts.get(Verdict.SUSPICIOUS, 0)
        if suspicious and suspicious == summary.trials:
            return (
                f"nothing is worth exporting: all trials are suspicious ({suspicious}), too good to be true; "
                f"{self._find_the_leak()}"
            )
        text = ", ".join(f"{n} {verdict}" for verdict, n in summary.verdicts.items()) or "no trial yet"
        return (
            f"nothing is worth exporting: no trial was accepted ({text}); see why: "
            f"{ballast_command('trials', summary.study.name, store=self.store)}"
        )

    def _find_the_leak(self) -> str:
        return f"look for a leak: {ballast_command('check', self.summary.study.study_file, deep=True)}"

    def _after(self, verified: VerificationAnswer) -> Iterator[str]:
        trial, day = verified.trial, f"{verified.at:%Y-%m-%d}"
        if verified.verdict == HOLDS:
            yield f"trial {trial} holds on {verified.rows} (verified {day})"
            yield f"write it to a file: {self._export(trial)}"
            yield f"then make a model of it: {ballast_command('train', 'best.yaml', save='model')}"
        elif DOES_NOT_HOLD in (verified.verdict, verified.refuted and verified.refuted.verdict):
            refuted = verified.refuted or verified
            yield (
                f"trial {trial} was refuted on {refuted.rows} (verified {refuted.at:%Y-%m-%d}); another "
                "trial would face the same rows at a stricter level, so change the study first"
            )
            yield f"what to change: {'; '.join(self._changes())}"
        else:
            yield f"{verified.rows} cannot tell whether trial {trial} holds (verified {day})"
            yield self._to_tell(verified)

    def _changes(self) -> Iterator[str]:
        if self.design.split_method == "holdout":
            yield "judge trials on several stretches of time (data.split.method: walk_forward)"
        if self.design.schedule == "constant":
            yield "let the learning rate fall to 0 (training.schedule: cosine)"
        yield "try other features"

    def _to_tell(self, verified: VerificationAnswer) -> str:
        ceiling = self.summary.study.facts.get("skill_ceiling")
        if ceiling is not None and verified.skill is not None and verified.skill > ceiling:
            return self._find_the_leak()
        if 0 < len(verified.report.get("seeds") or ()) < _FEWEST_SEEDS:
            return f"ask with more seeds: {ballast_command('verify', 'best.yaml', store=self.store, seeds=5)}"
        return (
            "more test rows would, and only new ones are unseen: wait for them (a split that starts the test "
            "earlier adds rows that the search has used)"
        )


def _beside_rivals(summary: Summary) -> Iterator[str]:
    """Yield a line if a fitted rival forecasts as well as the network."""
    best, verified = summary.best, summary.verified
    if best is None or best.value is None or not summary.above_naive:
        return
    if verified is not None and (rival := verified.strongest_rival) is not None:
        losses = {rival["name"]: rival["loss"], **(verified.report.get("rivals_losses") or {})}
        value = verified.report.get("value", math.inf)
        text = describe_gain_over_rivals(rival["verdict"], rival["name"], losses, value)
    else:
        text = _adds_on_validation(summary, best.value)
    if text is not None:
        yield text


def _adds_on_validation(summary: Summary, best: float) -> str | None:
    """Name a rival over which the best trial's skill is no more than luck reaches; prefer the ridge. None
    without.
    """
    skills = {
        name: 1 - best / loss for name, loss in recorded_rival_losses(summary.study.facts).items() if loss > 0
    }
    equal = [name for name, over in skills.items() if over <= summary.floor]
    if not equal:
        return None
    name = "linear" if "linear" in equal else equal[0]
    if skills[name] < -summary.floor:
        text = f"{describe_rival(name)} does better; the network adds nothing"
        return f"{text}: its skill over it is {skills[name]:+.4f}"
    return (
        f"{describe_rival(name)} does as well; the network adds nothing that these rows can show: the "
        f"network's skill over it, {skills[name]:+.4f}, is no more than luck reaches ({summary.floor:.4f})"
    )
