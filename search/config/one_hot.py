"""Expands `one_hot` features of a study file to an `equals` feature for each text of a column.

This happens once, when a study file is resolved, so that records and exports name every input.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from search.config.leaves import to_nested
from trainer.config import DataConfig

TextReader = Callable[[Mapping[str, Any], str | None], list[str]]
"""Gives the texts of a column of the table that the settings name, or the names of the series for None.
Raises SourceError or ColumnError."""
MOST_TEXTS = 100
"""Texts of a column that becomes inputs of a model; more are no groups."""


def has_one_hot(features: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a feature is a `one_hot`."""
    return any(map(_is_one_hot, features))


def read_texts(values: Mapping[str, Any], column: str | None, folder: Path) -> list[str]:
    """The texts of a column, ascending, of the table that the settings `values` name; None: of the series.

    Raises SourceError or ColumnError if the table or the column cannot be read.
    """
    from trainer.data.reading.text_values import text_values

    data = to_nested(values)["data"]
    # The features are not read: those that are not expanded yet could not be.
    config = DataConfig.model_validate({**data, "features": [{"name": "month", "transform": "month"}]})
    return list(text_values(config, column, folder))


def expand_one_hot(
    features: Sequence[Mapping[str, Any]], texts: Callable[[str | None], Sequence[str]]
) -> list[Mapping[str, Any]]:
    """The features, each `one_hot` replaced by an `equals` of each of its `texts`. Raises ValueError for a
    column with one text or more than `MOST_TEXTS`.
    """
    expanded: list[Mapping[str, Any]] = []
    for feature in features:
        if not _is_one_hot(feature):
            expanded.append(feature)
            continue
        column = feature.get("column")
        held = texts(column)
        what = f"column {column}" if column else "the source"
        if not 2 <= len(held) <= MOST_TEXTS:
            noun = "texts" if column else "series"
            raise ValueError(
                f"{feature['name']!r} is one_hot, and {what} holds {len(held)} {noun}; it may be 2 to "
                f"{MOST_TEXTS}: compare single ones with equals"
            )
        expanded += [
            {**feature, "name": f"{feature['name']}_{text}", "transform": "equals", "value": text}
            for text in held
        ]
    return expanded


def _is_one_hot(feature: Mapping[str, Any]) -> bool:
    return feature.get("transform") == "one_hot"
