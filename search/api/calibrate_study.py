"""Measures safe ranges on the data of a study; `ballast calibrate` and `ballast.calibrate` call it."""

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from search.api.calibration_file import policy_yaml
from search.api.study_options import StudyOptions
from search.atomic_text import write_text_atomically
from search.config.calibration.measurement import Measurement
from search.config.calibration.outcomes import Point, Run, judge_run
from search.config.calibration.plan import KeyPlan, Plan, own_values, plan_calibration, shown
from search.config.calibration.ranges import (
    HALVINGS,
    MeasuredRange,
    corners,
    measured_range,
    next_values,
    shrunk_ranges,
)
from search.config.files.reader import ConfigSource
from search.config.leaves import leaf_values, to_nested
from search.config.resolved_study import DEFAULTS_VERSION, ResolvedStudy
from search.config.safe_ranges import policy_from
from search.config.schema import TRIAL_LEAVES
from search.data.study_data import StudyData, load_study_data
from search.errors import AnswerIsNo, RequestError
from search.seeds import calibration_seed
from search.signals import stop_request
from search.verdict import settings_not_applied
from storage.commands import ballast_command
from trainer.config import TrialConfig
from trainer.data.weights import forgetting_weights
from trainer.data.windows import Dataset
from trainer.rivals.baselines import mean_baseline_losses
from trainer.rivals.skill import best_baseline
from trainer.training.result import Outcome

if TYPE_CHECKING:
    import pandas as pd

EPOCHS = 3
SEEDS = 3


@dataclass(frozen=True)
class CalibrateOptions:
    """What `ballast calibrate` was asked for."""

    study: StudyOptions
    output: Path | None = None
    force: bool = False
    epochs: int = EPOCHS
    seeds: int = SEEDS
    keys: Sequence[str] = ()

    def command(self) -> str:
        """The command with the same options."""
        given = self.study
        return ballast_command(
            "calibrate",
            given.study if isinstance(given.study, Path) else "STUDY.yaml",
            set=list(given.sets),
            policy=given.policy,
            keys=list(self.keys),
            epochs=None if self.epochs == EPOCHS else self.epochs,
            seeds=None if self.seeds == SEEDS else self.seeds,
            output=self.output,
            force=self.force,
        )


@dataclass(frozen=True)
class Calibration:
    """Safe ranges that were measured, and the policy file that has them."""

    saved: Path
    run_command: str
    """The command that runs the study with them."""
    measurement: Measurement

    def __repr__(self) -> str:
        return f"<Calibration: {len(self.measurement.ranges)} keys measured, saved as {self.saved}>"

    def ranges(self) -> "pd.DataFrame":
        """The measured ranges, a row each.

        Returns:
            Columns key, own (the study's own value), low, high (None: open), old_low, old_high, why.
        """
        import pandas as pd

        columns = ["key", "own", "low", "high", "old_low", "old_high", "why"]
        return pd.DataFrame(self.to_json()["keys"], columns=columns)

    def points(self) -> "pd.DataFrame":
        """Every value that was tried, a row each.

        Returns:
            Columns key, value, outcome (`learns`, `does not learn`, `frozen`, `diverges` or `suspicious`: the
            worst of its runs), runs, why.
        """
        import pandas as pd

        rows = [{"key": key["key"], **point} for key in self.to_json()["keys"] for point in key["points"]]
        return pd.DataFrame(rows, columns=["key", "value", "outcome", "runs", "why"])

    def to_json(self) -> dict[str, Any]:
        """The shape that `calibrate --json` promises."""
        return {"saved": str(self.saved), **self.measurement.to_json()}


class CalibrationInterrupted(Exception):
    """A signal asked the calibration to stop."""


def calibrate_study(
    options: CalibrateOptions, *, on_point: Callable[[int, int], None] = lambda done, total: None
) -> Calibration:
    """Measure safe ranges by short guarded runs on the training rows of the last fold, and write a policy.

    Validation rows are read by the guard, test rows never. `on_point` is called after each value that was
    tried, with how many are done and how many are expected.

    Raises RequestError for a file that exists, a key that cannot be measured or arguments out of range;
    AnswerIsNo if the data are refused or the study's own values are not stable; KeyboardInterrupt after
    Ctrl-C. Then nothing is written.
    """
    if options.epochs < 1 or options.seeds < 1:
        raise RequestError(f"epochs is {options.epochs}, seeds is {options.seeds}; give 1 or more of each")
    resolved, _ = options.study.resolve(DEFAULTS_VERSION)
    target = options.output or Path(f"{resolved.file.study.name}.safe_ranges.yaml".replace("/", "-"))
    if os.path.lexists(target) and not options.force:
        raise RequestError(f"{target} exists; name another file: --output FILE, or replace it with --force")
    try:
        with stop_request() as stop:
            stop.on_stop = lambda: os.write(2, b"stopping: nothing is written; once more to stop at once\n")
            found = _measure(resolved, options, stop, on_point)
    except CalibrationInterrupted:
        os.write(2, f"interrupted, nothing was written; begin again: {options.command()}\n".encode())
        raise KeyboardInterrupt from None
    run = replace(options.study, policy=target).run_command()
    text = policy_yaml(found, resolved.policy, options.command(), run)
    policy_from((ConfigSource(str(target), text),))  # what is written can be read
    write_text_atomically(text, target, "safe_ranges.yaml")
    return Calibration(target, run, found)


def _measure(
    resolved: ResolvedStudy,
    options: CalibrateOptions,
    should_stop: Callable[[], bool],
    on_point: Callable[[int, int], None],
) -> Measurement:
    began, data = time.monotonic(), load_study_data(resolved, strict=options.study.strict)
    own = {
        **resolved.trial(own_values(resolved.space)).values,
        "training.max_seconds": None,  # a limit of time would make the outcome depend on the machine's load
    }
    fold = data.base[-1]
    plan = plan_calibration(resolved.policy, own, options.keys, len(fold.train))
    runner = _Runner(resolved, data, own, plan, options.epochs, options.seeds, should_stop, on_point)
    runner.require_own_values_stable(options)
    ranges = tuple(runner.measure(key) for key in plan.keys)
    ranges, tried = runner.make_stable_together(ranges)
    return Measurement(
        study=resolved.file.study.name,
        own={each.key: each.own for each in plan.keys},
        ranges=ranges,
        corners=tried,
        not_measured=plan.not_measured,
        epochs=min(options.epochs, own["training.epochs"]),
        epochs_of_trial=own["training.epochs"],
        seeds=options.seeds,
        runs=runner.runs,
        seconds=time.monotonic() - began,
        rows=len(fold.train),
        fold=fold.fold,
        folds=len(data.base),
    )


@dataclass
class _Runner:
    """Makes the runs of a calibration, each settings once."""

    resolved: ResolvedStudy
    data: StudyData
    own: Mapping[str, Any]
    plan: Plan
    epochs: int
    seeds: int
    should_stop: Callable[[], bool]
    on_point: Callable[[int, int], None]
    runs: int = 0
    _known: dict[tuple[tuple[str, Any], ...], tuple[Run, ...]] = field(default_factory=dict)

    def require_own_values_stable(self, options: CalibrateOptions) -> None:
        """Raise AnswerIsNo unless training is stable with the study's own values."""
        runs = self.runs_of({})
        if not (point := Point(None, runs)).is_stable:
            values = ", ".join(f"{key.key} = {shown(key.own)}" for key in self.plan.keys[:3])
            raise AnswerIsNo(
                f"nothing can be measured around the study's own values ({values}, …), because training "
                f"{point.outcome} with them: {point.worst.why}. Give values that are stable, such as "
                f"--set models.gru.learning_rate=1e-3, or look at the data: "
                f"{ballast_command('check', self.resolved.path)}"
            )

    def measure(self, key: KeyPlan) -> MeasuredRange:
        """Try the grid of a key, and values between what is stable and what is not."""
        points = [self._point(key.key, value) for value in key.grid]
        for _ in range(HALVINGS):
            points += [self._point(key.key, value) for value in next_values(key, points)]
            points.sort(key=lambda point: point.value)
        return measured_range(key, points)

    def make_stable_together(
        self, ranges: tuple[MeasuredRange, ...]
    ) -> tuple[tuple[MeasuredRange, ...], tuple[tuple[Mapping[str, Any], Point], ...]]:
        """Shrink the box until each of its corners is stable; the box, and all corners that were tried."""
        tried: list[tuple[Mapping[str, Any], Point]] = []
        while True:
            for corner in corners(ranges):
                point = Point(None, self.runs_of(corner))
                if (corner, point) not in tried:
                    tried.append((corner, point))
                if not point.is_stable:
                    failed = sum(not each.is_stable for _, each in tried)
                    ranges = shrunk_ranges(ranges, corner, failed)
                    break
            else:
                return ranges, tuple(tried)

    def _point(self, key: str, value: Any) -> Point:
        return Point(value, self.runs_of({key: value}))

    def runs_of(self, changed: Mapping[str, Any]) -> tuple[Run, ...]:
        """The runs with some settings changed, seed by seed up to the first that is not stable."""
        settings = tuple((key, value) for key, value in changed.items() if value != self.own[key])
        if settings not in self._known:
            self._known[settings] = self._run(dict(settings))
            expected = sum(len(key.grid) for key in self.plan.keys) + 2 * HALVINGS
            self.on_point(len(self._known), max(expected, len(self._known)))
        return self._known[settings]

    def _run(self, changed: Mapping[str, Any]) -> tuple[Run, ...]:
        from trainer.training.loop import fit  # imports torch, which only training needs

        config = TrialConfig.model_validate(to_nested({**self.own, **changed}))
        fold = self.data.folds(config.data)[-1]
        constant = training_loss_of_constant(fold, config)
        baseline = best_baseline(mean_baseline_losses((fold,), self.data.metric))
        runs: list[Run] = []
        for number in range(self.seeds):
            result = fit(
                config,
                fold,
                baseline=baseline,
                ceiling=math.inf,  # no skill is judged
                metric=self.data.metric,
                seed=calibration_seed(self.resolved.file.study.seed, number),
                on_epoch=lambda report: report.epoch + 1 >= self.epochs,
                should_stop=self.should_stop,
            )
            if result.outcome is Outcome.INTERRUPTED or self.should_stop():
                raise CalibrationInterrupted
            if differing := settings_not_applied(result.effective, leaf_values(config, TRIAL_LEAVES)):
                raise AnswerIsNo(f"a run was not trained as it was configured: {'; '.join(differing)}")
            self.runs += 1
            runs.append(judge_run(result, constant))
            if not runs[-1].outcome.is_stable:
                break
        return tuple(runs)


def training_loss_of_constant(fold: Dataset, config: TrialConfig) -> float:
    """The mean training loss of the best constant on the training rows, weighted as training weights them."""
    loss, rows = fold.in_units(config.loss), fold.train
    target = fold.target.astype(np.float64)
    constant = np.asarray(loss.best_constant(target[fold.fitting]))  # a number for each output
    losses = loss.value(np.broadcast_to(constant, (len(rows), *constant.shape)), target[rows])
    weights = forgetting_weights(fold.weights, fold.times, rows, config.training.half_life)
    return float(np.average(losses, weights=None if weights is None else weights[rows]))
