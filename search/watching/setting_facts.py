"""Computes what the trials of a study say about its searched settings, and puts it on record for `status`."""

from search.record.setting_facts import SettingFacts, record_setting_facts
from search.selection.setting_importances import scored_trials, setting_importances
from search.watching.pages.range_ends import range_end_sentences
from search.watching.view import searched_dimensions
from storage import query
from storage.engine import Store


def learn_about_settings(store: Store, name: str) -> None:
    """Compute the importances of the settings and which of the best trial lie at an end; record both."""
    space, trials = searched_dimensions(store, name), query.trials(store, name)
    if not space:
        return
    best = query.best_trial(store, name)
    found = SettingFacts(
        importances=setting_importances(trials, {one.key: one.effective for one in space}),
        scored=len(scored_trials(trials)),
        best=None if best is None else best.number,
        ends=tuple(range_end_sentences(best, space)),
    )
    record_setting_facts(store, name, found)
