"""Optuna: samplers, pruners, ask, tell, queue, stop rules, and the storage adapter."""
