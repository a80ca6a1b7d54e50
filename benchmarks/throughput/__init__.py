"""The parts of `benchmarks.store_throughput`."""
