"""What a calibration measured, and how."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from search.config.calibration.outcomes import Point
from search.config.calibration.ranges import MeasuredRange

Corner = tuple[Mapping[str, Any], Point]


@dataclass(frozen=True)
class Measurement:
    """What a calibration measured, and how."""

    study: str
    own: Mapping[str, Any]
    """The study's own value of each measured key."""
    ranges: tuple[MeasuredRange, ...]
    corners: tuple[Corner, ...]
    """Ends that were tried together, in order; the last ones are those of the ranges."""
    not_measured: Mapping[str, str]
    """Why each other key of the policy was not measured."""
    epochs: int
    """Epochs of a run."""
    epochs_of_trial: int
    seeds: int
    runs: int
    seconds: float
    rows: int
    """Training rows of a run."""
    fold: str
    """The fold that they belong to; empty if there is one."""
    folds: int

    def sentence(self) -> str:
        """What was run, without its seconds, which differ from time to time."""
        fold = f" of {self.fold}" if self.fold else ""
        return (
            f"{self.runs} runs: {counted(self.seeds, 'seed')}, the first {counted(self.epochs, 'epoch')} of "
            f"{self.epochs_of_trial}, {self.rows} training rows{fold}"
        )

    def to_json(self) -> dict[str, Any]:
        """The parts of `calibrate --json` but the path."""
        return {
            "study": self.study,
            "epochs": self.epochs,
            "seeds": self.seeds,
            "runs": self.runs,
            "seconds": self.seconds,
            "rows": self.rows,
            "fold": self.fold or None,
            "keys": [
                {
                    "key": found.key,
                    "own": found.plan.own,
                    "low": found.low,
                    "high": found.high,
                    "old_low": found.plan.safe.low,
                    "old_high": found.plan.safe.high,
                    "why": found.why(),
                    "points": [point.to_json() for point in found.points],
                }
                for found in self.ranges
            ],
            "corners": [
                {"settings": dict(settings), **{k: v for k, v in point.to_json().items() if k != "value"}}
                for settings, point in self.corners
            ],
            "not_measured": dict(self.not_measured),
        }


def counted(number: int, noun: str) -> str:
    """`1 seed`, `3 seeds`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
