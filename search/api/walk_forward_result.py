"""A walk-forward on record: its answer, its tables as data frames, its figures and its report."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.api.given import as_name, as_path
from search.api.python_messages import public_methods_with_python_messages
from search.selection.walk_forward_record import WalkForwardRecord, read_record
from storage.engine import Store

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go


@public_methods_with_python_messages
class WalkForward:
    """A walk-forward of a whole search. Every call reads the store again, also while it runs elsewhere.

    `ballast.walk_forward` and `ballast.load_walk_forward` return it.
    """

    def __init__(self, store: Store, name: str) -> None:
        self._store, self._name = store, as_name("name", name)
        read_record(store, self._name)

    def __repr__(self) -> str:
        return f"<WalkForward {self._name!r} in {self._store.shown_url}>"

    @property
    def name(self) -> str:
        """The name of the walk-forward."""
        return self._name

    @property
    def holds(self) -> bool:
        """Whether the stitched forecasts show skill over every naive forecast."""
        return self.record().conclusion.verdict == "holds"

    def record(self) -> WalkForwardRecord:
        """The record: `skill`, `interval`, `strongest_rival`, `conclusion`, `by_block()`, `by_year()`,
        `calibration()` and `to_json()`, the shape of `ballast walk-forward --json`.
        """
        return read_record(self._store, self._name)

    def blocks(self) -> "pd.DataFrame":
        """A row for each block: study, from, until, trial, skill (over the naive forecast that is best on all
        rows), validation_skill, said_skill, rows, seconds (of trials and refits), and each chosen setting.
        """
        from search.api.walk_forward_frames import blocks_frame

        return blocks_frame(self.record())

    def forecasts(self) -> "pd.DataFrame":
        """The stitched forecasts in the target's own unit: a row for each row of the finished blocks, of a
        panel series by series.

        Returns:
            series (of a panel only), time, split (`test`), block (the study), target, forecast (the mean over
            the seeds), a column for each naive forecast and each rival, loss (of the target as the block's
            study standardised it), and the bounds lower_80, upper_80, lower_95 and upper_95.
        """
        from search.api.walk_forward_frames import forecasts_frame

        return forecasts_frame(self.record())

    def figures(self) -> "dict[str, go.Figure]":
        """The figures of its report, by id; empty before the first block is finished.

        Raises:
            RequestError: plotly is not installed.
        """
        import plotly.graph_objects as go

        from search.watching.plots.walk_forward import walk_forward_figures

        return {plot.id: go.Figure(dict(plot.figure)) for plot in walk_forward_figures(self.record())}

    def report(self, output: str | Path) -> Path:
        """Write its report into a file that ends in .html or .md, and return the path.

        Raises:
            RequestError: The file has another ending or cannot be written.
        """
        from search.api.write_report import write_walk_forward_report

        return write_walk_forward_report(self._store, self._name, as_path("output", output)).path

    def to_json(self) -> dict[str, Any]:
        """The shape of `ballast walk-forward --json`."""
        return self.record().to_json()
