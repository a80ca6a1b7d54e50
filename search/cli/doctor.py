"""`ballast doctor`: checks the installation, and names what is missing."""

import importlib
import sys
from importlib.metadata import PackageNotFoundError
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import typer

from search.api.stores import store_url
from search.cli.options import AsJson, StoreUrl, print_json
from search.version import version_of

_EPILOG = "Example: ballast doctor"
_PACKAGES = (
    "torch",
    "optuna",
    "optuna-dashboard",
    "sqlalchemy",
    "alembic",
    "pydantic",
    "mlflow",
    "pandas",
    "numpy",
    "scipy",
    "numba",
    "arch",
    "safetensors",
)
_OPTIONAL = {
    "onnx": 'pip install "ballast-gru[onnx]"',
    "psycopg": 'pip install "ballast-gru[postgres]"',
}


class DoctorCheck(NamedTuple):
    """One check: `ok`, `problem`, or `absent` for what is missing but not needed."""

    what: str
    state: str
    detail: str


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="doctor", epilog=_EPILOG)(doctor)


def doctor(store: StoreUrl = None, as_json: AsJson = False) -> None:
    """Check the installation: packages, imports of search, trainer and storage, configs, store, device.

    The CPU kernel is compiled if no trial has compiled it yet, which takes ten seconds once.
    """
    found = [*_ours(), *_packages(), _configs(), _store(store_url(store)), _device(), _kernel()]
    ok = all(finding.state != "problem" for finding in found)
    if as_json:
        print_json({"ok": ok, "findings": [finding._asdict() for finding in found]})
    else:
        from search.terminal.result_tables import console, values_table

        console().print(values_table(("what", "state", "detail"), found))
    if not ok:
        raise typer.Exit(1)


def _ours() -> list[DoctorCheck]:
    """Our import names are common words, so that another package of the same name may be imported instead."""
    home = Path(__file__).resolve().parents[2]
    found = []
    for name in ("search", "trainer", "storage"):
        place = Path(str(importlib.import_module(name).__file__)).resolve().parent
        ours = place == home / name
        detail = str(place) if ours else f"{place} is not ours; look for it on PYTHONPATH and in {sys.prefix}"
        found.append(DoctorCheck(f"package {name}", "ok" if ours else "problem", detail))
    return found


def _packages() -> list[DoctorCheck]:
    found = []
    for name in ("ballast", *_PACKAGES, *_OPTIONAL):
        try:
            found.append(DoctorCheck(name, "ok", version_of(name)))
        except PackageNotFoundError:
            optional = name in _OPTIONAL
            detail = _OPTIONAL[name] if optional else "pip install ballast-gru"
            found.append(DoctorCheck(name, "absent" if optional else "problem", detail))
    return found


def _configs() -> DoctorCheck:
    from search.config.files.shipped import CONFIGS
    from search.config.safe_ranges import read_policy

    policy = read_policy(CONFIGS / "safe_ranges.yaml")
    return DoctorCheck("safe ranges", "ok", f"{len(policy.ranges)} keys in {CONFIGS / 'safe_ranges.yaml'}")


def _store(url: str) -> DoctorCheck:
    from storage.engine import open_store
    from storage.errors import StoreError, StoreMissing

    try:
        opened = open_store(url, create=False)
    except StoreMissing as error:
        return DoctorCheck("store", "absent", str(error))
    except StoreError as error:
        return DoctorCheck("store", "problem", str(error))
    opened.close()
    return DoctorCheck("store", "ok", opened.shown_url)


def _device() -> DoctorCheck:
    if find_spec("torch") is None:
        return DoctorCheck("device", "problem", "torch is not installed")
    from trainer.runtime import describe_devices

    return DoctorCheck("device", "ok", describe_devices())


def _kernel() -> DoctorCheck:
    if find_spec("torch") is None or find_spec("numba") is None:
        return DoctorCheck("kernel", "problem", "torch or numba is not installed")
    from trainer.errors import TrainerError
    from trainer.kernels.choice import prepare_kernel

    try:
        prepare_kernel("fused", "cpu")
    except TrainerError as error:
        return DoctorCheck("kernel", "problem", str(error))
    return DoctorCheck("kernel", "ok", "fused, compiled for this processor")
