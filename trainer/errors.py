"""What can be wrong with a trial's data or its checkpoint, as a tree.

    TrainerError
    ├── ModelFolderError     a folder is no model, is damaged or cannot be written
    ├── OnnxError            the extra is missing, or the graph disagrees with the model; in onnx_file.py
    ├── RivalError           a rival cannot be fitted to these data; the study goes without it
    ├── CheckpointError      a checkpoint is damaged or another trial's; `fit` goes without it
    └── DataError            the table, its columns or its splits cannot be used
        ├── SourceError      the file is missing, unreadable or not a table
        ├── ColumnError      a column is missing or is not made of numbers
        └── SplitError       a split is empty or too short

A message carries the offending value, the place and what to do next; it is shown to people as it is.
"""


class TrainerError(Exception):
    """Root of everything that `trainer` raises on purpose."""


class ModelFolderError(TrainerError):
    """A folder is no model folder, is damaged, or cannot be written."""


class RivalError(TrainerError):
    """A rival cannot be fitted, and why."""


class CheckpointError(TrainerError):
    """A checkpoint cannot be used, and why."""


class DataError(TrainerError):
    """The data cannot be used as the configuration asks."""


class SourceError(DataError):
    """The source is missing, unreadable or not a table."""


class ColumnError(DataError):
    """A column is missing or does not hold numbers."""


class SplitError(DataError):
    """A split is empty or too short to train or validate on."""
