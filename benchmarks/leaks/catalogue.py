"""All leaks that are planted: the first into every series, the rest into the S&P 500."""

from benchmarks.leaks import ahead, derived, rows, whole

EVERYWHERE = (*ahead.CORE, *derived.CORE, *whole.CORE, *rows.CORE)
SP500_ONLY = (*ahead.MORE, *ahead.RANGED, *whole.MORE, *rows.MORE)
ALL = (*EVERYWHERE, *SP500_ONLY)
BY_NAME = {leak.name: leak for leak in ALL}
