"""`ballast export`: the best configuration as a file that reruns to the same bits."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from search.api.stores import open_existing_store
from search.cli.options import AsJson, StoreUrl, StudyName, print_json
from search.cli.verify import Seeds, run_verification
from storage.commands import ballast_command

if TYPE_CHECKING:
    from collections.abc import Mapping

    from search.selection.choice import ChosenTrial
    from search.selection.verification_report import CandidateResult, VerificationReport
    from storage.engine import Store
    from storage.tables import Trial

_EPILOG = "Example: ballast export sp500-volatility -o best.yaml"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="export", epilog=_EPILOG)(export)


def export(
    name: StudyName,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="The file to write: .yaml or .json.")
    ],
    by: Annotated[
        Literal["robust", "value"] | None,
        typer.Option(help="The highest lower bound of skill (robust, the default), or the lowest loss."),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Write the K best, as FILE-1, FILE-2, …")] = 1,
    trial: Annotated[int | None, typer.Option(min=0, help="This trial instead of the best.")] = None,
    register: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Train it again, and register the model in MLflow."),
    ] = None,
    mlflow: Annotated[
        str | None, typer.Option(metavar="URI", help="The MLflow of --register; else as of ballast track.")
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Score what is exported on the test rows; see ballast verify.")
    ] = False,
    seeds: Seeds = 5,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Write the best accepted trial to a file, with the layer and origin of every setting."""
    from search.selection.choice import ASKED_BY_NUMBER, ChosenTrial, accepted_trial, choose_trials
    from search.selection.export import write_export
    from search.selection.selection_evidence import with_measured_floor
    from search.selection.summary import summarise
    from search.terminal.result_tables import console
    from search.tracking.mlflow_uri import mlflow_uri_of_study

    if trial is not None and by is not None:
        raise typer.BadParameter("--trial names one trial, --by chooses one; give one of them")
    if trial is not None and top != 1:
        raise typer.BadParameter("--trial names one trial, --top asks for several; give one of them")
    if register is not None and top != 1:
        raise typer.BadParameter("--register is for one model, --top asks for several; give one of them")
    if mlflow is not None and register is None:
        raise typer.BadParameter("--mlflow is where --register puts the model; give both of them")
    opened = open_existing_store(store)
    uri = None if register is None else mlflow_uri_of_study(opened, name, mlflow)
    chosen = (
        choose_trials(opened, name, top, by or "robust")
        if trial is None
        else [ChosenTrial(accepted_trial(opened, name, trial), ASKED_BY_NUMBER)]
    )
    paths = [output] if len(chosen) == 1 else [_numbered(output, n) for n in range(1, len(chosen) + 1)]

    def write() -> None:
        for choice, path in zip(chosen, paths, strict=True):
            write_export(opened, choice.trial, path, choice.why)

    write()
    report = None
    if verify:
        report = run_verification(
            paths[0], seeds=seeds, top=top, by=by or "robust", store=store, policy=None, quiet=as_json
        )
        write()  # with what the look has shown
    first = chosen[0].trial
    version = None if register is None or uri is None else _register(opened, first, output, uri, register)
    if as_json:
        model = {} if version is None else {"model": {"name": register, "version": version}}
        answers = {} if report is None else {each.candidate.number: each for each in report.scored}
        print_json([_shape(*pair, answers) | model for pair in zip(chosen, paths, strict=True)])
        _end(report)
        return
    for choice, path in zip(chosen, paths, strict=True):
        _print(choice, path)
    screen = console()
    screen.print(with_measured_floor(opened, summarise(opened, name)).sentence(), markup=False)
    if version is not None:
        told = f"reproduced to the last bit, and registered as version {version} of {register}"
        screen.print(told, markup=False)
    if report is not None:
        from search.terminal.verification_text import print_verification

        print_verification(report)
    _end(report)


def _end(report: "VerificationReport | None") -> None:
    """Exit code 1 where what was exported does not hold."""
    if report is not None and not report.holds:
        raise typer.Exit(1)


def _shape(
    choice: "ChosenTrial", path: Path, answers: "Mapping[int | None, CandidateResult]"
) -> dict[str, Any]:
    trial, why = choice.trial, choice.why
    answer = answers.get(trial.number)
    return {
        "path": str(path),
        "trial": trial.number,
        "value": trial.value,
        "skill": trial.skill,
        "chosen_by": why.by,
        "lower_bound": None if why.bound is None else why.bound.low,
        **({} if answer is None else {"verification": answer.to_json()}),
    }


def _print(choice: "ChosenTrial", path: Path) -> None:
    from search.terminal.result_tables import console

    trial, why = choice.trial, choice.why
    again, screen = ballast_command("train", path), console()
    told = f"{path}: trial {trial.number}, loss {trial.value:.6f}; run it again: {again}"
    screen.print(told, markup=False, soft_wrap=True)  # a command is to be copied whole
    if why.by != "trial":
        screen.print(f"chosen by {why.by}: {why.sentence}.", markup=False)


def _register(store: "Store", trial: "Trial", path: Path, uri: str, name: str) -> str:
    """Weights are not kept after a trial, so it is trained once more; returns the version."""
    from search.selection.rerun import rerun
    from search.tracking.model_registry import register_model

    return register_model(store, trial, path, rerun(path), uri, name)


def _numbered(path: Path, number: int) -> Path:
    return path.with_stem(f"{path.stem}-{number}")
