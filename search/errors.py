"""The errors that a user sees when a request is wrong or its answer is no.

    BallastError
    ├── RequestError         the request is wrong: exit code 2
    │   ├── ConfigError      the files or the `--set` of a study, every problem at once
    │   └── StudyChanged     the stored study was made with another space, data or policy
    └── AnswerIsNo           the request is right and the answer is no: exit code 1

A message carries the offending value, the place and what to do next; it is shown to people as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

MAX_SHOWN_PROBLEMS = 20
"""Problems of a configuration that are shown at once; if there are more, most have the same cause."""


@dataclass(frozen=True, order=True)
class Location:
    """Where a value was written: a file with its 1-based line, or the text of a `--set` (line 0)."""

    source: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" if self.line else self.source


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong, and where; problems sort by location."""

    location: Location
    message: str

    def __str__(self) -> str:
        return f"{self.location}: {self.message}"


class BallastError(Exception):
    """Base class of all errors that `search` raises on purpose."""


class RequestError(BallastError):
    """The request is wrong: usage, configuration or a missing file."""


class ConfigError(RequestError):
    """All problems of a configuration; the text has one line for each of the first MAX_SHOWN_PROBLEMS."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(tuple(sorted(set(problems))))  # what pickle calls the class with

    @property
    def problems(self) -> list[Problem]:
        """The problems, sorted by their places."""
        return list(self.args[0])

    def __str__(self) -> str:
        text = [str(problem) for problem in self.problems[:MAX_SHOWN_PROBLEMS]]
        if (more := len(self.problems) - MAX_SHOWN_PROBLEMS) > 0:
            text.append(f"and {more:,} more problems; mend these first")
        return "\n".join(text)


class StudyChanged(RequestError):
    """A study of this name exists and was made with another space, data or policy."""


class AnswerIsNo(BallastError):
    """A check failed, nothing is trustworthy enough to export, or a value was not reproduced."""
