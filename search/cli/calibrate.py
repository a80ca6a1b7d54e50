"""`ballast calibrate`: measures safe ranges on the data of a study and writes them as a policy file."""

from pathlib import Path
from typing import Annotated

import typer

from search.api.study_options import StudyOptions
from search.cli.options import AsJson, PolicyOption, Sets, StudyPath, print_json

_EPILOG = "Example: ballast calibrate sample:wti-volatility"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="calibrate", epilog=_EPILOG)(calibrate)


def calibrate(
    study: StudyPath,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="The policy; if not given: NAME.safe_ranges.yaml here."
        ),
    ] = None,
    keys: Annotated[
        list[str] | None,
        typer.Option("--keys", metavar="KEY", help="Measure this key alone. May be repeated."),
    ] = None,
    epochs: Annotated[
        int, typer.Option(min=1, metavar="N", help="Epochs of each run, the first ones of a trial.")
    ] = 3,
    seeds: Annotated[int, typer.Option(min=1, metavar="N", help="Runs of each value.")] = 3,
    sets: Sets = None,
    policy: PolicyOption = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the policy file if it exists.")] = False,
    as_json: AsJson = False,
) -> None:
    """Find out by short guarded runs which learning rates, gains, clips and sizes diverge, freeze or learn on
    the data of a study, and write the safe ranges as a policy for `--policy`.

    Training and validation rows of the last fold are used, test rows never, and nothing is recorded.
    """
    from search.api.calibrate_study import CalibrateOptions, calibrate_study
    from search.terminal.calibration_text import print_calibration
    from search.terminal.fit_progress import fit_progress

    options = CalibrateOptions(
        StudyOptions(study, sets or (), policy=policy), output, force, epochs, seeds, tuple(keys or ())
    )
    with fit_progress("value", None, shown=not as_json) as progress:
        found = calibrate_study(options, on_point=progress.passed_of)
    if as_json:
        print_json(found.to_json())
    else:
        print_calibration(found.measurement, found.saved, found.run_command)
