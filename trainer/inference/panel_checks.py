"""Compares the series of a table with those that a model was trained on."""

from collections.abc import Sequence
from pathlib import Path

from trainer.config import DataConfig
from trainer.data.cross_section import CROSS
from trainer.data.source import Table
from trainer.errors import DataError
from trainer.inference.model_description import ModelDescription
from trainer.text import names_of


def new_series(model: ModelDescription, table: Table) -> tuple[str, ...]:
    """The series of the table that the model was not trained on; none if it was trained on one alone."""
    trained = {each.name for each in model.series}
    return tuple(name for name in table.series_names if name not in trained) if trained else ()


def require_known_series(model: ModelDescription, folder: Path, table: Table) -> None:
    """Raise DataError with the names of series that the model was not trained on."""
    if new := new_series(model, table):
        raise DataError(
            f"{table.source}: the model in {folder} was trained on {len(model.series)} series, and not on "
            f"{names_of(new)}; leave their rows out, or forecast them by the moments of all trained series: "
            "--allow-unseen"
        )


def require_series_to_compare(model: ModelDescription, table: Table) -> None:
    """Raise DataError if features compare series, and the table has the rows of one alone."""
    if len(table.series_names) == 1 and compares_series(model.data):
        raise DataError(
            f"{table.source} holds one series, {table.series_names[0]}, and features of the model compare "
            f"each series with others at the same time; give the rows of all {len(model.series)} trained ones"
        )


def files_are_series(model: ModelDescription) -> bool:
    """Whether each file of the training was a series that its name named."""
    return bool(model.series) and model.data.series_column is None and model.data.layout != "wide"


def series_warnings(model: ModelDescription, table: Table, without: Sequence[str]) -> list[str]:
    """What to know of the series of a table; `without` are those that have no forecast."""
    warnings = []
    if new := new_series(model, table):
        warnings.append(
            f"the model was not trained on {names_of(new)}; the moments of all trained series are used"
        )
    lacking = [each.name for each in model.series if each.name not in table.series_names]
    if lacking and compares_series(model.data):
        warnings.append(
            f"the table lacks {len(lacking)} of the {len(model.series)} trained series "
            f"({names_of(lacking)}), and features compare each series with all others: give the rows of "
            "all of them"
        )
    if without:
        warnings.append(f"no row can be forecast of {names_of(without)}; give more rows, or correct them")
    return warnings


def unlike_warnings(unlike: Sequence[str]) -> list[str]:
    """What to know of the series that are not forecast because their rows are unlike the training rows."""
    if not unlike:
        return []
    return [
        f"{names_of(unlike)}: not forecast, as the rows are unlike those of the training; correct them, or "
        "forecast them all the same: --allow-range"
    ]


def compares_series(config: DataConfig) -> bool:
    """Whether a feature compares the series of one time."""
    return any(feature.transform in CROSS for feature in config.features)
