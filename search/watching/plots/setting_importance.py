"""The importance of each searched setting, by PED-ANOVA, beside what luck reaches."""

from search.record.setting_facts import LEVEL, SettingImportances
from search.selection.setting_importances import RESAMPLES, SHUFFLES
from search.watching.blocks import Plot
from search.watching.plots.dimension_axis import shortest_unique_names
from search.watching.plots.dot_rows import MOST_ROWS, dots, row_layout, row_names, spans
from search.watching.view import StudyView


def plot_setting_importance(view: StudyView) -> Plot | None:
    """Draw the importance of the searched settings; None if there are too few trials to tell."""
    found = view.setting_importances
    if found is None:
        return None
    drawn = found.settings[:MOST_ROWS]
    names = shortest_unique_names([each.key for each in found.settings])
    labels = row_names([names[each.key] for each in drawn])
    rows = dict(zip([each.key for each in drawn], labels, strict=True))
    title = "Which setting matters"
    shown = [each for each in drawn if each.matters]
    others = [each for each in drawn if not each.matters]
    return Plot(
        id="setting-importance",
        title=title,
        about=_about(found),
        figure={
            "data": [
                spans("shuffled losses", labels, [0.0] * len(labels), [each.luck for each in drawn]),
                spans(
                    f"{LEVEL} % of resamples",
                    labels,
                    [each.low for each in drawn],
                    [each.high for each in drawn],
                ),
                *(
                    dots(
                        name,
                        [rows[each.key] for each in group],
                        [each.share for each in group],
                        filled=filled,
                    )
                    for name, group, filled in (
                        ("matters", shown, True),
                        ("no more than luck", others, False),
                    )
                    if group
                ),
            ],
            "layout": row_layout(
                title, f"PED-ANOVA over {found.trials:,} trials", labels, "share of the importance"
            ),
        },
    )


def _about(found: SettingImportances) -> str:
    left = len(found.settings) - MOST_ROWS
    omitted = f" The {left} settings with the least are not drawn." if left > 0 else ""
    return (
        f"How much each searched setting alone separates the best tenth of the trials ({found.top} of "
        f"{found.trials:,} accepted and unpromising ones, by validation loss) from all of them: PED-ANOVA, "
        f"as in Optuna. The line is what luck reaches: the highest of {SHUFFLES} shuffles of the losses "
        f"among the trials; a hollow dot is within it. The second line is the uncertainty: {LEVEL} % of the "
        f"shares over {RESAMPLES} resamples of the trials. Settings that matter only together are not seen, "
        "and ranges that the sampler left early count little. Suspicious and unstable trials are left out."
        f"{omitted}"
    )
