"""`ballast verify`: score a configuration on rows that no search has seen: does its skill hold?"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from search.cli.options import AsJson, PolicyOption, StoreUrl, print_json, store_url
from search.cli.text import say

if TYPE_CHECKING:
    from search.selection.candidates import Candidate
    from search.selection.choice import SelectionRule
    from search.selection.verification_report import VerificationReport
    from storage.engine import Store
    from trainer.training.result import RefitResult

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
    report = run_verification(config, seeds=seeds, top=top, store=store, policy=policy, quiet=as_json)
    if as_json:
        print_json(report.to_json())
    else:
        from search.cli.verification_text import print_verification

        print_verification(report)
    if not report.holds:
        raise typer.Exit(1)


def run_verification(
    config: Path,
    *,
    seeds: int,
    top: int,
    store: str | None,
    policy: Path | None,
    quiet: bool,
    by: "SelectionRule" = "robust",
) -> "VerificationReport":
    """The report; ends the command with 130 where it was interrupted, before any test row was scored."""
    from search.selection.candidates import VerificationInterrupted
    from search.selection.rerun import resolve_configuration
    from search.selection.verification import VerificationCallbacks, verify
    from search.signals import stop_request
    from search.tracking.verification_pages import publish_verification

    def show(candidate: "Candidate", refit: "RefitResult") -> None:
        if not quiet:
            say(f"{candidate.name}, seed {refit.seed}: {refit.outcome}")

    resolved = resolve_configuration(config, policy=policy)
    opened = _opened(store_url(store, resolved.file.storage.url))
    try:
        with stop_request() as stop:
            stop.on_stop = _stopping
            progress = VerificationCallbacks(show, stop)
            report = verify(config, opened, seeds=seeds, top=top, by=by, policy=policy, progress=progress)
        if (problem := publish_verification(opened, resolved.file.study.name, report.evidence)) is not None:
            say(f"ballast: {problem}", to_stderr=True)
        return report
    except VerificationInterrupted:
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
