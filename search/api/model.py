"""A saved model, for Python: forecasts for a frame or a file."""

import logging
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.api.given import as_flag, as_path
from search.api.python_messages import public_methods_with_python_messages

if TYPE_CHECKING:
    import pandas as pd

    from trainer.inference.model_folder import ModelDescription


@public_methods_with_python_messages
class Model:
    """The model of a folder that `ballast.train(…, save=FOLDER)` wrote; it needs nothing else.

    The folder is read once. A pickled model names the folder, which is read again where it is unpickled.
    """

    def __init__(self, folder: "str | PathLike[str]") -> None:
        from trainer.inference.prediction import read_model

        self._loaded = read_model(as_path("folder", folder))

    def __repr__(self) -> str:
        return f"<Model {str(self.folder)!r} of study {self.description.provenance.study!r}>"

    def __reduce__(self) -> "tuple[type[Model], tuple[Path]]":
        return Model, (self.folder.absolute(),)

    @property
    def folder(self) -> Path:
        """The folder of the model."""
        return self._loaded.folder

    @property
    def description(self) -> "ModelDescription":
        """What `model.json` says: the data, features, target, rows of the training and provenance."""
        return self._loaded.description

    def predict(self, data: Any, *, allow_range: bool = False) -> "pd.DataFrame":
        """Forecast every row that has a full window behind it, the newest rows included.

        Args:
            data: A pandas or polars DataFrame or an Arrow table with the columns of the training, a row for
                each time; or the path of a CSV or Parquet file, or `sample:NAME`.
            allow_range: Accept rows unlike the training rows, and log a warning.

        Returns:
            A row for each forecast, in time order: time (on the clock of the data if they have a zone, else
            as they are; a column of objects if the offset varies and `data.timezone` is not set), forecast
            (in the target's own unit), of (the time of the row that it speaks of; empty where the
            table ends before it), horizon (rows).

        Raises:
            DataError: The table lacks a column, a row that a window needs is not finite, times do not
                ascend, no window is full, or the rows are not like those of the training.
            ModelFolderError: The model forecasts what is no finite number.
            RequestError: `data` is neither a frame nor a path.
        """
        from search.api.predict_rows import predict_rows
        from trainer.data.times import on_clock

        found = predict_rows(self._loaded, data, allow_range=as_flag("allow_range", allow_range))
        for warning in found.warnings:
            logging.getLogger("ballast.predict").warning("%s", warning)
        frame = found.frame()
        zone = self.description.data.timezone
        frame["time"] = on_clock(found.times, found.offsets, zone)
        frame["of"] = on_clock(found.target_times, found.target_offsets, zone)
        return frame
