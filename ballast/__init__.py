"""Searches hyperparameters of GRU forecasters; `ballast` and `python -m ballast` are the command line."""
