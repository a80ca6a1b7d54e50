"""Statistics that decide whether a configuration's skill can be trusted: pure functions on numpy arrays."""
