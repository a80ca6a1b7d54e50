"""Saves and loads a trained forecaster as a self-contained folder.

model.json             columns, transforms, moments, statistics of the training rows, provenance
weights.safetensors    the weights of the best epoch; no pickle
model.onnx             only with --onnx
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
from trainer.data.input_drift import FeatureStatistics, training_spacing, training_statistics
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
"""Most fields that a message names, and most characters of their names."""
_MOST_ROWS = 2**31
_CHECKED = 2048
"""Number of windows on which an ONNX graph is checked: the newest of training and validation."""


def _is_a_moment(text: str) -> str:
    datetime.fromisoformat(text)
    if not set(text) <= set("0123456789-T:+."):  # fromisoformat allows any character between date and time
        raise ValueError("it is no time")
    return text


IsoTime = Annotated[str, AfterValidator(_is_a_moment)]


class TargetScale(Section):
    """Converts a standardised forecast to the target's own unit: forecast · std + mean."""

    mean: float
    std: Annotated[float, Field(gt=0)]
    unit: str


class TrainingPeriod(Section):
    """The rows that the model was trained and chosen on. Times are ISO text, with the offset of the source
    or in naive UTC. `spacing` is the median number of seconds between rows.
    """

    train_from: IsoTime
    train_until: IsoTime
    train: int
    validation: int
    until: IsoTime
    """The last row that was used to train or choose the model."""
    spacing: float


class ModelProvenance(Section):
    """The origin of the model. `trial` and `reproduced` are None if it is not the model of an exported
    trial.
    """

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
    """SHA-256 (hex) of the bytes of the table that the model was trained on."""
    versions: Mapping[str, str]
    machine: Mapping[str, str]


class ModelDescription(Section):
    """The content of `model.json`."""

    format: Literal[1]
    provenance: ModelProvenance
    target: TargetScale
    rows: TrainingPeriod
    features: tuple[FeatureStatistics, ...]
    data: DataConfig
    """The data section of the configuration, with the source and split of the training."""
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
    """Write a model folder atomically; an existing one is replaced.

    `weights` are a state dict of GRUForecaster that was trained on `data`, which was prepared from `table`.
    Raises ModelFolderError if it cannot be written, and OnnxError if the ONNX extra is missing or the graph
    disagrees with the model.
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
    """The content of `model.json`, and the forecaster, which takes standardised windows (n, seq_len,
    features).

    Raises ModelFolderError if the folder is not a model folder, is damaged or has a newer format.
    """
    if not os.path.lexists(folder):
        clean_up_beside(folder)  # completes a save that was killed between two renames
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
    """The bytes of the weights file, after its size is checked against the description."""
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
    # ValueError: a number too long, or half of a surrogate pair, which pydantic's JSON parser refuses.
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
        target=TargetScale(
            mean=scaler.target_mean, std=scaler.target_std, unit=_in_words(config.data.target)
        ),
        rows=_training_period(data),
        features=training_statistics(build_features(config.data, table), data),
        data=config.data,
        models=config.models,
        weights_sha256=hashlib.sha256(weights).hexdigest(),
    )


def _training_period(data: Dataset) -> TrainingPeriod:
    return TrainingPeriod(
        train_from=_iso(data, data.fitting[data.times[data.fitting].argmin()]),
        train_until=_iso(data, _last(data, data.train)),
        train=len(data.train),
        validation=len(data.validation),
        until=_iso(data, _last(data, np.concatenate([data.train, data.validation]))),
        spacing=training_spacing(data),
    )


def _last(data: Dataset, rows: npt.NDArray[np.int64]) -> np.int64:
    """The row with the latest time."""
    latest: np.int64 = rows[data.times[rows].argmax()]
    return latest


def _iso(data: Dataset, row: np.int64) -> str:
    """The time of a row: `2010-12-31`, `2010-12-31T15:30:00`, `2023-06-01T00:00:00+09:00`."""
    if data.offsets is not None:
        return data.when(int(row)).replace(" ", "T")
    return str(np.datetime_as_string(data.times[row], unit="s")).removesuffix("T00:00:00")


def _in_words(target: Target) -> str:
    """The target in words, such as `log_parkinson of High, Low, 1 row ahead`."""
    inputs = ", ".join(name for name in (target.of, *target.columns) if name)
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
