"""How the rows are split by time into train, validation and test."""

from datetime import UTC, date, datetime
from datetime import time as clock
from math import comb
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from trainer.config.section import Names, Section

SplitMethod = Literal["holdout", "walk_forward", "cpcv"]


MOST_FOLDS = 100
"""Most folds of a trial; each trains a model. 10 groups with 2 held out, as in López de Prado (2018), make
45."""


class Fractions(Section):
    """Shares of the usable rows, in time order; the rest is the test split."""

    train: Annotated[float, Field(gt=0, lt=1)]
    """The share of the first rows, which trials train on."""
    validation: Annotated[float, Field(gt=0, lt=1)]
    """The share of the rows after them, which trials are judged on."""

    @model_validator(mode="after")
    def _something_is_left_for_testing(self) -> Self:
        if self.train + self.validation >= 1:
            total = self.train + self.validation
            raise ValueError(f"train + validation is {total:g}; it must stay below 1 to leave test rows")
        return self


def end_of_date(written: str) -> datetime:
    """The end of the day of an ISO date, or the time that it gives.

    A time with an offset is converted to UTC; any other is naive. Raises ValueError if it is not a date, and
    OverflowError for a time outside the years 1 to 9999 of UTC.
    """
    moment = start_of_date(written)
    try:
        return datetime.combine(date.fromisoformat(written), clock.max)
    except ValueError:  # it gives a time of day
        return moment


def start_of_date(written: str) -> datetime:
    """The beginning of the day of an ISO date, or the time that it gives; else as `end_of_date`."""
    moment = datetime.fromisoformat(written)
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


def has_offset(written: str) -> bool:
    """Whether an ISO date gives a time with an offset from UTC."""
    return datetime.fromisoformat(written).tzinfo is not None


def checked_date(written: str) -> str:
    """The date as it is written. Raises ValueError, with the reason, if `end_of_date` cannot read it."""
    try:
        end_of_date(written)
    except ValueError:
        raise ValueError(f"{written!r} is not a date; write it as 2010-12-31") from None
    except OverflowError:
        raise ValueError(
            f"{written!r} lies outside the years 1 to 9999 of UTC; write it as 2010-12-31"
        ) from None
    return written


class Split(Section):
    """Train, validation and test by time: two dates, or two fractions; `embargo` in rows.

    In every method the rows after `validation_until` are test. `holdout` trains up to `train_until` and
    validates on the rest. `walk_forward` cuts that rest into `folds` blocks; the model of each is trained on
    the rows before it: all of them (`expanding`), or as many as the first fold has (`rolling`). `cpcv`,
    combinatorial purged cross-validation, cuts train and validation together into
    `groups` blocks and holds out every choice of `held_out` of them: López de Prado (2018), "Advances in
    Financial Machine Learning", chapter 12.
    """

    method: SplitMethod = "holdout"
    """What is held out of the rows before the test: one block, blocks in time order, or any of them."""
    train_until: str | None = None
    """The last day of the training rows, such as 2010-12-31; under walk_forward those of the first fold."""
    validation_until: str | None = None
    """The last day of the validation rows; the rows behind it are the test, which no search touches."""
    fractions: Fractions | None = None
    """Shares of the rows, in place of the two dates."""
    embargo: Annotated[int, Field(ge=0)] = 0
    """Rows left out between training rows and held-out rows, besides the horizon."""
    folds: Annotated[int, Field(ge=2)] = 5
    """Blocks of the validation rows, for `walk_forward`."""
    window: Literal["expanding", "rolling"] = "expanding"
    """Rows that a fold of `walk_forward` trains on: all before it, or as many as the first fold."""
    groups: Annotated[int, Field(ge=3)] = 6
    """Blocks of the rows before the test, for `cpcv`."""
    held_out: Annotated[int, Field(ge=1)] = 2
    """Blocks that each fold of `cpcv` validates on."""
    unseen_series: Annotated[float, Field(gt=0, lt=1)] | Names | None = Field(
        default=None, exclude_if=lambda value: value is None
    )
    """Series of a panel that no trial trains or validates on, so that verify can score the model on them: a
    share of them, or their names or patterns. null: none."""

    @field_validator("train_until", "validation_until")
    @classmethod
    def _is_a_date(cls, value: str | None) -> str | None:
        return value if value is None else checked_date(value)

    @model_validator(mode="after")
    def _dates_or_fractions(self) -> Self:
        if self.fractions is not None:
            if self.train_until is not None or self.validation_until is not None:
                raise ValueError("give train_until and validation_until, or fractions, not both")
        elif self.method == "cpcv":
            self._require_one_date()
        elif self.train_until is None or self.validation_until is None:
            raise ValueError("give both train_until and validation_until, or fractions")
        elif has_offset(self.train_until) != has_offset(self.validation_until):
            raise ValueError("give train_until and validation_until both with an offset from UTC, or neither")
        elif end_of_date(self.train_until) >= end_of_date(self.validation_until):
            raise ValueError(
                f"train_until {self.train_until} is not before validation_until {self.validation_until}"
            )
        return self

    def _require_one_date(self) -> None:
        if self.validation_until is None:
            raise ValueError("cpcv needs validation_until, behind which the test rows lie, or fractions")
        if self.train_until is not None:
            raise ValueError(
                "train_until has no effect under cpcv, which trains and validates on every block up to "
                "validation_until; remove it"
            )

    @model_validator(mode="after")
    def _blocks_are_left_to_train_on(self) -> Self:
        if self.method == "cpcv" and self.held_out >= self.groups:
            raise ValueError(
                f"held_out is {self.held_out} of {self.groups} groups; it must be less, to leave blocks to "
                "train on"
            )
        if self.method == "cpcv" and (folds := comb(self.groups, self.held_out)) > MOST_FOLDS:
            raise ValueError(
                f"{self.held_out} held out of {self.groups} groups makes {folds} folds, each a model that "
                f"every trial trains; at most {MOST_FOLDS} are taken, lower groups or held_out"
            )
        return self
