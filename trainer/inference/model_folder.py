"""A trained forecaster as a folder that stands alone: its weights, and what one must know to use them.

model.json             columns, transforms, moments, what the training rows looked like, provenance
weights.safetensors    the best epoch's; no pickle
model.onnx             where it was asked for
"""

import hashlib
import json
import os
import shlex
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import numpy as np
import numpy.typing as npt
import safetensors.torch
from pydantic import AfterValidator, Field, ValidationError, model_validator
from safetensors import SafetensorError
from torch import Tensor, nn

from trainer.atomic_files import write_folder
from trainer.bounded_reading import read_bounded
from trainer.config import DataConfig, ModelsConfig, Section, Target, TrialConfig
from trainer.data.features import build_features
from trainer.data.input_drift import FeatureStatistics, row_spacing, training_statistics
from trainer.data.source import Table
from trainer.data.windows import Dataset
from trainer.errors import ModelFolderError
from trainer.inference.forecaster import build_forecaster, stack_windows
from trainer.inference.model_folder_checks import (
    MODEL,
    ONNX,
    WEIGHTS,
    clean_up_beside,
    require_writable_model_folder,
    write_error,
)
from trainer.inference.model_limits import (
    MOST_HEADER,
    MOST_JSON,
    overlong_text,
    parameter_count,
    too_large,
    wrong_size,
    wrong_weights,
)
from trainer.inference.onnx_file import require_agreement, to_onnx
from trainer.text import printable

FORMAT: Final = 1
_NAMED, _LONGEST = 5, 300
"""Places, and characters of them, that a message names."""
_MOST_ROWS = 2**31
_CHECKED = 2048
"""Windows that an ONNX graph is checked on: the newest that were trained or validated on."""


def _is_a_moment(text: str) -> str:
    datetime.fromisoformat(text)
    if not set(text) <= set("0123456789-T:+."):  # any character may stand between date and time
        raise ValueError("it is no time")
    return text


IsoTime = Annotated[str, AfterValidator(_is_a_moment)]


class TargetScale(Section):
    """How a standardised forecast becomes one in the target's own unit: forecast · std + mean."""

    mean: float
    std: Annotated[float, Field(gt=0)]
    unit: str


class TrainingPeriod(Section):
    """What the model has seen; times as ISO text, with the offset of the source or naive UTC. `row_spacing`
    is
    seconds from row to row.
    """

    train_from: IsoTime
    train_until: IsoTime
    train: int
    validation: int
    until: IsoTime
    """The last row, of training or validation, that had a part in making or choosing the model."""
    spacing: float


class ModelProvenance(Section):
    """Where the model comes from. `trial` is None, and so is `reproduced`, where none was exported."""

    study: str
    trial: int | None
    seed: int
    value: float | None
    """Validation loss of the best epoch, in units of the standardised target; None without validation."""
    skill: float | None
    baseline: str | None
    best_epoch: int | None
    reproduced: str | None
    data_sha256: str
    """Of the bytes of the table that it was trained on."""
    versions: Mapping[str, str]
    machine: Mapping[str, str]


class ModelDescription(Section):
    """All that `model.json` holds."""

    format: Literal[1]
    provenance: ModelProvenance
    target: TargetScale
    rows: TrainingPeriod
    features: tuple[FeatureStatistics, ...]
    data: DataConfig
    """The data section of the configuration; its source and split are those of the training."""
    models: ModelsConfig
    weights_sha256: str

    @model_validator(mode="after")
    def _features_are_those_of_the_data(self) -> Self:
        if [look.name for look in self.features] != [feature.name for feature in self.data.features]:
            raise ValueError("features are not those of data, in their order")
        return self

    @model_validator(mode="after")
    def _rows_can_be_counted(self) -> Self:
        windows = [feature.window or 0 for feature in self.data.features]
        if max(self.data.seq_len, self.data.target.horizon, *windows) > _MOST_ROWS:
            raise ValueError("no table has so many rows")
        return self


def save_model(
    folder: Path,
    config: TrialConfig,
    data: Dataset,
    table: Table,
    weights: Mapping[str, Tensor],
    provenance: ModelProvenance,
    *,
    onnx: bool = False,
) -> ModelDescription:
    """Write a model folder, whole or not at all; one that is there is replaced.

    `weights` are a state dict of GRUForecaster that was trained on `data`, which was prepared from `table`.
    Raises ModelFolderError where nothing can be written, and OnnxError where `onnx` has no extra or the
    graph disagrees with the model.
    """
    require_writable_model_folder(folder)
    if (large := too_large(config.models.gru, len(data.feature_names))) is not None:
        raise ModelFolderError(f"cannot write {folder}: {large}")
    content = safetensors.torch.save(dict(weights))
    model = _described(config, data, table, provenance, content)
    text = json.dumps(model.model_dump(mode="json"), indent=2, ensure_ascii=False, allow_nan=False)
    files = {WEIGHTS: content, MODEL: f"{text}\n".encode()}
    if onnx:
        files[ONNX] = _checked_onnx(config, data, weights)
    try:
        write_folder(folder, files)
    except OSError as error:
        raise write_error(folder, error) from None
    return model


def load_model(folder: Path) -> tuple[ModelDescription, nn.Module]:
    """What `model.json` says, and the forecaster, which takes standardised windows (n, seq_len, features).

    Raises ModelFolderError where the folder is no model folder, of a newer format or damaged.
    """
    if not os.path.lexists(folder):
        clean_up_beside(folder)  # a killed save may have left it just short of its place
    model = _read_description(folder)
    gru, n_features = model.models.gru, len(model.features)
    path = folder / WEIGHTS
    content = _read_weights(path, model)
    digest = hashlib.sha256(content).hexdigest()
    if digest != model.weights_sha256:
        raise ModelFolderError(
            f"{path} is damaged or another model's: its sha256 is {digest[:12]}…, {MODEL} says "
            f"{model.weights_sha256[:12]!r}…; save the model again: {_train_into(folder)}"
        )
    try:
        weights = safetensors.torch.load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise _unlike_its_description(path, printable(" ".join(str(error).split())[:_LONGEST])) from None
    if (wrong := wrong_weights(weights, gru, n_features)) is not None:
        raise _unlike_its_description(path, wrong)
    return model, build_forecaster(gru, n_features, weights)


def _read_weights(path: Path, model: ModelDescription) -> bytes:
    """The bytes of the file, once its size is that of the weights that are described."""
    most = 4 * parameter_count(model.models.gru, len(model.features)) + MOST_HEADER
    try:
        if (wrong := wrong_size(path.stat().st_size, model.models.gru, len(model.features))) is not None:
            raise _unlike_its_description(path, wrong)
        return read_bounded(path, most)
    except OSError as error:
        raise ModelFolderError(f"{path}: {error.strerror}; save the model again with --save") from None


def _unlike_its_description(path: Path, reason: str) -> ModelFolderError:
    return ModelFolderError(
        f"{path} does not hold the weights that {MODEL} describes ({reason}); save the model again"
    )


def _read_description(folder: Path) -> ModelDescription:
    path = folder / MODEL
    if not path.is_file():
        raise ModelFolderError(
            f"{folder} is not a model folder: it has no {MODEL}; make one: {_train_into(folder)}"
        )
    try:
        content = json.loads(read_bounded(path, MOST_JSON))
    except OSError as error:
        raise ModelFolderError(f"{path}: {error.strerror}; save the model again with --save") from None
    except RecursionError:
        raise ModelFolderError(f"{path} is nested too deep to be a model's; save the model again") from None
    except ValueError as error:
        raise ModelFolderError(f"{path} cannot be read as JSON ({error}); save the model again") from None
    if (long := overlong_text(content)) is not None:
        raise ModelFolderError(f"{path}: {long}; it was not written by ballast train --save")
    found = content.get("format") if isinstance(content, dict) else None
    if isinstance(found, int) and found > FORMAT:
        raise ModelFolderError(
            f"{path} has format {found:.3g}, and this Ballast knows {FORMAT}; use the Ballast that wrote it, "
            "or a newer one: pip install --upgrade ballast-gru"
        )
    return _validated(content, path)


def _validated(content: Any, path: Path) -> ModelDescription:
    try:
        model = ModelDescription.model_validate_json(json.dumps(content))
    # ValueError: a number too long, or half of a surrogate pair, which pydantic's reader of JSON refuses.
    except (ValueError, RecursionError) as error:
        places = error.errors() if isinstance(error, ValidationError) else []
        named = [".".join(map(str, detail["loc"])) or "it" for detail in places[:_NAMED]] or ["it"]
        shown = printable(", ".join(named)[:_LONGEST])
        more = f" and {len(places) - _NAMED} more" if len(places) > _NAMED else ""
        raise ModelFolderError(
            f"{path}: {shown}{more} is not as it was written; save the model "
            f"again: {_train_into(path.parent)}"
        ) from None
    if (large := too_large(model.models.gru, len(model.features))) is not None:
        raise ModelFolderError(f"{path}: {large}; it was not written by ballast train --save")
    return model


def _train_into(folder: Path) -> str:
    return shlex.join(["ballast", "train", "best.yaml", "--save", str(folder)])


def _described(
    config: TrialConfig, data: Dataset, table: Table, provenance: ModelProvenance, weights: bytes
) -> ModelDescription:
    scaler = data.scaler
    return ModelDescription(
        format=FORMAT,
        provenance=provenance,
        target=TargetScale(mean=scaler.target_mean, std=scaler.target_std, unit=_told(config.data.target)),
        rows=_seen(data),
        features=training_statistics(build_features(config.data, table), data),
        data=config.data,
        models=config.models,
        weights_sha256=hashlib.sha256(weights).hexdigest(),
    )


def _seen(data: Dataset) -> TrainingPeriod:
    return TrainingPeriod(
        train_from=_iso(data, data.fitting[0]),
        train_until=_iso(data, data.train[-1]),
        train=len(data.train),
        validation=len(data.validation),
        until=_iso(data, np.concatenate([data.train, data.validation]).max()),
        spacing=row_spacing(data.times[data.fitting]),
    )


def _iso(data: Dataset, row: np.int64) -> str:
    """The time of a row: `2010-12-31`, `2010-12-31T15:30:00`, `2023-06-01T00:00:00+09:00`."""
    if data.offsets is not None:
        return data.when(int(row)).replace(" ", "T")
    return str(np.datetime_as_string(data.times[row], unit="s")).removesuffix("T00:00:00")


def _told(target: Target) -> str:
    """What a forecast is of, in words: `log_parkinson of High, Low, 1 row ahead`."""
    inputs = ", ".join(name for name in (target.column, target.of, target.high, target.low) if name)
    rows = "row" if target.horizon == 1 else "rows"
    window = "" if target.window is None else f" over {target.window} rows"
    return f"{target.transform} of {inputs}{window}, {target.horizon} {rows} ahead"


def _checked_onnx(config: TrialConfig, data: Dataset, weights: Mapping[str, Tensor]) -> bytes:
    content = to_onnx(config.models.gru, data.seq_len, weights)
    model = build_forecaster(config.models.gru, len(data.feature_names), weights)
    require_agreement(content, model, stack_windows(data, _newest(data)))
    return content


def _newest(data: Dataset) -> npt.NDArray[np.int64]:
    return np.concatenate([data.train, data.validation])[-_CHECKED:]
