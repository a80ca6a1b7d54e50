"""`ballast verify`: score a configuration on rows that no search has seen: does its skill hold?"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from search.cli.options import AsJson, Policy, StoreUrl, print_json, store_url
from search.cli.text import say

if TYPE_CHECKING:
    from search.selection.candidates import Candidate
    from search.selection.choice import By
    from search.selection.scored import Report
    from storage.engine import Store
    from trainer.training.result import Refit

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
    policy: Policy = None,
    as_json: AsJson = False,
) -> None:
    """Train with fresh seeds on all rows before the test rows, score those once, and say whether the skill
    holds. The evaluation is put on record.
    """
    report = verified(config, seeds=seeds, top=top, store=store, policy=policy, quiet=as_json)
    if as_json:
        print_json(report.to_json())
    else:
        from search.cli.trust import print_report

        print_report(report)
    if not report.holds:
        raise typer.Exit(1)


def verified(
    config: Path,
    *,
    seeds: int,
    top: int,
    store: str | None,
    policy: Path | None,
    quiet: bool,
    by: "By" = "robust",
) -> "Report":
    """The report; ends the command with 130 where it was interrupted, before any test row was scored."""
    from search.selection.candidates import Interrupted
    from search.selection.rerun import resolve_one
    from search.selection.verification import Progress, verify
    from search.signals import stop_request
    from search.tracking.announcement import announce

    def show(candidate: "Candidate", refit: "Refit") -> None:
        if not quiet:
            say(f"{candidate.name}, seed {refit.seed}: {refit.outcome}")

    resolved = resolve_one(config, policy=policy)
    opened = _opened(store_url(store, resolved.file.storage.url))
    try:
        with stop_request() as stop:
            stop.tell = _stopping
            progress = Progress(show, stop)
            report = verify(config, opened, seeds=seeds, top=top, by=by, policy=policy, progress=progress)
        if (problem := announce(opened, resolved.file.study.name, report.evidence)) is not None:
            say(f"ballast: {problem}", to_stderr=True)
        return report
    except Interrupted:
        os.write(2, b"interrupted before the test rows were scored: no evaluation is on record\n")
        raise typer.Exit(130) from None
    finally:
        opened.close()


def _opened(url: str) -> "Store":
    """The store at `url`. One is made where there is none; a message says that it knows of no evaluation."""
    from storage.engine import open_store
    from storage.errors import StoreMissing

    try:
        return open_store(url, create=False)
    except StoreMissing:
        opened = open_store(url)
        say(
            f"{opened.shown_url} is new and knows of no earlier evaluation; another store: --store",
            to_stderr=True,
        )
        return opened


def _stopping() -> None:
    os.write(2, b"stopping before the test rows are scored; once more to stop at once\n")
