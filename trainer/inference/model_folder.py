"""Saves and loads a trained forecaster as a self-contained folder.

model.json             columns, transforms, moments, statistics of the training rows, provenance
weights.safetensors    the weights of the best epoch, no pickle; those of a refit's networks are stacked
model.onnx             only with --onnx
"""

import hashlib
import json
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import safetensors.numpy
from pydantic import ValidationError
from safetensors import SafetensorError

from trainer.atomic_files import write_folder
from trainer.bounded_reading import read_bounded
from trainer.config import Target, TrialConfig
from trainer.data.features import build_features
from trainer.data.input_drift import training_spacing, training_statistics
from trainer.data.source import Table
from trainer.data.windows import Dataset
from trainer.errors import ModelFolderError
from trainer.inference.forecast_intervals import ForecastIntervals
from trainer.inference.gru_forward import Network, network_of
from trainer.inference.model_description import (
    FORMAT,
    QUANTILE_FORMAT,
    ModelDescription,
    ModelProvenance,
    SeriesScale,
    TargetScale,
    TrainingPeriod,
)
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
from trainer.losses import MSE
from trainer.text import printable

if TYPE_CHECKING:
    from torch import Tensor

    Weights = Mapping[str, Tensor]

_NAMED, _LONGEST = 5, 300
"""Most fields that a message names, and most characters of their names."""
_CHECKED = 2048
"""Number of windows on which an ONNX graph is checked: the newest of training and validation."""


def save_model(
    folder: Path,
    config: TrialConfig,
    data: Dataset,
    table: Table,
    weights: "Weights | Sequence[Weights]",
    provenance: ModelProvenance,
    *,
    intervals: ForecastIntervals | None = None,
    onnx: bool = False,
) -> ModelDescription:
    """Write a model folder atomically; an existing one is replaced.

    `weights` are a state dict of GRUForecaster that was trained on `data`, which was prepared from `table`;
    with `provenance.seeds` one for each of them. Without `intervals` its forecasts have no bounds.
    Raises ModelFolderError if it cannot be written, and OnnxError if the ONNX extra is missing or the graph
    disagrees with the model.
    """
    require_writable_model_folder(folder)
    networks = (weights,) if isinstance(weights, Mapping) else tuple(weights)
    outputs = config.loss.outputs
    large = too_large(config.models.gru, len(data.feature_names), len(networks), outputs)
    if large is not None:
        raise ModelFolderError(f"cannot write {folder}: {large}")
    content = safetensors.numpy.save(_arrays(networks, stacked=bool(provenance.seeds)))
    model = _described(config, data, table, provenance, content, intervals)
    text = json.dumps(model.model_dump(mode="json"), indent=2, ensure_ascii=False, allow_nan=False)
    files = {WEIGHTS: content, MODEL: f"{text}\n".encode()}
    if onnx:
        (network,) = networks  # no command asks for the graph of several
        files[ONNX] = _checked_onnx(config, data, network)
    try:
        write_folder(folder, files)
    except OSError as error:
        raise write_error(folder, error) from None
    return model


def _arrays(networks: "Sequence[Weights]", *, stacked: bool) -> dict[str, npt.NDArray[np.float32]]:
    arrays = [network_of(each) for each in networks]
    if not stacked:
        return dict(arrays[0])
    return {name: np.stack([each[name] for each in arrays]) for name in arrays[0]}


def load_model(folder: Path) -> tuple[ModelDescription, tuple[Network, ...]]:
    """The content of `model.json`, and the weights of each network.

    Raises ModelFolderError if the folder is not a model folder, is damaged or has a newer format.
    """
    if not os.path.lexists(folder):
        clean_up_beside(folder)  # completes a save that was killed between two renames
    model = _read_description(folder)
    path = folder / WEIGHTS
    content = _read_weights(path, model)
    digest = hashlib.sha256(content).hexdigest()
    if digest != model.weights_sha256:
        raise ModelFolderError(
            f"{path} is damaged or another model's: its sha256 is {digest[:12]}…, {MODEL} says "
            f"{model.weights_sha256[:12]!r}…; save the model again: {_train_into(folder)}"
        )
    try:
        weights = safetensors.numpy.load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise _unlike_its_description(path, printable(" ".join(str(error).split())[:_LONGEST])) from None
    stacked = model.networks if model.provenance.seeds else None
    outputs = model.trained_by.outputs
    wrong = wrong_weights(weights, model.models.gru, len(model.features), stacked, outputs)
    if wrong is not None:
        raise _unlike_its_description(path, wrong)
    if stacked is None:
        return model, (weights,)
    return model, tuple(
        {name: weight[number] for name, weight in weights.items()} for number in range(stacked)
    )


def _read_weights(path: Path, model: ModelDescription) -> bytes:
    """The bytes of the weights file, after its size is checked against the description."""
    shape, outputs = (model.models.gru, len(model.features)), model.trained_by.outputs
    most = 4 * model.networks * parameter_count(*shape, outputs) + MOST_HEADER
    try:
        if (wrong := wrong_size(path.stat().st_size, *shape, model.networks, outputs)) is not None:
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
    if isinstance(found, int) and found > QUANTILE_FORMAT:
        raise ModelFolderError(
            f"{path} has format {found:.3g}, and this Ballast knows {QUANTILE_FORMAT}; use the Ballast that "
            "wrote it, or a newer one: pip install --upgrade ballast-gru"
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
    large = too_large(model.models.gru, len(model.features), model.networks, model.trained_by.outputs)
    if large is not None:
        raise ModelFolderError(f"{path}: {large}; it was not written by ballast train --save")
    return model


def _train_into(folder: Path) -> str:
    return shlex.join(["ballast", "train", "best.yaml", "--save", str(folder)])


def _described(
    config: TrialConfig,
    data: Dataset,
    table: Table,
    provenance: ModelProvenance,
    weights: bytes,
    intervals: ForecastIntervals | None,
) -> ModelDescription:
    scaler, loss = data.scaler, data.in_units(config.loss)
    return ModelDescription(
        format=FORMAT if loss.outputs == 1 else QUANTILE_FORMAT,
        provenance=provenance,
        target=TargetScale(
            mean=scaler.target_mean,
            std=scaler.target_std,
            unit=_in_words(config.data.target),
            clip=scaler.target_clip,
        ),
        rows=_training_period(data),
        features=training_statistics(build_features(config.data, table), data),
        data=config.data,
        models=config.models,
        weights_sha256=hashlib.sha256(weights).hexdigest(),
        series=trained_series(data),
        loss=None if loss.name == MSE.name else _with_tuples(loss.to_json()),
        intervals=intervals,
    )


def _with_tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(each) if isinstance(each, list) else each for name, each in values.items()}


def trained_series(data: Dataset) -> tuple[SeriesScale, ...]:
    """The series with training rows, by name."""
    numbers = np.unique(data.series_numbers[data.fitting]).tolist() if data.series_names else []
    moments = data.scaler.series
    return tuple(
        SeriesScale(name=data.series_names[number])
        if moments is None
        else SeriesScale(
            name=data.series_names[number],
            feature_mean=tuple(moments.feature_mean[number].tolist()),
            feature_std=tuple(moments.feature_std[number].tolist()),
            target_mean=float(moments.target_mean[number]),
            target_std=float(moments.target_std[number]),
        )
        for number in numbers
    )


def _training_period(data: Dataset) -> TrainingPeriod:
    used = np.concatenate([data.train, data.validation])
    return TrainingPeriod(
        train_from=_iso(data, data.fitting[data.times[data.fitting].argmin()]),
        train_until=_iso(data, _last(data, data.train)),
        train=len(data.train),
        validation=len(data.validation),
        until=_iso(data, _last(data, used)),
        spacing=training_spacing(data),
        moments=len(np.unique(data.times[used])) + data.seq_len - 1 if data.series_names else None,
        test_until=_iso(data, _last(data, data.test)) if len(data.test) else None,
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


def _checked_onnx(config: TrialConfig, data: Dataset, weights: "Weights") -> bytes:
    # They import torch, which nothing else here needs.
    from trainer.inference.forecaster import build_forecaster, stack_windows
    from trainer.inference.onnx_file import require_agreement, to_onnx

    content = to_onnx(config.models.gru, data.seq_len, weights, config.loss)
    model = build_forecaster(config.models.gru, len(data.feature_names), weights)
    require_agreement(content, model, stack_windows(data, _newest(data)))
    return content


def _newest(data: Dataset) -> npt.NDArray[np.int64]:
    return np.concatenate([data.train, data.validation])[-_CHECKED:]
