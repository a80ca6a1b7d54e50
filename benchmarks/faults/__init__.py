"""Planted faults: what is broken, when, and what must come of it."""
