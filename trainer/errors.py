"""What can be wrong with the data of a trial, as a tree.

    TrainerError
    └── DataError            the table, its columns or its splits cannot be used
        ├── SourceError      the file is missing, unreadable or not a table
        ├── ColumnError      a column is missing or is not made of numbers
        └── SplitError       a split is empty or too short

A message carries the offending value, the place and what to do next; it is shown to people as it is.
"""


class TrainerError(Exception):
    """Root of everything that `trainer` raises on purpose."""


class DataError(TrainerError):
    """The data cannot be used as the configuration asks."""


class SourceError(DataError):
    """The source is missing, unreadable or not a table."""


class ColumnError(DataError):
    """A column is missing or does not hold numbers."""


class SplitError(DataError):
    """A split is empty or too short to train or validate on."""
