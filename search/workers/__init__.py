"""Runs trials: one trial, the worker loop, recovery, and pools of workers."""
