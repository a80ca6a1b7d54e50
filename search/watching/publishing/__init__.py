"""Keeps the notes, plots and files of a study in optuna-dashboard up to date while it runs."""
