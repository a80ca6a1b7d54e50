"""Columns that were computed beforehand, with later rows: encodings, filters, news, factors of splits."""

from functools import partial

from benchmarks.honest_questions.leaking import (
    hampel,
    month_and_quintile,
    news_at_the_close,
    split_factor,
    two_sided_filter,
    two_sided_mean,
)
from benchmarks.leaks.leak import column_leak

CORE = (
    column_leak("target's mean by group", "month and fifth", month_and_quintile),
    *(column_leak("two-sided EWMA", f"{span} days", partial(two_sided_mean, span=span)) for span in (5, 20)),
    column_leak("smoothed level", "gain 0.2", two_sided_filter),
    column_leak("news stamped at the close", "", news_at_the_close),
    column_leak("splits to come", "", split_factor),
    column_leak("centred Hampel filter", "7 days", partial(hampel, window=7)),
)
