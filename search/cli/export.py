"""`ballast export`: the best configuration as a file that reruns to the same bits."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from search.cli.options import AsJson, StoreUrl, StudyName, existing_store, print_json

if TYPE_CHECKING:
    from storage.engine import Store
    from storage.tables import Trial

_EPILOG = "Example: ballast export sp500-volatility -o best.yaml"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="export", epilog=_EPILOG)(export)


def export(
    name: StudyName,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The file to write.")],
    top: Annotated[int, typer.Option(min=1, help="Write the K best, as FILE-1, FILE-2, …")] = 1,
    trial: Annotated[int | None, typer.Option(min=0, help="This trial instead of the best.")] = None,
    register: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Train it again, and register the model in MLflow."),
    ] = None,
    mlflow: Annotated[
        str | None, typer.Option(metavar="URI", help="The MLflow of --register; else as of ballast track.")
    ] = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Write the best accepted trial as YAML, with the layer and origin of every setting."""
    from search.export import accepted_trial, best_trials, write_export
    from search.summary import summarise
    from search.tracking.address import of_study

    if trial is not None and top != 1:
        raise typer.BadParameter("--trial names one trial, --top asks for several; give one of them")
    if register is not None and top != 1:
        raise typer.BadParameter("--register is for one model, --top asks for several; give one of them")
    if mlflow is not None and register is None:
        raise typer.BadParameter("--mlflow is where --register puts the model; give both of them")
    opened = existing_store(store)
    uri = None if register is None else of_study(opened, name, mlflow)
    chosen = best_trials(opened, name, top) if trial is None else [accepted_trial(opened, name, trial)]
    paths = [output] if len(chosen) == 1 else [_numbered(output, n) for n in range(1, len(chosen) + 1)]
    for row, path in zip(chosen, paths, strict=True):
        write_export(opened, row, path)
    version = None if register is None or uri is None else _register(opened, chosen[0], output, uri, register)
    if as_json:
        model = {} if version is None else {"model": {"name": register, "version": version}}
        print_json(
            [
                {"path": str(path), "trial": row.number, "value": row.value, "skill": row.skill, **model}
                for row, path in zip(chosen, paths, strict=True)
            ]
        )
        return
    for row, path in zip(chosen, paths, strict=True):
        print(
            f"{path}: trial {row.number}, loss {row.value:.6f}; run it again: "
            f"ballast train {shlex.quote(str(path))}"
        )
    print(summarise(opened, name).sentence())
    if version is not None:
        print(f"reproduced to the last bit, and registered as version {version} of {register}")


def _register(store: "Store", trial: "Trial", path: Path, uri: str, name: str) -> str:
    """Weights are not kept after a trial, so it is trained once more; returns the version."""
    from search.rerun import rerun
    from search.tracking.registry import register

    return register(store, trial, path, rerun(path), uri, name)


def _numbered(path: Path, number: int) -> Path:
    return path.with_stem(f"{path.stem}-{number}")
