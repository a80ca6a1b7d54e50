"""The small studies and the command line, for every test of the search."""

from tests.search_fixtures import answer, ballast, isolated_home, launch, write_study

__all__ = ["answer", "ballast", "isolated_home", "launch", "write_study"]
