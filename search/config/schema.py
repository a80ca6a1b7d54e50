"""The schema of a study file: the sections of a study and of a trial, and the table of all keys."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator

from search.config.leaves import Leaf, leaves_of
from search.config.objectives import LOSS_ALONE, ObjectiveName, objective_name, require_objectives
from trainer.config import Section, TrialConfig
from trainer.losses import LossName

SamplerName = Literal["tpe", "random", "gp", "cmaes", "grid", "qmc"]
PrunerName = Literal["median", "hyperband", "patient", "none"]

_DURATION = re.compile(r"(?=[0-9.])(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?")
_DurationText = Annotated[str, Field(pattern=r"^(?=[0-9.])(\d+(\.\d+)?h)?(\d+(\.\d+)?m)?(\d+(\.\d+)?s)?$")]
_Named = ObjectiveName | dict[Literal["metric"], ObjectiveName]
_MAX_NAME = 120


def seconds(value: object) -> object:
    """Return a duration such as `90s`, `30m` or `1h30m` in seconds; anything but text is returned unchanged.

    Raises ValueError for text that is not a duration.
    """
    if not isinstance(value, str):
        return value
    match = _DURATION.fullmatch(value)
    if match is None:
        raise ValueError("it must be a time: a number of seconds, or like 90s, 30m, 1h30m")
    hours, minutes, rest = (float(part or 0) for part in match.groups())
    return 3600 * hours + 60 * minutes + rest


def _as_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _valid_objectives(names: tuple[ObjectiveName, ...]) -> tuple[ObjectiveName, ...]:
    require_objectives(names)
    return names


def require_name(name: str) -> None:
    """Raise ValueError, with the reason, if this cannot be the name of a study."""
    if not name.strip():
        raise ValueError("a study needs a name that is not blank")
    if len(name) > _MAX_NAME:
        raise ValueError(f"it has {len(name)} characters; a name has at most {_MAX_NAME}")
    if name != name.strip() or name[0] == "-" or {"/", "\\"} & set(name) or not name.isprintable():
        raise ValueError(
            "it must be printable, without slashes, and begin with no dash and no blank, nor end with one"
        )


class StopSection(Section):
    """When a search ends before it has all its trials."""

    no_better_for: Annotated[int, Field(ge=1)] | None = None
    """Conclusive trials in a row without a better best; null: never."""
    min_delta: Annotated[float, Field(ge=0)] = 0.0
    """How much lower a loss must be to count as better, in the unit of the loss that judges."""


class StudySection(Section):
    """How to search: how much, with which sampler and pruner, from which seed."""

    name: str
    """Unique in its store; other commands call the study by it."""
    trials: Annotated[int, Field(ge=1)] = 20
    """Trials of the whole study, those already done included."""
    timeout: Annotated[
        Annotated[float, Field(gt=0)] | None,
        BeforeValidator(seconds, json_schema_input_type=Annotated[float, Field(gt=0)] | _DurationText | None),
    ] = None
    """Seconds, or `30m`, `1h30m`; null: no limit."""
    metric: LossName | None = Field(default=None, exclude_if=lambda value: value is None)
    """The loss by which trials are compared and judged, whatever loss each was trained by; null:
    `training.loss`. A study that searches `training.loss` needs it."""
    objectives: Annotated[
        tuple[Annotated[ObjectiveName, BeforeValidator(objective_name, json_schema_input_type=_Named)], ...],
        BeforeValidator(_as_tuple),
        AfterValidator(_valid_objectives),
    ] = Field(default=LOSS_ALONE, exclude_if=lambda names: tuple(names) == LOSS_ALONE)
    """What is minimised: `loss` first, then up to three of `turnover`, `seconds`, `parameters` and
    `worst_fold`. With several, the trials that no other one beats in all of them are the Pareto front."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    sampler: SamplerName = "tpe"
    pruner: PrunerName = "median"
    startup_trials: Annotated[int, Field(ge=1)] = 6
    """Trials drawn at random before the sampler learns, and finished before the median is trusted."""
    pruner_warmup: Annotated[int, Field(ge=0)] = 3
    """Epochs of a trial before it may be pruned."""
    pruner_patience: Annotated[int, Field(ge=1)] = 3
    """Epochs without progress that the patient pruner waits."""
    pruner_min_trials: Annotated[int, Field(ge=1)] = 4
    """How many other trials a trial must be compared with, at an epoch or at a rung of hyperband."""
    seeds_per_trial: Annotated[int, Field(ge=1, le=100)] = Field(
        default=1, exclude_if=lambda value: value == 1
    )
    """With how many seeds each trial is trained, side by side; its loss is the mean of theirs."""
    retries: Annotated[int, Field(ge=0)] = 2
    """How often a trial that failed for reasons of infrastructure is tried again."""
    stop: StopSection = StopSection()
    duplicates: Literal["reuse", "rerun"] = "reuse"
    """Whether a configuration tried before gets its result again, or is trained with another seed."""
    enqueue: Annotated[tuple[dict[str, Any], ...], BeforeValidator(_as_tuple)] = ()
    """Configurations to try first, as `{key: value}` of keys in `space`."""

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        require_name(name)
        return name


class StorageSection(Section):
    """Where the record is kept."""

    url: Annotated[str, Field(min_length=1)] = "sqlite:///ballast.db"
    """A SQLAlchemy URL; `--store` and BALLAST_STORE come before it."""
    files: str | None = None
    """The folder of checkpoints and trial logs; null: beside a SQLite file, else ./ballast-files."""
    patience: Annotated[
        float,
        Field(ge=0),
        BeforeValidator(seconds, json_schema_input_type=Annotated[float, Field(ge=0)] | _DurationText),
    ] = 300.0
    """How long a worker waits for a store that is away before it gives up: seconds, or `5m`."""


class MlflowSection(Section):
    """Where a study is also sent."""

    uri: Annotated[str, Field(min_length=1)] | None = None
    """The tracking server or its database; BALLAST_MLFLOW_URI comes before it; null: none."""


class TrackingSection(Section):
    """What is published of a study while it runs."""

    dashboard: bool = True
    """Whether notes, plots and files are published for optuna-dashboard."""
    mlflow: MlflowSection = MlflowSection()


class StudyFile(TrialConfig):
    """All settings of a study. `space` is no section of it: dimensions are read by `search.config.space`."""

    study: StudySection
    storage: StorageSection = StorageSection()
    tracking: TrackingSection = TrackingSection()

    @property
    def trial_config(self) -> TrialConfig:
        """The part that a trial is made of."""
        return TrialConfig(data=self.data, models=self.models, training=self.training, guard=self.guard)


TRIAL_LEAVES: dict[str, Leaf] = leaves_of(TrialConfig)
"""Every setting of a trial, by key."""

LEAVES: dict[str, Leaf] = (
    leaves_of(StudySection, "study.")
    | TRIAL_LEAVES
    | leaves_of(StorageSection, "storage.")
    | leaves_of(TrackingSection, "tracking.")
)
"""Every setting of a study but for its space, by key, in the order of a study file."""

ALIASES: dict[str, str] = {"models.gru.max_grad_norm": "training.max_grad_norm"}
"""Other names of keys, which existing files use; if both are set, the smaller value is used."""

SPACE = "space."
"""The prefix of dimensions: `space.models.gru.dropout` is the dimension of `models.gru.dropout`."""
