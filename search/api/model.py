"""A saved model, for Python: forecasts for a frame or a file."""

from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from search.api.given import as_path

if TYPE_CHECKING:
    import pandas as pd

    from trainer.inference.model_folder import ModelDescription


class Model:
    """The model of a folder that `ballast.train(…, save=FOLDER)` wrote; it needs nothing else."""

    def __init__(self, folder: "str | PathLike[str]") -> None:
        from trainer.inference.model_folder import load_model

        self._folder = as_path("folder", folder)
        self._description, _ = load_model(self._folder)

    def __repr__(self) -> str:
        return f"<Model {str(self._folder)!r} of study {self._description.provenance.study!r}>"

    @property
    def folder(self) -> Path:
        """The folder of the model."""
        return self._folder

    @property
    def description(self) -> "ModelDescription":
        """What `model.json` says: the data, features, target, rows of the training and provenance."""
        return self._description

    def predict(self, data: Any, *, allow_range: bool = False) -> "pd.DataFrame":
        """Forecast every row that has a full window behind it, the newest rows included.

        Args:
            data: A pandas or polars DataFrame or an Arrow table with the columns of the training, a row for
                each time; or the path of a CSV or Parquet file, or `sample:NAME`.
            allow_range: Accept rows unlike the training rows, and log a warning.

        Returns:
            A row for each forecast, in time order: time (in UTC if the data have a zone, else as they are),
            forecast (in the target's own unit), of (the time of the row that it speaks of; empty where the
            table ends before it), horizon (rows).

        Raises:
            DataError: The table lacks a column, a row that a window needs is not finite, times do not
                ascend, no window is full, or the rows are not like those of the training.
            ModelFolderError: The folder of the model was removed or damaged.
            RequestError: `data` is neither a frame nor a path.
        """
        import logging

        from trainer.errors import DataError
        from trainer.inference.prediction import predict

        if isinstance(data, str | Path):
            found = predict(self._folder, str(data), allow_range=allow_range)
        else:
            from search.api.frames import keep_frame, parquet_bytes

            with TemporaryDirectory(prefix="ballast-") as folder:
                path = Path(folder) / "data.parquet"
                keep_frame(parquet_bytes(data, self._description.data.time_columns[0]), path)
                try:
                    found = predict(self._folder, str(path), allow_range=allow_range)
                except DataError as error:  # names the file, which is gone by then
                    raise type(error)(str(error).replace(str(path), "data")) from None
        for warning in found.warnings:
            logging.getLogger("ballast.predict").warning("%s", warning)
        frame = found.frame()
        if found.is_zoned:
            frame["time"], frame["of"] = found.times.tz_localize("UTC"), found.target_times.tz_localize("UTC")
        return frame
