"""Saved models and their forecasts."""
