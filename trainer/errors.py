"""The errors of `trainer`, as a tree.

    TrainerError
    ├── ModelFolderError     a folder is not a model folder, is damaged or cannot be written
    ├── OnnxError            the extra is missing, or the graph disagrees with the model; in onnx_file.py
    ├── RivalError           a rival cannot be fitted to these data; the study goes without it
    ├── ChecksumError        a file with a checksum is damaged or another's; the caller goes without it
    ├── CheckpointError      the content of a checkpoint cannot be used; `fit` goes without it
    └── DataError            the table, its columns or its splits cannot be used
        ├── SourceError      the file is missing, unreadable or not a table
        ├── ColumnError      a column is missing or does not hold numbers
        └── SplitError       a split is empty or too short

A message names the value, the place and what to do next; it is shown to users unchanged.
"""


class TrainerError(Exception):
    """Base class of every error that `trainer` raises on purpose."""


class ModelFolderError(TrainerError):
    """A folder is not a model folder, is damaged, or cannot be written."""


class RivalError(TrainerError):
    """A rival cannot be fitted; says why."""


class ChecksumError(TrainerError):
    """A file with a checksum is damaged, of another identity or of another kind; says which."""


class CheckpointError(TrainerError):
    """The content of a checkpoint cannot be used; says why."""


class DataError(TrainerError):
    """The data cannot be used with this configuration."""


class SourceError(DataError):
    """The source is missing, unreadable or not a table."""


class ColumnError(DataError):
    """A column is missing or does not hold numbers."""


class SplitError(DataError):
    """A split is empty or too short to train or validate on."""
