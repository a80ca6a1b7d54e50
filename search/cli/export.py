"""`ballast export`: writes the best configuration to a file that reproduces the same bits."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from search.api.stores import open_existing_store
from search.cli.options import AsJson, StoreUrl, StudyName, print_json
from search.cli.verify import Seeds
from search.config.objectives import SelectionRule
from storage.commands import ballast_command

if TYPE_CHECKING:
    from search.api.export_study import Export
    from search.selection.choice import ChosenTrial
    from storage.engine import Store

_EPILOG = "Example: ballast export sp500-volatility -o best.yaml"

_OutputFile = Annotated[
    Path, typer.Option("-o", "--output", metavar="FILE", help="The file to write: .yaml or .json.")
]
_By = Annotated[
    SelectionRule | None,
    typer.Option(
        help="The highest lower bound of skill (robust, the default), or the lowest loss (value, loss); with "
        "several objectives also the knee of the Pareto front, or the lowest of one of them.",
    ),
]
_Top = Annotated[int, typer.Option(min=1, help="Write the K best, as FILE-1, FILE-2, …")]
_Trial = Annotated[int | None, typer.Option(min=0, help="This trial instead of the best.")]
_RegisterModel = Annotated[
    str | None, typer.Option(metavar="MODEL", help="Train it again, and register the model in MLflow.")
]
_Mlflow = Annotated[
    str | None,
    typer.Option(metavar="URI", help="The MLflow of --register; if not given, as for ballast track."),
]
_Verify = Annotated[
    bool, typer.Option("--verify", help="Score the exported trial on the test rows; see ballast verify.")
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="export", epilog=_EPILOG)(export)


def export(
    name: StudyName,
    output: _OutputFile,
    by: _By = None,
    top: _Top = 1,
    trial: _Trial = None,
    register: _RegisterModel = None,
    mlflow: _Mlflow = None,
    verify: _Verify = False,
    seeds: Seeds = 5,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Write the best accepted trial to a file, with the layer and origin of every setting."""
    from search.api.export_study import export_study, register_export
    from search.api.verify_configuration import verify_configuration
    from search.terminal.fit_progress import shown_trainings
    from search.terminal.verification_text import print_notice
    from search.tracking.mlflow_uri import mlflow_uri_of_study

    _require_compatible(by, top, trial, register, mlflow)
    opened = open_existing_store(store)
    uri = None if register is None else mlflow_uri_of_study(opened, name, mlflow)
    with shown_trainings(seeds * top, shown=verify and not as_json) as on_seed:
        score = partial(
            verify_configuration,
            seeds=seeds,
            top=top,
            by=by or "robust",
            store=store,
            on_seed=on_seed,
            on_notice=print_notice,
        )
        done = export_study(
            opened, name, output, by=by, top=top, trial=trial, verify=score if verify else None
        )
    model = {}
    if register is not None and uri is not None:
        model = {"name": register, "version": register_export(opened, done.trials[0], uri, register)}
    if as_json:
        print_json([each | ({"model": model} if model else {}) for each in done.to_json()])
    else:
        _print(done, opened, name, model)
    if done.verification is not None and not done.verification.holds:
        raise typer.Exit(1)


def _require_compatible(
    by: str | None, top: int, trial: int | None, model: str | None, mlflow: str | None
) -> None:
    """Raise BadParameter for two options that contradict each other, or for one without effect."""
    if trial is not None and by is not None:
        raise typer.BadParameter("--trial names one trial, --by chooses one; give one of them")
    if trial is not None and top != 1:
        raise typer.BadParameter("--trial names one trial, --top asks for several; give one of them")
    if model is not None and top != 1:
        raise typer.BadParameter("--register is for one model, --top asks for several; give one of them")
    if mlflow is not None and model is None:
        raise typer.BadParameter("--mlflow is where --register puts the model; give both of them")


def _print(done: "Export", store: "Store", study: str, model: dict[str, str]) -> None:
    """`model` has the name and version of the registered model; it is empty if none was registered."""
    from search.selection.selection_evidence import with_measured_floor
    from search.selection.summary import summarise
    from search.terminal.result_tables import console
    from search.terminal.verification_text import print_verification

    for each in done.trials:
        _print_trial(each.chosen, each.path)
    screen = console()
    screen.print(with_measured_floor(store, summarise(store, study)).sentence(), markup=False)
    if model:
        registered = f"registered as version {model['version']} of {model['name']}"
        screen.print(f"reproduced to the last bit, and {registered}", markup=False)
    if done.verification is not None:
        print_verification(done.verification)


def _print_trial(choice: "ChosenTrial", path: Path) -> None:
    from search.terminal.result_tables import console

    trial, why = choice.trial, choice.why
    again, screen = ballast_command("train", path), console()
    message = f"{path}: trial {trial.number}, loss {trial.value:.6f}; run it again: {again}"
    screen.print(message, markup=False, soft_wrap=True)  # a command must stay on one line to be copied
    if why.by != "trial":
        screen.print(f"chosen by {why.by}: {why.sentence}.", markup=False)
