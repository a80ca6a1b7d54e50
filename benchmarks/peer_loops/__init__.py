"""The competitors of `benchmarks.peers`, a file for each, and how all of them are measured and judged."""
