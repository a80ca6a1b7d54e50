"""Colours of verdicts, layers and severities on a terminal. A colour always comes with its word."""

from collections.abc import Mapping

from rich.text import Text

from search.config.layers import Layer
from search.text import COLOURS
from storage import tables
from storage.verdicts import Verdict
from trainer.text import place_in_training, printable

LAYER_STYLE = {
    Layer.CLAMP: COLOURS[Verdict.UNSTABLE],
    Layer.GUARD: COLOURS[Verdict.SUSPICIOUS],
    Layer.SAMPLED: COLOURS[None],
    Layer.CLI: "bold",
}
SEVERITY_STYLE = {
    "error": COLOURS[Verdict.FAILED],
    "warning": COLOURS[Verdict.UNSTABLE],
    "info": COLOURS[Verdict.UNPROMISING],
}


def plain_text(text: str, style: str = "") -> Text:
    """Text from any source, made printable: it cannot move the cursor and is not read as markup."""
    return Text(printable(text), style=style)


def verdict_cell(verdict: Verdict | None) -> Text:
    """A verdict in its colour; None is a running trial."""
    return Text("running" if verdict is None else str(verdict), style=COLOURS[verdict])


def count_cells(counts: Mapping[Verdict | None, int], of_accepted: str = "") -> tuple[Text, ...]:
    """`10 accepted`, `2 unstable`, in the order of the verdicts, running trials last.

    `of_accepted` is appended to the count of accepted trials, such as ` (7 above har)`.
    """
    words = {verdict: str(verdict or "running") for verdict in (*Verdict, None)}
    words[Verdict.ACCEPTED] += of_accepted
    cells = tuple(
        Text(f"{counts[verdict]} {word}", style=COLOURS[verdict])
        for verdict, word in words.items()
        if counts.get(verdict)
    )
    return cells or (Text("no trial yet"),)


def layer_cell(layer: Layer) -> Text:
    """A layer, in colour if it overrides what a study file says."""
    return Text(str(layer), style=LAYER_STYLE.get(layer, ""))


def trial_end_line(
    number: int, verdict: Verdict | None, value: float | None, skill: float | None, message: str | None
) -> Text:
    """`trial 12 unstable, loss 0.46, skill +0.16: why it ended`, on one line.

    A suspicious trial shows no loss and no skill: its reason names the refused number, which the loss and
    skill of an earlier epoch would contradict.
    """
    if verdict is Verdict.SUSPICIOUS:
        value = skill = None
    line = Text(f"trial {number} ", no_wrap=True, overflow="ellipsis") + verdict_cell(verdict)
    if value is not None:
        line.append(f", loss {value:.6f}")
    if skill is not None:
        line.append(f", skill {skill:+.4f}")
    return line.append(f": {printable(message)}" if message else "")


def finding_line(found: tables.FindingRow) -> Text:
    """`12  running, epoch 3, step 41: loss_explosion, skip_and_cut: what was found`, on one line."""
    place = place_in_training(found.epoch, found.step)
    line = f"{found.trial}  running, {place}: {found.kind}, {found.action}: {found.message}"
    return Text(printable(line), no_wrap=True, overflow="ellipsis")
