"""`ballast train`: run one configuration; an exported one must give its value again, and can be kept."""

from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from search.api.stores import store_url
from search.cli.options import AsJson, PolicyOption, Sets, StoreUrl, StudyPath, print_json
from search.terminal.text import say
from storage.commands import ballast_command

if TYPE_CHECKING:
    from search.selection.rerun import Rerun
    from storage.engine import Store
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
        Path | None, typer.Option(metavar="FOLDER", help="Keep the model, for ballast predict.")
    ] = None,
    onnx: Annotated[bool, typer.Option("--onnx", help="Put model.onnx into the folder of --save.")] = False,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Train one configuration; of an exported file, say whether its value was reproduced. That rows were
    scored is put on record, unless they are those of the exported trial.
    """
    from search.selection.model_saving import require_can_save, require_confirmed
    from search.selection.model_saving import save_trained_model as save_model
    from search.selection.rerun import rerun, resolve_configuration
    from search.signals import stop_request

    if onnx and save is None:
        raise typer.BadParameter("--onnx puts a file into the folder of --save; give both of them")
    if save is not None:
        require_can_save(save, onnx=onnx)

    def show(report: "EpochReport") -> bool:
        if not as_json:
            print(
                f"epoch {report.epoch:3}  train {report.train_loss:.6f}  "
                f"validation {report.validation_loss:.6f}  skill {report.skill:+.4f}",
                flush=True,
            )
        return False

    with stop_request() as stop, ExitStack() as opened:

        def record() -> "Store":
            from storage.engine import open_store

            url = store_url(store, resolve_configuration(config, sets or (), policy=policy).file.storage.url)
            return opened.enter_context(closing(open_store(url)))

        outcome = rerun(config, sets or (), policy=policy, on_epoch=show, should_stop=stop, store=record)
    kept = save if outcome.confirmed and not stop.asked else None
    if kept is not None:
        save_model(outcome, config, kept, onnx=onnx)
    if as_json:
        print_json({**outcome.to_json(), "saved": kept})
    else:
        _print(outcome, kept)
    if stop.asked:
        raise typer.Exit(130)
    if save is not None:
        require_confirmed(outcome, config, save)
    if not outcome.confirmed:
        raise typer.Exit(1)


def _print(outcome: "Rerun", kept: Path | None) -> None:
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
    if kept is not None:
        forecast = ballast_command("predict", kept, data="FILE", o="predictions.csv")
        say(f"saved; forecast with it: {forecast}")


def _reproduction(outcome: "Rerun") -> list[str]:
    """Whether the exported value came again, and what may explain a difference."""
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
