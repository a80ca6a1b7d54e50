"""The deflated Sharpe ratio of whole GRU studies where returns drift and nothing forecasts them.

Run it with `python -m benchmarks.timing_studies` (about four minutes on one core; `--sets N`, 24 if not
given). Sets are in turn the returns of the S&P 500 in random order, with their mean, and normal returns with
a drift of 0.08 standard deviations a row. Each is searched by a study of 8 trials of 4 epochs. Of the
configuration that `export` takes, the table tells the deflated Sharpe ratio against holding nothing, and
beyond the two positions that need no forecast. It exits with 1 where more than two are certified beyond both.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from benchmarks.coverage import Series
from benchmarks.leaks.studies import prices
from benchmarks.null_and_signal.series import DAILY, ROWS
from benchmarks.null_and_signal.study import study_file
from benchmarks.timing import CERTIFIED
from search.config.resolve import resolve
from search.data.study_data import load_study_data
from search.selection.choice import choose_trials
from search.selection.selection_evidence import LONG_ONLY, TRAIN_MEAN_SIGN, SelectionEvidence, study_evidence
from search.study.studies import open_study
from search.workers.loop import run_worker
from search.workers.progress import NoProgress
from storage.engine import open_store
from trainer.data.transforms import log_return

TRIALS = 8
EPOCHS = 4
DRIFT = 0.08


def returns_of(number: int, random: np.random.Generator) -> Series:
    """Returns (ROWS,) of the set of this number."""
    if number % 2:
        return np.asarray(DAILY * (random.standard_normal(ROWS) + DRIFT))
    close = prices("sp500")["Close"].to_numpy(np.float64)
    return np.asarray(random.permutation(log_return(close)[1:])[:ROWS])


def evidence_of(number: int) -> SelectionEvidence:
    """Search one set, in a folder that is gone afterwards. Raises AnswerIsNo where nothing was accepted."""
    random = np.random.default_rng([number, 5])
    returns = returns_of(number, random)
    a, b = random.standard_normal((2, ROWS))
    dates = pd.bdate_range("2000-01-03", periods=ROWS).strftime("%Y-%m-%d")
    frame = pd.DataFrame({"Date": dates, "Close": 100 * np.exp(np.cumsum(returns)), "a": a, "b": b})
    with TemporaryDirectory() as folder:
        path = Path(folder) / "study.yaml"
        file = study_file(f"drift-{number}", number, TRIALS)
        file["training"]["epochs"] = EPOCHS
        frame.to_csv(path.with_name("prices.csv"), index=False)
        path.write_text(json.dumps(file))  # JSON is YAML
        resolved = resolve(path)
        store = open_store(f"sqlite:///{path.with_name('ballast.db')}")
        try:
            study = open_study(resolved, load_study_data(resolved), store)
            run_worker(study, NoProgress(), lambda: False)
            (choice,) = choose_trials(store, study.name)
            found = study_evidence(store, study.name, choice.trial.number)
        finally:
            store.close()
    assert isinstance(found, SelectionEvidence), found
    return found


def main(arguments: Sequence[str]) -> int:
    """Print the table; 1 where more than two sets are certified beyond both positions."""
    parser = argparse.ArgumentParser(prog="benchmarks.timing_studies", description=__doc__)
    parser.add_argument("--sets", type=int, default=24, help="data sets")
    sets = parser.parse_args(arguments).sets
    print("| set | against nothing | beyond long | beyond training mean | probability of overfitting |")
    print("|---|---|---|---|---|")
    alone = both = silent = 0
    for number in range(sets):
        found = evidence_of(number)
        assert found.sharpe is not None
        assert found.timing is not None
        beyond = [found.timing[name].probability for name in (LONG_ONLY, TRAIN_MEAN_SIGN)]
        shown = " | ".join("nothing to tell" if each is None else f"{each:.3f}" for each in beyond)
        pbo = "–" if found.overfitting is None else f"{found.overfitting.probability:.2f}"
        kind = "random walk" if number % 2 else "shuffled S&P 500"
        print(f"| {kind} | {found.sharpe.probability:.3f} | {shown} | {pbo} |", flush=True)
        alone += found.sharpe.probability >= CERTIFIED
        both += all(each is not None and each >= CERTIFIED for each in beyond)
        silent += None in beyond
    print(
        f"\n{CERTIFIED} or more: {alone} of {sets} against nothing, {both} beyond both; "
        f"{silent} have nothing to tell of one"
    )
    return 1 if both > 2 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
