"""Datasets made of arrays, for every test of rivals."""

from tests.trainer.rivals.dataset_fixtures import make_data

__all__ = ["make_data"]
