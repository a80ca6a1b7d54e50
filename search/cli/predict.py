"""`ballast predict`: forecasts new rows with a saved model; no store is needed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from search.cli.options import AsJson, print_json
from search.terminal.text import say

if TYPE_CHECKING:
    from trainer.inference.forecasts import Forecasts

_EPILOG = "Example: ballast predict model --data prices.csv --latest"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="predict", epilog=_EPILOG)(predict)


def predict(
    model: Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder that --save wrote.")],
    data: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            help="The new rows: CSV, Parquet, a quoted pattern of files, an address, or sample:NAME.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="The CSV file to write.")
    ] = None,
    allow_range: Annotated[
        bool, typer.Option("--allow-range", help="Accept rows unlike the training rows.")
    ] = False,
    allow_unseen: Annotated[
        bool, typer.Option("--allow-unseen", help="Forecast also series that the model was not trained on.")
    ] = False,
    latest: Annotated[
        bool,
        typer.Option(
            "--latest", help="Only the forecast of the newest whole row of each series; same as --last 1."
        ),
    ] = False,
    last: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Only the N newest forecasts of each series.", show_default=False
        ),
    ] = None,
    max_age: Annotated[
        str | None,
        typer.Option(
            metavar="AGE",
            help="Refuse, with exit code 1, if the newest row is older, such as 3d or 90min; older series of "
            "a panel are left out and named.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Forecast every row of a table that has a whole window behind it, the newest rows included.

    A row with a bad cell costs the forecasts whose windows hold it, and is named. With --latest or --last and
    without -o, the forecasts are printed as CSV.
    """
    if latest and last is not None:
        raise typer.BadParameter("--latest is --last 1; give one of them")
    last = 1 if latest else last
    if output is None and not as_json and last is None:
        raise typer.BadParameter("name the file to write with -o, or take the forecasts as --json")
    if output is not None and output.suffix.lower() != ".csv":
        raise typer.BadParameter(
            f"-o {output}: forecasts are written as CSV; name it {output.with_suffix('.csv')}"
        )
    if output is not None and output.resolve() == Path(data).resolve():
        raise typer.BadParameter(f"-o {output} would replace the table of --data; name another file")
    from search.api.predict_rows import forecasts_to_csv, forecasts_to_json, predict_rows, write_forecasts
    from trainer.inference.forecasts import left_out_texts
    from trainer.inference.prediction import read_model

    found = predict_rows(
        read_model(model),
        data,
        allow_range=allow_range,
        allow_unseen=allow_unseen,
        last=last,
        max_age=max_age,
    )
    warnings = [f"warning: {warning}" for warning in found.warnings]
    for line in (*left_out_texts(found.left_out), *warnings):
        say(line, to_stderr=True)
    if output is not None:
        write_forecasts(found, output)
    if as_json:
        print_json(forecasts_to_json(found))
    elif output is None:
        print(forecasts_to_csv(found), end="")
    else:
        say(f"{output}: {_summary(found)}")


def _summary(found: "Forecasts") -> str:
    series = f" for {len(found.newest_rows())} series" if found.series else ""
    rows = f"{len(found.times)} forecasts{series} of {found.unit}"
    return f"{rows}; {found.unseen} for rows after {found.seen_until}, the last that the model saw"
