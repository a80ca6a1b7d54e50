"""`ballast train`: run one configuration; an exported one must give its value again, to the last bit."""

from typing import TYPE_CHECKING

import typer

from search.cli.options import AsJson, Policy, Sets, StudyPath, print_json

if TYPE_CHECKING:
    from search.rerun import Rerun
    from trainer.result import EpochReport

_EPILOG = "Example: ballast train best.yaml"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="train", epilog=_EPILOG)(train)


def train(config: StudyPath, sets: Sets = None, policy: Policy = None, as_json: AsJson = False) -> None:
    """Train one configuration; of an exported file, say whether its value was reproduced."""
    from search.cli.signals import stop_request
    from search.rerun import rerun

    def show(report: "EpochReport") -> bool:
        if not as_json:
            print(
                f"epoch {report.epoch:3}  train {report.train_loss:.6f}  "
                f"validation {report.validation_loss:.6f}  skill {report.skill:+.4f}",
                flush=True,
            )
        return False

    with stop_request() as stop:
        outcome = rerun(config, sets or (), policy=policy, on_epoch=show, should_stop=stop)
    if as_json:
        print_json(outcome.to_json())
    else:
        _print(outcome)
    if stop.asked:
        raise typer.Exit(130)
    if outcome.reproduced is False or not outcome.trustworthy:
        raise typer.Exit(1)


def _print(outcome: "Rerun") -> None:
    result, judgement = outcome.result, outcome.judgement
    for clamp in outcome.clamps:
        print(f"{clamp.key} was asked to be {clamp.declared}, {clamp.effective} was used: {clamp.reason}")
    print(f"{judgement.verdict}: {judgement.message}")
    if result.value is not None:
        print(f"value {result.value!r}, skill {result.skill:+.4f} over {result.baseline}")
    if outcome.reproduced:
        print("reproduced: the exported value, to the last bit")
    elif outcome.reproduced is False:
        print(f"not reproduced: the exported value is {outcome.expected!r}")
        unexplained = ("neither data nor versions changed: was the file edited, or is this another machine?",)
        print("\n".join(f"  {line}" for line in outcome.differences or unexplained))
