"""A saved model, for Python: forecasts for a frame or a file."""

import logging
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.api.given import as_flag, as_path, as_whole_number
from search.api.python_messages import public_methods_with_python_messages

if TYPE_CHECKING:
    import pandas as pd

    from trainer.inference.model_description import ModelDescription


@public_methods_with_python_messages
class Model:
    """The model of a folder that `ballast.train(…, save=FOLDER)` or `ballast.refit` wrote, and nothing else.

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

    def predict(
        self,
        data: Any,
        *,
        allow_range: bool = False,
        allow_unseen: bool = False,
        last: int | None = None,
        max_age: str | None = None,
    ) -> "pd.DataFrame":
        """Forecast every row that has a whole window behind it, the newest rows included.

        A row with a cell that is not finite costs the forecasts whose windows hold it, and a warning is
        logged that names the cell.

        Args:
            data: A pandas or polars DataFrame or an Arrow table with the columns of the training, a row for
                each time, of a panel for each series and time; or the path of a CSV or Parquet file, a
                pattern such as `"prices/*.csv"`, or `sample:NAME`.
            allow_range: Accept rows unlike the training rows, and log a warning.
            allow_unseen: Forecast series that the model was not trained on too, by the moments of all trained
                ones, and log a warning.
            last: Only so many forecasts, 1 or more, of the newest rows of each series that can be forecast
                from.
            max_age: The oldest that the newest of these rows may be, such as `"3d"` or `"90min"`; times
                without a zone are taken as UTC. Series of a panel that are older have no forecast, and a
                warning is logged that names them.

        Returns:
            A row for each forecast, in time order; of a panel series by series, whose name is in the first
            column. Then time (on the clock of the data if they have a zone, else
            as they are; in UTC if the offset varies and `data.timezone` is not set), forecast
            (in the target's own unit), of (the time of the row that it speaks of; empty where the
            table ends before it), horizon (rows), split (`train`, `validation`, `test` or `unseen`); and, if
            the target is the logarithm of a volatility, volatility (of one row) and annualised. Then the
            bounds lower_80, upper_80, lower_95 and upper_95 of forecast, and of the other two (such as
            volatility_lower_80); a folder that an earlier Ballast wrote has none.

        Raises:
            DataError: The table lacks a column, times do not ascend, the rows are too few for a window, they
                are not like those of the training, or of a series that it did not have.
            AnswerIsNo: There is no forecast, or the newest row of all is older than `max_age`.
            ModelFolderError: The model forecasts what is no finite number.
            RequestError: `data` is neither a frame nor a path, or another argument is out of range.
        """
        from search.api.predict_rows import predict_rows
        from trainer.data.times import on_clock
        from trainer.inference.forecasts import left_out_texts

        found = predict_rows(
            self._loaded,
            data,
            allow_range=as_flag("allow_range", allow_range),
            allow_unseen=as_flag("allow_unseen", allow_unseen),
            last=None if last is None else as_whole_number("last", last, 1),
            max_age=max_age,
        )
        for warning in (*left_out_texts(found.left_out), *found.warnings):
            logging.getLogger("ballast.predict").warning("%s", warning)
        frame = found.frame()
        zone = self.description.data.timezone
        frame["time"] = on_clock(found.times, found.offsets, zone)
        frame["of"] = on_clock(found.target_times, found.target_offsets, zone)
        return frame
