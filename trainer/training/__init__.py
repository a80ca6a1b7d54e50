"""The guarded training of one model."""
