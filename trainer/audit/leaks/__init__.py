"""Checks for leaks: columns, rows and targets that know what lies ahead."""
