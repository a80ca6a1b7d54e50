"""Sample series, read from the files of the packages that ship them, which are never imported for that."""

import gzip
import importlib
import importlib.metadata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.errors import SourceError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Sample:
    """A table in a package: `file` is its path in there; `version` is the one to install, if it matters."""

    package: str
    file: str
    version: str | None = None

    @property
    def install(self) -> str:
        """What to type. What these packages depend on, such as solvers and servers, no table needs."""
        if self.version is None:
            return f"pip install {self.package}"
        return f"pip install --no-deps {self.package}=={self.version}"


# The version decides about the bytes of a table, and with them about its SHA-256 on record.
SAMPLES = {
    "sp500": Sample("arch", "arch/data/sp500/sp500.csv.gz"),
    "nasdaq": Sample("arch", "arch/data/nasdaq/nasdaq.csv.gz"),
    "wti": Sample("arch", "arch/data/wti/wti.csv.gz"),
    "us-stocks": Sample("skfolio", "skfolio/datasets/data/sp500_dataset.csv.gz", "1.12.2"),
    "tech-ohlc": Sample("bokeh-sampledata", "bokeh_sampledata/_data/stocks.csv.gz", "2026.1"),
    "eurusd-hourly": Sample("backtesting", "backtesting/test/EURUSD.csv", "0.6.6"),
}


def sample_text(source: str) -> bytes:
    """The CSV text of `sample:NAME`, as its package has it.

    Raises SourceError for an unknown name, and if the package or its file is not here.
    """
    name = source.removeprefix("sample:")
    if name not in SAMPLES:
        raise SourceError(f"data.source {source!r} is not a sample; there are {', '.join(SAMPLES)}")
    sample = SAMPLES[name]
    try:
        found = importlib.metadata.distribution(sample.package)
    except importlib.metadata.PackageNotFoundError:
        raise SourceError(
            f"{source} ships with the {sample.package} package, which is not here; run: {sample.install}"
        ) from None
    path = Path(str(found.locate_file(sample.file)))
    if path.is_file():
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix == ".gz" else content
    if sample.package == "arch":
        frame: pd.DataFrame = importlib.import_module(f"arch.data.{name}").load()
        return frame.to_csv().encode()
    raise SourceError(
        f"{source}: {sample.package} {found.version} has no file {sample.file}; run: {sample.install}"
    )
