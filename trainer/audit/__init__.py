"""Checks a table, its split and its features for faults and leaks before any training."""
