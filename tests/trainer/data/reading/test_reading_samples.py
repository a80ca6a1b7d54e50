"""The samples: what is in each, and what is said where its package is missing or too old."""

import hashlib
import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from trainer.config import DataConfig
from trainer.data.reading.content import digest_of_source
from trainer.data.reading.samples import SAMPLES, Sample, sample_text
from trainer.data.source import Table, read_table
from trainer.errors import SourceError

ROOT = Path(__file__).parents[4]


def read(sample: str, time: str, *columns: str, **more: object) -> Table:
    features = [
        {"name": f"x{number}", "column": column, "transform": "raw"} for number, column in enumerate(columns)
    ]
    config = DataConfig.model_validate(
        {
            "source": f"sample:{sample}",
            "time": time,
            "features": features,
            "target": {"column": columns[0], "transform": "log_return", "kind": "return"},
            "split": {"fractions": {"train": 0.5, "validation": 0.25}},
            **more,
        }
    )
    return read_table(config, folder=ROOT)


def first_and_last(table: Table) -> tuple[str, str]:
    return str(table.times[0]), str(table.times[-1])


def missing_cells(table: Table) -> int:
    return int((~np.isfinite(table.frame.to_numpy())).sum())


def test_us_stocks_are_twenty_columns_of_closes() -> None:
    header = sample_text("sample:us-stocks").splitlines()[0].decode().split(",")
    assert header[0] == "Date"
    assert header[1:] == sorted(header[1:])
    table = read("us-stocks", header[0], *header[1:])
    assert table.frame.shape == (8313, 20)
    assert first_and_last(table) == ("1990-01-02 00:00:00", "2022-12-28 00:00:00")
    assert missing_cells(table) == 0
    assert float(table.frame["AAPL"].iloc[0]) == 0.264


@pytest.mark.parametrize(
    ("ticker", "rows", "first"),
    [
        ("AAPL", 3270, "2000-03-01"),
        ("FB", 196, "2012-05-18"),
        ("GOOG", 2148, "2004-08-19"),
        ("IBM", 3270, "2000-03-01"),
        ("MSFT", 3270, "2000-03-01"),
    ],
)
def test_tech_ohlc_are_bars_of_five_stocks_that_begin_on_different_days(
    ticker: str, rows: int, first: str
) -> None:
    columns = ("Open", "High", "Low", "Close", "Volume", "Adj Close")
    table = read("tech-ohlc", "Date", *columns, where={"Ticker": ticker})
    assert table.frame.shape == (rows, 6)
    assert first_and_last(table) == (f"{first} 00:00:00", "2013-03-01 00:00:00")
    assert missing_cells(table) == 0


def test_the_splits_of_tech_ohlc_are_in_its_closes_but_not_in_its_adjusted_closes() -> None:
    table = read("tech-ohlc", "Date", "Close", "Adj Close", where={"Ticker": "AAPL"})
    moves = table.frame.loc["2005-02-25":"2005-02-28"].pct_change().iloc[-1]
    assert moves["Close"] == pytest.approx(-0.496, abs=1e-3)
    assert moves["Adj Close"] == pytest.approx(0.008, abs=1e-3)


def test_eurusd_hourly_are_five_thousand_bars() -> None:
    table = read("eurusd-hourly", "Unnamed: 0", "Open", "High", "Low", "Close", "Volume")
    assert table.frame.shape == (5000, 5)
    assert first_and_last(table) == ("2017-04-19 09:00:00", "2018-02-07 15:00:00")
    assert missing_cells(table) == 0


@pytest.mark.parametrize("name", SAMPLES)
def test_the_digest_of_a_sample_is_that_of_its_text(name: str) -> None:
    source = f"sample:{name}"
    assert digest_of_source(source, ROOT) == hashlib.sha256(sample_text(source)).hexdigest()


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_without_its_package_says_what_to_type(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(package: str) -> None:
        raise importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(importlib.metadata, "distribution", absent)
    package, line = SAMPLES[name].package, SAMPLES[name].install
    with pytest.raises(SourceError) as caught:
        sample_text(f"sample:{name}")
    assert str(caught.value) == (
        f"sample:{name} ships with the {package} package, which is not here; run: {line}"
    )


def test_a_package_of_another_version_without_the_file_says_which_version_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = importlib.metadata.version("backtesting")
    moved = Sample("backtesting", "backtesting/moved.csv", "0.6.6")
    monkeypatch.setitem(SAMPLES, "eurusd-hourly", moved)
    with pytest.raises(SourceError) as caught:
        sample_text("sample:eurusd-hourly")
    assert str(caught.value) == (
        f"sample:eurusd-hourly: backtesting {here} has no file backtesting/moved.csv; "
        "run: pip install --no-deps backtesting==0.6.6"
    )


def test_a_folder_that_is_called_like_a_package_does_not_hide_the_sample(tmp_path: Path) -> None:
    (tmp_path / "backtesting").mkdir()
    (tmp_path / "backtesting" / "__init__.py").write_text("raise ImportError('not the package')")
    code = (
        "import sys; sys.path[:0] = sys.argv[1:]\n"
        "from trainer.data.reading.samples import SAMPLES, sample_text\n"
        "print(*(len(sample_text('sample:' + name)) > 10_000 for name in SAMPLES))\n"
        "print({'arch', 'skfolio', 'bokeh_sampledata', 'backtesting'} & set(sys.modules))"
    )
    words = [sys.executable, "-c", code, str(tmp_path), str(ROOT)]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["True " * 5 + "True", "set()"], done.stderr


def test_versions_to_install_are_those_that_make_installs_for_the_tests() -> None:
    pinned = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines()[1:])
    packages = re.search(r"^SAMPLES := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert packages
    assert {sample.package: sample.version for sample in SAMPLES.values() if sample.version} == {
        name: pinned[name] for name in packages[1].split()
    }
