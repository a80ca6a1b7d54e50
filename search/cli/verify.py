"""`ballast verify`: scores a configuration on unseen rows, and says whether its skill holds."""

from pathlib import Path
from typing import Annotated

import typer

from search.cli.options import AsJson, PolicyOption, StoreUrl, print_json

_EPILOG = "Example: ballast verify best.yaml --seeds 5"

ConfigurationPath = Annotated[
    Path, typer.Argument(metavar="BEST.yaml", help="An exported configuration.", show_default=False)
]
Seeds = Annotated[int, typer.Option(min=1, metavar="N", help="Trainings with fresh seeds.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="verify", epilog=_EPILOG)(verify)


def verify(
    config: ConfigurationPath,
    seeds: Seeds = 5,
    top: Annotated[
        int, typer.Option(min=1, metavar="K", help="Compare the K best of its study with each other.")
    ] = 1,
    store: StoreUrl = None,
    policy: PolicyOption = None,
    as_json: AsJson = False,
) -> None:
    """Train with fresh seeds on all rows before the test rows, score those once, and say whether the skill
    holds. The evaluation is put on record.
    """
    from search.api.verify_configuration import verify_configuration
    from search.terminal.fit_progress import shown_trainings
    from search.terminal.verification_text import print_notice, print_verification

    with shown_trainings(seeds * top, shown=not as_json) as on_seed:
        report = verify_configuration(
            config,
            seeds=seeds,
            top=top,
            store=store,
            policy=policy,
            on_seed=on_seed,
            on_notice=print_notice,
        )
    if as_json:
        print_json(report.to_json())
    else:
        print_verification(report)
    if not report.holds:
        raise typer.Exit(1)
