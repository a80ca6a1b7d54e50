"""The record of a walk-forward: what the forecasts of all its blocks together show. Computed, never stored.

blocks on record ──► stitched rows ──► skill with interval over naive forecasts and rivals ──► conclusion
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from statistics import fmean
from typing import Any

import numpy as np

from search.record.continuation import recorded_value
from search.record.evaluations import configuration_digest
from search.record.searched_rows import EarlierSearch, effective_configurations
from search.record.validation_rows import Floats
from search.record.walk_forward_rows import WalkForwardRows, stitched
from search.selection.statistics.conclusion import (
    Conclusion,
    ConclusionInput,
    SkillVerdict,
    bootstrap_draws,
    conclude,
    confidence_level,
)
from search.selection.statistics.diebold_mariano import DieboldMariano, diebold_mariano
from search.selection.statistics.grouped_skill import GroupedSkill, skill_by_group
from search.selection.statistics.interval import SkillInterval, skill_interval
from search.selection.statistics.rival_comparison import RivalComparison, compare_with_strongest_rival
from search.selection.statistics.stationary_bootstrap import min_interval_rows
from search.selection.verification_report import rival_to_json
from search.text import duration
from storage import query, walk_forwards
from storage.engine import Store
from trainer.rivals.skill import skill


@dataclass(frozen=True)
class BlockResult:
    """One block: its study, its bounds and, once it is finished, what came of it."""

    study: str
    begin: str
    until: str
    result: Mapping[str, Any] | None

    @property
    def settings(self) -> Mapping[str, Any]:
        """The chosen values of what was searched; empty before the end, and if no trial was accepted."""
        return {} if self.result is None else self.result["settings"]


@dataclass(frozen=True)
class Calibration:
    """Blocks of which the validation rows said the same, and what the rows of these blocks showed.

    Skills are means over the blocks, NaN without any; `followed` counts those with skill above 0.
    """

    said_skill: bool
    blocks: int
    followed: int
    validation_skill: float
    lower_bound: float
    skill: float


@dataclass(frozen=True)
class WalkForwardRecord:
    """A walk-forward as far as it has come."""

    name: str
    options: Mapping[str, Any]
    blocks: tuple[BlockResult, ...]
    rows: WalkForwardRows | None = field(repr=False)
    """Those of all finished blocks; None before the first is finished."""
    zone: str | None = None
    """The `data.timezone` of the study."""
    number: int = 1
    """Which configuration these rows judge, counted from 1."""
    searches: tuple[EarlierSearch, ...] = ()
    """Studies that had searched on some of these rows before the walk-forward began."""

    def __repr__(self) -> str:
        return f"<WalkForwardRecord of {self.name}: {len(self.finished)} of {len(self.blocks)} blocks>"

    @property
    def finished(self) -> tuple[BlockResult, ...]:
        """The blocks whose rows are forecast."""
        return tuple(block for block in self.blocks if block.result is not None)

    @property
    def is_complete(self) -> bool:
        """Whether every block is finished."""
        return len(self.finished) == len(self.blocks)

    @cached_property
    def level(self) -> float:
        """The level of the interval, as `verify` has it."""
        return confidence_level(self.number, effective_configurations(self.searches))

    @cached_property
    def losses(self) -> Floats:
        """The losses (moments,) of the stitched forecasts."""
        return np.empty(0) if self.rows is None else self.rows.moments.means(self.rows.loss)

    @cached_property
    def naive(self) -> dict[str, Floats]:
        """The losses (moments,) of each naive forecast."""
        rows = self.rows
        return {} if rows is None else {n: rows.moments.means(each) for n, each in rows.naive_losses.items()}

    @property
    def baseline(self) -> str | None:
        """The naive forecast that is best on all rows."""
        return None if self.rows is None else self.rows.baseline

    @property
    def skill(self) -> float | None:
        """The skill over the best naive forecast; None before the first block is finished."""
        if self.baseline is None:
            return None
        loss = float(self.naive[self.baseline].mean())
        return skill(float(self.losses.mean()), loss) if loss > 0 else None

    @cached_property
    def interval(self) -> SkillInterval | None:
        """The interval of that skill; None if the rows are too few for one."""
        if self.rows is None or self.baseline is None:
            return None
        try:
            return skill_interval(
                self.losses,
                self.naive[self.baseline],
                level=self.level,
                horizon=self.rows.moments.horizon,
                draws=bootstrap_draws(self.level),
            )
        except ValueError:
            return None

    @cached_property
    def comparisons(self) -> dict[str, DieboldMariano]:
        """The test against each naive forecast; empty if the rows are too few for an interval."""
        if self.rows is None or self.interval is None:
            return {}
        horizon = self.rows.moments.horizon
        return {
            name: diebold_mariano(self.losses, each, horizon=horizon) for name, each in self.naive.items()
        }

    @cached_property
    def strongest_rival(self) -> RivalComparison | None:
        """The comparison with the strongest rival, refitted for each block; None without any."""
        rows = self.rows
        if rows is None or not rows.rival_losses or self.interval is None:
            return None
        losses = {name: rows.moments.means(each) for name, each in rows.rival_losses.items()}
        return compare_with_strongest_rival(
            self.losses, losses, horizon=rows.moments.horizon, level=self.level, panel_rows=self._panel_rows
        )

    @cached_property
    def conclusion(self) -> Conclusion:
        """Whether the procedure has skill, by the rule of `verify`."""
        rows, interval = self.rows, self.interval
        if rows is None:
            return Conclusion(SkillVerdict.CANNOT_TELL, "no block is finished yet")
        if interval is None or self.baseline is None:
            needed = min_interval_rows(rows.moments.horizon)
            return Conclusion(
                SkillVerdict.CANNOT_TELL,
                f"there are {len(rows.moments.times)} times with rows, and an interval needs {needed}, at "
                "which the naive forecast errs",
            )
        claims = [each for block in self.finished if (each := (block.result or {})["validation"])]
        said = fmean(each["skill"] for each in claims) if claims else 0.0
        bounds = [each["skill"] if each["lower_bound"] is None else each["lower_bound"] for each in claims]
        return conclude(
            ConclusionInput(
                baseline=self.baseline,
                skill=self.skill,
                interval=interval,
                comparisons=self.comparisons,
                validation_skill=said,
                validation_lower_bound=fmean(bounds) if bounds else 0.0,
                ceiling=max((block.result or {})["ceiling"] for block in self.finished),
                seeds=self.options["seeds"],
                seeds_stopped=0,
                rows=len(rows.moments.times),
                horizon=rows.moments.horizon,
                panel_rows=self._panel_rows,
            )
        )

    def by_block(self) -> list[GroupedSkill]:
        """The skill on the rows of each block over the naive forecast that is best on all rows."""
        rows = self.rows
        names = [block.study.rpartition("@")[2] for block in self.blocks]
        return [] if rows is None else self._by_group(rows.blocks[_first_rows(rows)], names)

    def by_year(self) -> list[GroupedSkill]:
        """The same for the rows of each calendar year."""
        if self.rows is None:
            return []
        years = self.rows.moments.times.astype("datetime64[Y]").astype(int) + 1970
        distinct, number = np.unique(years, return_inverse=True)
        return self._by_group(number, [str(year) for year in distinct])

    def _by_group(self, groups: "np.ndarray[Any, Any]", names: Sequence[str]) -> list[GroupedSkill]:
        assert self.rows is not None, "a block is finished"
        assert self.baseline is not None, "a block is finished"
        return skill_by_group(
            self.losses, self.naive[self.baseline], groups, names, self.rows.moments.horizon
        )

    def block_skill(self, position: int) -> float | None:
        """The skill on the rows of a block over the naive forecast that is best on all rows; None before."""
        rows = self.rows
        if rows is None or self.blocks[position].result is None:
            return None
        own = rows.blocks == position
        loss = float(rows.naive_losses[rows.baseline][own].mean()) if own.any() else 0.0
        return skill(float(rows.loss[own].mean()), loss) if loss > 0 else None

    def calibration(self) -> list[Calibration]:
        """How often skill followed where validation said so, and where it did not."""
        found = []
        for said in (True, False):
            told = []
            for position, block in enumerate(self.blocks):
                reached, result = self.block_skill(position), block.result
                if result is not None and reached is not None and result["said_skill"] is said:
                    told.append((result["validation"] or {}, reached))
            claims = [claim for claim, _ in told if claim]
            bounds = [
                each["skill"] if each["lower_bound"] is None else each["lower_bound"] for each in claims
            ]
            found.append(
                Calibration(
                    said_skill=said,
                    blocks=len(told),
                    followed=sum(reached > 0 for _, reached in told),
                    validation_skill=fmean(each["skill"] for each in claims) if claims else float("nan"),
                    lower_bound=fmean(bounds) if bounds else float("nan"),
                    skill=fmean(reached for _, reached in told) if told else float("nan"),
                )
            )
        return found

    def wandering(self) -> dict[str, list[Any]]:
        """The chosen values of each searched setting, block by block; None where nothing was chosen."""
        keys = dict.fromkeys(key for block in self.blocks for key in block.settings)
        return {key: [block.settings.get(key) for block in self.blocks] for key in keys}

    def cost(self) -> str:
        """What the finished blocks took, in one sentence; empty before the first."""
        seconds = [block.result["seconds"] for block in self.finished if block.result is not None]
        if not seconds:
            return ""
        trials, refits, whole = (sum(each[part] for each in seconds) for part in ("trials", "refits", "wall"))
        by_clock = duration(whole / len(seconds))
        return (
            f"{len(seconds)} of {len(self.blocks)} blocks took {duration(trials)} of trials and "
            f"{duration(refits)} of refits and forecasts; by the clock {by_clock} a block."
        )

    def strictness(self) -> str:
        """How often the rows were used before, and the confidence asked for; empty if they were not."""
        if self.number == 1 and not self.searches:
            return ""
        names = ", ".join(search.study for search in self.searches)
        searched = f", and studies had searched on some of them before ({names})" if names else ""
        return (
            f"These rows judge configuration number {self.number}{searched}: the confidence asked for is "
            f"{100 * self.level:.4g} %."
        )

    def notes(self) -> list[str]:
        """What is said besides the answer: rivals, the use of the rows, cost."""
        rival = self.strongest_rival
        against = "" if rival is None else f"Strongest rival: {rival.verdict}: {rival.reason}."
        return [each for each in (against, self.strictness(), self.cost()) if each]

    def sentence(self) -> str:
        """The answer in one sentence, and how far the walk-forward has come."""
        if self.rows is None:
            return f"No block of {len(self.blocks)} is finished yet."
        so_far = "" if self.is_complete else f" So far {len(self.finished)} of {len(self.blocks)} blocks."
        return f"The skill of this search {_SAYS[self.conclusion.verdict]}: {self.conclusion.reason}.{so_far}"

    def to_json(self) -> dict[str, Any]:
        """The shape that `walk-forward --json` promises."""
        interval, skills = self.interval, [self.block_skill(number) for number in range(len(self.blocks))]
        return {
            "walk_forward": self.name,
            "options": dict(self.options),
            "blocks": [
                {
                    "study": block.study,
                    "from": block.begin,
                    "until": block.until,
                    "trial": None if block.result is None else block.result["trial"],
                    "skill": reached,
                    **(
                        {}
                        if block.result is None
                        else {k: v for k, v in block.result.items() if k not in _TOP}
                    ),
                }
                for block, reached in zip(self.blocks, skills, strict=True)
            ],
            "complete": self.is_complete,
            "rows": 0 if self.rows is None else len(self.rows.times),
            "skill": self.skill,
            "interval": None if interval is None else asdict(interval),
            "baseline": None
            if self.baseline is None
            else {"name": self.baseline, "loss": float(self.naive[self.baseline].mean())},
            "baselines": {name: float(each.mean()) for name, each in self.naive.items()},
            "strongest_rival": rival_to_json(self.strongest_rival),
            "verdict": str(self.conclusion.verdict),
            "reason": self.conclusion.reason,
            "by_year": [asdict(each) for each in self.by_year()],
            "calibration": [asdict(each) for each in self.calibration()],
            "settings": self.wandering(),
            "look": self.number,
            "searched_by": [search.to_json() for search in self.searches],
        }

    @property
    def _panel_rows(self) -> int | None:
        rows = self.rows
        return None if rows is None or len(rows.series_names) < 2 else len(rows.times)


_TOP = frozenset({"trial", "skill"})
_SAYS = {
    SkillVerdict.HOLDS: "holds",
    SkillVerdict.DOES_NOT_HOLD: "does not hold",
    SkillVerdict.CANNOT_TELL: "cannot be told",
}


def read_record(store: Store, name: str) -> WalkForwardRecord:
    """The record of the walk-forward `name`; StudyUnknown if there is none."""
    found = walk_forwards.walk_forward(store, name)
    plan, results = found.plan, found.results
    evaluation = walk_forwards.evaluation_of(store, name, plan_digest(plan), plan["content"])
    report = {} if evaluation is None else evaluation.report or {}
    parts = [
        WalkForwardRows.unpacked(packed, position)
        for position, packed in walk_forwards.block_rows(store, name)
    ]
    return WalkForwardRecord(
        name=name,
        options=plan["options"],
        blocks=tuple(
            BlockResult(block["study"], block["from"], block["until"], results.get(position))
            for position, block in enumerate(plan["blocks"])
        ),
        rows=stitched(parts) if parts else None,
        zone=recorded_value("data.timezone", query.setting_layers(store, found.blocks[0].study)),
        number=report.get("look", 1),
        searches=tuple(map(EarlierSearch.from_json, report.get("searched_by", ()))),
    )


def plan_digest(plan: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of what a walk-forward does, whatever it is called and however long its table is."""
    return configuration_digest({name: plan[name] for name in ("options", "fingerprints")})


def _first_rows(rows: WalkForwardRows) -> "np.ndarray[Any, Any]":
    """The first row (m,) of each moment."""
    return np.unique(rows.moments.number, return_index=True)[1]
