"""`ballast train`: trains one configuration, checks that an exported value is reproduced, saves the model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from search.cli.options import AsJson, PolicyOption, Sets, StoreUrl, StudyPath, print_json
from search.terminal.text import say
from storage.commands import ballast_command

if TYPE_CHECKING:
    from search.selection.rerun import Rerun
    from trainer.training.result import EpochReport

_EPILOG = "Example: ballast train best.yaml --save model"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="train", epilog=_EPILOG)(train)


def train(
    config: StudyPath,
    sets: Sets = None,
    policy: PolicyOption = None,
    save: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Save the model here, for ballast predict.")
    ] = None,
    onnx: Annotated[bool, typer.Option("--onnx", help="Put model.onnx into the folder of --save.")] = False,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Train one configuration, and say for an exported file whether its value was reproduced. The scoring of
    validation rows is put on record, unless they are those of the exported trial.
    """
    from search.api.train_configuration import require_saved, train_configuration

    if onnx and save is None:
        raise typer.BadParameter("--onnx puts a file into the folder of --save; give both of them")
    done = train_configuration(
        config,
        sets or (),
        policy=policy,
        save=save,
        onnx=onnx,
        store=store,
        on_epoch=None if as_json else _print_epoch,
    )
    if as_json:
        print_json(done.to_json())
    else:
        _print(done.outcome, done.saved)
    if done.voided is not None:
        say(done.voided, to_stderr=True)
    if done.is_interrupted:
        raise typer.Exit(130)
    require_saved(done, config, save)
    if not done.outcome.confirmed:
        raise typer.Exit(1)


def _print_epoch(report: "EpochReport") -> None:
    print(
        f"epoch {report.epoch:3}  train {report.train_loss:.6f}  "
        f"validation {report.validation_loss:.6f}  skill {report.skill:+.4f}",
        flush=True,
    )


def _print(outcome: "Rerun", saved: Path | None) -> None:
    result, judgement = outcome.result, outcome.judgement
    for clamp in outcome.clamps:
        say(f"{clamp.key} was asked to be {clamp.declared}, {clamp.effective} was used: {clamp.reason}")
    say(f"{judgement.verdict}: {judgement.message}")
    if result.value is not None:
        say(f"value {result.value!r}, skill {result.skill:+.4f} over {result.baseline}")
    if outcome.record.sentence is not None:
        say(outcome.record.sentence)
    for line in _reproduction(outcome):
        say(line)
    if saved is not None:
        forecast = ballast_command("predict", saved, data="FILE", o="predictions.csv")
        say(f"saved; forecast with it: {forecast}")


def _reproduction(outcome: "Rerun") -> list[str]:
    """Whether the exported value was reproduced, and what may explain a difference."""
    from search.selection.rerun import CLOSE, Reproduction

    reasons = [f"  {line}" for line in outcome.differences]
    match outcome.reproduction:
        case None:
            return []
        case Reproduction.BITS:
            return ["reproduced: the exported value, to the last bit"]
        case Reproduction.CLOSE:
            near = f"within {CLOSE:g} of the exported value {outcome.expected!r}"
            return [f"reproduced: {near}, not to the last bit", *reasons]
        case Reproduction.NO:
            unexplained = ["  neither data, versions nor machine changed: was the file edited?"]
            return [f"not reproduced: the exported value is {outcome.expected!r}", *(reasons or unexplained)]
