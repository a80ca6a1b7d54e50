"""What the processes of a study import: only a process that trains imports torch."""

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import search
from search.config.resolve import resolve
from search.data.prepared_folds import folds_identity, map_folds
from search.data.study_data import load_study_data
from search.store_files import signing_key
from storage import query
from storage.engine import open_store

if TYPE_CHECKING:
    from tests.search_fixtures import WriteStudy

# matplotlib is none of them: a worker imports it for its first picture, for which a slow machine has time.
HEAVY = (
    "torch",
    "torch._dynamo",
    "torch._inductor",
    "pandas",
    "sklearn",
    "scipy.stats",
    "mlflow",
)
SCRIPT = f"""
import sys
from search.cli.main import main
try:
    main()
finally:
    print("HEAVY", sorted(set(sys.modules) & set({HEAVY})))
"""


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ballast.db'}"


def imported_by(url: str, *arguments: object) -> str:
    """What of all that is heavy a command had imported when it ended."""
    root = str(Path(search.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": root, "BALLAST_STORE": url},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


@pytest.mark.slow
def test_workers_share_the_data_and_import_torch_for_themselves_alone(
    write_study: "WriteStudy", url: str, tmp_path: Path
) -> None:
    path = write_study(tracking={"dashboard": True})
    # It audits and trains nothing. LightGBM imports scikit-learn; the measured floor needs arch and SciPy.
    assert imported_by(url, "run", path, "--workers", 2) == "HEAVY ['pandas', 'scipy.stats', 'sklearn']"
    (kept,) = (tmp_path / "ballast.db.files").glob("small-*/folds-*.data")
    resolved = resolve(path)
    store = open_store(url)
    key = signing_key(query.study(store, "small").facts)
    assert key is not None
    assert (
        map_folds(kept, folds_identity(resolved.trial_config.data, load_study_data(resolved).sha256), key)
        is not None
    )
    with store.session() as session:
        session.merge(query.study(store, "small")).wanted = 3
    assert imported_by(url, "worker", "small") == "HEAVY ['torch']"  # it trains, and audits nothing
    assert [trial.verdict for trial in query.trials(store, "small")] == ["accepted"] * 3
    store.close()


AT_FIRST_LINE = f"""
import os, sys
from search.cli.main import main

class Reporting:
    def write(self, text):
        imported = sorted(set(sys.modules) & {{'sqlalchemy', 'optuna', 'numpy', *{HEAVY}}})
        os.write(1, f"{{text.strip()}} {{imported}}".encode())
        os._exit(0)

    def flush(self):
        pass

sys.stdout = Reporting()
main()
"""


def test_run_names_the_study_and_its_store_before_it_imports_anything_heavy(tmp_path: Path) -> None:
    root = str(Path(search.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", AT_FIRST_LINE, "run", "sample:sp500-volatility"],
        env={**os.environ, "PYTHONPATH": root, "BALLAST_STORE": "postgresql://ann:secret@db/ballast"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "study sp500-volatility in postgresql://ann:***@db/ballast []"
