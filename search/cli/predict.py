"""`ballast predict`: forecasts new rows with a saved model; no store is needed."""

from pathlib import Path
from typing import Annotated

import typer

from search.cli.options import AsJson, print_json
from search.terminal.text import say

_EPILOG = "Example: ballast predict model --data prices.csv -o predictions.csv"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="predict", epilog=_EPILOG)(predict)


def predict(
    model: Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder that train --save wrote.")],
    data: Annotated[
        str,
        typer.Option(metavar="FILE", help="The new rows: CSV, Parquet, or sample:NAME.", show_default=False),
    ],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="The CSV file to write.")
    ] = None,
    allow_range: Annotated[
        bool, typer.Option("--allow-range", help="Accept rows unlike the training rows.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Forecast every row of a table that has a full window behind it, the newest rows included."""
    if output is None and not as_json:
        raise typer.BadParameter("name the file to write with -o, or take the forecasts as --json")
    if output is not None and output.suffix.lower() != ".csv":
        raise typer.BadParameter(
            f"-o {output}: forecasts are written as CSV; name it {output.with_suffix('.csv')}"
        )
    if output is not None and output.resolve() == Path(data).resolve():
        raise typer.BadParameter(f"-o {output} would replace the table of --data; name another file")
    from search.api.predict_rows import forecasts_to_json, predict_rows, write_forecasts
    from trainer.inference.prediction import read_model

    found = predict_rows(read_model(model), data, allow_range=allow_range)
    for warning in found.warnings:
        say(f"warning: {warning}", to_stderr=True)
    if output is not None:
        write_forecasts(found, output)
    if as_json:
        print_json(forecasts_to_json(found))
    else:
        rows = f"{len(found.times)} forecasts of {found.unit}"
        say(
            f"{output}: {rows}; {found.unseen} for rows after {found.seen_until}, the last that the model saw"
        )
