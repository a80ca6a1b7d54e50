"""The statistics by which an exported configuration is believed or not: pure functions on numpy arrays."""
