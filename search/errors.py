"""What a user is told when a request is wrong or its answer is no, as a tree.

    BallastError
    ├── RequestError         the request is wrong: exit code 2
    │   ├── ConfigError      the files or the `--set` of a study, every problem at once
    │   └── StudyChanged     the stored study was made with another space, data or policy
    └── AnswerIsNo           the request is right and its answer is no: exit code 1

A message carries the offending value, the place and what to do next; it is shown to people as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

MOST_TOLD = 20
"""Problems of a configuration that are told at once; who has more has one cause for most of them."""


@dataclass(frozen=True, order=True)
class Location:
    """Where a value was written: a file with its 1-based line, or the text of a `--set` (line 0)."""

    source: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" if self.line else self.source


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong, and where; problems sort by place."""

    place: Location
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


class BallastError(Exception):
    """Root of everything that `search` raises on purpose."""


class RequestError(BallastError):
    """The request is wrong: usage, configuration or a missing file."""


class ConfigError(RequestError):
    """All problems of a configuration; the text has a line for each of the first MOST_TOLD, by place."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems: list[Problem] = sorted(set(problems))
        told = [str(problem) for problem in self.problems[:MOST_TOLD]]
        if (more := len(self.problems) - MOST_TOLD) > 0:
            told.append(f"and {more:,} more problems; mend these first")
        super().__init__("\n".join(told))


class StudyChanged(RequestError):
    """A study of this name exists and was made with another space, data or policy."""


class AnswerIsNo(BallastError):
    """A check failed, nothing is trustworthy enough to export, or a value was not reproduced."""
