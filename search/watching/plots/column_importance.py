"""The importance of each column for the best trial: "which column carries it?"."""

from search.record.column_importances import TrialImportances, recorded_importances
from search.watching.blocks import Plot
from search.watching.plots.dot_rows import MOST_ROWS, dots, row_layout, row_names, spans, ticks
from search.watching.view import StudyView
from trainer.inference.column_importance import ColumnImportance


def plot_column_importance(view: StudyView) -> Plot | None:
    """Draw the increase of the loss by column; None if it is not on record for the best trial."""
    best = view.summary.best
    known = recorded_importances(view.study.facts, None if best is None else best.number)
    return None if known is None else _drawn(known)


def _drawn(known: TrialImportances) -> Plot:
    found = known.found
    ordered = sorted(found.columns, key=lambda column: -column.increase)
    shown = ordered[:MOST_ROWS]
    rows = dict(zip(shown, row_names([column.name for column in shown]), strict=True))
    carrying = [column for column in shown if column.low > 0]
    others = [column for column in shown if column.low <= 0]
    data = [
        spans(
            f"{found.repeats} shuffles",
            list(rows.values()),
            [100 * column.low for column in shown],
            [100 * column.high for column in shown],
        )
    ]
    if len(shown[0].by_fold) > 1:
        pairs = [(rows[column], 100 * each) for column in shown for each in column.by_fold]
        data.append(ticks("each fold", [row for row, _ in pairs], [value for _, value in pairs]))
    data += [
        dots(
            name,
            [rows[column] for column in group],
            [100 * column.increase for column in group],
            filled=filled,
        )
        for name, group, filled in (
            ("carries the forecast", carrying, True),
            ("no more than luck", others, False),
        )
        if group
    ]
    title = "Which column carries it"
    return Plot(
        id="column-importance",
        title=title,
        about=_about(known, ordered),
        figure={
            "data": data,
            "layout": row_layout(
                title,
                f"best trial, number {known.trial}; loss: {known.loss_name}",
                list(rows.values()),
                "growth of the loss (%)",
            ),
        },
    )


def _about(known: TrialImportances, ordered: list[ColumnImportance]) -> str:
    found = known.found
    left = len(ordered) - MOST_ROWS
    omitted = f" The {left} columns with the least are not drawn." if left > 0 else ""
    folds = " Upright marks are single folds." if len(ordered[0].by_fold) > 1 else ""
    return (
        f"By how many percent the loss of trial {known.trial} on {found.rows:,} validation rows grows if one "
        f"column comes from other rows of the same series; the mean of {found.repeats} shuffles, and the "
        "line from the smallest to the largest. Whole windows of the column move, in blocks of more than "
        f"{found.block} rows. Where the line reaches zero (hollow dots), a shuffled column forecast as well "
        "once: no more than luck. Columns that tell the same share what they carry, and each looks small; "
        f"the validation rows have chosen this trial, which flatters all of them.{folds}{omitted}"
    )
