"""What `ballast predict` refuses and lets pass, and how near ONNX comes: the tables of docs/models.md.

Run it with `python -m benchmarks.new_rows` (about six seconds on one core; `--quick`: no ONNX).
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from benchmarks.market import SP500
from trainer.config import DataConfig, GRUConfig
from trainer.data.features import build_features
from trainer.data.input_drift import feature_drift, feature_statistics, share_outside
from trainer.data.panel import ONE_SERIES
from trainer.data.source import read_table
from trainer.data.windows import prepare_last_fold
from trainer.inference.forecaster import build_forecaster, stack_windows
from trainer.inference.onnx_file import require_agreement, to_onnx
from trainer.losses import MSE
from trainer.models.network import GRUForecaster

FEATURES = (
    {"name": "ret", "column": "Close", "transform": "log_return"},
    {"name": "vol", "transform": "log_parkinson", "high": "High", "low": "Low"},
    {"name": "vol22", "of": "vol", "transform": "rolling_mean", "window": 22},
    {"name": "std22", "of": "ret", "transform": "rolling_std", "window": 22},
    {"name": "Close", "column": "Close"},
)
Frame = pd.DataFrame


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="without ONNX")
    quick = parser.parse_args().quick
    print(f"{'S&P 500, training rows':34} {'new rows':28} features for which they are refused")
    for trained, rows, before, now in cases(series("sp500"), series("nasdaq")):
        print(f"{before:34} {now:28} {verdict(trained, rows)}")
    if not quick:
        print("\nlayers  hidden  largest difference on real windows  and on windows at the clip bounds")
        for layers in (1, 2, 3):
            for hidden in (16, 32, 64, 128):
                real, bounds = agreement(layers, hidden)
                print(f"{layers:6}  {hidden:6}  {real:34.1e}  {bounds:33.1e}")


def series(sample: str) -> Frame:
    """Features of every row of a sample behind their warm-up."""
    config = DataConfig.model_validate({**SP500, "source": f"sample:{sample}", "features": FEATURES})
    built = build_features(config, read_table(config, folder=Path()))
    return built.features[built.first :]


def cases(sp500: Frame, nasdaq: Frame) -> Iterator[tuple[Frame, Frame, str, str]]:
    """Training rows and new rows, and what each are."""
    returns, logs = ["ret", "std22"], ["vol", "vol22"]
    index = sp500[[*returns, *logs]]
    for start, until in ((1999, 2003), (1999, 2006), (2003, 2006), (1999, 2010)):
        trained, later = index[str(start) : str(until)], index[str(until + 1) :]
        yield trained, later, f"{start} to {until}", f"its own from {until + 1} on"
    yield index[:"2010"], nasdaq[[*returns, *logs]], "1999 to 2010", "all of NASDAQ's"
    early, late = sp500[:"2010"], sp500["2015":]
    for factor, name in ((100, "in percent"), (16, "of a year")):
        yield early[returns], factor * late[returns], "returns of a day", f"returns {name}"
        yield factor * early[returns], late[returns], f"returns {name}", "returns of a day"
        shift = np.log(factor)
        yield early[logs], late[logs] + shift, "log of a day's volatility", f"log of volatility {name}"
        yield early[logs] + shift, late[logs], f"log of volatility {name}", "log of a day's volatility"
    yield early[["Close"]], late[["Close"]], "the level of Close, 1999 to 2010", "its own from 2015 on"


def verdict(trained: Frame, rows: Frame) -> str:
    """The features for which the rows would be refused, else the largest share of rows out of range."""
    trained_on = arrays(trained)
    looks = [
        feature_statistics(name, values, ONE_SERIES, mean=0.0, std=1.0) for name, values in trained_on.items()
    ]
    given = arrays(rows)
    refused = [look.name for look in looks if feature_drift(look, given[look.name]) is not None]
    if refused:
        return ", ".join(refused)
    shares = {look.name: share_outside(look, given[look.name]) for look in looks}
    name = max(shares, key=lambda name: shares[name])
    return f"none; {name} lies outside its range in {shares[name]:.1%}"


def arrays(frame: Frame) -> dict[str, npt.NDArray[np.float64]]:
    """The columns by name."""
    return {str(name): frame[name].to_numpy(np.float64) for name in frame}


def agreement(layers: int, hidden: int) -> tuple[float, float]:
    """Largest differences between ONNX and torch, of weights three times as large as PyTorch's own."""
    config = DataConfig.model_validate(SP500)
    data = prepare_last_fold(config, read_table(config, folder=Path()))
    gru = GRUConfig(num_layers=layers, hidden_size=hidden, init="torch")
    torch.manual_seed(0)
    weights = {name: 3 * weight for name, weight in GRUForecaster(3, gru).state_dict().items()}
    content, model = to_onnx(gru, data.seq_len, weights, MSE), build_forecaster(gru, 3, weights)
    real = stack_windows(data, data.validation)
    signs = np.random.default_rng(0).choice([-1, 1], real.shape)
    bounds = (config.feature_clip * signs).astype(np.float32)
    return require_agreement(content, model, real), require_agreement(content, model, bounds)


if __name__ == "__main__":
    main()
